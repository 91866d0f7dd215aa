"""Drives a program in any machine: places inputs, runs, counts, reads outputs and the stack."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from edgecnn.core.errors import TargetError, ToolError
from firmware_glue.device.board import Board
from firmware_glue.device.elf import Elf
from firmware_glue.device.emulate.base import (
    LIMIT_S,
    Counts,
    EmulationResult,
    Machine,
    Program,
    Span,
)

_PAINT = struct.pack("<I", 0xA5A5A5A5)


def count_call(machine: Machine, function: int) -> Counts:
    """Runs until ``function`` is entered, and counts from there until it returns.

    Raises:
        ToolError: a fault or the time limit.
    """
    machine.run_until(function)
    return machine.count_until(machine.return_address)


class MachineSession:
    """A started program: see :class:`firmware_glue.device.emulate.base.Session`."""

    def __init__(self, program: Program, board: Board, machine: Machine) -> None:
        self._program = program
        self._board = board
        self._machine = machine
        self._ready = program.elf.address(program.ready)
        self._invoke = program.elf.address(program.invoke)
        self._machine.run_until(self._ready)

    def __enter__(self) -> MachineSession:
        """The session itself."""
        return self

    def __exit__(self, *_exception: object) -> None:
        """Ends the emulator."""
        self.close()

    def close(self) -> None:
        """Ends the emulator."""
        self._machine.close()

    def run(self, inputs: Sequence[bytes], *, count: bool = False) -> EmulationResult:
        """Runs one inference; see :meth:`firmware_glue.device.emulate.base.Session.run`."""
        total: Counts | None = None
        steps: tuple[int, ...] = ()
        if count and self._program.steps:
            self._place(inputs)
            steps = self._count_steps()
        self._place(inputs)
        if count:
            total = count_call(self._machine, self._invoke)
        else:
            self._machine.run_until(self._invoke)
        self._machine.run_until(self._ready)
        return EmulationResult(
            outputs=tuple(self._read(span) for span in self._program.outputs),
            stack_bytes=self._stack_bytes(),
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
            self._machine.write(self._address(span), data)

    def _read(self, span: Span) -> bytes:
        return self._machine.read(self._address(span), span.bytes)

    def _address(self, span: Span) -> int:
        return self._program.elf.address(span.symbol) + span.offset

    def _stack_bytes(self) -> int:
        memory = self._board.memory
        paint = self._machine.read(memory.ram_origin, memory.stack_bytes)
        untouched = 0
        while paint[untouched : untouched + 4] == _PAINT:
            untouched += 4
        if untouched == 0:
            # Not every machine faults on what lies below the stack.
            raise ToolError(
                "the emulated program", 1, f"its stack overflowed {memory.stack_bytes} bytes",
                hint="give the board more memory.stack_bytes",
            )  # fmt: skip
        return memory.stack_bytes - untouched


@dataclass(frozen=True)
class MachineEmulator:
    """An :class:`firmware_glue.device.emulate.base.Emulator` made of a kind of machine.

    Attributes:
        description: name and version.
        machine: makes one with (image, board, limit in seconds).
    """

    description: str
    machine: Callable[[Elf, Board, float], Machine]

    def open(self, program: Program, board: Board, *, limit_s: float = LIMIT_S) -> MachineSession:
        """Loads the program and runs it until it is ready."""
        machine = self.machine(program.elf, board, limit_s)
        try:
            return MachineSession(program, board, machine)
        except BaseException:
            machine.close()
            raise
