"""Cortex-M cores without vector unit in unicorn: exact instruction counts from a block hook.

The hook counts how often each straight run of code is entered; afterwards each run is decoded
once. Nothing of NVIC or SysTick exists there: an access to them is a fault.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

from edgecnn.core.errors import MissingExtraError, TargetError, ToolError
from firmware_glue.device.board import Board
from firmware_glue.device.elf import Elf
from firmware_glue.device.emulate.base import LIMIT_S, EmulationResult, Program, Span
from firmware_glue.device.emulate.block_counter import Block, BlockCounter, block_counter
from firmware_glue.device.emulate.thumb import count_instructions, cycles, decode

_PAGE = 0x1000
_PAINT = struct.pack("<I", 0xA5A5A5A5)
_HINT = "if the model's C code was not changed by hand, please report this with the model"
_CPUS: Mapping[str, str] = {
    "cortex-m0": "UC_CPU_ARM_CORTEX_M0",
    "cortex-m3": "UC_CPU_ARM_CORTEX_M3",
    "cortex-m4": "UC_CPU_ARM_CORTEX_M4",
    "cortex-m7": "UC_CPU_ARM_CORTEX_M7",
    "cortex-m33": "UC_CPU_ARM_CORTEX_M33",
}


@dataclass(frozen=True)
class BlockCounts:
    """How often each run of code, (address, bytes), was entered."""

    entered: Mapping[Block, int]
    code: Mapping[Block, bytes] = field(repr=False)

    @property
    def instructions(self) -> int:
        """Instructions executed."""
        return sum(n * count_instructions(self.code[key]) for key, n in self.entered.items())

    def cycles(self, board: Board) -> int | None:
        """Estimated cycles; None where the board has no cost table."""
        table = board.cycles
        if table is None:
            return None
        return sum(
            n * sum(cycles(instruction, table) for instruction in decode(self.code[key]))
            for key, n in self.entered.items()
        )


class ArmMachine:
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
        self._arm: Any = self._unicorn.arm_const
        self._elf = elf
        self._board = board
        self._limit_s = limit_s
        memory = board.memory
        uc = self._unicorn
        self._uc = uc.Uc(uc.UC_ARCH_ARM, uc.UC_MODE_THUMB | uc.UC_MODE_MCLASS)
        self._uc.ctl_set_cpu_model(getattr(self._arm, _cpu(board)))
        # Flash is read-only and RAM holds no code, so that a stray store or jump is a fault.
        self._map(memory.flash_origin, memory.flash_bytes, uc.UC_PROT_READ | uc.UC_PROT_EXEC)
        self._map(memory.ram_origin, memory.ram_bytes, uc.UC_PROT_READ | uc.UC_PROT_WRITE)
        for segment in elf.segments:
            self.write(segment.address, segment.data)
        stack, reset = struct.unpack("<II", self.read(memory.flash_origin, 8))
        self._uc.reg_write(self._arm.UC_ARM_REG_SP, stack)
        self._uc.reg_write(self._arm.UC_ARM_REG_PC, reset | 1)

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
        return int(self._uc.reg_read(self._arm.UC_ARM_REG_PC)) & ~1

    @property
    def return_address(self) -> int:
        """At a function's first instruction: where it returns to."""
        return int(self._uc.reg_read(self._arm.UC_ARM_REG_LR)) & ~1

    def run_until(self, address: int) -> None:
        """Runs until the instruction at ``address`` is the next.

        Raises:
            ToolError: a fault or the time limit.
        """
        # Translated code keeps the hooks and the end address of the run that it was made in.
        self._uc.ctl_flush_tb()
        try:
            self._uc.emu_start(self.pc | 1, address, timeout=int(self._limit_s * 1_000_000))
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
        return BlockCounts(entered, {key: self.read(*key) for key in entered})

    def count_call(self, function: int) -> BlockCounts:
        """Runs until ``function`` is entered, and counts from there until it returns.

        Raises:
            ToolError: a fault or the time limit.
        """
        self.run_until(function)
        return self.count_until(self.return_address)

    def _at(self) -> str:
        return f"pc 0x{self.pc:08x} in {self._elf.where(self.pc)}"

    def _fault(self, what: str) -> ToolError:
        return ToolError("unicorn", 1, f"{what}\n{self._at()}", hint=_HINT)


class UnicornSession:
    """A started program: see :class:`firmware_glue.device.emulate.base.Session`."""

    def __init__(self, program: Program, board: Board, *, limit_s: float = LIMIT_S) -> None:
        self._program = program
        self._board = board
        self._machine = ArmMachine(program.elf, board, limit_s=limit_s)
        self._arena = program.elf.address(program.arena)
        self._ready = program.elf.address(program.ready)
        self._invoke = program.elf.address(program.invoke)
        self._machine.run_until(self._ready)

    def run(self, inputs: Sequence[bytes], *, count: bool = False) -> EmulationResult:
        """Runs one inference; see :meth:`firmware_glue.device.emulate.base.Session.run`."""
        total: BlockCounts | None = None
        steps: tuple[int, ...] = ()
        if count and self._program.steps:
            self._place(inputs)
            steps = self._count_steps()
        self._place(inputs)
        if count:
            total = self._machine.count_call(self._invoke)
        else:
            self._machine.run_until(self._invoke)
        self._machine.run_until(self._ready)
        return EmulationResult(
            outputs=tuple(self._read(span) for span in self._program.outputs),
            stack_bytes=self._stack_bytes,
            instructions=total.instructions if total else None,
            per_step=steps,
            cycles_estimate=total.cycles(self._board) if total else None,
        )

    def _count_steps(self) -> tuple[int, ...]:
        """One inference with the hook between steps."""
        elf, machine = self._program.elf, self._machine
        flag, hook = elf.address(self._program.by_step), elf.address(self._program.step)
        machine.write(flag, (1).to_bytes(4, "little"))
        machine.run_until(hook)
        counts = []
        for _ in range(self._program.steps):
            machine.run_until(machine.return_address)
            counts.append(machine.count_until(hook).instructions)
        machine.run_until(self._ready)
        machine.write(flag, bytes(4))
        return tuple(counts)

    def _place(self, inputs: Sequence[bytes]) -> None:
        spans = self._program.inputs
        given, expected = [len(data) for data in inputs], [span.bytes for span in spans]
        if given != expected:
            raise TargetError(
                f"inputs of {given} bytes were given; the model takes {expected}",
                hint="one array per input, in the model's order and dtypes",
            )
        for span, data in zip(spans, inputs, strict=True):
            self._machine.write(self._arena + span.offset, data)

    def _read(self, span: Span) -> bytes:
        return self._machine.read(self._arena + span.offset, span.bytes)

    @property
    def _stack_bytes(self) -> int:
        memory = self._board.memory
        paint = self._machine.read(memory.ram_origin, memory.stack_bytes)
        untouched = 0
        while paint[untouched : untouched + 4] == _PAINT:
            untouched += 4
        return memory.stack_bytes - untouched


@dataclass(frozen=True)
class UnicornArm:
    """unicorn as an :class:`firmware_glue.device.emulate.base.Emulator`."""

    description: str

    def open(self, program: Program, board: Board, *, limit_s: float = LIMIT_S) -> UnicornSession:
        """Loads the program and runs it until it is ready."""
        return UnicornSession(program, board, limit_s=limit_s)


def find_unicorn() -> UnicornArm:
    """The emulator.

    Raises:
        MissingExtraError: unicorn is not installed.
    """
    return UnicornArm(f"unicorn {_import_unicorn().__version__}")


def _import_unicorn() -> ModuleType:
    try:
        import unicorn
        import unicorn.arm_const
    except ImportError as error:
        raise MissingExtraError("counting instructions", "unicorn", "mcu") from error
    return unicorn


def _cpu(board: Board) -> str:
    model = board.emulator.model
    if model not in _CPUS:
        raise TargetError(
            f"board '{board.name}': unicorn has no core '{model}'; it has {', '.join(_CPUS)}",
            hint="correct emulator.model in the board's TOML",
        )
    return _CPUS[model]
