"""Bytes of an image to elements of a tensor: a table of 256 entries per channel, applied fast."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edgecnn.core import optional_cv2

_Way = Literal["copy", "flip", "look up"]
#: What every cv2.LUT since 4.8 can look up; it turns int64 into int32 and, before 5, refuses more.
_LOOKED_UP = ("uint8", "int8", "uint16", "int16", "int32", "float32", "float64")
_BYTES = np.arange(256, dtype=np.uint8)
_SIGN = np.uint8(0x80)


class ByteTable:
    """Looks up every byte of an image, and lays the elements out as the tensor has them.

    Two tables need no looking up: bytes that stay as they are, and the int8 whose bits are the
    byte's with the highest one flipped (byte − 128).

    Args:
        entries: (channels, 256), of the tensor's dtype.
        planes_first: the tensor's axes are (1, channels, height, width), else the channels last.
    """

    def __init__(self, entries: NDArray[Any], *, planes_first: bool) -> None:
        self.dtype = entries.dtype
        self._entries = np.ascontiguousarray(entries)
        self._planes_first = planes_first
        self._shared = bool((self._entries == self._entries[0]).all())
        self._interleaved = self._entries.T[None].copy()  # (1, 256, channels), as cv2.LUT has it
        self._way = _way(self._entries)

    @property
    def in_place(self) -> bool:
        """Whether the image may lie in the tensor's own memory: same places, same size."""
        return self._way != "look up" and not self._planes_first

    def apply(self, image: NDArray[np.uint8], tensor: NDArray[Any]) -> None:
        """Fills ``tensor`` with the elements of ``image``.

        Args:
            image: uint8 (height, width, channels), contiguous; the tensor's own memory only if
                :attr:`in_place`.
            tensor: of the table's dtype, contiguous: (1, height, width, channels), or
                (1, channels, height, width).
        """
        planes = image.shape[2] if self._planes_first or not self._shared else 0
        cv2 = optional_cv2.cv2_or_none()
        if planes < 2:
            flat = image.reshape(image.shape[0], -1)
            self._fill(flat, self._entries[0], tensor.reshape(flat.shape))
        elif self._planes_first:
            parts = (
                [image[:, :, channel] for channel in range(planes)]
                if cv2 is None
                else cv2.split(image)
            )
            for part, entries, out in zip(parts, self._entries, tensor[0], strict=True):
                self._fill(part, entries, out)
        elif cv2 is not None and self.dtype.name in _LOOKED_UP:
            keep_made(cv2.LUT(image, self._interleaved, dst=tensor[0]), tensor[0])
        else:
            for channel in range(planes):
                tensor[0, :, :, channel] = self._entries[channel][image[:, :, channel]]

    def _fill(self, part: NDArray[np.uint8], entries: NDArray[Any], out: NDArray[Any]) -> None:
        """One plane, or an image whose channels share their table: both (height, n)."""
        if self._way == "copy":
            if not np.may_share_memory(out, part):
                np.copyto(out, part)
        elif self._way == "flip":
            np.bitwise_xor(part, _SIGN, out=out.view(np.uint8))
        else:
            cv2 = optional_cv2.cv2_or_none()
            if cv2 is not None and self.dtype.name in _LOOKED_UP:
                keep_made(cv2.LUT(part, entries, dst=out), out)
            else:
                # "clip" writes straight into ``out``; no byte lies outside the table.
                np.take(entries, part, out=out, mode="clip")


def _way(entries: NDArray[Any]) -> _Way:
    if entries.dtype == np.uint8 and (entries == _BYTES).all():
        return "copy"
    if entries.dtype == np.int8 and (entries.view(np.uint8) == _BYTES ^ _SIGN).all():
        return "flip"
    return "look up"


def keep_made(made: NDArray[Any], out: NDArray[Any]) -> None:
    """Copies ``made`` into ``out``, unless cv2 has written it there itself."""
    if made is not out:
        np.copyto(out, made.reshape(out.shape))
