"""Renders docs/ops.md from the table of ops and the rules' own messages."""

from __future__ import annotations

from collections.abc import Sequence

from firmware_glue.compiler.ir import COPY, TABLE, VIEW
from firmware_glue.compiler.ops.spec import OpSpec, Rule, Variant
from firmware_glue.compiler.ops.table import OPS

_HEAD = """\
# Which ops become C

`edgecnn compile -t cortex-m4` (and every other microcontroller) takes these ops; a model with
another one is refused with the op, its layer and its index. Made from the code by `make docs`;
do not edit.

Integer ops are bit-exact with LiteRT's reference kernels, float32 within 4 ulp or 10⁻⁵.
"folded" ops cost nothing: a pass removes them.
"""


def ops_markdown() -> str:
    """The page: a row per op with its kind and its limits."""
    lines = [_HEAD, "| op | dtype | kernel | limits |", "|---|---|---|---|"]
    for code in sorted(set(OPS) - {VIEW, COPY, TABLE}):
        spec = OPS[code]
        lines += [
            f"| `{code}` | {', '.join(dtypes)} | {variant.kernel or 'folded'} "
            f"| {_limits((*spec.rules, *variant.rules))}{_note(variant)} |"
            for variant, dtypes in _grouped(spec)
        ]
    return "\n".join(lines) + "\n"


def _grouped(spec: OpSpec) -> list[tuple[Variant, list[str]]]:
    """Dtypes that share kernel and limits in one row."""
    groups: dict[tuple[str, tuple[Rule, ...]], tuple[Variant, list[str]]] = {}
    for dtype, variant in spec.variants.items():
        groups.setdefault((variant.kernel, variant.rules), (variant, []))[1].append(dtype)
    return list(groups.values())


def _note(variant: Variant) -> str:
    return f" Note: {variant.note}" if variant.note else ""


def _limits(rules: Sequence[Rule]) -> str:
    # Rules with the same message are one to a reader.
    messages = dict.fromkeys(rule.message for rule in rules)
    return " ".join(message.replace("|", "\\|") for message in messages) or "none"
