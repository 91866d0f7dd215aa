"""Random reductions and normalisations."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tests.builders import ModelBuilder
from tests.firmware_glue.compiler.cases.common import Maker, Rng, pick, scale, shape_of, zero


def reduce(code: str) -> Callable[[Rng], bytes]:
    def make(rng: Rng) -> bytes:
        build = ModelBuilder()
        shape = shape_of(rng, 1, 6, 7)
        if rng.random() < 0.4:
            shape = tuple(int(v) for v in rng.integers(1, 8, 4))
        count = int(rng.integers(1, len(shape) + 1))
        axes = sorted(int(v) for v in rng.permutation(len(shape))[:count])
        if len(shape) == 4 and rng.random() < 0.5:
            axes = [1, 2]
        keep = bool(rng.random() < 0.5)
        s, z = scale(rng), zero(rng)
        picks = code.startswith("REDUCE")
        x = build.tensor(shape, "int8", s, z)
        given = [a - len(shape) if rng.random() < 0.3 else a for a in axes]
        a = build.tensor((len(axes),), "int32", data=given)
        out = [1 if i in axes else v for i, v in enumerate(shape) if keep or i not in axes]
        s_out = s if picks else float(np.float32(s * rng.uniform(0.3, 2)))
        y = build.tensor(out, "int8", s_out, z if picks else zero(rng))
        build.op(code, [x, a], [y], keep_dims=keep)
        return build.build([x], [y])

    return make


def softmax(rng: Rng) -> bytes:
    build = ModelBuilder()
    shape = shape_of(rng, 1, 5, 12)
    x = build.tensor(shape, "int8", scale(rng), zero(rng))
    y = build.tensor(shape, "int8", 1 / 256, -128)
    build.op("SOFTMAX", [x], [y], beta=float(pick(rng, 1.0, 1.0, 0.5, 2.0)))
    return build.build([x], [y])


CASES: dict[str, Maker] = {
    **{f"{code}:int8": reduce(code) for code in ("MEAN", "REDUCE_MAX", "REDUCE_MIN")},
    "SOFTMAX:int8": softmax,
}
