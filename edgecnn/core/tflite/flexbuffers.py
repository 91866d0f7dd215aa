"""Reads a FlexBuffers map of numbers from untrusted bytes: the options of custom ops.

Format: https://flatbuffers.dev/flatbuffers_internals (FlexBuffers). Offsets point backwards.
"""

from __future__ import annotations

import struct

_NULL, _INT, _UINT, _FLOAT = range(4)
_INDIRECT = {6: _INT, 7: _UINT, 8: _FLOAT}
_MAP, _BOOL = 9, 26
_CODES = {
    _INT: {1: "<b", 2: "<h", 4: "<i", 8: "<q"},
    _UINT: {1: "<B", 2: "<H", 4: "<I", 8: "<Q"},
    _FLOAT: {2: "<e", 4: "<f", 8: "<d"},
}
_CODES[_BOOL] = _CODES[_UINT]
_MAX_ENTRIES = 1 << 10
_MAX_KEY = 1 << 8


class FlexError(Exception):
    """The bytes are no such map."""


def read_numbers(data: bytes) -> dict[str, float | int]:
    """The numbers and booleans of the root map by key; values of other kinds are left out.

    Raises:
        FlexError: damaged bytes, or a root that is no map.
    """
    if len(data) < 3:
        raise FlexError("fewer than 3 bytes")
    width, kind = data[-1], data[-2]
    if width not in (1, 2, 4, 8) or kind >> 2 != _MAP:
        raise FlexError("the root is no map")
    root = len(data) - 2 - width
    step = 1 << (kind & 3)
    start = root - int(_number(data, root, width, _UINT))
    size = int(_number(data, start - step, step, _UINT))
    keys = start - 3 * step - int(_number(data, start - 3 * step, step, _UINT))
    key_step = int(_number(data, start - 2 * step, step, _UINT))
    if size > _MAX_ENTRIES or key_step not in (1, 2, 4, 8):
        raise FlexError(f"{size} entries, keys of {key_step} bytes")
    values = {}
    for index in range(size):
        at = keys + index * key_step
        name = _text(data, at - int(_number(data, at, key_step, _UINT)))
        packed = int(_number(data, start + size * step + index, 1, _UINT))
        value = _value(data, start + index * step, step, packed)
        if value is not None:
            values[name] = value
    return values


def _value(data: bytes, at: int, step: int, packed: int) -> float | int | None:
    kind = packed >> 2
    if kind in _INDIRECT:
        target = at - int(_number(data, at, step, _UINT))
        return _number(data, target, 1 << (packed & 3), _INDIRECT[kind])
    return _number(data, at, step, kind) if kind in _CODES else None


def _number(data: bytes, at: int, width: int, kind: int) -> float | int:
    code = _CODES[kind].get(width)
    if code is None or at < 0 or at + width > len(data):
        raise FlexError(f"a value of {width} bytes at {at} of {len(data)}")
    value: float | int = struct.unpack_from(code, data, at)[0]
    return value


def _text(data: bytes, at: int) -> str:
    if at < 0:
        raise FlexError(f"a key at {at}")
    end = data.find(b"\0", at, at + _MAX_KEY)
    if end < 0:
        raise FlexError("a key without end")
    return data[at:end].decode("utf-8", "replace")
