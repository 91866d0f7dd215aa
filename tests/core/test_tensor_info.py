"""Codes to real values and back."""

import numpy as np
import pytest

from edgecnn.core.tensor_info import TensorInfo

RNG = np.random.default_rng(8)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "int32"])
@pytest.mark.parametrize("exact", [True, False])
def test_every_code_is_the_nearest_float32_of_its_value(dtype: str, exact: bool) -> None:
    limits = np.iinfo(dtype)
    for _ in range(40):
        scale = float(10 ** RNG.uniform(-40, 30))
        scale = float(np.float32(scale)) if exact else scale
        zero = int(RNG.integers(max(limits.min, -40000), min(limits.max, 40000)))
        codes = RNG.integers(limits.min, limits.max, 200, endpoint=True).astype(dtype)
        with np.errstate(over="ignore", under="ignore"):
            expected = ((codes.astype(np.float64) - zero) * scale).astype(np.float32)
            got = TensorInfo("x", codes.shape, dtype, scale, zero).dequantize(codes)
        assert got.dtype == np.float32 and got.tobytes() == expected.tobytes()
