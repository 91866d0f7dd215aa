"""What following adds to a drawn frame: trails, lines and zones with their counts."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from edgecnn.camera.counting.places import CountedPlace
from edgecnn.camera.drawing import Colour, Style, class_colour, draw_text
from edgecnn.camera.following import PlaceCount, Trail
from edgecnn.camera.geometry import Point
from edgecnn.camera.sources.capture import Image

_LINE_COLOUR: Colour = (0, 200, 255)
_ZONE_COLOUR: Colour = (255, 200, 0)
# So much of a zone's colour lies over it.
_TINT = 0.15
# Points are given to OpenCV in so many binary digits below the pixel.
_DIGITS = 3
# Farther outside OpenCV does not draw, pixels.
_FARTHEST = 1 << 14


def draw_places(
    image: Image,
    places: Sequence[CountedPlace],
    counts: Sequence[PlaceCount],
    frame_hw: tuple[int, int],
    factor: int,
    style: Style,
) -> None:
    """Draws lines with an arrow to where ``in`` is, zones with a tint, and what was counted.

    Args:
        image: uint8 (k·H, k·W, 3) BGR; drawn on in place.
        places: lines and zones.
        counts: of some or all of them.
        frame_hw: H and W.
        factor: k.
        style: sizes.
    """
    known = {(count.kind, count.place): count for count in counts}
    drawn = [(place, _scaled(place.in_frame(frame_hw), factor)) for place in places]
    for place, points in drawn:
        if place.kind == "zone":
            _draw_zone(image, points, style)
        else:
            _draw_line(image, points, style)
    for place, points in drawn:
        colour = _ZONE_COLOUR if place.kind == "zone" else _LINE_COLOUR
        words = _words(place, known.get((place.kind, place.name)))
        x, y = min(points, key=lambda point: (point[1], point[0]))
        if place.kind == "line":
            x, y = points[0]
        draw_text(image, words, (round(x), round(y)), colour, style)


def draw_trails(image: Image, trails: Sequence[Trail], factor: int, style: Style) -> None:
    """Draws where each track has been, in the colour of its class.

    Args:
        image: uint8 (k·H, k·W, 3) BGR; drawn on in place.
        trails: in pixels of the frame.
        factor: k.
        style: sizes.
    """
    import cv2

    for trail in trails:
        points = _fixed(_scaled(trail.points, factor))
        colour = class_colour(trail.class_index)
        cv2.polylines(image, [points], False, colour, style.thickness, cv2.LINE_AA, _DIGITS)


def _words(place: CountedPlace, count: PlaceCount | None) -> str:
    """A place's name and counts.

    >>> _words(CountedPlace("door", "line", ((0, 0), (1, 1))), None)
    'door'
    """
    name = place.name if len(place.name) <= 16 else place.name[:14] + ".."
    if count is None:
        return name
    words = f"{name}  in {sum(count.came_in.values())}  out {sum(count.went_out.values())}"
    return words if count.inside is None else f"{words}  inside {count.inside}"


def _scaled(points: Sequence[Point], factor: int) -> list[Point]:
    """Points of the frame in the enlarged one; what lies far outside is drawn less far."""
    return [
        (
            min(max(x * factor, -_FARTHEST), _FARTHEST),
            min(max(y * factor, -_FARTHEST), _FARTHEST),
        )
        for x, y in points
    ]


def _fixed(points: Sequence[Point]) -> np.ndarray:
    """Points as OpenCV takes them with ``_DIGITS``, int32 (n, 2)."""
    return np.rint(np.asarray(points) * (1 << _DIGITS)).astype(np.int32)


def _draw_zone(image: Image, points: Sequence[Point], style: Style) -> None:
    import cv2

    corners = np.rint(np.asarray(points)).astype(np.int32)
    left, top = np.maximum(corners.min(axis=0), 0).tolist()
    right, bottom = (corners.max(axis=0) + 1).tolist()
    part = image[top : max(bottom, 0), left : max(right, 0)]
    if part.size:
        tinted = part.copy()
        cv2.fillPoly(tinted, [corners - (left, top)], _ZONE_COLOUR)
        cv2.addWeighted(tinted, _TINT, part, 1 - _TINT, 0, dst=part)
    cv2.polylines(
        image, [_fixed(points)], True, _ZONE_COLOUR, style.thickness, cv2.LINE_AA, _DIGITS
    )


def _draw_line(image: Image, points: Sequence[Point], style: Style) -> None:
    """The line, dots at its ends, and in its middle the arrow to its right-hand side."""
    import cv2

    (x1, y1), (x2, y2) = points
    length = math.hypot(x2 - x1, y2 - y1)
    middle_x, middle_y = (x1 + x2) / 2, (y1 + y2) / 2
    reach = 12 * style.thickness
    # The right-hand side, with y downwards.
    tip = (middle_x - (y2 - y1) / length * reach, middle_y + (x2 - x1) / length * reach)
    one = 1 << _DIGITS
    for colour, width in (((0, 0, 0), style.thickness + 2), (_LINE_COLOUR, style.thickness)):
        ends = [tuple(point) for point in _fixed(points).tolist()]
        cv2.line(image, ends[0], ends[1], colour, width, cv2.LINE_AA, _DIGITS)
        start, end = _fixed([(middle_x, middle_y), tip]).tolist()
        cv2.arrowedLine(image, start, end, colour, width, cv2.LINE_AA, _DIGITS, 0.4)
        for end in ends:
            cv2.circle(image, end, width * one, colour, cv2.FILLED, cv2.LINE_AA, _DIGITS)
