"""Which boards hold a model: every board is asked, and the program for it linked."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from edgecnn.core.progress import SilentProgress
from edgecnn.jobs.on_targets import named_options
from edgecnn.jobs.reference import ModelRef, model_file
from firmware_glue.device.board import BOARDS
from targets.base import CheckReport, RunOptions
from targets.mcu.board_target import make

_MOST_AT_ONCE = 4


def survey_boards(
    reference: ModelRef, options: RunOptions, *, variant: str | None
) -> tuple[CheckReport, ...]:
    """What each board says of the model, in the table's order.

    Raises:
        ToolError: the C compiler failed.
    """
    model = model_file(reference, variant)
    options = named_options(options, reference)
    bar = options.progress
    bar.stage("boards", len(BOARDS))
    quiet = replace(options, progress=SilentProgress())
    # The C compiler is a process of its own: threads wait for it.
    with ThreadPoolExecutor(min(os.cpu_count() or 1, _MOST_AT_ONCE)) as pool:
        found = []
        for report in pool.map(lambda name: make(name).check_with(model, quiet), BOARDS):
            bar.advance(note=report.target)
            found.append(report)
    return tuple(found)
