"""Renders docs/ops.md from the table of ops and the rules' own messages."""

from __future__ import annotations

from firmware_glue.compiler.ops.spec import OpSpec
from firmware_glue.compiler.ops.table import OPS

_HEAD = """\
# Which ops become C

`edgecnn compile -t cortex-m4` (and every other microcontroller) takes these ops; a model with
another one is refused with the op, its layer and its index. Made from the code by `make docs`;
do not edit.

All are bit-exact with LiteRT's reference kernels. "folded" ops cost nothing: a pass removes them.
"""


def ops_markdown() -> str:
    """The page: a row per op with its kind and its limits."""
    lines = [_HEAD, "| op | in C | limits |", "|---|---|---|"]
    for code in sorted(OPS):
        spec = OPS[code]
        kind = "kernel" if spec.lower is not None else "folded"
        lines.append(f"| `{code}` | {kind} | {_limits(spec)} |")
    return "\n".join(lines) + "\n"


def _limits(spec: OpSpec) -> str:
    # Rules with the same message are one to a reader.
    messages = dict.fromkeys(rule.message for rule in spec.rules)
    return " ".join(message.replace("|", "\\|") for message in messages) or "none"
