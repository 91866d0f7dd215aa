"""QUANTIZE and DEQUANTIZE of cores with and without FPU, built for this machine."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.builders import ModelBuilder
from tests.firmware_glue.compiler.exactness import numpy_outputs
from tests.firmware_glue.compiler.harness import STRICT, Library, Reference

_COUNT = 6000
_SCALES = (
    0.5, 1.0, 1 / 255, 2 / 255, 0.1, 0.0235294122248888, 3.0517578125e-05, 1.7e-5, 0.99999994,
    1.0000001, 0xC00002 / 2**23, 0xC00006 / 2**23, 12.75, 3e38, 1e-38, 1.17549435e-38, 1e-40,
    2.0**100, 2.0**-100,
)  # fmt: skip
_LIMITS = {"int8": (-128, 127), "uint8": (0, 255)}
_CASES = [
    (scale, dtype, (at + len(dtype)) % 3) for at, scale in enumerate(_SCALES) for dtype in _LIMITS
]


def _zero_point(dtype: str, place: int) -> int:
    low, high = _LIMITS[dtype]
    return (low, high, low + 131)[place]


def _quantize(scale: float, dtype: str, zero_point: int) -> bytes:
    build = ModelBuilder()
    x = build.tensor((_COUNT,), "float32")
    y = build.tensor((_COUNT,), dtype, scale, zero_point)
    build.op("QUANTIZE", [x], [y])
    return build.build([x], [y])


def _dequantize(scale: float, dtype: str, zero_point: int) -> bytes:
    build = ModelBuilder()
    x = build.tensor((256,), dtype, scale, zero_point)
    y = build.tensor((256,), "float32")
    build.op("DEQUANTIZE", [x], [y])
    return build.build([x], [y])


def _around(centres: np.ndarray) -> np.ndarray:
    """float32 numbers and their neighbours, up to three places away."""
    found = [centres.astype(np.float32)]
    for towards in np.float32([-np.inf, np.inf]):
        nearest = found[0]
        for _ in range(3):
            nearest = np.nextafter(nearest, towards)
            found.append(nearest)
    return np.concatenate(found)


def _hard(scale: float) -> np.ndarray:
    """Numbers at and beside every border, of every size, denormals and infinities."""
    rng = np.random.default_rng(7)
    with np.errstate(all="ignore"):
        borders = _around((np.arange(-257, 257) + 0.5) * np.float64(np.float32(scale)))
        inside = rng.uniform(-300, 300, 1500) * scale
        sizes = np.exp2(rng.uniform(-149, 127.9, 500)) * rng.choice([-1, 1], 500)
        special = [0.0, -0.0, np.inf, -np.inf, 1e-45, -1e-45, 1.17549435e-38, 3.4028235e38]
        numbers = np.concatenate([borders, inside, sizes, special]).astype(np.float32)
    assert len(numbers) <= _COUNT
    return np.resize(numbers, _COUNT)


@pytest.fixture(scope="module", params=(0, 1), ids=("fpu", "no_fpu"))
def library(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Library:
    made = Library(tmp_path_factory.mktemp("no_fpu"))
    for at, (scale, dtype, place) in enumerate(_CASES):
        zero_point = _zero_point(dtype, place)
        made.add(_quantize(scale, dtype, zero_point), f"q{at}")
        made.add(_dequantize(scale, dtype, zero_point), f"d{at}")
    made.build(*STRICT, f"-DEC_NO_FPU={request.param}")
    return made


def _fits(scale: float, numbers: np.ndarray) -> np.ndarray:
    """Quotients that an int32 holds: LiteRT converts others as the machine happens to do."""
    with np.errstate(all="ignore"):
        return np.abs(numbers / np.float32(scale)) < 2.0**30


@pytest.mark.parametrize("at", range(len(_CASES)))
def test_quantize_equals_litert(at: int, library: Library) -> None:
    scale, dtype, place = _CASES[at]
    x = _hard(scale)
    want = Reference(_quantize(scale, dtype, _zero_point(dtype, place)))([x])[0]
    got = library.runner(f"q{at}")([x])[0]
    known = _fits(scale, x)
    assert known.sum() > 400
    np.testing.assert_array_equal(got[known], want[known])


@pytest.mark.parametrize("at", range(len(_CASES)))
def test_dequantize_equals_litert(at: int, library: Library) -> None:
    scale, dtype, place = _CASES[at]
    low, high = _LIMITS[dtype]
    x = np.arange(low, high + 1).astype(dtype)
    want = Reference(_dequantize(scale, dtype, _zero_point(dtype, place)))([x])[0]
    got = library.runner(f"d{at}")([x])[0]
    np.testing.assert_array_equal(got.view(np.uint32), want.view(np.uint32))


@settings(deadline=None, max_examples=300)
@given(bits=st.lists(st.integers(0, 2**32 - 1), min_size=64, max_size=64), at=st.integers(0, 99))
def test_any_bits(library: Library, bits: list[int], at: int) -> None:
    """NaN and what no int32 holds too: by the rule that the numpy form states."""
    x = np.resize(np.array(bits, np.uint32), _COUNT).view(np.float32)
    name = f"q{at % len(_CASES)}"
    (want,) = numpy_outputs(name, library, [x])
    np.testing.assert_array_equal(library.runner(name)([x])[0], want)
