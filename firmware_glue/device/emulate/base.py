"""What an emulator does for us: run a program's model on given inputs, and count."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from firmware_glue.device.board import Board
from firmware_glue.device.elf import Elf

LIMIT_S = 600.0


@dataclass(frozen=True)
class Span:
    """Where a tensor lies: bytes from the arena's start."""

    offset: int
    bytes: int


@dataclass(frozen=True)
class Program:
    """An image with a model in it, and how to drive it.

    The program (``device/app/bench.c``) initialises itself and then, for ever, calls ``ready`` and
    ``invoke`` in turn; the host places inputs and reads outputs while it stands at ``ready``.

    Attributes:
        inputs, outputs: where tensors lie in the arena.
        invoke: the symbol of the function that runs the model once.
        steps: how many steps an invocation runs; 0: they cannot be counted one by one.
        arena, ready: symbols of the arena and of the function to stop at.
        by_step: the symbol of a word; if it is not 0, ``step`` is called before each step and
            after the last one.
    """

    elf: Elf
    inputs: tuple[Span, ...]
    outputs: tuple[Span, ...]
    invoke: str
    steps: int = 0
    arena: str = "edgecnn_arena"
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


class Session(Protocol):
    """A program that has started up and waits for inputs."""

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
