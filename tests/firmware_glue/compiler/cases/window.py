"""Random pools and resizes."""

from __future__ import annotations

from collections.abc import Callable

from tests.builders import ModelBuilder
from tests.firmware_glue.compiler.cases.common import ACTIVATIONS, Maker, Rng, pick, scale, zero


def pool(code: str) -> Callable[[Rng], bytes]:
    def make(rng: Rng) -> bytes:
        build = ModelBuilder()
        n, c = int(rng.integers(1, 3)), int(rng.integers(1, 6))
        h, w = (int(v) for v in rng.integers(1, 9, 2))
        kh, kw = (int(v) for v in rng.integers(1, 5, 2))
        sh, sw = (int(v) for v in rng.integers(1, 4, 2))
        padding = pick(rng, "SAME", "VALID")
        if padding == "VALID":
            h, w = max(h, kh), max(w, kw)
        s, z = scale(rng), zero(rng)
        x = build.tensor((n, h, w, c), "int8", s, z)
        oh, ow = (
            -(-size // st) if padding == "SAME" else (size - k) // st + 1
            for size, st, k in ((h, sh, kh), (w, sw, kw))
        )
        y = build.tensor((n, oh, ow, c), "int8", s, z)
        build.op(
            code, [x], [y], padding=padding, stride_h=sh, stride_w=sw, filter_height=kh,
            filter_width=kw, fused_activation_function=pick(rng, *ACTIVATIONS),
        )  # fmt: skip
        return build.build([x], [y])

    return make


def resize(rng: Rng) -> bytes:
    build = ModelBuilder()
    n, h, w, c = (int(v) for v in rng.integers(1, 6, 4))
    oh, ow = (int(v) for v in rng.integers(1, 14, 2))
    corners, half = pick(rng, (False, False), (True, False), (False, True))
    x = build.tensor((n, h, w, c), "int8", 0.1, 3)
    size = build.tensor((2,), "int32", data=[oh, ow])
    y = build.tensor((n, oh, ow, c), "int8", 0.1, 3)
    build.op(
        "RESIZE_NEAREST_NEIGHBOR", [x, size], [y], align_corners=corners, half_pixel_centers=half
    )
    return build.build([x], [y])


CASES: dict[str, Maker] = {
    **{f"{code}:int8": pool(code) for code in ("AVERAGE_POOL_2D", "MAX_POOL_2D")},
    "RESIZE_NEAREST_NEIGHBOR:int8": resize,
}
