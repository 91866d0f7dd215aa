"""Where else a model runs that a target refuses: said only of what was tried."""

from __future__ import annotations

import subprocess

from edgecnn.core.child_process import run_child
from edgecnn.core.errors import UnsupportedModelError
from targets.base import ModelFile

_LITERT = ("host", "pi5")
_TIMEOUT_S = 60.0
_PREPARE = """
import sys
from edgecnn.core.errors import EdgecnnError
from edgecnn.core.runtime import LiteRTPredictor
try:
    LiteRTPredictor(sys.stdin.buffer.read(), threads=1)
except EdgecnnError:
    sys.exit(1)
"""


def elsewhere(model: ModelFile, refusing: str) -> str:
    """``"; -t host and -t pi5 run it as it is"``, or nothing where LiteRT refuses it too.

    Args:
        model: what was refused.
        refusing: the target that did.
    """
    if refusing in _LITERT or not _prepares(model.data):
        return ""
    return f"; {' and '.join(f'-t {name}' for name in _LITERT)} run it as it is"


def with_elsewhere(
    error: UnsupportedModelError, model: ModelFile, refusing: str
) -> UnsupportedModelError:
    """The same error; its hint also says where the model runs."""
    hint = error.hint + elsewhere(model, refusing)
    return UnsupportedModelError(error.message, hint=hint, details=error.details)


def _prepares(data: bytes) -> bool:
    """Whether LiteRT takes a model: asked in a process of its own, since it aborts on some."""
    try:
        return run_child(("-c", _PREPARE), data, timeout_s=_TIMEOUT_S).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False
