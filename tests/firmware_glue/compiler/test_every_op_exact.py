"""Every op: numpy reference == C on the host == LiteRT's BUILTIN_REF, for every dtype."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.firmware_glue.compiler.cases import CASES
from tests.firmware_glue.compiler.exactness import check_long, check_short, keys_by_op


@pytest.mark.parametrize("code", keys_by_op())
def test_c_and_numpy_equal_litert(code: str, tmp_path: Path) -> None:
    check_short(keys_by_op()[code], tmp_path)


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("key", sorted(CASES))
def test_a_thousand_equal_litert(key: str, tmp_path: Path) -> None:
    check_long(key, tmp_path)
