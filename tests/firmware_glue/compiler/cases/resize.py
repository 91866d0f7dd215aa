"""Random RESIZE_BILINEAR and RESIZE_NEAREST_NEIGHBOR."""

from __future__ import annotations

from tests.builders import ModelBuilder
from tests.firmware_glue.compiler.cases.common import Maker, Rng, pick
from tests.firmware_glue.compiler.cases.reduce import QUANTIZED


def resize(code: str, dtype: str) -> Maker:
    def make(rng: Rng) -> bytes:
        build = ModelBuilder()
        n, h, w, c = (int(v) for v in rng.integers(1, 6, 4))
        oh, ow = (int(v) for v in rng.integers(1, 14, 2))
        if rng.random() < 0.3:
            oh, ow = h * int(rng.integers(1, 5)), w * int(rng.integers(1, 5))
        corners, half = pick(rng, (False, False), (True, False), (False, True))
        scaling = (0.1, 0 if dtype == "int16" else 3) if dtype in QUANTIZED else (None, 0)
        x = build.tensor((n, h, w, c), dtype, *scaling)
        size = build.tensor((2,), "int32", data=[oh, ow])
        y = build.tensor((n, oh, ow, c), dtype, *scaling)
        build.op(code, [x, size], [y], align_corners=corners, half_pixel_centers=half)
        return build.build([x], [y])

    return make


_DTYPES = {
    "RESIZE_BILINEAR": (*QUANTIZED, "float32"),
    "RESIZE_NEAREST_NEIGHBOR": (*QUANTIZED, "float32", "int32", "bool"),
}
CASES: dict[str, Maker] = {
    f"{code}:{dtype}": resize(code, dtype) for code, dtypes in _DTYPES.items() for dtype in dtypes
}
