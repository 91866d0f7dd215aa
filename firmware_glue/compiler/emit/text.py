"""Names and literals of C."""

from __future__ import annotations

import re
from collections.abc import Iterable

import numpy as np

from edgecnn.core.tflite.model import DType
from firmware_glue.compiler.ops.spec import Array

WIDTH = 100
_LOWEST = (-(1 << 31), -(1 << 63))
"""The lowest value of a type has no literal of its own: −x is an operator applied to x."""
CTYPES = {
    "int8": "int8_t", "uint8": "uint8_t", "int16": "int16_t", "uint16": "uint16_t",
    "int32": "int32_t", "int64": "int64_t", "float32": "float", "bool": "uint8_t",
    "uint32": "uint32_t", "uint64": "uint64_t",
}  # fmt: skip
_KEYWORDS = frozenset(
    [
        "alignas",
        "alignof",
        "and",
        "asm",
        "auto",
        "bool",
        "break",
        "case",
        "catch",
        "char",
        "class",
        "const",
        "constexpr",
        "continue",
        "decltype",
        "default",
        "delete",
        "do",
        "double",
        "else",
        "enum",
        "explicit",
        "export",
        "extern",
        "false",
        "float",
        "for",
        "friend",
        "goto",
        "if",
        "inline",
        "int",
        "long",
        "main",
        "mutable",
        "namespace",
        "new",
        "not",
        "operator",
        "or",
        "private",
        "protected",
        "public",
        "register",
        "restrict",
        "return",
        "short",
        "signed",
        "sizeof",
        "static",
        "struct",
        "switch",
        "template",
        "this",
        "throw",
        "true",
        "try",
        "typedef",
        "typename",
        "union",
        "unsigned",
        "using",
        "virtual",
        "void",
        "volatile",
        "while",
        "xor",
    ]
)


def sanitize_name(stem: str) -> str:
    """A valid C and C++ identifier close to ``stem``, and none that begins as our own symbols do.

    >>> sanitize_name("vww-96.int8"), sanitize_name("3d"), sanitize_name("edgecnn")
    ('vww_96_int8', 'model_3d', 'model_edgecnn')
    """
    name = re.sub(r"[^0-9A-Za-z]+", "_", stem).strip("_")
    if not name:
        return "model"
    taken = name in _KEYWORDS or name == "edgecnn" or name.startswith(("edgecnn_", "ec_"))
    return f"model_{name}" if taken or name[0].isdigit() else name


def label(layer: str) -> str:
    """A short identifier from a layer's name: its last parts, at most 32 characters.

    >>> label("model/conv2d_1/Relu;model/bn/FusedBatchNorm")
    'conv2d_1_Relu'
    """
    parts = layer.split(";")[0].split(":")[0].split("/")
    name = re.sub(r"[^0-9A-Za-z]+", "_", "_".join(parts[-2:])).strip("_")
    return name[-32:].strip("_")


def ctype(dtype: DType) -> str:
    """The C type of an element."""
    return CTYPES[dtype.value]


def literal(value: int | float) -> str:
    """A number as C writes it."""
    if isinstance(value, float):
        text = f"{np.float32(value):.9g}"
        return f"{text}f" if any(c in text for c in ".en") else f"{text}.0f"
    return f"{value + 1} - 1" if value in _LOWEST else str(value)


def wrap(items: Iterable[str], indent: str) -> str:
    """Items joined by commas, broken before column 100."""
    lines: list[str] = []
    line = indent
    for item in items:
        piece = item + ", "
        if len(line) + len(piece) - 1 > WIDTH and line != indent:
            lines.append(line.rstrip())
            line = indent
        line += piece
    if line != indent:
        lines.append(line.rstrip())
    return "\n".join(lines)


def array_body(data: Array) -> str:
    """The elements of a constant array."""
    values = data.ravel().tolist()
    if data.dtype.kind in "iu" and not np.isin(data, _LOWEST).any():
        # What ``literal`` would write, but faster: there may be millions.
        return _folded(str(values)[1:-1], "    ")
    kind = float if data.dtype == np.float32 else int
    return _folded(", ".join(literal(kind(v)) for v in values), "    ")


def _folded(numbers: str, indent: str) -> str:
    """As :func:`wrap`, of numbers that are joined already."""
    numbers, lines, start = f"{numbers}, ", [], 0
    while start < len(numbers) - 2:
        end = numbers.rfind(", ", start, start + WIDTH - len(indent) + 1)
        lines.append(f"{indent}{numbers[start:end]},")
        start = end + 2
    return "\n".join(lines)


def comment(text: str) -> str:
    """Text that cannot end a comment, nor hold characters that a C file should not."""
    # First what becomes another character, then the pairs: replacing may make new ones.
    safe = "".join(c if c.isprintable() and c.isascii() else "?" for c in text.replace("\\", "/"))
    for pair in ("*/", "/*", "??"):  # a comment's ends, and what starts a trigraph
        while pair in safe:
            safe = safe.replace(pair, f"{pair[0]} {pair[1]}")
    return safe
