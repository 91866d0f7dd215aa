"""Kernel calls as C: parameter structs and arguments."""

from __future__ import annotations

import re
from collections.abc import Sequence

from firmware_glue.compiler.emit import text
from firmware_glue.compiler.ops.spec import Call, Params, Planned

_STATE = re.compile(r"\bstate(->|,)")
"""A use, not the name of a parameter in a comment."""


def fields(params: Params, indent: str, *, reverse: bool = False) -> str:
    """One initialiser per field, its name in a comment (C++ has no designators before C++20)."""
    items: list[str] = []
    lines: list[str] = []
    for name, value in params.fields:
        if isinstance(value, Params):
            if items:
                lines.append(text.wrap(items, indent))
            lines += [
                f"{indent}{{ /* {name} */",
                fields(value, indent + "    ", reverse=reverse),
                f"{indent}}},",
            ]
            items = []
        elif isinstance(value, tuple):
            items.append(f"/*{name}*/ {{{', '.join(text.literal(v) for v in value)}}}")
        else:
            known = int(reverse) if isinstance(value, Planned) else value
            items.append(f"/*{name}*/ {text.literal(known)}")
    if items:
        lines.append(text.wrap(items, indent))
    return "\n".join(lines)


def call_lines(call: Call, args: list[str], indent: str, *, reverse: bool = False) -> list[str]:
    """A kernel call with its parameters.

    Args:
        call: its parameters and functions.
        args: the arguments between these.
        indent: of every line.
        reverse: the value of ``Planned.REVERSE``.
    """
    given = ["&params", *args, *call.functions]
    return [
        f"{indent}static const {call.params.struct} params = {{",
        fields(call.params, indent + "    ", reverse=reverse),
        f"{indent}}};",
        f"{indent}{call.kernel}(\n{text.wrap(given, indent + '    ')[:-1]});",
    ]


def state_is_used(body: Sequence[str]) -> list[str]:
    """A line for functions that do not use ``state``: on constants, scratch or nothing."""
    used = any(_STATE.search(line) for line in body)
    return [] if used else ["    (void)state;"]
