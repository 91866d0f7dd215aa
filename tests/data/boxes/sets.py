"""Small sets of images with boxes, written by hand in each form: what readers are judged by."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np

from edgecnn.data.boxes.dataset import settled_boxes
from edgecnn.data.boxes.settle import SettledBoxes
from edgecnn.data.folder import FolderFiles
from tests.data.pictures import write_folder

Row = tuple[str, float, float, float, float]
SIZE = (60, 40)  # width, height
TRUTH: dict[str, list[Row]] = {
    "a": [("cat", 0, 0, 30, 20), ("dog", 10.5, 4.25, 60, 40)],
    "b": [],
    "c": [("dog", 5, 6, 7, 9)],
}


def picture(seed: int, size: tuple[int, int] = SIZE, ext: str = ".jpg") -> bytes:
    """Eight-pixel blocks, so that no two look alike after resizing."""
    coarse = np.random.default_rng(seed).integers(0, 256, (size[1] // 8 + 1, size[0] // 8 + 1, 3))
    image = np.kron(coarse, np.ones((8, 8, 1))).astype(np.uint8)[: size[1], : size[0]]
    return cv2.imencode(ext, image)[1].tobytes()


def pictures(names: Sequence[str], pattern: str = "{}.jpg") -> dict[str, bytes]:
    return {pattern.format(name): picture(seed) for seed, name in enumerate(names)}


def voc_object(label: str, corners: Sequence[object], extra: str = "") -> str:
    keys = ("xmin", "ymin", "xmax", "ymax")
    inside = "".join(f"<{key}>{value}</{key}>" for key, value in zip(keys, corners, strict=True))
    return f"<object><name>{label}</name>{extra}<bndbox>{inside}</bndbox></object>"


def voc_xml(
    filename: str, objects: str, size: tuple[object, object] = SIZE, head: str = ""
) -> bytes:
    text = f"<width>{size[0]}</width><height>{size[1]}</height>"
    return (
        f"{head}<annotation><filename>{filename}</filename><size>{text}</size>{objects}</annotation>"
    ).encode()


def voc(truth: Mapping[str, Sequence[Row]] = TRUTH) -> dict[str, bytes]:
    files = pictures(list(truth), "JPEGImages/{}.jpg")
    for name, rows in truth.items():
        objects = "".join(voc_object(r[0], (r[1] + 1, r[2] + 1, r[3], r[4])) for r in rows)
        files[f"Annotations/{name}.xml"] = voc_xml(f"{name}.jpg", objects)
    return files


def coco_json(truth: Mapping[str, Sequence[Row]] = TRUTH, **changes: object) -> bytes:
    labels = sorted({row[0] for rows in truth.values() for row in rows})
    images = [
        {"id": i, "file_name": f"{name}.jpg", "width": SIZE[0], "height": SIZE[1]}
        for i, name in enumerate(truth, 10)
    ]
    annotations = [
        {"image_id": i, "category_id": labels.index(r[0]) + 5, "iscrowd": 0,
         "bbox": [r[1], r[2], r[3] - r[1], r[4] - r[2]], "area": (r[3] - r[1]) * (r[4] - r[2])}
        for i, rows in enumerate(truth.values(), 10) for r in rows
    ]  # fmt: skip
    for number, row in enumerate(annotations, 1):
        row["id"] = number
    categories = [{"id": i, "name": name} for i, name in enumerate(labels, 5)]
    data = {"images": images, "annotations": annotations, "categories": categories, **changes}
    return json.dumps(data).encode()


def coco(truth: Mapping[str, Sequence[Row]] = TRUTH) -> dict[str, bytes]:
    return pictures(list(truth), "images/{}.jpg") | {"annotations.json": coco_json(truth)}


def yolo_line(number: int, row: Row) -> str:
    wide, high = SIZE
    _, x1, y1, x2, y2 = row
    values = ((x1 + x2) / 2 / wide, (y1 + y2) / 2 / high, (x2 - x1) / wide, (y2 - y1) / high)
    return " ".join([str(number), *map(repr, values)])


def yolo(truth: Mapping[str, Sequence[Row]] = TRUTH) -> dict[str, bytes]:
    labels = sorted({row[0] for rows in truth.values() for row in rows})
    files = pictures(list(truth), "images/{}.jpg")
    for name, rows in truth.items():
        lines = [yolo_line(labels.index(row[0]), row) for row in rows]
        files[f"labels/{name}.txt"] = "\n".join(lines).encode()
    files["data.yaml"] = f"names: {json.dumps(labels)}\n".encode()
    return files


def csv(truth: Mapping[str, Sequence[Row]] = TRUTH) -> dict[str, bytes]:
    lines = ["filename,width,height,class,xmin,ymin,xmax,ymax"]
    for name, rows in truth.items():
        head = f"{name}.jpg,{SIZE[0]},{SIZE[1]}"
        lines += [",".join([head, row[0], *map(str, row[1:])]) for row in rows]
        lines += [f"{head},,,,,"] if not rows else []
    return pictures(list(truth), "images/{}.jpg") | {"labels.csv": "\n".join(lines).encode()}


FORMS = {"voc": voc, "coco": coco, "yolo": yolo, "csv": csv}


def settled(root: Path, files: Mapping[str, bytes], form: str | None = None) -> SettledBoxes:
    found = settled_boxes(FolderFiles(write_folder(root, files)), form)
    if found is None:
        raise LookupError("no annotations were found")
    return found


def rows_of(found: SettledBoxes) -> dict[str, list[Row]]:
    """Image's stem → label and corners."""
    return {
        Path(image.path).stem: [(box.label, *box.corners) for box in image.boxes]
        for image in found.images
    }


def near(rows: Mapping[str, Sequence[Row]], other: Mapping[str, Sequence[Row]], tol=1e-9) -> bool:
    if {name: [r[0] for r in found] for name, found in rows.items()} != {
        name: [r[0] for r in found] for name, found in other.items()
    }:
        return False
    return all(
        abs(a - b) <= tol
        for name, found in rows.items()
        for row, twin in zip(found, other[name], strict=True)
        for a, b in zip(row[1:], twin[1:], strict=True)
    )
