"""The fastest program for a board that its memory holds: planned, linked, counted.

A board's flash and RAM hold more than a model: drivers, the protocol, buffers, the stack. So each
plan is linked with all of that, and judged by what the linker says.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from edgecnn.core.errors import PlanError
from firmware_glue.compiler.api import OPTIMIZE, ArenaTooSmallError, CompiledModel
from firmware_glue.device.board import Board
from firmware_glue.device.firmware import Firmware, FirmwareUse
from targets.mcu.make import Make

_TRIES = 4
Link = Callable[[CompiledModel], Firmware]


@dataclass(frozen=True)
class BoardFits:
    """Whether a program fits its board, and who takes what.

    Attributes:
        board: the board.
        compiled: the model.
        use: what the linked program takes; None where it was not linked, because the model alone
            takes more than there is, or no C compiler is installed.
    """

    board: Board
    compiled: CompiledModel
    use: FirmwareUse | None

    @property
    def over(self) -> int:
        """Bytes that are missing, flash and RAM together."""
        memory = self.board.memory
        return max(0, self.flash_bytes - memory.flash_bytes) + max(
            0, self.ram_bytes - memory.ram_bytes
        )

    @property
    def flash_bytes(self) -> int:
        """Flash that is needed, as far as it is known."""
        return self.use.flash_bytes if self.use else self.compiled.weight_bytes

    @property
    def ram_bytes(self) -> int:
        """RAM that is needed, as far as it is known."""
        if self.use is not None:
            return self.use.ram_bytes
        own = self.compiled.arena_bytes + self.compiled.static_bytes
        return own + self.board.memory.stack_bytes

    @property
    def fits(self) -> bool | None:
        """None where the code could not be counted, and the rest fits."""
        if self.over:
            return False
        return None if self.use is None else True

    @property
    def why(self) -> str | None:
        """What does not fit, with the numbers; None where nothing is known to be too large."""
        memory, told = self.board.memory, []
        alone = "" if self.use else " for the model alone"
        for what, needed, there in (
            ("flash", self.flash_bytes, memory.flash_bytes),
            ("RAM", self.ram_bytes, memory.ram_bytes),
        ):
            if needed > there:
                told.append(
                    f"{what}: {needed:,} bytes needed{alone}, {there:,} there,"
                    f" {needed - there:,} too many"
                )
        return "; ".join(told) or None

    def to_json(self) -> dict[str, Any]:
        """The object ``fits`` of ``edgecnn run --json``; bytes, None where nothing was linked."""
        use, memory = self.use, self.board.memory
        return {
            "fits": self.fits,
            "why": self.why,
            "flash": {
                "program_bytes": use.program_bytes if use else None,
                "model_code_bytes": use.model_code_bytes if use else None,
                "weight_bytes": self.compiled.weight_bytes,
                "total_bytes": self.flash_bytes,
                "available_bytes": memory.flash_bytes,
            },
            "ram": {
                "arena_bytes": self.compiled.arena_bytes,
                "static_bytes": use.static_bytes if use else self.compiled.static_bytes,
                "stack_bytes": memory.stack_bytes,
                "total_bytes": self.ram_bytes,
                "available_bytes": memory.ram_bytes,
            },
            "sections": {
                "text_bytes": use.text_bytes if use else None,
                "data_bytes": use.data_bytes if use else None,
                "bss_bytes": use.bss_bytes if use else None,
            },
        }


@dataclass(frozen=True)
class BoardPlan:
    """A model for a board.

    Attributes:
        firmware: the linked program, None where there is none (see :class:`BoardFits`).
        notes: how it came about.
    """

    fits: BoardFits
    firmware: Firmware | None
    notes: tuple[str, ...] = ()

    @property
    def compiled(self) -> CompiledModel:
        """The model."""
        return self.fits.compiled


def board_plan(board: Board, make: Make, link: Link | None, optimize: str) -> BoardPlan:
    """The plan of ``optimize`` if the board holds it, else the first of less code that it holds.

    Args:
        board: the board.
        make: (a value of ``OPTIMIZE``, bytes that the arena may take or None) → the model.
        link: links the program; None where no C compiler is installed.
        optimize: where to begin.

    Returns:
        A plan that fits, or the one that misses the least.

    Raises:
        UnsupportedModelError, PlanError: no plan at all.
        ToolError: the C compiler failed.
    """
    best: BoardPlan | None = None
    for level in OPTIMIZE[OPTIMIZE.index(optimize) :]:
        plan = _within_ram(board, partial(make, level), link)
        if best is None or plan.fits.over < best.fits.over:
            best = plan
        if not plan.fits.over or plan.compiled.weight_bytes > board.memory.flash_bytes:
            break
    if best is None:
        raise PlanError("no plan was found", hint="use a smaller model")
    taken = best.compiled.optimize
    if taken == optimize or best.fits.over:
        return best
    note = f"--optimize {taken} was taken, because {optimize} does not fit {board.name}"
    return BoardPlan(best.fits, best.firmware, (note,))


def _within_ram(
    board: Board, make: Callable[[int | None], CompiledModel], link: Link | None
) -> BoardPlan:
    """A plan of one level that fits the board's RAM if there is one, else the smallest."""
    plan = _linked(board, make(None), link)
    if plan.compiled.weight_bytes > board.memory.flash_bytes:
        return plan  # a smaller arena does not help
    for _ in range(_TRIES):
        over = plan.fits.ram_bytes - board.memory.ram_bytes
        if over <= 0:
            return plan
        room = max(1, plan.compiled.arena_bytes - over)
        try:
            plan = _linked(board, make(room), link)
        except ArenaTooSmallError as error:
            if error.arena_bytes >= plan.compiled.arena_bytes:
                return plan
            return _linked(board, make(error.arena_bytes), link)
        except PlanError:
            return plan
    return plan


def _linked(board: Board, compiled: CompiledModel, link: Link | None) -> BoardPlan:
    """Links what may fit; a model that is too large by itself needs no C compiler to say so."""
    alone = BoardFits(board, compiled, None)
    if link is None or alone.over:
        return BoardPlan(alone, None)
    firmware = link(compiled)
    return BoardPlan(BoardFits(board, compiled, firmware.use), firmware)
