"""``lcg:1``: the input that every benchmark and golden check can make again, and FNV-1a 32.

x = x·1664525 + 1013904223 mod 2³² from x = seed; each step gives the byte x >> 24. One sequence
runs over the inputs in the model's order, row-major: int8 and uint8 take one byte, int16 two
(little-endian), float32 is (byte − 128) / 128; bool is the byte's top bit, and int32 and int64,
which are indices as a rule, its top three bits (0 to 7).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.errors import ModelError
from edgecnn.core.runtime import TensorInfo

_MULTIPLIER = 1664525
_INCREMENT = 1013904223
_MASK = 0xFFFFFFFF
_BYTES = {"int8": 1, "uint8": 1, "int16": 2, "float32": 1, "bool": 1, "int32": 1, "int64": 1}
_TOP_BITS = {"bool": 7, "int32": 5, "int64": 5}
"""Shifts of the byte."""
_FNV_OFFSET = 0x811C9DC5
_FNV_PRIME = 0x01000193


def lcg_bytes(count: int, seed: int = 1) -> NDArray[np.uint8]:
    """The first ``count`` bytes of the sequence.

    >>> lcg_bytes(4).tolist()
    [60, 94, 129, 180]
    """
    if count <= 0:
        return np.empty(0, np.uint8)
    # Doubling: k steps at once are again x·a + c, so each pass doubles what is known.
    states = np.empty(count, np.uint64)
    states[0] = (seed * _MULTIPLIER + _INCREMENT) & _MASK
    a, c, known = _MULTIPLIER, _INCREMENT, 1
    while known < count:
        more = min(known, count - known)
        # a and x are below 2³², so the product fits 64 bits.
        states[known : known + more] = (states[:more] * np.uint64(a) + np.uint64(c)) & np.uint64(
            _MASK
        )
        a, c, known = (a * a) & _MASK, (a * c + c) & _MASK, known + more
    return (states >> np.uint64(24)).astype(np.uint8)


def lcg_inputs(inputs: Sequence[TensorInfo], seed: int = 1) -> dict[str, NDArray[Any]]:
    """One array per input, from one running sequence.

    Args:
        inputs: in the model's order.
        seed: the start value; ``lcg:1`` is 1.

    Raises:
        ModelError: an input has another dtype.
    """
    for info in inputs:
        if info.dtype not in _BYTES:
            raise ModelError(
                f"input '{info.name}' is {info.dtype}, lcg inputs exist for {', '.join(_BYTES)}",
                hint="convert the model with int8 or float32 inputs",
            )
    sizes = [int(np.prod(info.shape, dtype=np.int64)) * _BYTES[info.dtype] for info in inputs]
    stream = lcg_bytes(sum(sizes), seed)
    values, start = {}, 0
    for info, size in zip(inputs, sizes, strict=True):
        values[info.name] = _as_tensor(stream[start : start + size], info)
        start += size
    return values


def fnv1a(data: bytes, state: int = _FNV_OFFSET) -> int:
    """FNV-1a, 32 bit; ``state`` continues an earlier hash.

    >>> hex(fnv1a(b"a"))
    '0xe40c292c'
    """
    for byte in data:
        state = ((state ^ byte) * _FNV_PRIME) & _MASK
    return state


def outputs_fnv1a(outputs: Iterable[NDArray[Any]]) -> str:
    """The FNV-1a of all outputs' bytes in the model's order, as 8 hex digits."""
    state = _FNV_OFFSET
    for value in outputs:
        little = np.asarray(value)
        state = fnv1a(little.astype(little.dtype.newbyteorder("<")).tobytes(), state)
    return f"{state:08x}"


def _as_tensor(raw: NDArray[np.uint8], info: TensorInfo) -> NDArray[Any]:
    if info.dtype == "float32":
        real = (raw.astype(np.float32) - np.float32(128)) / np.float32(128)
        return real.reshape(info.shape)
    if info.dtype in _TOP_BITS:
        return (raw >> _TOP_BITS[info.dtype]).astype(info.dtype).reshape(info.shape)
    return (
        np.frombuffer(raw.tobytes(), np.dtype(f"<{np.dtype(info.dtype).str[1:]}"))
        .astype(info.dtype)
        .reshape(info.shape)
    )
