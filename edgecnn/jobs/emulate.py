"""``edgecnn emulate``: a board without the board, for any client."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgecnn.jobs.board_line import named_board, require_emulation
from edgecnn.jobs.on_targets import named_options
from edgecnn.jobs.reference import ModelRef, model_file
from firmware_glue.device.emulate.board import start_board
from firmware_glue.device.link.bridge import Bridge, open_bridge
from firmware_glue.device.link.client import BoardClient
from firmware_glue.device.model_config import benchmark_model
from targets.base import RunOptions
from targets.mcu.board_target import BoardTarget
from targets.mcu.on_board import require_ours


@dataclass(frozen=True)
class EmulateRequest:
    """What ``edgecnn emulate`` was asked for.

    Attributes:
        port: a TCP port, 0 for any free one; None: a pseudo-terminal.
    """

    reference: ModelRef
    target: str | None
    options: RunOptions
    variant: str | None = None
    board_file: Path | None = None
    port: int | None = None


@dataclass(frozen=True)
class RunningBoard:
    """``edgecnn.emulate/1``: an emulated board, and where clients find it.

    Attributes:
        device: what ``-d`` takes: the pseudo-terminal's path, or ``tcp://host:port``.
        description: the emulator.
        notes: what was guessed, with the evidence.
    """

    target: str
    device: str
    description: str
    notes: tuple[str, ...]
    bridge: Bridge

    def serve(self) -> None:
        """Carries bytes between clients and the board until interrupted.

        Raises:
            TargetError: the emulator ended.
        """
        self.bridge.serve()

    def to_json(self) -> dict[str, Any]:
        """The object of ``edgecnn emulate --json``."""
        return {
            "schema": "edgecnn.emulate/1",
            "target": self.target,
            "device": self.device,
            "emulator": self.description,
            "notes": list(self.notes),
        }


@contextmanager
def emulate(request: EmulateRequest) -> Iterator[RunningBoard]:
    """A board that runs the model's program in an emulator, as long as the context lasts.

    Raises:
        UsageError: the target is no board that an emulator runs.
        PlanError: the board does not hold the program.
        TargetError, MissingExtraError: the emulator, or the C compiler, is not installed.
    """
    board = named_board(request.target, request.board_file)
    require_emulation(board)
    target = BoardTarget(board)
    model = model_file(request.reference, request.variant)
    options = named_options(request.options, request.reference)
    plan = target.plan(model, options)
    firmware = target.program(plan, options)
    row = benchmark_model(plan.compiled)
    notes = plan.notes
    if row is not None:
        given, made = plan.compiled.inputs[0], plan.compiled.outputs[0]
        notes = (
            *notes,
            f"answers 'profile' as MLPerf Tiny's {row.id}: {given.nbytes} inputs and"
            f" {made.nbytes} outputs of int8 are that model's; db takes its {row.db} bytes",
        )
    with start_board(board, firmware.image) as machine:
        line = machine.line()
        # It has started, and its greeting has gone by: clients take no unasked line for an answer.
        require_ours(BoardClient(line), firmware)
        with open_bridge(line, request.port) as bridge:
            yield RunningBoard(board.name, bridge.device, machine.description, notes, bridge)
