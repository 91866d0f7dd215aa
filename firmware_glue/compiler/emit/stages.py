"""What surrounds a model: the files of its preprocess and postprocess."""

from __future__ import annotations

from firmware_glue.compiler.emit.postprocess_c import kernel, postprocess_files
from firmware_glue.compiler.emit.preprocess_c import HEADERS, preprocess_files
from firmware_glue.compiler.specs import Stages


def stage_files(stages: Stages, name: str) -> dict[str, str]:
    """File name → text; files of their own, so that firmware can leave them out."""
    files: dict[str, str] = {}
    if stages.before is not None:
        files |= preprocess_files(stages.before, name)
    if stages.after is not None:
        files |= postprocess_files(stages.after, name)
    return files


def stage_headers(stages: Stages) -> set[str]:
    """The kernel headers that they include."""
    headers = set() if stages.before is None else set(HEADERS)
    return headers if stages.after is None else headers | {kernel(stages.after)}


def stage_notes(stages: Stages, name: str) -> tuple[str, ...]:
    """What the model's header says about them."""
    notes = []
    if stages.before is not None:
        notes.append(f"Camera frames to input 0: {name}_preprocess.h.")
    if stages.after is not None:
        notes.append(f"Outputs to results: {name}_postprocess.h.")
    return (*notes, *stages.notes)
