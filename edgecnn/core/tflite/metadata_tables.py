"""The flatbuffer that TFLite's metadata is: what a model's maker says about its tensors.

The file keeps it in the buffer of its metadata entry ``TFLITE_METADATA``. Schema:
tensorflow/tflite-support, ``metadata_schema.fbs`` (versions up to 1.5.0, with MediaPipe's tensor
groups and custom metadata), and MediaPipe's ``object_detector_metadata_schema.fbs`` and
``image_segmenter_metadata_schema.fbs``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.errors import ModelError
from edgecnn.core.tflite.model import frozen_array
from edgecnn.core.tflite.walker import Table, Tables, Walker

Found = TypeVar("Found")
ENTRY = "TFLITE_METADATA"
_IDENTIFIER = b"M001"
_CUSTOM_IDENTIFIER = b"V001"
_MAX_TENSORS = 1 << 10
_MAX_ROWS = 64
_MAX_ANCHORS = 1 << 17
_MAX_VALUES = 1 << 10
# ContentProperties, the union's numbers.
_CONTENT = {1: "feature", 2: "image", 3: "boxes"}
_COLOURS = {1: "rgb", 2: "gray"}
_NORMALIZATION, _THRESHOLDING = 1, 3
AXIS_LABELS, VALUE_LABELS = 2, 3
_BOXES = {1: "boundaries", 2: "upper-left", 3: "center"}
_ACTIVATIONS = ("none", "sigmoid", "softmax")


@dataclass(frozen=True)
class TensorNote:
    """What the metadata says of one input or output; empty or None where it says nothing.

    Attributes:
        name: as the maker calls it (``location``, ``category``, ``score``,
            ``number of detections``); often better than the tensor's own name.
        description: one line.
        content: ``image``, ``boxes``, ``feature`` or empty.
        colour: of an image: ``rgb``, ``gray`` or empty.
        image_hw: of an image: height and width, pixels.
        mean, std: of the normalization (byte − mean) / std; one value, or one per channel.
        minimum, maximum: of the tensor's real values, as the maker measured or meant them.
        labels: of the tensor's last axis (scores) or values (class numbers).
        labels_of: ``axis``, ``values`` or empty.
        label_files: the associated files that hold labels, by name.
        box_form: of boxes: ``boundaries`` (left, top, right, bottom), ``upper-left`` (x, y, width,
            height), ``center`` (x, y, width, height) or empty.
        box_order: of boxes: the place of each number of ``box_form``, () for its own order.
        box_pixels: of boxes: pixels instead of shares of the image.
        score_threshold: scores below it are of no use; None where it is not said.
    """

    name: str = ""
    description: str = ""
    content: str = ""
    colour: str = ""
    image_hw: tuple[int, int] | None = None
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    minimum: tuple[float, ...] = ()
    maximum: tuple[float, ...] = ()
    labels: tuple[str, ...] = ()
    labels_of: str = ""
    label_files: tuple[str, ...] = ()
    box_form: str = ""
    box_order: tuple[int, ...] = ()
    box_pixels: bool = False
    score_threshold: float | None = None


@dataclass(frozen=True)
class DetectorNote:
    """MediaPipe's ``DETECTOR_METADATA``: how raw boxes and scores are decoded.

    Attributes:
        anchors: float32 (n, 4): centre x, centre y, width, height in shares of the image.
        classes, boxes, coords: sizes of the outputs: scores (boxes, classes), boxes
            (boxes, coords).
        keypoint_offset, keypoints, keypoint_values: where key points begin in a box, how many
            there are, and of how many numbers each.
        scale_xywh: what the codes of a box are divided by.
        exponential_size: width and height are exponents.
        sigmoid_scores: the scores still need a sigmoid.
    """

    anchors: NDArray[np.float32] = field(compare=False)
    classes: int
    boxes: int
    coords: int
    keypoint_offset: int
    keypoints: int
    keypoint_values: int
    scale_xywh: tuple[float, float, float, float]
    exponential_size: bool
    sigmoid_scores: bool


@dataclass(frozen=True)
class ModelNote:
    """The whole table, before the archive's files are looked up.

    Attributes:
        files: associated files of the model and its subgraph, by name.
        groups: names of outputs that belong together.
        detector: MediaPipe's options of a detector without suppression.
        activation: MediaPipe's of a segmenter: ``none``, ``sigmoid``, ``softmax``; else empty.
        custom: names of all custom metadata.
        notes: what was left out and why.
    """

    name: str = ""
    description: str = ""
    inputs: tuple[TensorNote, ...] = ()
    outputs: tuple[TensorNote, ...] = ()
    files: tuple[str, ...] = ()
    groups: tuple[tuple[str, tuple[str, ...]], ...] = ()
    detector: DetectorNote | None = None
    activation: str = ""
    custom: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def read_note(raw: bytes) -> ModelNote:
    """The metadata of a file.

    Args:
        raw: the entry's bytes; never trusted.

    Raises:
        ModelError: damaged.
    """
    walker = Walker(raw, ENTRY)
    if raw[4:8] != _IDENTIFIER:
        walker.damaged(f"its identifier is {raw[4:8]!r}, expected {_IDENTIFIER!r}")
    root = walker.root()
    graphs = root.tables(3, "subgraph", _MAX_TENSORS)
    files = _files(root.tables(6, "associated file", _MAX_ROWS))
    name, description = root.text(0), root.text(1)
    if not len(graphs):
        return ModelNote(name, description, files=_names(files))
    graph = graphs[0]
    groups = graph.tables(8, "output group", _MAX_ROWS)
    custom = graph.tables(9, "custom metadata", _MAX_ROWS)
    options = {custom[k].text(0): custom[k].array(1, "u1") for k in range(len(custom))}
    notes: list[str] = []
    return ModelNote(
        name=name,
        description=description,
        inputs=_tensors(graph.tables(2, "input", _MAX_TENSORS)),
        outputs=_tensors(graph.tables(3, "output", _MAX_TENSORS)),
        files=_names(files) + _names(_files(graph.tables(4, "associated file", _MAX_ROWS))),
        groups=tuple(
            (groups[k].text(0), groups[k].texts(1, "tensor name", _MAX_ROWS))
            for k in range(len(groups))
        ),
        detector=_custom(options, "DETECTOR_METADATA", _detector, notes),
        activation=_custom(options, "SEGMENTER_METADATA", _activation, notes) or "",
        custom=tuple(options),
        notes=tuple(notes),
    )


def _names(files: tuple[tuple[str, int], ...]) -> tuple[str, ...]:
    return tuple(name for name, _ in files)


def _files(rows: Tables) -> tuple[tuple[str, int], ...]:
    """Name and type of associated files."""
    return tuple((rows[k].text(0), rows[k].scalar(2, "i1")) for k in range(len(rows)))


def _tensors(rows: Tables) -> tuple[TensorNote, ...]:
    return tuple(_tensor(rows[k]) for k in range(len(rows)))


def _tensor(row: Table) -> TensorNote:
    content = row.table(3, "the content")
    kind = _CONTENT.get(content.scalar(0, "u1"), "") if content is not None else ""
    properties = content.table(1, "the properties") if content is not None and kind else None
    image = properties if kind == "image" else None
    boxes = properties if kind == "boxes" else None
    size = image.table(1, "the image size") if image is not None else None
    stats = row.table(5, "the statistics")
    files = _files(row.tables(6, "associated file", _MAX_ROWS))
    labels = [(name, type_) for name, type_ in files if type_ in (AXIS_LABELS, VALUE_LABELS)]
    options = _options(row.tables(4, "process unit", _MAX_ROWS))
    norm, limit = options.get(_NORMALIZATION), options.get(_THRESHOLDING)
    return TensorNote(
        name=row.text(0),
        description=row.text(1),
        content=kind,
        colour=_COLOURS.get(image.scalar(0, "i1"), "") if image is not None else "",
        image_hw=_size(size),
        mean=_values(norm, 0),
        std=_values(norm, 1),
        minimum=_values(stats, 1),
        maximum=_values(stats, 0),
        labels_of={AXIS_LABELS: "axis", VALUE_LABELS: "values"}[labels[0][1]] if labels else "",
        label_files=tuple(name for name, _ in labels),
        box_form=_BOXES.get(boxes.scalar(1, "i1"), "") if boxes is not None else "",
        box_order=boxes.numbers(0, "u4")[:8] if boxes is not None else (),
        box_pixels=boxes is not None and boxes.scalar(2, "i1") == 1,
        score_threshold=_finite(limit.scalar(0, "f4")) if limit is not None else None,
    )


def _options(rows: Tables) -> dict[int, Table]:
    """The first process unit of each type."""
    found: dict[int, Table] = {}
    for k in range(len(rows)):
        table = rows[k].table(1, "the options of a process unit")
        if table is not None:
            found.setdefault(rows[k].scalar(0, "u1"), table)
    return found


def _size(table: Table | None) -> tuple[int, int] | None:
    if table is None:
        return None
    height, width = table.scalar(1, "u4"), table.scalar(0, "u4")
    return (height, width) if 0 < height <= 1 << 14 and 0 < width <= 1 << 14 else None


def _values(table: Table | None, slot: int) -> tuple[float, ...]:
    """Floats; none where one is not finite, or where there are far too many."""
    if table is None:
        return ()
    array = table.array(slot, "f4")
    if array.size > _MAX_VALUES or not np.isfinite(array).all():
        return ()
    return tuple(array.tolist())


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None


def _custom(
    options: dict[str, NDArray[Any]],
    name: str,
    read: Callable[[Walker, Table], Found],
    notes: list[str],
) -> Found | None:
    """One of MediaPipe's tables, itself a whole flatbuffer; None and a note where damaged."""
    raw = options[name].tobytes() if name in options else None
    if raw is None:
        return None
    walker = Walker(raw, name)
    try:
        if raw[4:8] != _CUSTOM_IDENTIFIER:
            walker.damaged(f"its identifier is {raw[4:8]!r}, expected {_CUSTOM_IDENTIFIER!r}")
        return read(walker, walker.root())
    except ModelError as error:
        notes.append(left_out(name, error))
        return None


def left_out(name: str, error: ModelError) -> str:
    """The note on a table that could not be read."""
    return f"the metadata '{name}' is left out: {error.message.partition(': ')[2]}"


def _activation(_: Walker, root: Table) -> str:
    number = root.scalar(0, "i1")
    return _ACTIVATIONS[number] if 0 <= number < len(_ACTIVATIONS) else ""


def _detector(walker: Walker, root: Table) -> DetectorNote | None:
    options = root.table(2, "the decoding options")
    outer = root.table(1, "the anchors' options")
    inner = outer.table(0, "the anchors' schema") if outer is not None else None
    if options is None or inner is None:
        return None
    x, y, w, h = (_finite(options.scalar(slot, "f4")) or 0.0 for slot in (6, 7, 8, 9))
    classes, boxes, coords, offset, keypoints, values = (
        options.scalar(slot, "i4") for slot in range(6)
    )
    return DetectorNote(
        anchors=_anchors(walker, inner),
        classes=classes,
        boxes=boxes,
        coords=coords,
        keypoint_offset=offset,
        keypoints=keypoints,
        keypoint_values=values,
        scale_xywh=(x, y, w, h),
        exponential_size=options.scalar(10, "bool", False),
        sigmoid_scores=options.scalar(11, "bool", False),
    )


def _anchors(walker: Walker, table: Table) -> NDArray[np.float32]:
    """The anchors of a vector of tables, all at once: there are tens of thousands."""
    places = np.asarray(table.tables(0, "anchor", _MAX_ANCHORS).places(), np.int64)
    walker.spend(16 * len(places))
    tables = places + _gather(walker, places, "u4")
    vtables = tables - _gather(walker, tables, "i4")
    sizes = _gather(walker, vtables, "u2")
    columns = []
    for slot in range(4):
        entry = 4 + 2 * slot
        there = sizes >= entry + 2
        offset = np.where(there, _gather(walker, np.where(there, vtables + entry, 0), "u2"), 0)
        value = _gather(walker, np.where(offset, tables + offset, 0), "f4")
        columns.append(np.where(offset, value, 0))
    anchors = np.stack(columns, 1).astype(np.float32)
    if not np.isfinite(anchors).all():
        walker.damaged("an anchor is not finite")
    return frozen_array(anchors)


def _gather(walker: Walker, places: NDArray[np.int64], kind: str) -> NDArray[Any]:
    """Scalars at many places; each place is checked."""
    dtype = np.dtype(f"<{kind}")
    if len(places):
        walker.check(int(places.min()), 0, "an anchor")
        walker.check(int(places.max()), dtype.itemsize, "an anchor")
    file = np.frombuffer(walker.data, np.uint8)
    raw = file[places[:, None] + np.arange(dtype.itemsize)]
    values = np.ascontiguousarray(raw).view(dtype)[:, 0]
    return values.astype(np.float32 if kind == "f4" else np.int64)
