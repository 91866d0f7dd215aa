"""A JPEG as it came from a camera: is it whole, and what does it show?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from edgecnn.camera.sources.capture import DamagedFrameError, Image

START, END = b"\xff\xd8", b"\xff\xd9"
_END, _START, _SCAN, _ALONE = 0xD9, 0xD8, 0xDA, (0x01, *range(0xD0, 0xD8))
_FIRST_MARKER = 0xC0

_FEW = 5
#: Beyond what any camera gives: a few bytes can declare an image of gigabytes.
_MOST_PIXELS = 1 << 27
#: The codes of a frame's head, which has the picture's size.
_SIZES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_PNG = b"\x89PNG\r\n\x1a\n"

Wholeness = Literal["whole", "endless", "damaged"]


def wholeness(data: bytes) -> Wholeness:
    """Judges a JPEG by its markers, without decoding it: some 50 µs for a frame of 1080p.

    OpenCV decodes what is left of a damaged JPEG and tells nobody; libjpeg's warnings cannot be
    seen through it. What the markers show is: a picture that is cut off, one that has pieces of
    another or foreign bytes in it (in coded data 254 of 256 values behind a byte FF are
    forbidden, so of 300 random bytes about two in three cases are found, of 1000 nearly all).
    What they cannot show: single wrong bits and lost bytes inside the coded data, which smear a
    part of the picture.

    Returns:
        ``endless``: as far as it goes all is well, but the end is missing. Few cameras never send
        one.
    """
    if data[:2] != START:
        return "damaged"
    # All places that no coded data can have: FF and then neither 00, a restart, nor FF.
    codes = np.frombuffer(data, np.uint8)
    places = np.flatnonzero(codes[:-1] == 0xFF)
    behind = codes[places + 1]
    markers = places[(behind != 0) & (behind != 0xFF) & ((behind < 0xD0) | (behind > 0xD7))]
    at = 2
    while at + 1 < len(data):
        if data[at] != 0xFF:
            return "damaged"
        code = data[at + 1]
        if code == _END:
            return "whole"
        if code == 0xFF:
            at += 1
        elif code in _ALONE:
            at += 2
        elif code < _FIRST_MARKER or code == _START:
            return "damaged"
        else:
            if code in _SIZES and _pixels(data[at + 5 : at + 9], 2) > _MOST_PIXELS:
                return "damaged"
            at += 2 + max(int.from_bytes(data[at + 2 : at + 4]), 2)
            if code == _SCAN and at <= len(data):
                next_one = int(np.searchsorted(markers, at))
                if next_one == len(markers):
                    return "endless"
                at = int(markers[next_one])
    return "damaged"


def _pixels(sizes: bytes, each: int) -> int:
    """The product of two numbers of so many bytes."""
    return int.from_bytes(sizes[:each], "big") * int.from_bytes(sizes[each:], "big")


@dataclass(frozen=True)
class Jpeg:
    """A compressed picture; implements :class:`~edgecnn.camera.sources.capture.Undecoded`.

    Attributes:
        data: the file's bytes.
    """

    data: bytes

    def decode(self) -> Image | None:
        """The picture, uint8 (H, W, 3) BGR; None where OpenCV can make nothing of it."""
        import cv2

        if self.data.startswith(_PNG) and _pixels(self.data[16:24], 4) > _MOST_PIXELS:
            return None
        try:
            image = cv2.imdecode(np.frombuffer(self.data, np.uint8), cv2.IMREAD_COLOR)
        except (cv2.error, MemoryError):
            return None
        picture: Image | None = image
        return picture


class JpegSieve:
    """Lets a camera's whole JPEGs through, one after the other.

    Cameras that never send a JPEG's end are believed after a few pictures.
    """

    def __init__(self) -> None:
        self._endless_only = True
        self._endless = 0

    def picture(self, data: bytes) -> Jpeg:
        """The picture, still compressed.

        Raises:
            DamagedFrameError: it is no JPEG, is cut off, or has foreign bytes in it.
        """
        found = wholeness(data)
        if found == "whole":
            self._endless_only = False
            return Jpeg(data)
        if found == "endless" and self._endless_only:
            self._endless += 1
            if self._endless > _FEW:
                return Jpeg(data + END)
        raise DamagedFrameError
