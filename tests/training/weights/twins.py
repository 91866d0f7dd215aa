"""Models without batch norms, as weights with folded ones need them."""

from __future__ import annotations

from typing import Any

import keras


def without_norms(model: Any) -> Any:
    """The same functional model with biases in its convolutions and no batch norms."""

    def clone(layer: Any) -> Any:
        if isinstance(layer, keras.layers.BatchNormalization):
            return keras.layers.Identity(name=layer.name)
        config = layer.get_config()
        if isinstance(layer, keras.layers.Conv2D | keras.layers.DepthwiseConv2D):
            config["use_bias"] = True
        return type(layer).from_config(config)

    def call(layer: Any, inputs: Any, **_: Any) -> Any:
        return layer(inputs)

    return keras.models.clone_model(model, clone_function=clone, call_function=call)
