"""Writes images with boxes as Pascal VOC, COCO, YOLO or CSV: what the readers read again.

A writer makes texts by path; copying the images is the caller's. No corner moves by more than 1e-7
pixels. What a form has no place for is said by :func:`losses`.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from xml.sax.saxutils import escape

from edgecnn.data.boxes.settle import AnnotatedImage
from edgecnn.data.boxes.types import AnnotatedBox
from edgecnn.data.splits import PARTS


@dataclass(frozen=True)
class PlacedImage:
    """An image on its way into a written set.

    Attributes:
        image: with its boxes.
        name: of its file, unique in the set, and so is its stem.
        part: ``train``, ``val``, ``test``; None: the set is not split.
    """

    image: AnnotatedImage
    name: str
    part: str | None


@dataclass(frozen=True)
class WrittenForm:
    """How one form is written.

    Attributes:
        folder: of an image's file, by its split.
        texts: (images, labels) → path → text.
    """

    folder: Callable[[str | None], str]
    texts: Callable[[Sequence[PlacedImage], Sequence[str]], dict[str, str]]


def placed_images(
    images: Sequence[AnnotatedImage], parts: Mapping[str, str]
) -> tuple[PlacedImage, ...]:
    """Gives each image a file name of its own; images of several folders may share theirs.

    Args:
        images: of the set.
        parts: path → split; empty: the set is not split.
    """
    taken: set[str] = set()
    placed = []
    for image in images:
        pure = PurePosixPath(image.path)
        stem = pure.stem
        if stem.lower() in taken:
            stem = "_".join(pure.with_suffix("").parts)
        number, free = 2, stem
        while free.lower() in taken:
            free, number = f"{stem}_{number}", number + 1
        taken.add(free.lower())
        placed.append(PlacedImage(image, f"{free}{pure.suffix.lower()}", parts.get(image.path)))
    return tuple(placed)


def losses(form: str, images: Sequence[AnnotatedImage]) -> tuple[str, ...]:
    """What a form cannot say of these boxes, in words."""
    boxes = [box for image in images for box in image.boxes]
    crowd = sum(box.crowd for box in boxes)
    hard = sum(box.difficult and not box.crowd for box in boxes)
    if form == "yolo" and crowd + hard:
        return (
            f"{crowd + hard:,} boxes that do not count (difficult, crowd) are left out: YOLO has no"
            " mark for them",
        )
    if form == "voc" and crowd:
        return (f"{crowd:,} crowd boxes become difficult ones: VOC has no mark for them",)
    return ()


def kept_in(form: str, box: AnnotatedBox) -> bool:
    """Whether a form has a place for a box."""
    return form != "yolo" or not (box.crowd or box.difficult)


def _voc(images: Sequence[PlacedImage], _: Sequence[str]) -> dict[str, str]:
    texts = {}
    for placed in images:
        rows = "".join(_voc_object(box) for box in placed.image.boxes)
        facts = placed.image.facts
        texts[f"Annotations/{PurePosixPath(placed.name).stem}.xml"] = (
            "<annotation>\n\t<folder>JPEGImages</folder>\n"
            f"\t<filename>{escape(placed.name)}</filename>\n"
            f"\t<size>\n\t\t<width>{facts.width}</width>\n\t\t<height>{facts.height}</height>\n"
            f"\t\t<depth>3</depth>\n\t</size>\n\t<segmented>0</segmented>\n{rows}</annotation>\n"
        )
    for part in PARTS:
        names = [PurePosixPath(placed.name).stem for placed in images if placed.part == part]
        if names:
            texts[f"ImageSets/Main/{part}.txt"] = "".join(f"{name}\n" for name in names)
    return texts


def _voc_object(box: AnnotatedBox) -> str:
    x1, y1, x2, y2 = box.corners
    corners = zip(("xmin", "ymin", "xmax", "ymax"), (x1 + 1, y1 + 1, x2, y2), strict=True)
    rows = "".join(f"\t\t\t<{key}>{_number(value)}</{key}>\n" for key, value in corners)
    return (
        f"\t<object>\n\t\t<name>{escape(box.label)}</name>\n\t\t<pose>Unspecified</pose>\n"
        f"\t\t<truncated>0</truncated>\n\t\t<difficult>{int(box.difficult or box.crowd)}"
        f"</difficult>\n\t\t<bndbox>\n{rows}\t\t</bndbox>\n\t</object>\n"
    )


def _coco(images: Sequence[PlacedImage], labels: Sequence[str]) -> dict[str, str]:
    numbers = {label: number for number, label in enumerate(labels, 1)}
    texts = {}
    annotation = 0
    for part in _parts(images):
        rows: dict[str, list[dict[str, object]]] = {"images": [], "annotations": []}
        for number, placed in enumerate(images, 1):
            if placed.part != part:
                continue
            facts = placed.image.facts
            rows["images"].append(
                {"id": number, "file_name": placed.name, "width": facts.width,
                 "height": facts.height}
            )  # fmt: skip
            for box in placed.image.boxes:
                annotation += 1
                x1, y1, x2, y2 = box.corners
                wide, high = x2 - x1, y2 - y1
                row: dict[str, object] = {
                    "id": annotation, "image_id": number, "category_id": numbers[box.label],
                    "bbox": [_plain(v) for v in (x1, y1, wide, high)],
                    "area": _plain(wide * high), "iscrowd": int(box.crowd),
                }  # fmt: skip
                if box.difficult:
                    row["difficult"] = 1
                rows["annotations"].append(row)
        categories = [{"id": number, "name": label} for label, number in numbers.items()]
        name = f"annotations/instances_{part}.json" if part else "annotations/instances.json"
        texts[name] = json.dumps({**rows, "categories": categories}, ensure_ascii=False) + "\n"
    return texts


def _yolo(images: Sequence[PlacedImage], labels: Sequence[str]) -> dict[str, str]:
    numbers = {label: number for number, label in enumerate(labels)}
    texts = {}
    for placed in images:
        facts = placed.image.facts
        lines = []
        for box in placed.image.boxes:
            if not kept_in("yolo", box):
                continue
            x1, y1, x2, y2 = box.corners
            values = ((x1 + x2) / 2 / facts.width, (y1 + y2) / 2 / facts.height,
                      (x2 - x1) / facts.width, (y2 - y1) / facts.height)  # fmt: skip
            lines.append(" ".join([str(numbers[box.label]), *(f"{v:.12f}" for v in values)]))
        folder = f"labels/{placed.part}" if placed.part else "labels"
        name = f"{folder}/{PurePosixPath(placed.name).stem}.txt"
        texts[name] = "".join(f"{line}\n" for line in lines)
    paths = "".join(
        f"{part}: images/{part}\n" if part else "train: images\nval: images\n"
        for part in _parts(images)
    )
    names = "".join(
        f"  {number}: '{label.replace(chr(39), 2 * chr(39))}'\n"
        for label, number in numbers.items()
    )
    texts["data.yaml"] = f"path: .\n{paths}names:\n{names}"
    return texts


def _csv(images: Sequence[PlacedImage], _: Sequence[str]) -> dict[str, str]:
    head = ["filename", "width", "height", "class", "xmin", "ymin", "xmax", "ymax"]
    marked = any(box.difficult or box.crowd for one in images for box in one.image.boxes)
    head += ["difficult", "iscrowd"] if marked else []
    texts = {}
    for part in _parts(images):
        stream = io.StringIO()
        table = csv.writer(stream, lineterminator="\n")
        table.writerow(head)
        for placed in images:
            if placed.part != part:
                continue
            size = [placed.name, placed.image.facts.width, placed.image.facts.height]
            for box in placed.image.boxes:
                marks = [int(box.difficult), int(box.crowd)] if marked else []
                table.writerow([*size, box.label, *map(_number, box.corners), *marks])
            if not placed.image.boxes:
                table.writerow([*size, *[""] * (len(head) - 3)])
        texts[f"{part}_labels.csv" if part else "labels.csv"] = stream.getvalue()
    return texts


def _parts(images: Sequence[PlacedImage]) -> list[str | None]:
    there = {placed.part for placed in images}
    return [part for part in (*PARTS, None) if part in there]


def _number(value: float) -> str:
    """Whole numbers as such, others with all digits that are needed to find them again."""
    return str(int(value)) if value == int(value) else repr(float(value))


def _plain(value: float) -> float | int:
    return int(value) if value == int(value) else float(value)


WRITTEN: Mapping[str, WrittenForm] = {
    "voc": WrittenForm(lambda _: "JPEGImages", _voc),
    "coco": WrittenForm(lambda part: part or "images", _coco),
    "yolo": WrittenForm(lambda part: f"images/{part}" if part else "images", _yolo),
    "csv": WrittenForm(lambda part: f"images/{part}" if part else "images", _csv),
}
"""Form → how it is written."""
