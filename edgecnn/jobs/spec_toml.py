"""Both specs of a model in one TOML: what a user writes where a model cannot be recognised.

The keys are those of the JSON specs (docs/specs.md): ``[[preprocess.inputs]]`` and
``[postprocess]``. Long lists may stand in files beside it: ``labels = "labels.txt"`` and
``anchor_boxes = "anchors.csv"`` (a line for each candidate: centre x, y, width, height).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgecnn.core import postprocess as post
from edgecnn.core.errors import DataError
from edgecnn.core.files import write_atomic
from edgecnn.core.labels import read_labels
from edgecnn.core.postprocess import PostprocessSpec
from edgecnn.core.preprocess import SCHEMA as PREPROCESS_SCHEMA
from edgecnn.core.preprocess import PreprocessSpec
from edgecnn.core.toml_file import read_toml

_MAX_BYTES = 64 << 20
_HINT = "docs/specs.md has the keys; edgecnn detect --explain-model --write spec.toml starts one"


@dataclass(frozen=True)
class SpecPair:
    """What a file says; None: nothing."""

    preprocess: PreprocessSpec | None
    postprocess: PostprocessSpec | None


def read_spec_toml(path: Path) -> SpecPair:
    """Reads a spec file.

    Raises:
        DataError: it cannot be read, or holds other tables.
        BundleError: a key or value that a spec must not have.
    """
    data = read_toml(path, "the spec", _HINT, _MAX_BYTES)
    unknown = sorted(set(data) - {"preprocess", "postprocess"})
    if unknown or not data:
        raise DataError(
            f"the spec file '{path}' has {unknown or 'nothing in it'},"
            " expected the tables preprocess and postprocess",
            hint=_HINT,
        )
    before, after = data.get("preprocess"), data.get("postprocess")
    pre = None
    if before is not None:
        inputs = before.get("inputs") if isinstance(before, dict) else before
        pre = PreprocessSpec.from_json({"schema": PREPROCESS_SCHEMA, "inputs": inputs})
    if after is None:
        return SpecPair(pre, None)
    if not isinstance(after, dict):
        raise DataError(f"the spec file '{path}': postprocess is no table", hint=_HINT)
    filled = {key: _from_file(path, key, value) for key, value in after.items()}
    return SpecPair(pre, post.from_json({"schema": post.SCHEMA, **filled}))


def _from_file(spec: Path, key: str, value: Any) -> Any:
    """A value, or what the file holds that it names."""
    if not isinstance(value, str) or key not in ("labels", "anchor_boxes"):
        return value
    path = spec.parent / value
    if key == "labels":
        return list(read_labels(path))
    return _rows(path)


def _rows(path: Path) -> list[list[float]]:
    """Four numbers a line, between commas, semicolons or blanks."""
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise DataError(f"'{path}' is over {_MAX_BYTES} bytes", hint="one anchor a line")
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"cannot read the anchors '{path}': {getattr(error, 'strerror', None) or error}",
            hint="give a text file with centre x, y, width, height a line",
        ) from error
    rows = []
    for number, line in enumerate(lines, 1):
        cells = line.replace(";", " ").replace(",", " ").split()
        if not cells or line.lstrip().startswith("#"):
            continue
        try:
            row = [float(cell) for cell in cells]
        except ValueError:
            row = []
        if len(row) != 4:
            raise DataError(
                f"'{path}', line {number}: {line.strip()[:60]!r}, expected four numbers",
                hint="centre x, y, width and height in input pixels, one candidate a line",
            )
        rows.append(row)
    return rows


def write_spec_toml(
    path: Path,
    preprocess: Mapping[str, Any] | None,
    postprocess: Mapping[str, Any],
    *,
    remarks: tuple[str, ...] = (),
    missing: Mapping[str, str] | None = None,
) -> None:
    """Writes a spec file that :func:`read_spec_toml` reads once its missing keys are filled.

    Args:
        path: replaced if it is there.
        preprocess: the spec's JSON form, whose schema is left out; None: unknown.
        postprocess: likewise.
        remarks: lines of comment for the top.
        missing: keys of the postprocess spec that the user must fill, and what each is.
    """
    lines = [f"# {remark}" for remark in remarks]
    for item in (preprocess or {}).get("inputs", []):
        lines += ["", "[[preprocess.inputs]]", *_table(item, "preprocess.inputs")]
    lines += ["", "[postprocess]"]
    for key, meaning in (missing or {}).items():
        lines.append(f"# {key} =   # missing: {meaning}")
    body = {key: value for key, value in postprocess.items() if key != "schema"}
    lines += _table(body, "postprocess")
    write_atomic(path, ("\n".join(lines).strip() + "\n").encode())


def _table(values: Mapping[str, Any], name: str) -> Iterator[str]:
    """Plain keys first, then tables: TOML wants it so."""
    nested = {}
    for key, value in values.items():
        if value is None:
            continue
        if isinstance(value, Mapping) or (_is_list(value) and value and _are_tables(value)):
            nested[key] = value
        else:
            yield f"{key} = {_value(value)}"
    for key, value in nested.items():
        if isinstance(value, Mapping):
            yield from ("", f"[{name}.{key}]", *_table(value, f"{name}.{key}"))
            continue
        for item in value:
            yield from ("", f"[[{name}.{key}]]", *_table(item, f"{name}.{key}"))


def _is_list(value: Any) -> bool:
    return isinstance(value, (list, tuple))


def _are_tables(value: Any) -> bool:
    return all(isinstance(item, Mapping) for item in value)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if _is_list(value):
        return "[" + ", ".join(_value(item) for item in value) + "]"
    if isinstance(value, str):
        # A JSON string is a TOML string, but for the character 127.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return repr(float(value)) if isinstance(value, float) else str(value)
