"""Cores in QEMU: driven by its debugger's interface, instructions counted by its virtual clock.

With ``-icount shift=0`` QEMU's clock is the number of executed instructions, which it tells to the
instruction while it is stopped. The machines are QEMU's models of Arm's FPGA boards, and ``virt``.
"""

from __future__ import annotations

import time
import weakref
from collections.abc import Mapping
from dataclasses import dataclass

from edgecnn.core.errors import TargetError, ToolError
from firmware_glue.device.board import Board
from firmware_glue.device.elf import Elf
from firmware_glue.device.emulate.base import LIMIT_S, RESET, STACK_TOP
from firmware_glue.device.emulate.counts import BlockCounts
from firmware_glue.device.emulate.gdb import LinkError
from firmware_glue.device.emulate.qemu_blocks import QemuBlocks, find_blocks, since
from firmware_glue.device.emulate.qemu_process import QemuProcess
from firmware_glue.device.emulate.qemu_program import has_qemu, qemu_program, qemu_version
from firmware_glue.device.emulate.session import MachineEmulator

_ANSWER_S = 60.0
_FAULT = "edgecnn_fault"
_MIB = 1 << 20
_XPSR, _THUMB_STATE = 25, 1 << 24


@dataclass(frozen=True)
class _Registers:
    """Numbers in GDB's protocol."""

    pc: int
    link: int
    stack: int


_REGISTERS = {"thumb": _Registers(15, 14, 13), "riscv": _Registers(32, 1, 2)}


@dataclass(frozen=True)
class _Machine:
    """A machine of QEMU: its isa, its memory as (first address, bytes), further arguments."""

    isa: str
    memory: tuple[tuple[int, int], ...]
    arguments: tuple[str, ...] = ()


_SMALL = ((0x0, 4 * _MIB), (0x20000000, 4 * _MIB))
MACHINES: Mapping[str, _Machine] = {
    "mps2-an385": _Machine("thumb", _SMALL),
    "mps2-an386": _Machine("thumb", _SMALL),
    "mps2-an500": _Machine("thumb", _SMALL),
    # Not mps3-an524, with its large memory: its first core has neither FPU nor DSP instructions.
    "mps2-an505": _Machine("thumb", ((0x10000000, 4 * _MIB), (0x38000000, 4 * _MIB))),
    "mps3-an547": _Machine(
        "thumb",
        # DDR; code and data memory close to the core.
        ((0x60000000, 2048 * _MIB), (0x0, _MIB // 2), (0x20000000, _MIB // 2)),
    ),
    "virt": _Machine(
        "riscv", ((0x80000000, 256 * _MIB),), ("-bios", "none", "-cpu", "rv32", "-m", "256M")
    ),
}


@dataclass(frozen=True)
class QemuCounts:
    """Instructions by QEMU's clock; the blocks only where a plug-in counts them."""

    instructions: int
    blocks: BlockCounts | None = None

    def cycles(self, board: Board) -> int | None:
        """Estimated cycles; None without blocks or a cost table.

        QEMU tells of a block once more where it was interrupted on entering it (a few in 10,000):
        the clock, which is exact, puts that right.
        """
        cycles = self.blocks.cycles(board) if self.blocks is not None else None
        if self.blocks is None or cycles is None:
            return None
        return round(cycles * self.instructions / max(self.blocks.instructions, 1))


class QemuMachine:
    """A core with an image in its memory, stopped at reset. One thread; not to be shared."""

    def __init__(self, elf: Elf, board: Board, *, limit_s: float = LIMIT_S) -> None:
        name, machine = _machine(board)
        _require_fit(elf, board, name, machine)
        self._elf = elf
        self._limit_s = limit_s
        self._registers = _REGISTERS[board.isa]
        self._fault = elf.address(_FAULT)
        self._isa = board.isa
        self._process, self._blocks = _start(qemu_program(board), ("-M", name, *machine.arguments))
        # A session that nobody closes must not leave a process behind.
        self._finalizer = weakref.finalize(self, _close, self._process, self._blocks)
        self._gdb = self._process.gdb
        for segment in elf.segments:
            self.write(segment.address, segment.data)
        self._set(self._registers.stack, elf.address(STACK_TOP))
        self._set(self._registers.pc, elf.address(RESET))
        if board.isa == "thumb":
            self._set(_XPSR, _THUMB_STATE)

    @property
    def pc(self) -> int:
        """The address of the next instruction."""
        return self._get(self._registers.pc) & ~1

    @property
    def return_address(self) -> int:
        """At a function's first instruction: where it returns to."""
        return self._get(self._registers.link) & ~1

    def read(self, address: int, size: int) -> bytes:
        """Reads memory."""
        try:
            return self._gdb.read(address, size, _deadline())
        except (LinkError, TimeoutError) as error:
            raise self._process.failure(error) from error

    def write(self, address: int, data: bytes) -> None:
        """Writes memory, flash too."""
        try:
            self._gdb.write(address, data, _deadline())
        except (LinkError, TimeoutError) as error:
            raise self._process.failure(error) from error

    def run_until(self, address: int) -> None:
        """Runs until the instruction at ``address`` is the next.

        Raises:
            ToolError: a fault or the time limit.
        """
        gdb = self._gdb
        stops = [f"{stop:x},2" for stop in (address, self._fault)]
        try:
            for stop in stops:
                gdb.command(f"Z0,{stop}", _deadline())
            gdb.put("c")
            stopped = self._wait_for_stop()
            for stop in stops:
                gdb.command(f"z0,{stop}", _deadline())
        except (LinkError, TimeoutError) as error:
            raise self._process.failure(error) from error
        at = self.pc
        if at == address:
            return
        where = f"pc 0x{at:08x} in {self._elf.where(at)}"
        if not stopped:
            limit = TimeoutError(f"limit: {self._limit_s:g} s")
            raise self._process.failure(limit, where)
        raise self._process.failure(LinkError("the program faulted"), self._faulted(at) or where)

    def _wait_for_stop(self) -> bool:
        """Whether the machine stopped by itself within the limit; it is stopped afterwards."""
        try:
            answer = self._gdb.get(time.monotonic() + self._limit_s)
            in_time = True
        except TimeoutError:
            self._gdb.interrupt()
            answer = self._gdb.get(time.monotonic() + 5.0)
            in_time = False
        if answer[:1] not in ("T", "S"):
            raise LinkError(f"QEMU stopped with '{answer[:40]}'")
        return in_time

    def _faulted(self, at: int) -> str:
        """Where the program was before its fault handler, as far as can be told."""
        if at != self._fault:
            return ""
        try:
            place = self._place_of_fault()
        except ToolError:
            return ""
        return f"fault at pc 0x{place:08x} in {self._elf.where(place)}"

    def _place_of_fault(self) -> int:
        if self._registers.pc == _REGISTERS["riscv"].pc:
            return self._get(_mepc())
        # The core has pushed r0-r3, r12, lr and pc.
        return int.from_bytes(self.read(self._get(self._registers.stack) + 24, 4), "little") & ~1

    def count_until(self, address: int) -> QemuCounts:
        """As :meth:`run_until`, counting.

        Raises:
            ToolError: a fault or the time limit.
        """
        clock, before = self._clock(), self._blocks.snapshot() if self._blocks else {}
        self.run_until(address)
        instructions = self._clock() - clock
        if self._blocks is None:
            return QemuCounts(instructions)
        entered = since(before, self._blocks.snapshot())
        code = {key: self._code(*key) for key in entered}
        return QemuCounts(instructions, BlockCounts(self._isa, entered, code))

    def _code(self, address: int, size: int) -> bytes:
        for segment in self._elf.segments:
            start = address - segment.address
            if start >= 0 and start + size <= len(segment.data):
                return segment.data[start : start + size]
        return self.read(address, size)

    def _clock(self) -> int:
        try:
            return self._process.instructions(_deadline())
        except (LinkError, TimeoutError) as error:
            raise self._process.failure(error) from error

    def _get(self, register: int) -> int:
        try:
            return self._gdb.register(register, _deadline())
        except (LinkError, TimeoutError) as error:
            raise self._process.failure(error) from error

    def _set(self, register: int, value: int) -> None:
        try:
            self._gdb.set_register(register, value, _deadline())
        except (LinkError, TimeoutError) as error:
            raise self._process.failure(error) from error

    def close(self) -> None:
        """Ends QEMU; may be called again."""
        self._finalizer()


def find_qemu(board: Board) -> MachineEmulator:
    """The emulator for ``board``.

    Raises:
        TargetError: it is not installed, or cannot run the board's core.
    """
    _machine(board)
    return MachineEmulator(f"QEMU {qemu_version(qemu_program(board))}", _open)


def qemu_serves(board: Board) -> bool:
    """QEMU is installed, and has a machine with memory where ``board`` has it."""
    machine = MACHINES.get(board.emulator.qemu)
    if machine is None or not has_qemu(board):
        return False
    origins = (board.memory.flash_origin, board.memory.ram_origin)
    return all(
        any(start <= origin < start + size for start, size in machine.memory) for origin in origins
    )


def _start(program: str, arguments: tuple[str, ...]) -> tuple[QemuProcess, QemuBlocks | None]:
    """With the plug-in if that works: not every QEMU is built to take plug-ins."""
    blocks = find_blocks(qemu_version(program))
    if blocks is not None:
        try:
            process = QemuProcess(program, (*arguments, *blocks.arguments))
            blocks.loaded()
            return process, blocks
        except ToolError:
            blocks.close()
    return QemuProcess(program, arguments), None


def _close(process: QemuProcess, blocks: QemuBlocks | None) -> None:
    process.close()
    if blocks is not None:
        blocks.close()


def _open(elf: Elf, board: Board, limit_s: float) -> QemuMachine:
    return QemuMachine(elf, board, limit_s=limit_s)


def _deadline() -> float:
    return time.monotonic() + _ANSWER_S


def _mepc() -> int:
    # GDB numbers the control registers of RISC-V from 66 on; mepc is control register 0x341.
    return 66 + 0x341


def _machine(board: Board) -> tuple[str, _Machine]:
    name = board.emulator.qemu
    machine = MACHINES.get(name)
    if machine is None or machine.isa != board.isa:
        known = ", ".join(key for key, row in MACHINES.items() if row.isa == board.isa)
        raise TargetError(
            f"board '{board.name}': QEMU is not known to have a machine '{name}' for it; {known}",
            hint="correct emulator.qemu in the board's TOML, or use --emulator unicorn",
        )
    return name, machine


def _require_fit(elf: Elf, board: Board, name: str, machine: _Machine) -> None:
    spans = [(s.address, s.size) for s in elf.sections if s.allocated and s.size]
    spans += [(segment.address, len(segment.data)) for segment in elf.segments]
    for address, size in spans:
        if not any(
            first <= address and address + size <= first + length
            for first, length in machine.memory
        ):
            has = ", ".join(f"{_size(n)} at 0x{first:08x}" for first, n in machine.memory)
            raise TargetError(
                f"the image for '{board.name}' has {size:,} bytes at 0x{address:08x};"
                f" QEMU's machine {name} has {has}",
                hint="use --emulator unicorn, or a smaller model",
            )


def _size(size: int) -> str:
    return f"{size // _MIB} MiB" if size >= _MIB else f"{size // 1024} KiB"
