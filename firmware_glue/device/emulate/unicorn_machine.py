"""Cores in unicorn: exact instruction counts from a block hook.

The hook counts how often each straight run of code is entered; afterwards each run is decoded
once. Nothing of NVIC or SysTick exists there; the system control space is plain memory.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from edgecnn.core.errors import MissingExtraError, TargetError, ToolError
from firmware_glue.device.board import Board
from firmware_glue.device.elf import Elf
from firmware_glue.device.emulate.base import LIMIT_S, RESET, STACK_TOP
from firmware_glue.device.emulate.block_counter import BlockCounter, block_counter
from firmware_glue.device.emulate.counts import BlockCounts
from firmware_glue.device.emulate.session import MachineEmulator

_PAGE = 0x1000
_SYSTEM_CONTROL = 0xE000E000
_HINT = "if the model's C code was not changed by hand, please report this with the model"


@dataclass(frozen=True)
class _Core:
    """Unicorn's names for a core: architecture, modes, CPU, and three registers."""

    isa: str
    arch: str
    modes: tuple[str, ...]
    cpu: str
    pc: str
    link: str
    stack: str
    thumb_bit: int

    def mode(self, unicorn: Any) -> int:
        """The modes together."""
        return sum(getattr(unicorn, mode) for mode in self.modes)

    def constant(self, unicorn: Any, name: str) -> int:
        """A constant of the architecture."""
        module = unicorn.riscv_const if self.isa == "riscv" else unicorn.arm_const
        return int(getattr(module, name))


def _arm(cpu: str) -> _Core:
    return _Core(
        "thumb", "UC_ARCH_ARM", ("UC_MODE_THUMB", "UC_MODE_MCLASS"), f"UC_CPU_ARM_{cpu}",
        "UC_ARM_REG_PC", "UC_ARM_REG_LR", "UC_ARM_REG_SP", 1,
    )  # fmt: skip


CORES: Mapping[str, _Core] = {
    "cortex-m0": _arm("CORTEX_M0"),
    "cortex-m3": _arm("CORTEX_M3"),
    "cortex-m4": _arm("CORTEX_M4"),
    "cortex-m7": _arm("CORTEX_M7"),
    "cortex-m33": _arm("CORTEX_M33"),
    "rv32": _Core(
        "riscv", "UC_ARCH_RISCV", ("UC_MODE_RISCV32",), "UC_CPU_RISCV32_BASE32",
        "UC_RISCV_REG_PC", "UC_RISCV_REG_RA", "UC_RISCV_REG_SP", 0,
    ),
}  # fmt: skip


class UnicornMachine:
    """A core with an image in its flash, stopped at reset. One thread; not to be shared."""

    def __init__(
        self,
        elf: Elf,
        board: Board,
        *,
        limit_s: float = LIMIT_S,
        counter: Callable[[], BlockCounter] = block_counter,
    ) -> None:
        self._unicorn = _import_unicorn()
        self._counter = counter
        self._core = _core(board)
        self._elf = elf
        self._limit_s = limit_s
        memory = board.memory
        uc, core = self._unicorn, self._core
        self._uc = uc.Uc(getattr(uc, core.arch), core.mode(uc))
        self._uc.ctl_set_cpu_model(core.constant(uc, core.cpu))
        self._pc, self._lr = core.constant(uc, core.pc), core.constant(uc, core.link)
        # Flash is read-only and RAM holds no code, so that a stray store or jump is a fault.
        self._map(memory.flash_origin, memory.flash_bytes, uc.UC_PROT_READ | uc.UC_PROT_EXEC)
        self._map(memory.ram_origin, memory.ram_bytes, uc.UC_PROT_READ | uc.UC_PROT_WRITE)
        if core.isa == "thumb":
            # Start-up code writes to the system control block; here that has no effect.
            self._map(_SYSTEM_CONTROL, _PAGE, uc.UC_PROT_READ | uc.UC_PROT_WRITE)
        for segment in elf.segments:
            self.write(segment.address, segment.data)
        self._uc.reg_write(core.constant(uc, core.stack), elf.address(STACK_TOP))
        self._uc.reg_write(self._pc, elf.address(RESET) | core.thumb_bit)

    def _map(self, origin: int, size: int, permissions: int) -> None:
        start = origin - origin % _PAGE
        end = -(-(origin + size) // _PAGE) * _PAGE
        self._uc.mem_map(start, end - start, permissions)

    def read(self, address: int, size: int) -> bytes:
        """Reads memory."""
        try:
            return bytes(self._uc.mem_read(address, size))
        except self._unicorn.UcError as error:
            raise self._fault(f"read of {size} bytes at 0x{address:08x}: {error}") from error

    def write(self, address: int, data: bytes) -> None:
        """Writes memory, flash too."""
        try:
            self._uc.mem_write(address, data)
        except self._unicorn.UcError as error:
            raise self._fault(f"write of {len(data)} bytes at 0x{address:08x}: {error}") from error

    @property
    def pc(self) -> int:
        """The address of the next instruction."""
        return int(self._uc.reg_read(self._pc)) & ~1

    @property
    def return_address(self) -> int:
        """At a function's first instruction: where it returns to."""
        return int(self._uc.reg_read(self._lr)) & ~1

    def run_until(self, address: int) -> None:
        """Runs until the instruction at ``address`` is the next.

        Raises:
            ToolError: a fault or the time limit.
        """
        # Translated code keeps the hooks and the end address of the run that it was made in.
        self._uc.ctl_flush_tb()
        try:
            start = self.pc | self._core.thumb_bit
            self._uc.emu_start(start, address, timeout=int(self._limit_s * 1_000_000))
        except self._unicorn.UcError as error:
            raise self._fault(str(error)) from error
        if self.pc != address:
            raise ToolError("unicorn", None, self._at(), hint=f"limit: {self._limit_s:g} s")

    def count_until(self, address: int) -> BlockCounts:
        """As :meth:`run_until`, counting.

        Raises:
            ToolError: a fault or the time limit.
        """
        counter = self._counter()
        counter.attach(self._uc)
        try:
            self.run_until(address)
        finally:
            counter.detach(self._uc)
        entered = counter.entered()
        return BlockCounts(self._core.isa, entered, {key: self.read(*key) for key in entered})

    def close(self) -> None:
        """Frees nothing: the emulator is part of this process."""

    def _at(self) -> str:
        return f"pc 0x{self.pc:08x} in {self._elf.where(self.pc)}"

    def _fault(self, what: str) -> ToolError:
        return ToolError("unicorn", 1, f"{what}\n{self._at()}", hint=_HINT)


def find_unicorn(board: Board) -> MachineEmulator:
    """The emulator for ``board``.

    Raises:
        MissingExtraError: unicorn is not installed.
        TargetError: it cannot run the board's core.
    """
    _core(board)
    return MachineEmulator(f"unicorn {_import_unicorn().__version__}", _machine)


def _machine(elf: Elf, board: Board, limit_s: float) -> UnicornMachine:
    return UnicornMachine(elf, board, limit_s=limit_s)


def _import_unicorn() -> ModuleType:
    try:
        import unicorn
        import unicorn.arm_const
        import unicorn.riscv_const
    except ImportError as error:
        raise MissingExtraError("counting instructions", "unicorn", "mcu") from error
    return unicorn


def _core(board: Board) -> _Core:
    name = board.emulator.unicorn
    core = CORES.get(name)
    if core is None or core.isa != board.isa:
        known = ", ".join(name for name, core in CORES.items() if core.isa == board.isa)
        raise TargetError(
            f"board '{board.name}': unicorn has no core '{name}' of that kind; it has {known}",
            hint="correct emulator.unicorn in the board's TOML",
        )
    return core
