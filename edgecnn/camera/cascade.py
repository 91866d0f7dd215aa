"""Two networks in a row: a detector, then another network on a crop of each of its boxes."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from edgecnn.camera.pipeline import DecodeLater, FrameModel, InferLater, find
from edgecnn.camera.result import Item
from edgecnn.camera.sources.capture import Image
from edgecnn.core.errors import UsageError
from edgecnn.core.mask import Box


@dataclass(frozen=True)
class CropRule:
    """Which boxes are looked at again, and how much of the frame around them.

    Attributes:
        classes: labels of the first network's; empty: all.
        margin: how far the crop reaches beyond the box on each side, as a share of its size.
        most: at most so many boxes a frame, the best ones.
    """

    classes: tuple[str, ...] = ()
    margin: float = 0.0
    most: int = 10

    def __post_init__(self) -> None:
        """Raises UsageError when a limit cannot be meant."""
        if not 0 <= self.margin <= 10:
            raise UsageError(f"the margin is {self.margin}, expected 0 to 10", hint="0.1 is usual")
        if self.most < 1:
            raise UsageError(f"most is {self.most}, expected 1 or more", hint="10 is usual")


class Cascade:
    """Implements :class:`edgecnn.camera.pipeline.FrameModel` with two of them.

    What the second network finds on a crop becomes ``then`` of the first one's item, in pixels of
    the whole frame.

    Args:
        first: finds boxes.
        second: looks at crops; what it remembers from frame to frame is forgotten before each.
        rule: which boxes.
    """

    def __init__(self, first: FrameModel, second: FrameModel, rule: CropRule) -> None:
        self.first, self._second, self._rule = first, second, rule

    def reset(self) -> None:
        """See :class:`FrameModel`."""
        self.first.reset()
        self._second.reset()

    def prepare(self, image: Image, times: dict[str, float]) -> InferLater:
        """See :class:`FrameModel`; times are those of both networks together."""
        infer_first = self.first.prepare(image, times)
        return lambda times: self._infer(image, infer_first, times)

    def _infer(self, image: Image, infer_first: InferLater, times: dict[str, float]) -> DecodeLater:
        """The second network needs the first one's boxes, so nothing is left to decode later."""
        items = list(infer_first(times)(times))
        left = self._rule.most
        for place, item in enumerate(items):
            if (
                left
                and not item.candidate
                and (not self._rule.classes or item.label in self._rule.classes)
            ):
                items[place] = replace(item, then=self._look(image, item, times))
                left -= 1
        return lambda times: tuple(items)

    def _look(self, image: Image, item: Item, times: dict[str, float]) -> tuple[Item, ...]:
        """What the second network finds on an item's crop."""
        left, top, right, bottom = _crop(item.box_xyxy, self._rule.margin, image)
        if right <= left or bottom <= top:
            return ()
        own: dict[str, float] = {}
        self._second.reset()
        found = find(self._second, image[top:bottom, left:right], own)
        for stage, ms in own.items():
            times[stage] = times.get(stage, 0.0) + ms
        height, width = image.shape[:2]
        return tuple(inner.moved(left, top, (height, width)) for inner in found)


def _crop(box: Box, margin: float, image: Image) -> tuple[int, int, int, int]:
    """Whole pixels left, top, right, bottom inside the frame."""
    height, width = image.shape[:2]
    x1, y1, x2, y2 = box
    wide, high = margin * (x2 - x1), margin * (y2 - y1)
    return (
        max(0, math.floor(x1 - wide)),
        max(0, math.floor(y1 - high)),
        min(width, math.ceil(x2 + wide)),
        min(height, math.ceil(y2 + high)),
    )
