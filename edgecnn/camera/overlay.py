"""Boxes, masks, key points, labels and the status line drawn on a frame."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from edgecnn.camera.counting.places import CountedPlace
from edgecnn.camera.drawing import Style, class_colour, draw_text, plain_text, style_for
from edgecnn.camera.events.regions import FrameRegion
from edgecnn.camera.following import Following
from edgecnn.camera.overlay_following import draw_places, draw_trails
from edgecnn.camera.result import FrameMask, Item
from edgecnn.camera.sources.capture import Image

__all__ = ["OverlayOptions", "class_colour", "draw", "plain_text"]

# Key points that score less are neither drawn nor joined.
_POINT_SCORE = 0.2
# How much of the frame stays visible below a mask.
_SEEN_THROUGH = 0.5
# Pixels of the longer side of an enlarged frame.
_LONGEST_ENLARGED = 16384
_REGION_COLOUR = (200, 200, 200)


@dataclass(frozen=True)
class OverlayOptions:
    """How results are drawn.

    Attributes:
        boxes, labels, scores, status: what to draw; ``status`` is the line with rate and age.
        masks, keypoints: likewise, where the model gives them.
        min_side: smaller frames are enlarged by a whole factor until their short side has at
            least so many pixels, so that text can be read; the long side grows to 16384 at most.
        trails: the ways of what is followed.
        regions: of the events; outlined, below everything else.
        places: lines and zones that are counted at; likewise, with their counts.
    """

    boxes: bool = True
    labels: bool = True
    scores: bool = True
    status: bool = True
    masks: bool = True
    keypoints: bool = True
    trails: bool = True
    min_side: int = 320
    regions: tuple[FrameRegion, ...] = ()
    places: tuple[CountedPlace, ...] = ()


def draw(
    image: Image,
    found: Iterable[Item],
    options: OverlayOptions,
    status: str = "",
    following: Following | None = None,
) -> Image:
    """The frame with its results drawn on it.

    Args:
        image: uint8 (H, W, 3) BGR; drawn on in place unless it must be enlarged.
        found: boxes in pixels of ``image``, the best first.
        options: what to draw.
        status: the text of the status line.
        following: ways and counts of what is followed.

    Returns:
        uint8 (k·H, k·W, 3) BGR with the whole factor k of ``min_side``.
    """
    import cv2

    height, width = image.shape[:2]
    factor = _factor(height, width, options.min_side)
    if factor > 1:
        size = (width * factor, height * factor)
        image = cv2.resize(image, size, interpolation=cv2.INTER_NEAREST)
    style = style_for(min(image.shape[:2]))
    # Plates over boxes over masks, and the best detection last, on top.
    items = list(_with_their_crops(found))[::-1]
    for item in items:
        _draw_mask(image, item, options, factor, style)
    for region in options.regions:
        _draw_region(image, region, options, style)
    if options.places:
        counts = following.counts if following is not None else ()
        draw_places(image, options.places, counts, (height, width), factor, style)
    if following is not None and options.trails:
        draw_trails(image, following.trails, factor, style)
    for item in items:
        _draw_box(image, item, options, factor, style)
        _draw_key_points(image, item, options, factor, style)
    for item in items:
        _draw_label(image, item, options, factor, style)
    if options.status and status:
        draw_text(image, status, (0, 0), (32, 32, 32), style)
    return image


def _factor(height: int, width: int, min_side: int) -> int:
    """How much a frame is enlarged; a narrow strip less, it would take gigabytes."""
    wanted = math.ceil(min_side / max(1, min(height, width)))
    return max(1, min(wanted, _LONGEST_ENLARGED // max(height, width)))


def _with_their_crops(items: Iterable[Item]) -> Iterator[Item]:
    """Items, and behind each what was found inside it; its class is said in the item's label."""
    for item in items:
        yield item
        inner = (found for found in item.then or () if not found.whole_frame)
        yield from _with_their_crops(inner)


def _draw_region(image: Image, region: FrameRegion, options: OverlayOptions, style: Style) -> None:
    import cv2

    height, width = image.shape[:2]
    corners = np.asarray(region.points) * (width - 1, height - 1)
    outline = [np.rint(corners).astype(np.int32)]
    cv2.polylines(image, outline, True, _REGION_COLOUR, style.font_thickness)
    if options.labels:
        x, y = outline[0][0].tolist()
        draw_text(image, region.name, (x, y), _REGION_COLOUR, style)


def _draw_box(image: Image, item: Item, options: OverlayOptions, factor: int, style: Style) -> None:
    import cv2

    if item.whole_frame or item.whole_class or not options.boxes:
        return
    x1, y1, x2, y2 = (round(value * factor) for value in item.box_xyxy)
    corner = (max(x1, x2 - 1), max(y1, y2 - 1))
    colour = class_colour(item.class_index)
    if item.point_xy is not None:
        x, y = (round(value * factor) for value in item.point_xy)
        # A ring with a dot: where something is, without a size.
        cv2.circle(image, (x, y), 5 * style.thickness, colour, style.thickness, cv2.LINE_AA)
        cv2.circle(image, (x, y), style.thickness, colour, cv2.FILLED, cv2.LINE_AA)
        return
    cv2.rectangle(image, (x1, y1), corner, colour, style.thickness, cv2.LINE_AA)


def _draw_mask(
    image: Image, item: Item, options: OverlayOptions, factor: int, style: Style
) -> None:
    """The class's colour over the mask, half transparent, and its outline."""
    import cv2

    if item.mask is None or not options.masks or not item.mask.area.pixels.size:
        return
    area, colour = item.mask.area, class_colour(item.class_index)
    inside = area.pixels.view(np.uint8)
    if factor > 1:
        size = (inside.shape[1] * factor, inside.shape[0] * factor)
        inside = cv2.resize(inside, size, interpolation=cv2.INTER_NEAREST)
    top, left = area.top * factor, area.left * factor
    part = image[top : top + inside.shape[0], left : left + inside.shape[1]]
    steps = np.arange(256)[:, None] * _SEEN_THROUGH + np.array(colour) * (1 - _SEEN_THROUGH)
    mixed = cv2.LUT(part, np.rint(steps).astype(np.uint8)[None])
    cv2.copyTo(mixed, inside, part)
    # The outline lies inside the mask, so that classes side by side keep theirs.
    width = 2 * style.thickness + 1
    rim = np.flatnonzero(inside > cv2.erode(inside, np.ones((width, width), np.uint8)))
    part[np.divmod(rim, inside.shape[1])] = colour


def _draw_key_points(
    image: Image, item: Item, options: OverlayOptions, factor: int, style: Style
) -> None:
    """Lines between the points that belong together, and a dot with a rim on each."""
    import cv2

    if not item.keypoints or not options.keypoints:
        return
    colour = class_colour(item.class_index)
    points = [_pixel(x, y, factor) for x, y, _ in item.keypoints]
    seen = [score >= _POINT_SCORE for _, _, score in item.keypoints]
    for start, end in item.edges:
        if seen[start] and seen[end]:
            cv2.line(image, points[start], points[end], colour, style.thickness, cv2.LINE_AA)
    for point, drawn in zip(points, seen, strict=True):
        if drawn:
            radius = 2 * style.thickness
            cv2.circle(image, point, radius + 1, (255, 255, 255), cv2.FILLED, cv2.LINE_AA)
            cv2.circle(image, point, radius, colour, cv2.FILLED, cv2.LINE_AA)


def _pixel(x: float, y: float, factor: int) -> tuple[int, int]:
    """A place in the enlarged frame; far outside of it at the edge of what OpenCV can draw."""
    limit = 1 << 14
    return (
        round(min(max(x * factor, -limit), limit)),
        round(min(max(y * factor, -limit), limit)),
    )


def _draw_label(
    image: Image, item: Item, options: OverlayOptions, factor: int, style: Style
) -> None:
    words = [f"#{item.track}"] if item.track is not None else []
    words += [item.label] if options.labels else []
    words += [f"{item.score * 100:.0f}%"] if options.scores else []
    for inner in item.then or ():
        if inner.whole_frame and options.labels:
            words += [f"> {inner.label}"]
            words += [f"{inner.score * 100:.0f}%"] if options.scores else []
    if not words:
        return
    colour = class_colour(item.class_index)
    if item.whole_frame:
        draw_text(image, " ".join(words), (0, image.shape[0]), colour, style)
        return
    if item.whole_class and item.mask is not None:
        x, y = _deepest(item.mask)
        draw_text(image, " ".join(words), (x * factor, y * factor), colour, style, around=True)
        return
    x, y = round(item.box_xyxy[0] * factor), round(item.box_xyxy[1] * factor)
    draw_text(image, " ".join(words), (x - style.thickness // 2, y), colour, style, above=True)


def _deepest(mask: FrameMask) -> tuple[int, int]:
    """A pixel (x, y) far from the mask's edge, where its label is not taken for a neighbour's."""
    import cv2

    area = mask.area
    step = max(1, min(area.pixels.shape) // 64)
    small = np.ascontiguousarray(area.pixels[::step, ::step]).view(np.uint8)
    padded = cv2.copyMakeBorder(small, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    depth = cv2.distanceTransform(padded, cv2.DIST_L1, 3)
    row, col = divmod(int(depth.argmax()), depth.shape[1])
    return area.left + (col - 1) * step, area.top + (row - 1) * step
