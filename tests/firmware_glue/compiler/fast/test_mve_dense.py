"""FULLY_CONNECTED for Helium: exact on the host and in QEMU, in all numerics."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.firmware_glue.compiler.fast.layer_cases import dense, model_of
from tests.firmware_glue.compiler.fast.layer_checks import check_core, check_host
from tests.share import long_but_for


def model(seed: int, count: int) -> bytes:
    return model_of(dense, seed, count)


@pytest.mark.parametrize("shared", long_but_for([False, True], True))
def test_host(tmp_path: Path, shared: bool) -> None:
    check_host(model(int(shared), 40), tmp_path, kernel="mve_dense", shared=shared)


def test_core() -> None:
    check_core(model(2, 40), kernel="mve_dense")
