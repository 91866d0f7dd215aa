"""Every set of kernels, its C twins on the host: random models of each op equal LiteRT's."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.firmware_glue.compiler.exactness import check_cases
from tests.firmware_glue.compiler.fast.any_offer import OFFERED, plain_kernel, take_any

COUNT, LONG_COUNT = 20, 500
"""Random models per set of kernels and op."""
_SELDOM, _MORE = ("AVERAGE_POOL_2D", "MEAN"), 60
"""Ops whose shapes a set has a kernel for less often, and how many models they need."""
_SANITIZED = ("-fsanitize=undefined", "-fno-sanitize-recover=all")


@pytest.fixture(autouse=True)
def _any_offer(monkeypatch: pytest.MonkeyPatch) -> None:
    take_any(monkeypatch)


def _check(kernels: str, code: str, folder: Path, cases: range, *flags: str) -> None:
    library = check_cases([f"{code}:int8"], folder, cases, *flags, kernels=kernels)
    steps = [step.kernel for model in library.models.values() for step in model.program.steps]
    # Ops that are constant, filters that are given at run time, and so on have no other kernel.
    other = [kernel for kernel in steps if kernel not in ("copy", "lut_8", plain_kernel(code))]
    assert len(other) * 20 > len(steps), steps


@pytest.mark.parametrize(("kernels", "code"), OFFERED)
def test_c_equals_litert(kernels: str, code: str, tmp_path: Path) -> None:
    _check(kernels, code, tmp_path, range(_MORE if code in _SELDOM else COUNT), "-O1", *_SANITIZED)


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(("kernels", "code"), OFFERED)
def test_hundreds_equal_litert(kernels: str, code: str, tmp_path: Path) -> None:
    _check(kernels, code, tmp_path, range(COUNT, COUNT + LONG_COUNT), "-O2")
