"""The generators of random models: every op and dtype has one."""

from __future__ import annotations

from collections import Counter

from firmware_glue.compiler.ops import table
from firmware_glue.compiler.ops.table import OPS
from tests.firmware_glue.compiler.cases import CASES, FAMILIES

FOLDED = ("SHAPE", "SQUEEZE", "EXPAND_DIMS", "VIEW", "COPY", "TABLE")


def test_every_op_and_dtype_has_cases() -> None:
    wanted = {
        f"{code}:{dtype}"
        for code, spec in OPS.items()
        if code not in FOLDED
        for dtype, variant in spec.variants.items()
        if variant.kernel or code == "RESHAPE"
    }
    assert wanted - set(CASES) == set()


def test_no_generator_stands_in_two_families() -> None:
    """Families are merged into one table too."""
    assert sum(len(family) for family in FAMILIES.values()) == len(CASES)


def test_an_op_stands_in_one_family() -> None:
    """Families are merged into one table: a second row of an op would silently win."""
    families = [
        module.SPECS
        for module in vars(table).values()
        if getattr(module, "__name__", "").startswith("firmware_glue.compiler.ops.")
        and hasattr(module, "SPECS")
    ]
    rows = Counter(code for specs in families for code in specs)
    assert len(families) > 10 and [code for code, count in rows.items() if count > 1] == []
