"""Random matrix products."""

from __future__ import annotations

import numpy as np

from tests.builders import ModelBuilder
from tests.firmware_glue.compiler.cases.common import ACTIVATIONS, Maker, Rng, pick, scale, zero
from tests.firmware_glue.compiler.cases.convolution import weights_into


def fully_connected(rng: Rng) -> bytes:
    build = ModelBuilder()
    units, depth, rows = int(rng.integers(1, 12)), int(rng.integers(1, 40)), int(rng.integers(1, 4))
    keep = bool(rng.random() < 0.4)
    s = scale(rng)
    shape = (
        pick(rng, (rows, depth), (rows, 1, depth), (1, rows, 2, depth))
        if keep
        else pick(rng, (rows, depth), (rows, 1, 1, depth), (depth,))
    )
    x = build.tensor(shape, "int8", s, zero(rng))
    f, b, out_scale = weights_into(build, rng, (units, depth), 0, depth, s)
    out = (*shape[:-1], units) if keep else (int(np.prod(shape)) // depth, units)
    y = build.tensor(out, "int8", out_scale, zero(rng))
    build.op(
        "FULLY_CONNECTED", [x, f, b], [y], keep_num_dims=keep,
        fused_activation_function=pick(rng, *ACTIVATIONS),
    )  # fmt: skip
    return build.build([x], [y])


CASES: dict[str, Maker] = {
    "FULLY_CONNECTED:int8": fully_connected,
}
