"""``edgecnn flash``: a program onto a board, and the board's own word that it is there."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from edgecnn.core.errors import EdgecnnError, TargetError, UsageError
from edgecnn.jobs.board_line import ReachedBoard, named_board, real_board
from edgecnn.jobs.on_targets import named_options
from edgecnn.jobs.reference import ModelRef, model_file
from firmware_glue.device.board import Board
from firmware_glue.device.firmware import Firmware
from firmware_glue.device.flash.base import FlashPlan
from firmware_glue.device.flash.identity import UNKNOWN, may_overwrite
from firmware_glue.device.flash.plan import carry_out, look_at_flash, plan_flash
from targets.base import RunOptions
from targets.mcu.board_target import BoardTarget

_START_S = 20.0
"""How long a board may take to start its new program and to show its line again."""
_PAUSE_S = 0.5
T = TypeVar("T")


@dataclass(frozen=True)
class FlashRequest:
    """How to flash.

    Attributes:
        method: one of the board's; None: the first whose program is installed.
        force: overwrite a program that is not ours, or unknown.
        dry_run: say what would be done.
    """

    method: str | None = None
    force: bool = False
    dry_run: bool = False


@dataclass(frozen=True)
class FlashResult:
    """``edgecnn.flash/1``.

    Attributes:
        command: the program that was called; empty: a file was copied.
        bytes: of flash.
        verified: the board computed the same hash of its flash, or it was read back.
        hash: SHA-256 of these bytes.
        steps: the plan, in sentences.
    """

    target: str
    method: str
    command: tuple[str, ...]
    bytes: int
    verified: bool
    hash: str
    steps: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The object of ``edgecnn flash --json``."""
        return {
            "schema": "edgecnn.flash/1",
            "target": self.target,
            "method": self.method,
            "command": list(self.command),
            "bytes": self.bytes,
            "verified": self.verified,
            "hash": self.hash,
            "steps": list(self.steps),
        }


def flash(
    reference: ModelRef,
    name: str | None,
    options: RunOptions,
    request: FlashRequest,
    *,
    variant: str | None,
    board_file: Path | None = None,
) -> FlashResult:
    """Links a model's program for a board and flashes it.

    Raises:
        UsageError: the target is no board.
        PlanError: the board does not hold the program.
        TargetError, MissingExtraError, ToolError: a tool, the board or a right is missing; the
            board holds a program that is not ours.
    """
    target = BoardTarget(named_board(name, board_file))
    model = model_file(reference, variant)
    options = named_options(options, reference)
    firmware = target.program(target.plan(model, options), options)
    return flash_firmware(firmware, request, options)


def flash_firmware(firmware: Firmware, request: FlashRequest, options: RunOptions) -> FlashResult:
    """Flashes a linked program, after asking whose program is there; then asks for the hash.

    Raises:
        TargetError, MissingExtraError, ToolError: as :func:`flash`.
    """
    board, device = firmware.board, options.device
    plan = plan_flash(board, firmware.elf, method=request.method, port=device)
    if request.dry_run:
        return _result(plan, verified=False)
    if not request.force:
        _require_ours(board, device)
    options.progress.stage(f"flash by {plan.method}")
    outcome = carry_out(plan, progress=options.progress)
    options.progress.stage("hash")
    try:
        said = _patiently(board, device, lambda reached: reached.client.flash_hash(plan.bytes))
    except EdgecnnError as error:
        if outcome.verified:
            return _result(plan, verified=True)  # by its probe: the line may not be plugged in
        raise TargetError(
            f"the program was flashed, but the board does not say so: {error.message}",
            hint=error.hint,
        ) from error
    if said != plan.image.sha256:
        raise TargetError(
            f"the board's flash has the hash {said[:16]}…, the program {plan.image.sha256[:16]}…",
            hint="flash it again; a board that fails twice is damaged, or its cable is",
        )
    return _result(plan, verified=True)


def _result(plan: FlashPlan, *, verified: bool) -> FlashResult:
    return FlashResult(
        plan.board.name, plan.method, plan.command, plan.bytes, verified, plan.image.sha256,
        plan.steps,
    )  # fmt: skip


def _require_ours(board: Board, device: str | None) -> None:
    """Refuses to overwrite a program that is not ours: asked of the board, then of its flash.

    Raises:
        TargetError: it is not ours, or unknown, or another board answers.
    """
    try:
        with real_board(board, device) as reached:
            said = reached.client.hello()
    except UsageError:
        raise
    except EdgecnnError as error:
        _require_ours_in_flash(board, device, error)
        return
    if said.board != board.name:
        raise TargetError(
            f"the board on {reached.description} says that it is a '{said.board}', not a"
            f" '{board.name}'",
            hint=f"give its own name (-t {said.board}) or another -d; --force flashes it all the"
            " same",
        )


def _require_ours_in_flash(board: Board, device: str | None, silence: EdgecnnError) -> None:
    """The same of a board that does not answer, by reading its flash through a probe.

    Raises:
        TargetError: its program is not ours, or unknown.
    """
    owner = look_at_flash(board, port=device)
    decision = may_overwrite(owner)
    if decision.allowed:
        return
    if owner.kind != UNKNOWN:
        raise TargetError(decision.reason, hint=decision.hint)
    why = f" ({owner.reason})" if owner.reason else ""
    raise TargetError(
        f"no program of edgecnn's answers ({silence.message}), and what flash holds cannot be"
        f" read{why}",
        hint="plug the board in; if it is, and holds nothing that you need, repeat with --force:"
        " a new board wants that once",
    )


def _patiently(board: Board, device: str | None, ask: Callable[[ReachedBoard], T]) -> T:
    """Asks a board that is starting: its line may show up late.

    Raises:
        TargetError: it does not answer in time.
    """
    deadline = time.monotonic() + _START_S
    while True:
        try:
            with real_board(board, device) as reached:
                return ask(reached)
        except TargetError:
            if time.monotonic() > deadline:
                raise
            time.sleep(_PAUSE_S)
