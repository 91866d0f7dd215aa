"""Small rewrites of a Keras model that change nothing but what the converter makes of it."""

from __future__ import annotations

from typing import Any


def all_layers(model: Any) -> list[Any]:
    """The model's layers, those of nested models too."""
    found = []
    for layer in model.layers:
        found += [layer, *(all_layers(layer) if getattr(layer, "layers", None) else [])]
    return found


def for_conversion(keras: Any, model: Any) -> Any:
    """The model, or where it holds one of these a copy that computes the same without it.

    - Nearest-neighbour upsampling: Keras repeats rows and columns, which becomes RESHAPE + TILE;
      LiteRT's reference kernels and most compilers have no int8 TILE, while
      RESIZE_NEAREST_NEIGHBOR copies the same values.
    - Mixed precision: training on a GPU leaves layers that compute in 16 bits, which the converter
      does not take; their weights are float32 anyway.
    """
    kind = keras.layers.UpSampling2D

    def nearest(layer: Any) -> bool:
        return type(layer) is kind and layer.interpolation == "nearest"

    def mixed(layer: Any) -> bool:
        return str(layer.compute_dtype) in ("float16", "bfloat16")

    if not any(nearest(layer) or mixed(layer) for layer in all_layers(model)):
        return model

    class NearestResize(kind):  # type: ignore[misc, valid-type]
        def call(self, inputs: Any) -> Any:
            rows, columns = (2, 3) if self.data_format == "channels_first" else (1, 2)
            size = (inputs.shape[rows] * self.size[0], inputs.shape[columns] * self.size[1])
            return keras.ops.image.resize(
                inputs, size, interpolation="nearest", data_format=self.data_format
            )

    def clone(layer: Any) -> Any:
        config = layer.get_config()
        if mixed(layer):
            config["dtype"] = "float32"
        return (NearestResize if nearest(layer) else type(layer)).from_config(config)

    copy = keras.models.clone_model(model, clone_function=clone, recursive=True)
    copy.set_weights(model.get_weights())
    return copy
