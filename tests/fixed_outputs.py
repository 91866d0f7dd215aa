"""A .tflite that gives the same outputs for every photo: what a decoder makes of them is known."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tests.builders import ModelBuilder


def fixed_outputs(
    outputs: Mapping[str, Any],
    size: tuple[int, int] = (32, 32),
    *,
    dtype: str = "float32",
    layout: str = "nhwc",
    extra: Mapping[str, tuple[int, ...]] | None = None,
) -> bytes:
    """Image (1, height, width, 3) of ``dtype`` → the given arrays, float32, under their names.

    Args:
        outputs: name → array.
        size: width and height.
        dtype: of the image; uint8 has the scale 1/255.
        layout: of the image: ``nhwc`` or ``nchw``.
        extra: further float32 inputs, name → shape; the outputs ignore their values.
    """
    build = ModelBuilder()
    shape = (1, size[1], size[0], 3) if layout == "nhwc" else (1, 3, size[1], size[0])
    quantized = {"scale": 1 / 255} if dtype != "float32" else {}
    image = x = build.tensor(shape, dtype, name="image", **quantized)
    if quantized:
        x = build.tensor(shape, "float32", name="real")
        build.op("DEQUANTIZE", [image], [x])
    axes = build.tensor((4,), "int32", data=np.arange(4), name="axes")
    mean = build.tensor((1, 1, 1, 1), "float32", name="mean")
    build.op("MEAN", [x, axes], [mean], keep_dims=True)
    nothing = build.tensor((1,), "float32", data=0.0, name="nothing")
    flat = build.tensor((1,), "float32", name="flat")
    one = build.tensor((1,), "int32", data=[1], name="one")
    build.op("RESHAPE", [mean, one], [flat])
    zero = build.tensor((1,), "float32", name="zero")
    build.op("MUL", [flat, nothing], [zero])
    ends = []
    for name, values in outputs.items():
        array = np.asarray(values, np.float32)
        kept = build.tensor(array.shape, "float32", data=array, name=f"{name}/values")
        end = build.tensor(array.shape, "float32", name=name)
        build.op("ADD", [kept, zero], [end])
        ends.append(end)
    more = [build.tensor(s, "float32", name=name) for name, s in (extra or {}).items()]
    return build.build([image, *more], ends)
