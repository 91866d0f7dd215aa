"""Reads YOLO: a .txt per image with lines ``class cx cy width height``, shares of the size.

Names come from data.yaml, classes.txt or a .names file. The label file lies beside the image, or
where ``images`` in its path is replaced by ``labels``. An image without one shows nothing of the
classes, as YOLO's own tools have it. Lines with more numbers are polygons: their bounds are taken.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath

from edgecnn.data.boxes.index import ImageIndex, leads_out
from edgecnn.data.boxes.numbers import coordinate
from edgecnn.data.boxes.types import AnnotatedBox, AnnotationFault, AnnotationReading, ImageRecord
from edgecnn.data.boxes.yaml_names import MAX_YAML_BYTES, YoloDescription, read_description
from edgecnn.data.images import Files
from edgecnn.data.layout import SPLIT_NAMES

_MAX_LABEL_BYTES, _MAX_LIST_BYTES = 4 << 20, 16 << 20
_MOST_FOLDERS = 32
_SLACK = 0.01  # a share may lie so far outside 0..1: rounding, and boxes at the edge
_NAME_FILES = ("classes.txt", "obj.names", "_darknet.labels", "predefined_classes.txt")


def read_yolo(files: Files, paths: Sequence[str], index: ImageIndex) -> AnnotationReading:
    """Reads the label files ``paths``, the description and the names beside them."""
    faults: list[AnnotationFault] = []
    notes: list[str] = []
    yaml, description = _description(files, faults)
    names = description.names or _names(files)
    by_image, labelled = _pairs(paths, index, faults)
    parts = _parts(files, yaml, description, index, faults, notes) if yaml else None
    parts = parts or _root_lists(files, index)
    images = _wanted(index, labelled, parts)
    records = []
    polygons = 0
    broken: set[str] = set()
    for image in images:
        path = by_image.get(image)
        boxes: list[AnnotatedBox] = []
        if path is not None:
            text = files.head(path, _MAX_LABEL_BYTES + 1)
            if len(text) > _MAX_LABEL_BYTES or b"\0" in text:
                faults.append(AnnotationFault(path, "", "it is no text of at most 4 MiB"))
                broken.add(image)
                continue
            polygons += _lines(text, path, names, boxes, faults)
        records.append(ImageRecord(image, path or image, tuple(boxes), relative=True))
    bare = len(images) - len(by_image)
    if bare > 0:
        notes.append(f"{bare:,} images have no label file: taken as images without boxes")
    if polygons:
        notes.append(f"{polygons:,} lines hold polygons: their bounds are taken")
    if not names:
        notes.append("no data.yaml or classes.txt names the classes: they are called 0, 1, …")
    used = {int(box.label) for record in records for box in record.boxes} if not names else set()
    labels = names or tuple(str(number) for number in range(max(used, default=-1) + 1))
    lost = sum(fault.item.startswith("line ") for fault in faults)
    return AnnotationReading(
        "yolo", tuple(records), labels, tuple(faults), tuple(notes), parts, frozenset(broken), lost
    )


def _description(files: Files, faults: list[AnnotationFault]) -> tuple[str | None, YoloDescription]:
    """The data.yaml nearest to the root that names classes or splits."""
    found = [path for path in files.others if path.lower().endswith((".yaml", ".yml"))]
    for path in sorted(found, key=lambda path: (path.count("/"), "data" not in path, path))[:16]:
        read = read_description(files.head(path, MAX_YAML_BYTES))
        if read.names:
            if len(set(read.names)) < len(read.names) or not all(read.names):
                faults.append(
                    AnnotationFault(path, "names", "a class name is empty or stands twice")
                )
            return path, read
    return None, YoloDescription((), {})


def _names(files: Files) -> tuple[str, ...]:
    for path in sorted(files.others, key=lambda path: (path.count("/"), path)):
        name = PurePosixPath(path).name.lower()
        if name in _NAME_FILES or name.endswith(".names"):
            lines = files.head(path, MAX_YAML_BYTES).decode("utf-8-sig", "replace").splitlines()
            return tuple(line.strip() for line in lines if line.strip())
    return ()


def _pairs(
    paths: Sequence[str], index: ImageIndex, faults: list[AnnotationFault]
) -> tuple[dict[str, str], set[str]]:
    """Image → label file, and the folders that hold labelled images."""
    by_image: dict[str, str] = {}
    for path in paths:
        try:
            image = index.by_stem(PurePosixPath(path).name, _beside_images(path))
            why = "there is no image of this name"
        except LookupError as error:
            image, why = None, str(error.args[0])
        if image is None:
            faults.append(AnnotationFault(path, "", why))
        elif image in by_image:
            why = f"'{by_image[image]}' is the label file of '{image}' already: left out"
            faults.append(AnnotationFault(path, "", why))
        else:
            by_image[image] = path
    return by_image, {str(PurePosixPath(image).parent) for image in by_image}


def _beside_images(path: str) -> str:
    """``train/labels/a.txt`` → ``train/images/a.txt``: where its image is looked for first."""
    pieces = path.split("/")
    for place in range(len(pieces) - 2, -1, -1):
        if pieces[place].lower() == "labels":
            pieces[place] = "images"
            break
    return "/".join(pieces)


def _wanted(index: ImageIndex, labelled: set[str], parts: dict[str, str] | None) -> list[str]:
    """Images in folders with labels, or of the description's splits; others are not of the set."""
    return [
        image
        for image in index.images
        if str(PurePosixPath(image).parent) in labelled or (parts and image in parts)
    ]


def _parts(
    files: Files,
    yaml: str,
    description: YoloDescription,
    index: ImageIndex,
    faults: list[AnnotationFault],
    notes: list[str],
) -> dict[str, str] | None:
    """Image → split, as data.yaml says: folders of images, or .txt files that list them.

    A split that names the images of train again (``val: images``, as examples have it) is none.
    """
    parts: dict[str, str] = {}
    train: set[str] = set()
    count = 0
    base = description.paths.get("path", ("",))[0]
    for part in ("train", "val", "test"):  # of two splits the later one holds
        for entry in description.paths.get(part, ()):
            images = _listed(files, yaml, base, entry, index)
            if not images:
                missing = "leads out of the folder" if leads_out(entry, yaml) else "holds no images"
                faults.append(AnnotationFault(yaml, part, f"'{entry[:200]}' {missing}"))
            if part == "train":
                train.update(images)
            elif images and train and train <= set(images):
                notes.append(f"'{yaml}': {part} names the images of train again: not a split")
                continue
            count += bool(images)
            parts.update(dict.fromkeys(images, part))
    # What names one split of everything is not cut either.
    return parts if parts and (count > 1 or set(parts) < set(index.images)) else None


def _listed(files: Files, yaml: str, base: str, entry: str, index: ImageIndex) -> list[str]:
    """The images that a split's entry means.

    Entries in the wild are seen from the file, from ``path``, or from a folder that is not there
    (``../train/images``): the longest end of the entry that is a folder here is taken, so nothing
    outside is ever touched.
    """
    pieces = [piece for piece in f"{base}/{entry}".replace("\\", "/").split("/")
              if piece not in ("", ".", "..")]  # fmt: skip
    home = PurePosixPath(yaml).parent
    pieces = pieces[-_MOST_FOLDERS:]
    for start in range(len(pieces)):
        tail = PurePosixPath(*pieces[start:])
        for place in dict.fromkeys((home / tail, tail)):
            name = place.as_posix()
            if name.lower().endswith(".txt") and name in files.others:
                return _from_list(files, name, index)
            inside = [image for image in index.images if image.startswith(f"{name}/")]
            if inside:
                return inside
    return []


def _root_lists(files: Files, index: ImageIndex) -> dict[str, str] | None:
    """Image → split by ``train.txt``, ``valid.txt``, ``test.txt``, as darknet has them."""
    lists = {
        part: path
        for path in sorted(files.others, key=lambda path: -path.count("/"))
        if path.lower().endswith(".txt") and (part := SPLIT_NAMES.get(PurePosixPath(path).stem))
    }
    found = {part: _from_list(files, path, index) for part, path in lists.items()}
    parts = {image: part for part in ("train", "val", "test") for image in found.get(part, ())}
    return parts if len(set(parts.values())) > 1 else None


def _from_list(files: Files, path: str, index: ImageIndex) -> list[str]:
    found = []
    for line in files.head(path, _MAX_LIST_BYTES).decode("utf-8", "replace").splitlines():
        try:
            image = index.find(line, path) if line.strip() else None
        except LookupError:
            image = None
        if image is not None:
            found.append(image)
    return found


def _lines(
    text: bytes,
    path: str,
    names: Sequence[str],
    boxes: list[AnnotatedBox],
    faults: list[AnnotationFault],
) -> int:
    """Appends the boxes of a label file; how many of them were polygons."""
    polygons = 0
    for number, line in enumerate(text.decode("utf-8-sig", "replace").splitlines(), 1):
        cells = line.split()
        if not cells:
            continue
        item = f"line {number}"
        try:
            label = _label(cells[0], names)
            item = f"{item} ({label[:60]})"
            corners = _corners([coordinate(cell) for cell in cells[1:]])
        except ValueError as error:
            faults.append(AnnotationFault(path, item, str(error)))
            continue
        polygons += len(cells) > 5
        boxes.append(AnnotatedBox(label, corners, item))
    return polygons


def _label(text: str, names: Sequence[str]) -> str:
    number = coordinate(text)
    if number != int(number) or number < 0 or number >= 100_000:
        raise ValueError(f"'{text[:40]}' is no class number")
    if names and number >= len(names):
        raise ValueError(f"class {int(number)}, but {len(names)} classes have a name")
    return names[int(number)] if names else str(int(number))


def _corners(values: Sequence[float]) -> tuple[float, float, float, float]:
    if len(values) < 4 or (len(values) > 4 and len(values) % 2):
        raise ValueError(f"{len(values) + 1} numbers, expected class, cx, cy, width and height")
    outside = next((v for v in values if not -_SLACK <= v <= 1 + _SLACK), None)
    if outside is not None:
        raise ValueError(f"{outside:g} is no share of the image's size (0 to 1)")
    if len(values) > 4:
        if len(values) < 6:
            raise ValueError(f"{len(values) + 1} numbers, expected class, cx, cy, width and height")
        return min(values[::2]), min(values[1::2]), max(values[::2]), max(values[1::2])
    cx, cy, width, height = values
    if width <= 0 or height <= 0:
        raise ValueError(f"it has no area: width {width:g}, height {height:g}")
    return cx - width / 2, cy - height / 2, cx + width / 2, cy + height / 2
