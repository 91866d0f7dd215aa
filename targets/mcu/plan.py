"""The best plan of a model within ``--max-ram`` and ``--max-flash``, as ``bench`` counts them.

RAM is arena + static data + stack, flash is code + weights. Code and stack are known once the
program is built and has run, so plans are built and run in the emulator while they are looked for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial

from edgecnn.core.errors import PlanError
from edgecnn.core.lcg import lcg_inputs
from edgecnn.core.runtime import TensorInfo
from firmware_glue.compiler.api import OPTIMIZE, ArenaTooSmallError, CompiledModel
from firmware_glue.device.board import Board
from firmware_glue.device.emulate.base import Emulator
from firmware_glue.device.image import BuiltModel, build_model
from firmware_glue.device.toolchain import Toolchain
from targets.base import RunOptions
from targets.mcu.fit import fitted, missing
from targets.mcu.make import Make

STACK_RESERVE = 2048
"""Bytes of stack that are assumed where nothing can measure them: more than any kernel takes."""
_TRIES = 5


@dataclass(frozen=True)
class Tools:
    """What counts code and stack: a C compiler and an emulator, or None where it is missing."""

    toolchain: Toolchain | None
    emulator: Emulator | None


@dataclass(frozen=True)
class LimitedPlan:
    """A compiled model, and what it takes.

    Attributes:
        built: linked into the measuring program; None where no limit asked for it.
        stack_bytes: measured, or :data:`STACK_RESERVE`; None where no limit asked for it.
        notes: how it came about.
    """

    compiled: CompiledModel
    built: BuiltModel | None = None
    stack_bytes: int | None = None
    notes: tuple[str, ...] = ()

    @property
    def static_bytes(self) -> int:
        """RAM beside arena and stack."""
        return self.built.size.static_bytes if self.built else self.compiled.static_bytes

    @property
    def code_bytes(self) -> int | None:
        """Flash beside the weights; None where nothing was built."""
        return self.built.size.code_bytes if self.built else None

    @property
    def ram_bytes(self) -> int:
        """Arena, static data, and the stack as far as it is known."""
        return self.compiled.arena_bytes + self.static_bytes + (self.stack_bytes or 0)

    @property
    def flash_bytes(self) -> int:
        """Weights, and the code as far as it is known."""
        return self.compiled.weight_bytes + (self.code_bytes or 0)

    def over(self, options: RunOptions) -> int:
        """Bytes above the limits, RAM and flash together; 0: it keeps them."""
        limits = ((self.ram_bytes, options.max_ram), (self.flash_bytes, options.max_flash))
        return sum(max(0, taken - most) for taken, most in limits if most is not None)

    def misses_by(self, options: RunOptions) -> tuple[bool, int]:
        """:meth:`over` to compare plans by: one that was not built takes more than is known."""
        return self.built is None, self.over(options)

    def missed(self, options: RunOptions) -> str | None:
        """The limits that are missed, with all numbers; None where both are kept."""
        compiled, told = self.compiled, []
        if options.max_ram is not None and self.ram_bytes > options.max_ram:
            parts = f"arena {compiled.arena_bytes:,} + static {self.static_bytes:,}"
            stack = (
                ", the stack apart"
                if self.stack_bytes is None
                else f" + stack {self.stack_bytes:,}"
            )
            told.append(
                f"{self.ram_bytes:,} bytes of RAM ({parts}{stack}),"
                f" --max-ram allows {options.max_ram:,}"
            )
        if options.max_flash is not None and self.flash_bytes > options.max_flash:
            code = "" if self.code_bytes is None else f"code {self.code_bytes:,} + "
            alone = " alone" if self.code_bytes is None else ""
            weights = f"weights {compiled.weight_bytes:,}{alone}"
            told.append(
                f"{self.flash_bytes:,} bytes of flash ({code}{weights}),"
                f" --max-flash allows {options.max_flash:,}"
            )
        return f"the smallest plan takes {'; '.join(told)}" if told else None


def limits_of(options: RunOptions) -> Mapping[str, int]:
    """The limits that were set, by name."""
    named = {"max_ram": options.max_ram, "max_flash": options.max_flash}
    return {name: most for name, most in named.items() if most is not None}


def best_plan(board: Board, make: Make, options: RunOptions, tools: Tools) -> LimitedPlan:
    """The fastest plan that keeps the user's limits, or else the one that misses them least.

    Where ``options.optimize`` misses them, the ways of less code are tried as well. Without limits
    it is the plan of ``options.optimize``, unless the C compiler makes less of a faster one.

    Raises:
        UnsupportedModelError, PlanError: no plan at all, as :func:`compile_model`.
        ToolError: the C compiler failed, or the program crashed in the emulator.
    """
    if not limits_of(options):
        return _least_flash(board, make, options.optimize, tools.toolchain)
    best: LimitedPlan | None = None
    for optimize in OPTIMIZE[OPTIMIZE.index(options.optimize) :]:
        plan = _within_ram(board, partial(make, optimize), options, tools)
        if best is None or plan.misses_by(options) < best.misses_by(options):
            best = plan
        if not plan.over(options):
            break
    if best is None:
        raise PlanError("no plan was found", hint="use a smaller model")
    return replace(best, notes=_notes(best, options, tools))


def _least_flash(
    board: Board, make: Make, optimize: str, toolchain: Toolchain | None
) -> LimitedPlan:
    """The plan of a level, or of a faster one that takes less flash.

    What a compiler makes of a small model cannot be foretold to the byte: so ``balanced`` is
    compared with ``speed``, and ``size`` with both, where the C compiler is at hand.
    """
    own = LimitedPlan(fitted(board, partial(make, optimize)))
    faster = OPTIMIZE[: OPTIMIZE.index(optimize)]
    if toolchain is None or not faster:
        return own
    plans = [replace(own, built=build_model(own.compiled, board, toolchain))]
    for level in faster:
        try:
            compiled = fitted(board, partial(make, level))
        except PlanError:
            continue
        if missing(board, compiled) is None:
            plans.append(LimitedPlan(compiled, build_model(compiled, board, toolchain)))
    best = min(plans, key=lambda plan: plan.flash_bytes)
    if best is plans[0]:
        return best
    told = (
        f"the C is that of --optimize {best.compiled.optimize}: {toolchain.name} makes"
        f" {best.flash_bytes:,} bytes of flash of it, and {plans[0].flash_bytes:,} of {optimize}'s"
    )
    return replace(best, notes=(told,))


def _notes(plan: LimitedPlan, options: RunOptions, tools: Tools) -> tuple[str, ...]:
    taken, notes = plan.compiled.optimize, []
    if taken != options.optimize:
        notes.append(f"--optimize {taken} was taken, because {options.optimize} misses the limits")
    if plan.missed(options) is not None:
        return ()
    if options.max_flash is not None and tools.toolchain is None:
        notes.append(
            "--max-flash was compared with the weights alone: the C compiler that counts the code"
            " is not installed (pip install 'edgecnn[mcu]')"
        )
    if options.max_ram is not None and None in (tools.toolchain, tools.emulator):
        notes.append(
            f"--max-ram was compared with {STACK_RESERVE:,} bytes for the stack: what measures it"
            " is not installed (pip install 'edgecnn[mcu]')"
        )
    return tuple(notes)


def _within_ram(
    board: Board, make: Callable[[int | None], CompiledModel], options: RunOptions, tools: Tools
) -> LimitedPlan:
    """A plan that keeps ``--max-ram`` if there is one, else the smallest."""
    plain = fitted(board, make)
    if options.max_ram is None:
        return _counted(board, plain, options, tools)
    # The stack comes off when it is known.
    room = options.max_ram - plain.static_bytes
    found: LimitedPlan | None = None
    for _ in range(_TRIES):
        try:
            compiled = make(max(0, min(room, _board_room(board, plain))))
        except ArenaTooSmallError as error:
            return _counted(board, make(error.arena_bytes), options, tools)
        found = _counted(board, compiled, options, tools)
        if found.ram_bytes <= options.max_ram:
            return found
        room = min(
            room - 1, options.max_ram - found.static_bytes - (found.stack_bytes or 0)
        )  # fmt: skip
    return found if found is not None else _counted(board, plain, options, tools)


def _board_room(board: Board, plain: CompiledModel) -> int:
    return board.memory.ram_bytes - board.memory.stack_bytes - plain.static_bytes


def _counted(
    board: Board, compiled: CompiledModel, options: RunOptions, tools: Tools
) -> LimitedPlan:
    """A model with its code and its stack, as far as they are asked for and can be counted.

    What misses a limit without them is not built.
    """
    plan = LimitedPlan(compiled)
    if plan.over(options):
        return plan
    built = None if tools.toolchain is None else build_model(compiled, board, tools.toolchain)
    stack = None
    if options.max_ram is not None:
        stack = _stack_bytes(board, built, tools.emulator)
    return LimitedPlan(compiled, built, stack)


def _stack_bytes(board: Board, built: BuiltModel | None, emulator: Emulator | None) -> int:
    if built is None or emulator is None:
        return STACK_RESERVE
    infos = [TensorInfo(io.name, io.shape, io.dtype) for io in built.compiled.inputs]
    inputs = [value.tobytes() for value in lcg_inputs(infos).values()]
    with emulator.open(built.program, board) as session:
        # Counted, as bench does it: the step hook takes a little stack too.
        return session.run(inputs, count=True).stack_bytes
