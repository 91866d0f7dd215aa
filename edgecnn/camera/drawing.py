"""What all that is drawn on a frame shares: colours, sizes, text on a plate."""

from __future__ import annotations

import colorsys
import unicodedata
from dataclasses import dataclass

from edgecnn.camera.sources.capture import Image

#: B, G, R bytes.
Colour = tuple[int, int, int]


@dataclass(frozen=True)
class Style:
    """Sizes that suit a frame, pixels; ``font_scale`` in OpenCV's unit."""

    thickness: int
    font_scale: float
    font_thickness: int
    pad: int


def class_colour(index: int) -> Colour:
    """A class's colour, B, G, R bytes: always the same, neighbours far apart in hue.

    >>> class_colour(3) == class_colour(3) != class_colour(4)
    True
    """
    hue = (0.58 + index * 0.61803398875) % 1
    value = (1.0, 0.82)[(index // 8) % 2]
    red, green, blue = colorsys.hsv_to_rgb(hue, 0.78, value)
    return round(blue * 255), round(green * 255), round(red * 255)


def style_for(short_side: int) -> Style:
    """The sizes for a frame whose short side has so many pixels."""
    size = min(max(short_side / 480, 0.75), 3.0)
    return Style(max(1, round(2 * size)), 0.55 * size, max(1, round(1.4 * size)), round(4 * size))


def draw_text(
    image: Image,
    words: str,
    at: tuple[int, int],
    colour: Colour,
    style: Style,
    *,
    above: bool = False,
    around: bool = False,
) -> None:
    """Text on a filled plate below, above or around ``at``, moved so that it lies in the image."""
    import cv2

    font = cv2.FONT_HERSHEY_SIMPLEX
    text = plain_text(words)
    (width, height), base = cv2.getTextSize(text, font, style.font_scale, style.font_thickness)
    plate_w, plate_h = width + 2 * style.pad, height + base + style.pad
    x = max(0, min(at[0] - plate_w // 2 if around else at[0], image.shape[1] - plate_w))
    y = at[1] - (plate_h if above else plate_h // 2 if around else 0)
    y = max(0, min(y, image.shape[0] - plate_h))
    cv2.rectangle(image, (x, y), (x + plate_w - 1, y + plate_h - 1), colour, cv2.FILLED)
    blue, green, red = colour
    ink = (0, 0, 0) if 0.114 * blue + 0.587 * green + 0.299 * red > 120 else (255, 255, 255)
    origin = (x + style.pad, y + height + style.pad // 2)
    cv2.putText(image, text, origin, font, style.font_scale, ink, style.font_thickness, cv2.LINE_AA)


def plain_text(text: str, limit: int = 40) -> str:
    """Text that OpenCV's fonts can draw: ASCII, accents dropped, at most ``limit`` characters.

    >>> plain_text("Pièce n° 4")
    'Piece n? 4'
    """
    kept = (c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    ascii_text = "".join(c if " " <= c <= "~" else "?" for c in kept)
    return ascii_text if len(ascii_text) <= limit else ascii_text[: limit - 3] + "..."
