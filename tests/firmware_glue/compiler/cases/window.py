"""Random pools."""

from __future__ import annotations

from functools import partial

from tests.builders import ModelBuilder
from tests.firmware_glue.compiler.cases.common import ACTIVATIONS, Maker, Rng, pick, scale
from tests.firmware_glue.compiler.cases.convolution import activations, random_window


def pool(rng: Rng, code: str, dtype: str) -> bytes:
    build, w = ModelBuilder(), random_window(rng, dilates=False)
    n, c, s = int(rng.integers(1, 3)), int(rng.integers(1, 6)), scale(rng)
    x = activations(build, rng, (n, *w.size, c), dtype, s)
    y = activations(build, rng, (n, *w.out, c), dtype, s)
    build.tensors[y].zero_point = build.tensors[x].zero_point
    build.op(
        code, [x], [y], padding=w.padding, stride_h=w.stride[0], stride_w=w.stride[1],
        filter_height=w.kernel[0], filter_width=w.kernel[1],
        fused_activation_function=pick(rng, *ACTIVATIONS),
    )  # fmt: skip
    return build.build([x], [y])


CASES: dict[str, Maker] = {
    **{
        f"{code}:{dtype}": partial(pool, code=code, dtype=dtype)
        for code in ("AVERAGE_POOL_2D", "MAX_POOL_2D")
        for dtype in ("int8", "int16", "uint8", "float32")
    },
    "L2_POOL_2D:float32": partial(pool, code="L2_POOL_2D", dtype="float32"),
}
