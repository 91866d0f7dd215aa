"""The math headers against numpy and scipy-free formulas in float64, in ulp of float32."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from firmware_glue.kernels import generic
from tests.firmware_glue.compiler.harness import STRICT, compiler, run_tool

_ERF = np.vectorize(math.erf, otypes=[np.float64])
_ERFC = np.vectorize(math.erfc, otypes=[np.float64])
_UNARY: dict[str, tuple[Callable[[np.ndarray], np.ndarray], float]] = {
    "expf": (np.exp, 1.0),
    "expm1f": (np.expm1, 1.6),
    "logf": (np.log, 1.0),
    "sqrtf": (np.sqrt, 0.5),
    "tanhf": (np.tanh, 1.5),
    "erff": (_ERF, 1.5),
    "erfcf": (_ERFC, 5.0),
    "sinf": (np.sin, 1.6),
    "cosf": (np.cos, 1.6),
    "floorf": (np.floor, 0.0),
    "ceilf": (np.ceil, 0.0),
    "truncf": (np.trunc, 0.0),
    "roundf": (lambda x: np.rint(x) + 0.0, 0.0),
    "round_awayf": (lambda x: np.trunc(x + np.copysign(0.5, x)), 0.0),
}
_SPECIAL = np.array(
    [0.0, -0.0, 1, -1, 0.5, -0.5, 1.5, 2.5, -2.5, 1e-45, -1e-45, 1e-38, 8388607.5, 2**24, 88.7228,
     88.7229, -87.4, -103.97, -103.98, 3.4e38, -3.4e38, math.inf, -math.inf, math.nan],
    np.float32,
)  # fmt: skip
_SOURCE = """
#include "edgecnn_math_special.h"
#define ONE(n) void t_##n(const float *x, float *y, int k) { \\
    for (int i = 0; i < k; ++i) { y[i] = ec_##n(x[i]); } }
#define ROWS %s
ROWS
void t_powf(const float *x, const float *z, float *y, int k);
void t_powf(const float *x, const float *z, float *y, int k) {
    for (int i = 0; i < k; ++i) { y[i] = ec_powf(x[i], z[i]); }
}
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    folder = tmp_path_factory.mktemp("math")
    rows = " ".join(f"ONE({name})" for name in _UNARY)
    (folder / "math.c").write_text(_SOURCE % rows)
    include = f"-I{Path(generic.__file__).parent}"
    flags = [*STRICT, "-std=c99", "-O2", "-shared", "-fPIC", include]
    # Without libm: a call of it could not be resolved.
    link = ["-nostdlib", "-Wl,--no-undefined"]
    run_tool([*compiler(), *flags, *link, folder / "math.c", "-o", folder / "math.so"])
    return ctypes.CDLL(str(folder / "math.so"))


def call(library: ctypes.CDLL, name: str, *inputs: np.ndarray) -> np.ndarray:
    result = np.empty_like(inputs[0])
    pointers = [ctypes.c_void_p(a.ctypes.data) for a in (*inputs, result)]
    getattr(library, f"t_{name}")(*pointers, ctypes.c_int(result.size))
    return result


def ulps(got: np.ndarray, want: np.ndarray) -> np.ndarray:
    """Distance in units of the last place of ``want`` as float32; inf where only one is finite."""
    with np.errstate(all="ignore"):
        near = want.astype(np.float32)
        error = np.abs(got.astype(np.float64) - want) / np.spacing(np.abs(near)).astype(np.float64)
    same = (got == near) | (np.isnan(got) & np.isnan(near))
    at_the_edge = np.isinf(got) != np.isinf(near)
    error = np.where(at_the_edge & (np.abs(want) > 3.4e38) & (np.abs(want) < 3.41e38), 0.0, error)
    return np.where(same & ~np.isfinite(near), 0.0, np.nan_to_num(error, nan=np.inf))


@pytest.mark.parametrize("name", sorted(_UNARY))
def test_one_value(library: ctypes.CDLL, name: str) -> None:
    function, limit = _UNARY[name]
    patterns = np.arange(0, 2**32, 80_021, dtype=np.uint64).astype(np.uint32).view(np.float32)
    near = np.linspace(-12, 12, 60_001).astype(np.float32)
    x = np.concatenate([_SPECIAL, patterns, near])
    with np.errstate(all="ignore"):
        want = function(x.astype(np.float64))
    got = call(library, name, x)
    error = ulps(got, want)
    assert error.max() <= limit, (name, x[error.argmax()], got[error.argmax()])
    zeros = (want == 0) & (got == 0)
    if name != "roundf":
        assert np.array_equal(np.signbit(got[zeros]), np.signbit(want[zeros]))
    else:
        assert not np.any(np.signbit(got[zeros]) & (x[zeros] != 0))


def test_power(library: ctypes.CDLL) -> None:
    rng = np.random.default_rng(1)
    x, y = (np.ravel(g) for g in np.meshgrid(_SPECIAL, _SPECIAL))
    bits = rng.integers(0, 2**32, (2, 100_000), dtype=np.uint32).view(np.float32)
    usual = (
        rng.lognormal(0, 3, 100_000).astype(np.float32),
        rng.normal(0, 10, 100_000).astype(np.float32),
    )
    whole = -usual[0], np.round(usual[1])
    x = np.concatenate([x, bits[0], usual[0], whole[0]])
    y = np.concatenate([y, bits[1], usual[1], whole[1]])
    with np.errstate(all="ignore"):
        want = np.power(x.astype(np.float64), y.astype(np.float64))
    got = call(library, "powf", x, y)
    error = ulps(got, want)
    assert error.max() <= 0.6, (x[error.argmax()], y[error.argmax()], got[error.argmax()])
    zeros = (want == 0) & (got == 0)
    assert np.array_equal(np.signbit(got[zeros]), np.signbit(want[zeros]))
