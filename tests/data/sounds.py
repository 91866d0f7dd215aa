"""WAV bytes by hand, so that the reader has a writer that is not its own."""

from __future__ import annotations

import struct

import numpy as np


def wav(
    values: np.ndarray,
    *,
    rate: int = 8000,
    bits: int = 16,
    code: int = 1,
    extensible: bool = False,
    before: bytes = b"",
) -> bytes:
    """RIFF bytes of ``values`` (n,) or (n, channels), raw codes of the given width."""
    frames = values[:, None] if values.ndim == 1 else values
    if bits == 24:
        body = b"".join(int(v).to_bytes(3, "little", signed=True) for v in frames.ravel())
    else:
        kind = {8: "u1", 16: "<i2", 32: "<i4"}[bits] if code == 1 else f"<f{bits // 8}"
        body = frames.astype(kind).tobytes()
    channels, width = frames.shape[1], frames.shape[1] * bits // 8
    tag = 0xFFFE if extensible else code
    form = struct.pack("<HHIIHH", tag, channels, rate, rate * width, width, bits)
    if extensible:
        guid = struct.pack("<H", code) + bytes.fromhex("000000001000800000AA00389B71")
        form += struct.pack("<HHI", 22, bits, 0) + guid
    chunks = b"fmt " + struct.pack("<I", len(form)) + form + before
    chunks += b"data" + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WAVE" + chunks
