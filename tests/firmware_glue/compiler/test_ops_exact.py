"""Every op and dtype: numpy reference == C on the host == LiteRT's BUILTIN_REF."""

from __future__ import annotations

from pathlib import Path

import pytest

from firmware_glue.compiler.ops.table import OPS
from tests.firmware_glue.compiler.cases import CASES
from tests.firmware_glue.compiler.exactness import COUNT, LONG_COUNT, check_cases

_CHUNK = 250
FOLDED = ("SHAPE", "SQUEEZE", "EXPAND_DIMS", "VIEW", "COPY")


@pytest.mark.parametrize("key", sorted(CASES))
def test_c_and_numpy_equal_litert(key: str, tmp_path: Path) -> None:
    check_cases(key, tmp_path, 0, COUNT)


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("key", sorted(CASES))
def test_thousands_equal_litert(key: str, tmp_path: Path) -> None:
    for first in range(COUNT, COUNT + LONG_COUNT, _CHUNK):
        check_cases(key, tmp_path / str(first), first, min(_CHUNK, COUNT + LONG_COUNT - first))


def test_every_op_and_dtype_has_cases() -> None:
    wanted = {
        f"{code}:{dtype}"
        for code, spec in OPS.items()
        if code not in FOLDED
        for dtype, variant in spec.variants.items()
        if variant.kernel or code == "RESHAPE"
    }
    assert wanted - set(CASES) == set()
