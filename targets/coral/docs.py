"""Renders docs/coral_ops.md from the rules' own messages."""

from __future__ import annotations

from targets.coral.constraints import REWRITES, SUPPORTED
from targets.coral.rules import general

_HEAD = """\
# Which ops the Edge TPU takes

`edgecnn check -t coral-usb` predicts with these rules, without Google's compiler, what the compiler
will map. Made from the code by `targets.coral.docs`; do not edit.

An op that misses a rule stays on the CPU. Where it needs results of mapped ops, every op that needs
its own result stays there too; what the CPU computes before the first mapped op ends nothing.
"""


def coral_ops_markdown() -> str:
    """The page: rules for all ops, the table of ops, and ops that are not taken."""
    lines = [_HEAD, "## Every op", ""]
    lines += _table(("Limit", "The compiler says", "What to do"))
    for rule in (*general.TYPES, *general.GENERAL, general.STATIC):
        lines.append(_row(rule.message, rule.status, rule.rewrite))
    lines += ["", "## Ops that can be mapped", "", *_table(("Op", "Limit", "What to do"))]
    for code in sorted(SUPPORTED):
        rows = [(rule.message, rule.rewrite) for rule in SUPPORTED[code]]
        lines += [_row(f"`{code}`", *cells) for cells in rows or [("none beside those above", "")]]
    lines += ["", "## Ops that cannot, and what to use instead", "", *_table(("Op", "Instead"))]
    lines += [_row(f"`{code}`", text) for code, text in sorted(REWRITES.items())]
    lines += ["", "Ops named nowhere on this page are not mapped either.", ""]
    return "\n".join(lines)


def _table(heads: tuple[str, ...]) -> list[str]:
    return [_row(*heads), _row(*("---" for _ in heads))]


def _row(*cells: str) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
