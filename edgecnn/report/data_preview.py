"""One page on a set of images with boxes: what it holds, its photos, what training makes of them.

Renders what it is handed; names and labels are untrusted and escaped.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edgecnn.report import svg
from edgecnn.report.markup import Html, el
from edgecnn.report.parts import figure, folded, section, table
from edgecnn.report.style import CSS, POLICY
from edgecnn.report.text import number

_MOST_FAULTS = 500
_MOST_SIZES = 8
_TONES = 6
_CSS = """
.photos{display:grid;grid-template-columns:repeat(auto-fill,minmax(230px,1fr));gap:14px}
.photos figure{margin:0}
.photos svg{width:100%;height:auto;display:block;border-radius:6px;border:1px solid var(--line)}
.photos rect{fill:none;stroke-width:2;vector-effect:non-scaling-stroke}
.photos rect.off{stroke-dasharray:3 3}
.k0{stroke:#ff3b30}.k1{stroke:#00c2ff}.k2{stroke:#ffd60a}.k3{stroke:#34e36b}.k4{stroke:#ff7bf3}
.k5{stroke:#ff9f0a}
span.k{display:inline-block;width:11px;height:11px;border-radius:3px;margin-right:5px}
span.k0{background:#ff3b30}span.k1{background:#00c2ff}span.k2{background:#ffd60a}
span.k3{background:#34e36b}span.k4{background:#ff7bf3}span.k5{background:#ff9f0a}
""".strip()


@dataclass(frozen=True)
class PreviewBox:
    """A box in pixels of its picture; ``counts``: it is neither difficult nor a crowd."""

    label: str
    corners: tuple[float, float, float, float]
    counts: bool = True


@dataclass(frozen=True)
class PreviewPicture:
    """A JPEG with its boxes.

    Attributes:
        name: caption.
        jpeg: encoded.
        width, height: of the JPEG, pixels.
        boxes: in its pixels.
    """

    name: str
    jpeg: bytes
    width: int
    height: int
    boxes: tuple[PreviewBox, ...]


@dataclass(frozen=True)
class PreviewClass:
    """A class.

    Attributes:
        label: its name.
        boxes: split → boxes.
        images: that show it.
        side: median of the box's side (root of its area) as a share of the image's.
        smallest: the same of its smallest box.
    """

    label: str
    boxes: Mapping[str, int]
    images: int
    side: float
    smallest: float


@dataclass(frozen=True)
class DataPreview:
    """What the page shows.

    Attributes:
        source: path of the set.
        form: its form's name.
        images: split → images.
        empty: images without boxes.
        classes: of the set.
        sizes: width × height → images, the most frequent first.
        sides: of all boxes, as shares of the image's side: lower bound → boxes.
        per_image: boxes per image: text → images.
        faults: a line each.
        notes: what was decided.
        photos: as they are.
        training: what training sees, at the model's size.
        input_size: height and width of that.
    """

    source: str
    form: str
    images: Mapping[str, int]
    empty: int
    classes: tuple[PreviewClass, ...]
    sizes: Sequence[tuple[tuple[int, int], int]]
    sides: Sequence[tuple[str, int]]
    per_image: Sequence[tuple[str, int]]
    faults: tuple[str, ...]
    notes: tuple[str, ...]
    photos: tuple[PreviewPicture, ...]
    training: tuple[PreviewPicture, ...]
    input_size: tuple[int, int]


def render_preview(data: DataPreview) -> str:
    """The whole page; same data, same bytes."""
    tones = {row.label: f"k{place % _TONES}" for place, row in enumerate(data.classes)}
    total = sum(data.images.values())
    boxes = sum(sum(row.boxes.values()) for row in data.classes)
    head = el(
        "head",
        el("meta", charset="utf-8"),
        el("meta", http_equiv="Content-Security-Policy", content=POLICY),
        el("meta", name="viewport", content="width=device-width, initial-scale=1"),
        el("meta", name="color-scheme", content="light dark"),
        el("title", f"{data.source}: edgecnn data preview"),
        el("style", Html(f"{CSS}\n{_CSS}")),
    )
    splits = ", ".join(f"{part} {count:,}" for part, count in data.images.items())
    height, width = data.input_size
    body = el(
        "body",
        el(
            "header",
            el("h1", data.source),
            el("p", f"{data.form} · {total:,} images ({splits}) · {boxes:,} boxes ·"
                    f" {len(data.classes):,} classes", class_="sub"),
        ),
        el(
            "main",
            _faults(data),
            section("classes", "Classes", _classes(data, tones)),
            section("sizes", "Sizes", _plots(data)),
            section(
                "photos", "Photos",
                el("p", "Dashed boxes are neither trained on nor counted.", class_="sub"),
                _pictures(data.photos, tones),
            ),
            section(
                "training", "What training sees",
                el("p", f"At {height} × {width}, with random crops, zooms, mirrors, mosaics, light"
                        " and colour. Dashed boxes are cut off too far to be asked for.",
                   class_="sub"),
                _pictures(data.training, tones),
            ),
        ),
        el("footer", "Made by edgecnn data preview."),
    )  # fmt: skip
    return f"<!DOCTYPE html>\n{el('html', head, body, lang='en')}\n"


def _faults(data: DataPreview) -> Html | None:
    rows = [el("li", note) for note in data.notes]
    shown = [el("li", line) for line in data.faults[:_MOST_FAULTS]]
    more = len(data.faults) - len(shown)
    if more > 0:
        shown.append(el("li", f"… and {more:,} more: edgecnn data check"))
    if not rows and not shown:
        return None
    count = len(data.faults)
    title = f"{count:,} {'fault' if count == 1 else 'faults'} in the annotations"
    return el(
        "div", el("ul", rows) if rows else None, folded(title, el("ul", shown)) if shown else None
    )


def _classes(data: DataPreview, tones: Mapping[str, str]) -> Html:
    parts = list(data.images)
    rows = [
        [
            el("span", el("span", class_=f"k {tones[row.label]}"), row.label),
            *(number(row.boxes.get(part, 0)) for part in parts),
            number(row.images),
            f"{100 * row.side:.1f} %",
            f"{100 * row.smallest:.1f} %",
        ]
        for row in data.classes
    ]
    head = ["class", *(f"boxes {part}#" for part in parts), "images#", "median side#",
            "smallest side#"]  # fmt: skip
    caption = "Side: the root of the box's area over that of the image's area."
    return table(head, rows, caption=caption)


def _plots(data: DataPreview) -> Html:
    sizes = [
        svg.Bar(f"{width} × {height}", count, f"{count:,}")
        for (width, height), count in data.sizes[:_MOST_SIZES]
    ]
    rest = sum(count for _, count in data.sizes[_MOST_SIZES:])
    if rest:
        sizes.append(svg.Bar(f"{len(data.sizes) - _MOST_SIZES} more", rest, f"{rest:,}", tone="s0"))
    plots = (
        ("Image sizes", sizes, "images"),
        ("Side of the boxes, share of the image's", _bars(data.sides), "boxes"),
        ("Boxes in an image", _bars(data.per_image), "images"),
    )
    return el(
        "div",
        [figure(svg.bars(title, rows, unit), title) for title, rows, unit in plots],
        class_="grid2",
    )


def _bars(rows: Sequence[tuple[str, int]]) -> list[svg.Bar]:
    return [svg.Bar(label, count, f"{count:,}") for label, count in rows]


def _pictures(pictures: Sequence[PreviewPicture], tones: Mapping[str, str]) -> Html:
    return el("div", [_picture(one, tones) for one in pictures], class_="photos")


def _picture(one: PreviewPicture, tones: Mapping[str, str]) -> Html:
    data = base64.b64encode(one.jpeg).decode("ascii")
    rects = []
    for box in one.boxes:
        x1, y1, x2, y2 = box.corners
        rects.append(
            el("rect", el("title", box.label), x=x1, y=y1, width=x2 - x1, height=y2 - y1,
               class_=tones.get(box.label, "k0") + ("" if box.counts else " off"))
        )  # fmt: skip
    image = el("image", href=f"data:image/jpeg;base64,{data}", width=one.width, height=one.height)
    drawn = el(
        "svg", image, rects, viewBox=f"0 0 {one.width} {one.height}", role="img",
        aria_label=f"{one.name}: {len(one.boxes)} boxes",
    )  # fmt: skip
    return el("figure", drawn, el("figcaption", one.name))
