"""Where else a model runs that a target refuses: said only of what was tried."""

from __future__ import annotations

from edgecnn.core.errors import EdgecnnError, UnsupportedModelError
from edgecnn.core.runtime import LiteRTPredictor
from targets.base import ModelFile

_LITERT = ("host", "pi5")


def elsewhere(model: ModelFile, refusing: str) -> str:
    """``"; -t host and -t pi5 run it as it is"``, or nothing where LiteRT refuses it too.

    Args:
        model: what was refused.
        refusing: the target that did.
    """
    if refusing in _LITERT:
        return ""
    try:
        LiteRTPredictor(model.data, threads=1)
    except EdgecnnError:
        return ""
    return f"; {' and '.join(f'-t {name}' for name in _LITERT)} run it as it is"


def with_elsewhere(
    error: UnsupportedModelError, model: ModelFile, refusing: str
) -> UnsupportedModelError:
    """The same error; its hint also says where the model runs."""
    hint = error.hint + elsewhere(model, refusing)
    return UnsupportedModelError(error.message, hint=hint, details=error.details)
