"""Random comparisons, logical ops and selections."""

from __future__ import annotations

from tests.firmware_glue.compiler.cases.common import Maker

CASES: dict[str, Maker] = {}
