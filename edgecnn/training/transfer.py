"""Starting from another model's weights."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

from edgecnn.core.errors import UsageError


def copy_matching(model: Any, source: Any) -> int:
    """Copies the weights of every layer that ``source`` has with the same name and shapes.

    So a model trained on other classes, or another head on the same backbone, is a start.

    Args:
        model: the Keras model that receives.
        source: the Keras model that gives.

    Returns:
        How many layers were copied.

    Raises:
        UsageError: the two have no layer in common.
    """
    known = {layer.name: layer.get_weights() for layer in source.layers}
    copied = 0
    for layer in model.layers:
        mine, theirs = layer.get_weights(), known.get(layer.name, [])
        if mine and [w.shape for w in mine] == [w.shape for w in theirs]:
            layer.set_weights(theirs)
            copied += 1
    if not copied:
        raise UsageError(
            f"the initial model '{source.name}' has no layer in common with '{model.name}'",
            hint="give a .keras file of the same model name and width",
        )
    return copied


def weights_digest(model: Any) -> str:
    """SHA-256 over a model's weights, in order; ``none`` for no model."""
    if model is None:
        return "none"
    digest = hashlib.sha256()
    for weight in model.get_weights():
        digest.update(np.ascontiguousarray(weight).tobytes())
    return digest.hexdigest()
