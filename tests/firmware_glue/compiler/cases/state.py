"""Random ops with state: variables, SVDF, LSTM."""

from __future__ import annotations

from tests.firmware_glue.compiler.cases.common import Maker

CASES: dict[str, Maker] = {}
