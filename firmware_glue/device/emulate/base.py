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

    The program initialises itself and then, for ever, calls ``ready`` and ``invoke`` in turn; the
    host places inputs and reads outputs while it stands at ``ready``.

    Attributes:
        arena: the symbol of the arena.
        inputs, outputs: where tensors lie in it.
        ready, invoke: symbols of functions without arguments that matter to the host.
        step: the symbol of the function that runs one step, or None.
        steps: how many steps an invocation runs.
    """

    elf: Elf
    arena: str
    inputs: tuple[Span, ...]
    outputs: tuple[Span, ...]
    invoke: str
    ready: str = "edgecnn_ready"
    step: str | None = None
    steps: int = 0


@dataclass(frozen=True)
class EmulationResult:
    """One inference.

    Attributes:
        outputs: raw bytes of each output.
        instructions: executed from the first instruction of ``invoke`` to its return, both
            included; conditional instructions count also where the condition fails, as they do
            in a core's pipeline. None where not counted.
        per_step: the same for each step, from its function's first instruction to its return.
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
