"""Starting from another model's weights."""

from __future__ import annotations

from typing import Any

from edgecnn.core.errors import UsageError


def matching_layers(model: Any, source: Any) -> tuple[str, ...]:
    """Names of the layers that ``source`` has with the same name and shapes of weights."""
    known = {layer.name: [tuple(w.shape) for w in layer.weights] for layer in source.layers}
    return tuple(
        layer.name
        for layer in model.layers
        if layer.weights and [tuple(w.shape) for w in layer.weights] == known.get(layer.name)
    )


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
    names = matching_layers(model, source)
    for name in names:
        model.get_layer(name).set_weights(source.get_layer(name).get_weights())
    if not names:
        raise UsageError(
            f"the initial model '{source.name}' has no layer in common with '{model.name}'",
            hint="give a .keras file of the same model name and width",
        )
    return len(names)
