"""Reads what data.yaml of a YOLO set says, and no more of YAML: keys, lists and maps of scalars.

PyYAML is no dependency, and a full YAML reader is more than an untrusted file should be given.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

MAX_YAML_BYTES = 1 << 20
_KEY = re.compile(r"^(?P<indent>\s*)(?P<key>[\w.-]+|\"[^\"]*\"|'[^']*')\s*:(?:\s+(?P<value>.*))?$")
_CLOSING = {"[": "]", "{": "}"}
_ITEM = re.compile(r"^\s*-\s*(?P<value>.*)$")


@dataclass(frozen=True)
class YoloDescription:
    """A data.yaml.

    Attributes:
        names: class names; () where there are none.
        paths: ``path``, ``train``, ``val``, ``test`` → texts, as far as they stand there.
    """

    names: tuple[str, ...]
    paths: dict[str, tuple[str, ...]]


def read_description(text: bytes) -> YoloDescription:
    """What a data.yaml says of names and splits; what cannot be read is not there.

    >>> read_description(b"names: [cat, 'a dog']").names
    ('cat', 'a dog')
    """
    values = _top_level(text[:MAX_YAML_BYTES].decode("utf-8-sig", "replace"))
    names = values.get("names", [])
    keys = {"path": "path", "train": "train", "val": "val", "valid": "val", "validation": "val",
            "test": "test"}  # fmt: skip
    paths = {
        ours: tuple(value for _, value in values[key] if value)
        for key, ours in keys.items()
        if values.get(key)
    }
    if all(key.isdecimal() for key, _ in names):
        names = sorted(names, key=lambda row: int(row[0]))
        numbers = [int(key) for key, _ in names]
        if numbers and numbers != list(range(len(numbers))) and numbers[-1] < 10_000:
            given = dict(names)
            names = [(str(i), given.get(str(i), str(i))) for i in range(numbers[-1] + 1)]
    return YoloDescription(tuple(value for _, value in names), paths)


def _top_level(text: str) -> dict[str, list[tuple[str, str]]]:
    """Key → (key or place, scalar) of its list, map or scalar."""
    values: dict[str, list[tuple[str, str]]] = {}
    current: list[tuple[str, str]] | None = None
    pending: list[str] = []
    for raw in text.splitlines():
        line = _without_comment(raw)
        if pending:
            pending.append(line.strip())
            if line.rstrip().endswith(_CLOSING[pending[0][0]]) and current is not None:
                current += _flow(" ".join(pending))
                pending = []
            continue
        if not line.strip() or line.strip() in ("---", "..."):
            continue
        item, key = _ITEM.match(line), _KEY.match(line)
        if item and current is not None:
            current.append((str(len(current)), _scalar(item["value"])))
        elif key and key["indent"] and current is not None:
            current.append((_scalar(key["key"]), _scalar(key["value"] or "")))
        elif key and not key["indent"]:
            current = values.setdefault(_scalar(key["key"]), [])
            value = (key["value"] or "").strip()
            if value[:1] in ("[", "{"):
                if value.endswith(_CLOSING[value[0]]):
                    current += _flow(value)
                else:
                    pending = [value]
            elif value:
                current.append(("0", _scalar(value)))
    return values


def _flow(text: str) -> list[tuple[str, str]]:
    """``[a, 'b, c']`` or ``{0: a, 1: b}``; one pass, whatever the quotes."""
    pieces, start, quote = [], 1, ""
    for place, char in enumerate(text):
        if quote:
            quote = "" if char == quote and text[place - 1] != "\\" else quote
        elif char in "\"'":
            quote = char
        elif char in ",]}":
            pieces.append(text[start:place].strip())
            start = place + 1
    rows = []
    for place, piece in enumerate(filter(None, pieces)):
        if text.startswith("{"):
            key, _, value = piece.partition(":")
            rows.append((_scalar(key), _scalar(value)))
        else:
            rows.append((str(place), _scalar(piece)))
    return rows


def _scalar(text: str) -> str:
    text = text.strip()
    if len(text) >= 2 and text[0] == text[-1] and text[0] in "\"'":
        text = text[1:-1].replace("''", "'") if text[0] == "'" else text[1:-1].replace('\\"', '"')
    return text


def _without_comment(line: str) -> str:
    """The line up to a ``#`` that stands outside quotes, at its start or behind a space."""
    quote = ""
    for place, char in enumerate(line):
        if quote:
            quote = "" if char == quote else quote
        elif char in "\"'":
            quote = char
        elif char == "#" and (place == 0 or line[place - 1].isspace()):
            return line[:place].rstrip()
    return line.rstrip()
