"""Flatbuffers of any schema, written by hand with the ``flatbuffers`` package: slot → value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import flatbuffers
import numpy as np


@dataclass(frozen=True)
class Scalar:
    """A scalar field: the name of the builder's type (``Uint8``, ``Float32`` …) and its value."""

    kind: str
    value: Any


def flatbuffer(table: Mapping[int, Any], identifier: bytes) -> bytes:
    """A whole file: str is a string, bytes a vector of bytes, an array a vector of scalars, a list
    a vector of tables or strings, a mapping a table."""
    builder = flatbuffers.Builder(1024)
    builder.Finish(_put(builder, table), file_identifier=identifier)
    return bytes(builder.Output())


def _put(builder: flatbuffers.Builder, value: Any) -> int:
    if isinstance(value, str):
        return builder.CreateString(value)
    if isinstance(value, bytes):
        return builder.CreateByteVector(value)
    if isinstance(value, np.ndarray):
        return builder.CreateNumpyVector(value)
    if isinstance(value, list):
        items = [_put(builder, item) for item in value]
        builder.StartVector(4, len(items), 4)
        for item in reversed(items):
            builder.PrependUOffsetTRelative(item)
        return builder.EndVector()
    offsets = {k: _put(builder, v) for k, v in value.items() if not isinstance(v, Scalar)}
    builder.StartObject(max(value, default=-1) + 1)
    for slot, item in value.items():
        if isinstance(item, Scalar):
            getattr(builder, f"Prepend{item.kind}Slot")(slot, item.value, None)
        else:
            builder.PrependUOffsetTRelativeSlot(slot, offsets[slot], 0)
    return builder.EndObject()
