"""Small float .tflite models built without TensorFlow, and samples for them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from edgecnn.core.tflite.model import TfModel
from edgecnn.core.tflite.reader import read_model
from tests.builders import ModelBuilder

SIZE = 12


def branching(scale: float = 1.0, size: int = SIZE) -> TfModel:
    """Two inputs; conv with ReLU6, residual add, max pool, dense, softmax; an output in the middle.

    ``scale`` multiplies the second convolution's filters: 1e38 makes it overflow.
    """
    rng = np.random.default_rng(5)
    build = ModelBuilder()
    image = build.tensor((1, size, size, 3), "float32", name="serving_image:0")
    extra = build.tensor((1, 4), "float32", name="serving_extra:0")
    same = {"padding": "SAME", "stride_w": 1, "stride_h": 1}

    def constant(values: Any) -> int:
        return build.tensor(values.shape, "float32", data=values)

    def activation(shape: tuple[int, ...], name: str) -> int:
        return build.tensor(shape, "float32", name=name)

    full = (1, size, size, 8)
    stem = activation(full, "stem/Relu6")
    filters = rng.normal(0, 0.6, (8, 3, 3, 3)).astype(np.float32)
    build.op(
        "CONV_2D", [image, constant(filters), constant(rng.normal(0, 1, 8).astype(np.float32))],
        [stem], fused_activation_function="RELU6", **same,
    )  # fmt: skip
    body = activation(full, "body/conv")
    filters = (rng.normal(0, 0.3, (8, 1, 1, 8)) * scale).astype(np.float32)
    build.op(
        "CONV_2D", [stem, constant(filters), constant(np.zeros(8, np.float32))], [body], **same
    )
    total = activation(full, "join/add")
    build.op("ADD", [stem, body], [total])
    half = size // 2
    pooled = activation((1, half, half, 8), "pool")
    build.op(
        "MAX_POOL_2D", [total], [pooled],
        padding="VALID", stride_w=2, stride_h=2, filter_width=2, filter_height=2,
    )  # fmt: skip
    flat = activation((1, half * half * 8), "flat")
    shape = build.tensor((2,), "int32", data=np.array([1, half * half * 8]))
    build.op("RESHAPE", [pooled, shape], [flat], new_shape=[1, half * half * 8])
    joined = activation((1, half * half * 8 + 4), "concat")
    build.op("CONCATENATION", [flat, extra], [joined], axis=1)
    dense = activation((1, 5), "dense")
    matrix = rng.normal(0, 0.05, (5, half * half * 8 + 4)).astype(np.float32)
    build.op(
        "FULLY_CONNECTED", [joined, constant(matrix), constant(np.zeros(5, np.float32))], [dense]
    )
    scores = activation((1, 5), "scores")
    build.op("SOFTMAX", [dense], [scores])
    build.signatures.append(
        ("serving_default", {"image": image, "extra": extra}, {"scores": scores, "sum": total})
    )
    return read_model(build.build([image, extra], [scores, total]))


def samples(count: int, size: int = SIZE, seed: int = 0) -> Iterator[dict[str, np.ndarray]]:
    """Made one by one; the values drift, so that order matters to a moving average."""
    for number in range(count):
        rng = np.random.default_rng([seed, number])
        yield {
            "image": rng.normal(0, 1 + number / 50, (1, size, size, 3)).astype(np.float32),
            "extra": rng.uniform(-2, 5, (1, 4)).astype(np.float32),
        }
