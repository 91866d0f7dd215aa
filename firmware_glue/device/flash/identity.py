"""Whose program is in flash, from bytes that were read back, and whether it may be overwritten."""

from __future__ import annotations

import struct
from dataclasses import dataclass

LOOK_BYTES = 4096
"""How much is read: boot loader and vector table come first, then what our program says of itself.

Data of someone else's further up, where flash starts empty, is not seen.
"""
MAGIC = b"edgecnn-firmware"
_IDENTITY = struct.Struct("<16s48s48s48s32s")
"""``edgecnn_identity`` of ``app/firmware/identity.c``."""
_EMPTY = (b"\x00", b"\xff")

OURS, EMPTY, FOREIGN, UNKNOWN = "ours", "empty", "someone else's", "unknown"


@dataclass(frozen=True)
class FlashOwner:
    """Whose program a board's flash holds.

    Attributes:
        kind: :data:`OURS`, :data:`EMPTY`, :data:`FOREIGN` or :data:`UNKNOWN`.
        board, model_id, firmware: what our program says of itself.
        model_sha256: of the .tflite that it was made from, in hexadecimal.
        reason: why it is unknown.
    """

    kind: str
    board: str = ""
    model_id: str = ""
    firmware: str = ""
    model_sha256: str = ""
    reason: str = ""


@dataclass(frozen=True)
class OverwriteDecision:
    """Whether flash may be written, and the sentence that says why not."""

    allowed: bool
    reason: str = ""
    hint: str = ""


def flash_owner(data: bytes) -> FlashOwner:
    """Judges the first bytes of flash; any bytes are taken."""
    if any(data == fill * len(data) for fill in _EMPTY):
        kind = EMPTY if data else UNKNOWN
        return FlashOwner(kind, reason="" if data else "nothing was read")
    at = data.find(MAGIC)
    if at < 0 or at + _IDENTITY.size > len(data):
        return FlashOwner(FOREIGN)
    _, *texts, sha256 = _IDENTITY.unpack_from(data, at)
    board, model_id, firmware = (_text(raw) for raw in texts)
    return FlashOwner(OURS, board, model_id, firmware, sha256.hex())


def may_overwrite(owner: FlashOwner, *, force: bool = False) -> OverwriteDecision:
    """Ours and empty flash: yes; else only with ``force``."""
    if force or owner.kind in (OURS, EMPTY):
        return OverwriteDecision(True)
    if owner.kind == FOREIGN:
        return OverwriteDecision(
            False,
            "the board holds a program that is not edgecnn's",
            "keep a copy if you need it, then repeat with --force to overwrite it",
        )
    why = f" ({owner.reason})" if owner.reason else ""
    return OverwriteDecision(
        False,
        f"it is unknown what the board holds{why}",
        "repeat with --force to overwrite it, whatever it is",
    )


def _text(raw: bytes) -> str:
    """Text up to the first zero byte, printable ASCII alone: it may end up on a terminal."""
    text = raw.partition(b"\0")[0].decode("ascii", "replace")
    return "".join(char if char.isascii() and char.isprintable() else "?" for char in text)
