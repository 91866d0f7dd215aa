"""Arrays for frames, used again once nobody holds them."""

from __future__ import annotations

import sys

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]

_MOST = 16
_SPARE = 2


def _references(arrays: list[Image], index: int) -> int:
    """How many references to one of the arrays there are, that of this call included."""
    return sys.getrefcount(arrays[index])


#: What an array has that is in the list alone; measured, because interpreters count differently.
_ALONE = _references([np.empty(1, np.uint8)], 0)


class FrameBuffers:
    """Remembers the arrays of earlier frames, and gives back one that nobody else holds.

    A frame of 1080p is 6 MB: asking the system for that much memory anew costs as much as a fifth
    of the decoding. Whether an array is held is what the interpreter counts itself, views included
    (a view holds the array that it looks into): so a frame may be kept as long as one likes, and is
    never written to meanwhile. One thread uses it; the frames may go to any others.

    Args:
        most: how many arrays are remembered; the oldest is forgotten (not freed: its holder keeps
            it) when more are under way.
    """

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        self._arrays: list[Image] = []
        # Without the global lock an object's references are not counted in one place.
        self._counted = getattr(sys, "_is_gil_enabled", lambda: True)()

    def take(self) -> Image | None:
        """An array to write the next frame into; None: none is free, a new one is needed.

        The remembered ones shrink to what is under way and one or two more.
        """
        free = [k for k in range(len(self._arrays)) if self._is_free(k)]
        for k in reversed(free[_SPARE:]):
            del self._arrays[k]
        return self._arrays[free[0]] if free else None

    def keep(self, image: Image) -> None:
        """Remembers the array of a frame that is about to be handed out.

        Only arrays that own their memory; all remembered ones have the shape of the last.
        """
        if not self._counted or not image.flags.owndata:
            return
        if self._arrays and self._arrays[-1].shape != image.shape:
            self._arrays.clear()
        if any(known is image for known in self._arrays):
            return
        if len(self._arrays) >= self._most:
            del self._arrays[0]
        self._arrays.append(image)

    def _is_free(self, index: int) -> bool:
        return _references(self._arrays, index) <= _ALONE
