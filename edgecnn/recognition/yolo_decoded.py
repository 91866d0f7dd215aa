"""One tensor with all candidates, boxes decoded: exports of YOLOv5 and v7, v8, v9, v11, v12, X.

How they are written: ``TFDetect`` in models/tf.py of ultralytics/yolov5 (boxes divided by the
input's size); ``Detect._inference`` and ``_tf_decode_boxes``, ``_NormalizeCoords`` in
ultralytics/ultralytics (from 0 to 1 too; key points of older exports stay in pixels); YOLOX's
``decode_outputs`` and exports through ONNX (in pixels).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from edgecnn.core.postprocess import CandidatePoints, DetectSpec, MaskCoefficients
from edgecnn.core.postprocess import to_json as spec_json
from edgecnn.core.runtime import TensorInfo
from edgecnn.recognition.facts import Facts, Real
from edgecnn.recognition.found import Incomplete, Recognised
from edgecnn.recognition.labels import class_labels
from edgecnn.recognition.points import numbered
from edgecnn.recognition.yolo_columns import (
    CandidateColumns,
    columns_of,
    probabilities,
    refuse_angles,
)
from edgecnn.recognition.yolo_grids import CellFollowing, Grids, follow_cells, grids_of
from edgecnn.recognition.yolo_known import SEEED, V5, V8, YOLOX, YoloFamily

_QUARTER = 4  # prototypes of masks are the input's size by this
# What the codes of a quantized output reach, where boxes are from 0 to 1.
_REACH_OF_ONE = 4.0
_PERCENT = 100.0


@dataclass(frozen=True)
class CandidateTable:
    """An output read as candidates and columns.

    Attributes:
        info: the output.
        grids: where its candidates lie.
        width: columns.
        transposed: whether candidates are its last axis.
        values: (candidates, columns) on a picture; None: unknown, or no number among them.
    """

    info: TensorInfo
    grids: Grids
    width: int
    transposed: bool
    values: Real | None

    @property
    def text(self) -> str:
        """For the user."""
        return (
            f"the output '{self.info.name}' {list(self.info.shape)}: {self.grids.candidates:,}"
            f" candidates of {self.grids.text}, {self.width} columns"
        )


@dataclass(frozen=True)
class Prototypes:
    """An output with prototypes of masks.

    Attributes:
        info: the output.
        rows, cols, count: of the prototypes.
        last: whether the count is its last axis.
    """

    info: TensorInfo
    rows: int
    cols: int
    count: int
    last: bool

    def masks(self, facts: Facts, info: TensorInfo, column: int) -> MaskCoefficients:
        """Masks whose coefficients begin at a column of an output's candidates."""
        width, height = facts.size
        return MaskCoefficients(
            output=info.name,
            column=column,
            prototypes=self.info.name,
            rows=self.rows,
            cols=self.cols,
            count=self.count,
            width=width,
            height=height,
            channels_first=not self.last,
        )


def tables_of(facts: Facts, info: TensorInfo) -> tuple[CandidateTable, ...]:
    """Every way to read an output as candidates; axes of 1 are left out."""
    sides = [size for size in info.shape if size != 1]
    if len(sides) != 2:
        return ()
    values = facts.values(info.name)
    if values is not None and values.size != sides[0] * sides[1]:
        values = None
    found = []
    for transposed in (False, True):
        count, width = sides[::-1] if transposed else sides
        for grids in grids_of(facts.size, count):
            rows = None
            if values is not None and np.isfinite(values).any():
                flat = values.reshape(sides)
                rows = flat.T if transposed else flat
            found.append(CandidateTable(info, grids, width, transposed, rows))
    return tuple(found)


def prototypes_of(facts: Facts, info: TensorInfo) -> Prototypes | None:
    """An output (1, height / 4, width / 4, count), or with the count first."""
    if len(info.shape) != 4 or info.shape[0] != 1:
        return None
    width, height = facts.size
    wanted = (-(-height // _QUARTER), -(-width // _QUARTER))
    _, first, second, third = info.shape
    if (first, second) == wanted and third > 1:
        return Prototypes(info, first, second, third, True)
    if (second, third) == wanted and first > 1:
        return Prototypes(info, second, third, first, False)
    return None


def apart_from_prototypes(
    facts: Facts, count: int
) -> tuple[list[TensorInfo], Prototypes | None] | None:
    """The model's outputs, and prototypes of masks where it has ``count`` outputs in all.

    Returns:
        The outputs without the prototypes, and these or None; None alone where so many outputs
        hold none, or several that could be them.
    """
    outputs = list(facts.outputs)
    if len(outputs) != count:
        return outputs, None
    found = [item for info in outputs if (item := prototypes_of(facts, info)) is not None]
    if len(found) != 1:
        return None
    return [info for info in outputs if info.name != found[0].info.name], found[0]


def yolo_decoded(facts: Facts) -> Recognised | Incomplete | None:
    """One tensor of decoded candidates, perhaps with prototypes of masks beside it."""
    parts = apart_from_prototypes(facts, 2)
    if parts is None or len(parts[0]) != 1:
        return None
    outputs, prototypes = parts
    read = []
    for table in tables_of(facts, outputs[0]):
        follow = None
        if table.values is not None and table.width > 4:
            follow = follow_cells(table.values[:, :2], table.grids, facts.size)
            if follow is None:
                continue
        read.append((follow.correlation if follow else 0.0, table, follow))
    if not read:
        return None
    _, table, follow = max(read, key=lambda item: item[0])
    return _answer(facts, table, follow, prototypes)


def _answer(
    facts: Facts, table: CandidateTable, follow: CellFollowing | None, prototypes: Prototypes | None
) -> Recognised | Incomplete | None:
    columns = columns_of(
        facts,
        table.width,
        table.values,
        anchors=table.grids.per_cell > 1,
        transposed=table.transposed,
        masks=prototypes.count if prototypes else 0,
    )
    if follow is None and not _file_tells(facts, table):
        return None
    evidence = (table.text, *((follow.text,) if follow else ()))
    if columns is None:
        return _unknown_classes(facts, table, evidence, follow)
    family, name = _family(table, columns)
    units, told = _units(facts, table.info, follow)
    activation, score_unit = _activation(table, columns)
    if activation is None:
        return None
    if score_unit != 1:
        family, name = SEEED, "Swift-YOLO head (Seeed), decoded"
        told += (f"scores reach beyond 1 and not beyond {score_unit:g}: percentages",)
    spec = DetectSpec(
        scores=table.info.name,
        boxes=table.info.name,
        labels=class_labels(facts, columns.classes),
        levels=(),
        coding="cxcywh",
        activation=activation,  # type: ignore[arg-type]
        score_threshold=family.score,
        nms_iou=family.iou,
        max_detections=family.most,
        objectness=table.info.name if columns.objectness else "",
        score_column=columns.first_class,
        objectness_column=4 if columns.objectness else 0,
        transposed=table.transposed,
        box_units=units or (1.0, 1.0),
        decoded_boxes=table.grids.candidates,
        score_unit=score_unit,
    )
    spec, extra = _with_extras(facts, spec, table, columns, prototypes)
    evidence += (*told, *_columns_text(columns), *extra)
    if units is None:
        draft = {key: value for key, value in _plain(spec).items() if key != "box_units"}
        what = "[1, 1] for boxes in input pixels, [width, height] for boxes from 0 to 1"
        return Incomplete(name, {"box_units": what}, draft, evidence, family.habit)
    sure = facts.metadata.ultralytics is not None
    return Recognised(name, spec, evidence, family.habit, sure=sure)


def _file_tells(facts: Facts, table: CandidateTable) -> bool:
    """Without values on a picture: whether the file says enough to take it for a YOLO."""
    maker = facts.metadata.ultralytics
    return (
        maker is not None
        and maker.task in ("", "detect", "segment", "pose", "obb")
        and (not table.transposed or table.width < table.grids.candidates)
    )


def _family(table: CandidateTable, columns: CandidateColumns) -> tuple[YoloFamily, str]:
    kind = "pose" if columns.points else "segmentation" if columns.masks else "detection"
    if table.grids.per_cell > 1:
        family, name = V5, f"YOLOv5 or v7 {kind} head, decoded"
    elif not columns.objectness:
        family, name = V8, f"YOLOv8 {kind} head (v8, v9, v11, v12), decoded"
    elif table.values is not None and bool((table.values[:, 4] > 0.98).all()):
        family, name = V5, "YOLOv6 detection head, decoded"  # its export fills the column with 1
    else:
        family, name = YOLOX, f"YOLOX {kind} head, decoded"
    return family, name


def _units(
    facts: Facts, info: TensorInfo, follow: CellFollowing | None
) -> tuple[tuple[float, float] | None, tuple[str, ...]]:
    """What 1.0 of a box stands for, and by what evidence; None: unknown."""
    width, height = facts.size
    if follow is not None:
        return follow.units, ()
    if info.scale is not None and info.dtype in ("int8", "uint8", "int16"):
        limits = np.iinfo(info.dtype)
        reach = info.scale * (limits.max - (info.zero_point or 0))
        if reach <= _REACH_OF_ONE:
            told = f"its codes reach {reach:.3g}: boxes are from 0 to 1"
            return (float(width), float(height)), (told,)
        return (1.0, 1.0), (f"its codes reach {reach:.3g}: boxes are in pixels",)
    if facts.metadata.ultralytics is not None:
        told = "ultralytics' exports to TFLite give boxes from 0 to 1"
        return (float(width), float(height)), (told,)
    return None, ()


def _activation(table: CandidateTable, columns: CandidateColumns) -> tuple[str | None, float]:
    """What turns the scores into probabilities, and what stands for 1; None: they are no scores."""
    if table.values is None:
        return "none", 1.0
    scores = table.values[:, 4 : columns.rest]
    finite = scores[np.isfinite(scores)]
    if probabilities(finite, table.info.scale):
        return "none", 1.0
    step = 2 * (table.info.scale or 0)
    if columns.objectness and finite.size and finite.min() >= -step:
        return ("none", _PERCENT) if finite.max() <= _PERCENT + step else (None, 1.0)
    refuse_angles(scores[np.isfinite(scores).all(axis=1)])
    return ("sigmoid" if finite.size and finite.min() < 0 else None), 1.0


def _with_extras(
    facts: Facts,
    spec: DetectSpec,
    table: CandidateTable,
    columns: CandidateColumns,
    prototypes: Prototypes | None,
) -> tuple[DetectSpec, tuple[str, ...]]:
    """The spec with key points or masks, and what tells of them."""
    if columns.points:
        maker = facts.metadata.ultralytics
        skeleton = numbered(columns.points)
        if maker is not None and len(maker.keypoint_names) == columns.points:
            skeleton = replace(skeleton, names=maker.keypoint_names)
        units = _point_units(facts, spec, table, columns)
        points = CandidatePoints(
            skeleton,
            table.info.name,
            columns.rest,
            columns.values,
            activation="none",
            units=units,
        )
        text = f"{columns.points} key points of {columns.values} numbers each"
        text += f", in units of their own, {units[0]:g} × {units[1]:g} pixels" if units else ""
        return replace(spec, keypoints=points), (text,)
    if prototypes is None:
        return spec, ()
    text = (
        f"the output '{prototypes.info.name}' {list(prototypes.info.shape)}: {prototypes.count}"
        " prototypes of masks, as many coefficients in each candidate"
    )
    masks = prototypes.masks(facts, table.info, columns.rest)
    return replace(spec, masks=masks), (text,)


def _point_units(
    facts: Facts, spec: DetectSpec, table: CandidateTable, columns: CandidateColumns
) -> tuple[float, ...]:
    """What 1.0 of a key point stands for, where it is not the same as for boxes; else nothing."""
    if table.values is None:
        return ()
    places = table.values[:, columns.rest : columns.rest + 2]
    follow = follow_cells(places, table.grids, facts.size)
    return follow.units if follow is not None and follow.units != spec.box_units else ()


def _columns_text(columns: CandidateColumns) -> tuple[str, ...]:
    front = "centre x, y, width, height"
    front += ", objectness" if columns.objectness else ""
    why = f": {columns.why}" if columns.why else ""
    return (f"columns: {front}, {columns.classes} classes{why}",)


def _unknown_classes(
    facts: Facts, table: CandidateTable, evidence: tuple[str, ...], follow: CellFollowing | None
) -> Incomplete:
    """Nobody says whether column 4 is the objectness."""
    rest = table.width - 4
    what = f"{rest} names, or {rest - 1} where column 4 is an objectness; a label file tells"
    draft: dict[str, Any] = {
        "kind": "detect",
        "scores": table.info.name,
        "boxes": table.info.name,
        "levels": [],
        "coding": "cxcywh",
        "activation": "none",
        "transposed": table.transposed,
        "decoded_boxes": table.grids.candidates,
    }
    if follow is not None:
        draft["box_units"] = list(follow.units)
    column = {
        "score_column": f"4; or 5 with objectness = '{table.info.name}' and objectness_column = 4"
    }
    name = "a YOLO detection head, decoded"
    return Incomplete(name, {"labels": what, **column}, draft, evidence, V8.habit)


def _plain(spec: DetectSpec) -> dict[str, Any]:
    return {key: value for key, value in spec_json(spec).items() if key != "schema"}
