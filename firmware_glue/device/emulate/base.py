"""What an emulator does for us: run a program's model on given inputs, and count."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from firmware_glue.device.board import Board
from firmware_glue.device.elf import Elf

LIMIT_S = 600.0
RESET, STACK_TOP = "edgecnn_reset", "edgecnn_stack_top"
"""Symbols of every image: its first instruction, and the stack pointer there."""


@dataclass(frozen=True)
class Span:
    """Where a tensor lies: bytes from the start of the array called ``symbol``."""

    offset: int
    bytes: int
    symbol: str = "edgecnn_arena"


@dataclass(frozen=True)
class Program:
    """An image with a model in it, and how to drive it.

    The program (``device/app/bench.c``) initialises itself and then, for ever, calls ``ready`` and
    ``invoke`` in turn; the host places inputs and reads outputs while it stands at ``ready``.

    Attributes:
        inputs, outputs: where tensors lie.
        invoke: the symbol of the function that runs the model once.
        steps: how many steps an invocation runs; 0: they cannot be counted one by one.
        ready: the symbol of the function to stop at.
        by_step: the symbol of a word; if it is not 0, ``step`` is called before each step and
            after the last one.
    """

    elf: Elf
    inputs: tuple[Span, ...]
    outputs: tuple[Span, ...]
    invoke: str
    steps: int = 0
    ready: str = "edgecnn_ready"
    by_step: str = "edgecnn_by_step"
    step: str = "edgecnn_step"


@dataclass(frozen=True)
class EmulationResult:
    """One inference.

    Attributes:
        outputs: raw bytes of each output.
        instructions: executed from the first instruction of ``invoke`` to its return, both
            included; conditional instructions count also where the condition fails, as they do
            in a core's pipeline. None where not counted.
        per_step: the same for each step, from one call of the step hook to the next, without the
            hook itself.
        cycles_estimate: from the board's cost table; None without one.
        stack_bytes: the deepest that the stack has been since start-up, measured by its paint.
    """

    outputs: tuple[bytes, ...]
    stack_bytes: int
    instructions: int | None = None
    per_step: tuple[int, ...] = ()
    cycles_estimate: int | None = None


class Counts(Protocol):
    """What was executed between two points of a program."""

    @property
    def instructions(self) -> int:
        """Instructions executed."""

    def cycles(self, board: Board) -> int | None:
        """Estimated cycles; None where the board has no cost table or no block was counted."""


class Machine(Protocol):
    """A core with an image in its memory, stopped at reset. One thread; not to be shared."""

    @property
    def pc(self) -> int:
        """The address of the next instruction."""

    @property
    def return_address(self) -> int:
        """At a function's first instruction: where it returns to."""

    def read(self, address: int, size: int) -> bytes:
        """Reads memory."""

    def write(self, address: int, data: bytes) -> None:
        """Writes memory, flash too."""

    def run_until(self, address: int) -> None:
        """Runs until the instruction at ``address`` is the next; runs nothing if it already is.

        Raises:
            ToolError: a fault or the time limit.
        """

    def count_until(self, address: int) -> Counts:
        """As :meth:`run_until`, counting."""

    def close(self) -> None:
        """Ends the emulator; nothing else may be called afterwards."""


class Session(Protocol):
    """A program that has started up and waits for inputs; a context that ends the emulator."""

    def __enter__(self) -> Session:
        """The session itself."""

    def __exit__(self, *_exception: object) -> None:
        """Ends the emulator."""

    def close(self) -> None:
        """Ends the emulator."""

    def run(self, inputs: Sequence[bytes], *, count: bool = False) -> EmulationResult:
        """Runs one inference; ``count=True`` counts instructions (slower).

        Raises:
            ToolError: a fault, with program counter and function; or the time limit.
            TargetError: inputs of the wrong number or size.
        """


class Emulator(Protocol):
    """One kind of emulator."""

    @property
    def description(self) -> str:
        """Name and version, for the conditions of a benchmark."""

    def open(self, program: Program, board: Board, *, limit_s: float = LIMIT_S) -> Session:
        """Loads the program and runs it until it is ready.

        Raises:
            ToolError, TargetError: as :meth:`Session.run`.
        """
