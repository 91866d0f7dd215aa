"""Whether a compiled model fits a board's memory: before any C compiler runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from edgecnn.core.errors import PlanError
from firmware_glue.compiler.api import CompiledModel
from firmware_glue.device.board import Board


def board_limits(board: Board) -> dict[str, Any]:
    """The memory of a board by name.

    A generic core's memory is made up, so that any model can be counted: no limit is named.
    """
    limits = {
        "ram_limit_bytes": board.memory.ram_bytes,
        "flash_limit_bytes": board.memory.flash_bytes,
    }
    return {"stack_limit_bytes": board.memory.stack_bytes, **({} if board.generic else limits)}


def memory_rows(board: Board, compiled: CompiledModel | None) -> dict[str, Any]:
    """Bytes by name; what the model takes is None where it cannot be compiled."""
    return {
        "arena_bytes": compiled.arena_bytes if compiled else None,
        "arena_lower_bound_bytes": compiled.lower_bound_bytes if compiled else None,
        "static_bytes": compiled.static_bytes if compiled else None,
        "weight_bytes": compiled.weight_bytes if compiled else None,
        **board_limits(board),
    }


def missing(board: Board, compiled: CompiledModel) -> str | None:
    """What of the board's memory does not hold the model, with the numbers; None: all does."""
    return "; ".join(_missing(board, compiled)) or None


def needs_note(compiled: CompiledModel) -> str:
    """What a part needs for the model, where the core alone is known."""
    ram = compiled.arena_bytes + compiled.static_bytes
    return (
        f"a part needs {ram:,} bytes of RAM (arena and static data) and some stack, and"
        f" {compiled.weight_bytes:,} bytes of flash (weights) and the code: say what yours has with"
        " --max-ram and --max-flash"
    )


def fitted(board: Board, compiled: Callable[[int | None], CompiledModel]) -> CompiledModel:
    """A model as it is, or with chains over row buffers where the board's RAM asks for them.

    Args:
        board: where it is to run.
        compiled: (bytes that the arena may take, None: no limit) → the model; may raise PlanError.
    """
    whole = compiled(None)
    room = board.memory.ram_bytes - board.memory.stack_bytes - whole.static_bytes
    if whole.arena_bytes <= room:
        return whole
    try:
        return compiled(room)
    except PlanError:
        return whole


def require_fit(board: Board, compiled: CompiledModel) -> None:
    """Refuses a model that is too large for the board.

    Raises:
        PlanError: it is; the bytes needed and those there are named.
    """
    lacks = missing(board, compiled)
    if lacks:
        raise PlanError(
            f"'{compiled.name}' does not fit '{board.name}': {lacks}",
            hint="choose a smaller model, a smaller input, or a larger board",
        )


def _missing(board: Board, compiled: CompiledModel) -> list[str]:
    memory = board.memory
    ram = compiled.arena_bytes + compiled.static_bytes + memory.stack_bytes
    rows = (
        ("RAM (arena, static data, stack)", ram, memory.ram_bytes),
        ("flash (weights alone)", compiled.weight_bytes, memory.flash_bytes),
    )
    return [
        f"{what}: {needed:,} bytes needed, {available:,} available"
        for what, needed, available in rows
        if needed > available
    ]
