"""Random ops of two operands."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tests.builders import ModelBuilder
from tests.firmware_glue.compiler.cases.common import (
    ACTIVATIONS,
    Maker,
    Rng,
    pick,
    scale,
    shape_of,
    zero,
)


def binary(code: str) -> Callable[[Rng], bytes]:
    def make(rng: Rng) -> bytes:
        build = ModelBuilder()
        shape = shape_of(rng)
        other = list(shape)
        if rng.random() < 0.6:
            other = [1 if rng.random() < 0.5 else size for size in shape]
            if rng.random() < 0.3:
                other = other[int(rng.integers(len(other))) :]
        shapes = [shape, tuple(other)]
        if rng.random() < 0.3:
            shapes.reverse()
        s, z = scale(rng), zero(rng)
        same = code in ("MAXIMUM", "MINIMUM")
        tensors, inputs = [], []
        for i, one in enumerate(shapes):
            s1, z1 = (s, z) if same else (float(np.float32(s * rng.uniform(0.2, 4))), zero(rng))
            data = None
            if i == 1 and rng.random() < 0.3:
                data = rng.integers(-128, 128, one)
            tensors.append(build.tensor(one, "int8", s1, z1, data=data))
            inputs += [tensors[-1]] if data is None else []
        out = np.broadcast_shapes(*shapes)
        s_out = s if same else float(np.float32(s * rng.uniform(0.3, 3)))
        if code == "MUL":
            s_out = float(np.float32(s * s * 100 * rng.uniform(0.05, 2)))
        y = build.tensor(out, "int8", s_out, z if same else zero(rng))
        options = {} if same else {"fused_activation_function": pick(rng, *ACTIVATIONS)}
        build.op(code, tensors, [y], **options)
        return build.build(inputs, [y])

    return make


CASES: dict[str, Maker] = {
    **{f"{code}:int8": binary(code) for code in ("ADD", "SUB", "MUL", "MAXIMUM", "MINIMUM")},
}
