"""Heads with decoded boxes: recognised, and decoded as their publishers do."""

from __future__ import annotations

import numpy as np
import pytest

from edgecnn.core.errors import DataError, ModelError
from edgecnn.core.postprocess import DetectSpec, ListedSpec
from edgecnn.core.tflite.file_metadata import FileMetadata
from edgecnn.core.tflite.ultralytics import Ultralytics
from edgecnn.recognition.found import Incomplete, Recognised
from edgecnn.recognition.table import recognise
from tests.recognition.yolo_heads import (
    best_classes,
    boxes_around,
    check,
    corners,
    decoded,
    facts_of,
    logits,
    squash,
)

SQUARE, WIDE = (128, 128), (160, 96)
STRIDES = (8, 16, 32)


def ultralytics(**values) -> FileMetadata:
    maker = Ultralytics(**values)
    return FileMetadata(ultralytics=maker, labels=maker.names)


def names(count):
    return tuple(f"thing {k}" for k in range(count))


def known(facts) -> Recognised:
    answer = recognise(facts)
    assert isinstance(answer, Recognised), answer
    return answer


def yolov5(size, *, classes=3, pixels=False, anchors_first=False, seed=1):
    """(1, N, 5 + classes): x, y, w, h over the input's size, objectness, classes."""
    rng = np.random.default_rng(seed)
    boxes = boxes_around(rng, size, STRIDES, 3)
    obj = squash(logits(rng, len(boxes), 1, 20))
    prob = squash(rng.normal(0, 2, (len(boxes), classes)).astype(np.float32))
    if anchors_first:  # PyTorch lays a level out anchor by anchor
        order, start = [], 0
        for stride in STRIDES:
            cells = (size[0] // stride) * (size[1] // stride)
            order += [start + cell * 3 + a for a in range(3) for cell in range(cells)]
            start += cells * 3
        boxes = boxes[order]
    table = np.concatenate([boxes, obj, prob], axis=1)
    wanted = best_classes([corners(*box) for box in boxes.tolist()], obj * prob, 0.25, 0.45)
    if not pixels:
        table[:, :4] /= np.tile(np.asarray(size, np.float32), 2)
    return table[None], wanted


@pytest.mark.parametrize("size", [SQUARE, WIDE])
@pytest.mark.parametrize("pixels", [False, True])
def test_yolov5(size, pixels):
    table, wanted = yolov5(size, pixels=pixels, anchors_first=pixels)
    facts = facts_of(size, {"StatefulPartitionedCall:0": table})
    answer = known(facts)
    spec = answer.spec
    assert isinstance(spec, DetectSpec)
    assert spec.box_units == ((1.0, 1.0) if pixels else size)
    assert (spec.objectness_column, spec.score_column, len(spec.labels)) == (4, 5, 3)
    assert answer.habit is not None and answer.habit.pad_value == 114
    assert any("objectness" in sentence for sentence in answer.evidence)
    check(decoded(facts, spec), wanted)


def test_yolov5_int8_with_one_scale():
    """full_integer_quant.tflite: boxes from 0 to 1 and scores share a scale of about 1/255."""
    table, _ = yolov5(SQUARE)
    scale, zero = 1.02 / 255, -128
    codes = np.clip(np.rint(table / scale) + zero, -128, 127).astype(np.int8)
    real = (codes.astype(np.float64) - zero) * scale
    boxes = [corners(*(box * 128)) for box in real[0, :, :4]]
    wanted = best_classes(boxes, real[0, :, 4:5] * real[0, :, 5:], 0.25, 0.45)
    facts = facts_of(SQUARE, {"out": codes}, scales={"out": (scale, zero)})
    answer = known(facts)
    check(decoded(facts, answer.spec), wanted)
    assert any("share" in warning for warning in answer.warnings)


@pytest.mark.parametrize("coded", [False, True])
def test_swift_yolo(coded):
    """Seeed's: boxes in pixels, objectness and classes as percentages."""
    table, _ = yolov5(SQUARE, classes=2, pixels=True)
    table[..., 4:] *= 100
    scale, zero, arrays = 0.75, -100, {"out": table}
    if coded:
        arrays = {"out": np.clip(np.rint(table / scale) + zero, -128, 127).astype(np.int8)}
        table = ((arrays["out"].astype(np.float64) - zero) * scale).astype(np.float32)
    facts = facts_of(SQUARE, arrays, scales={"out": (scale, zero)} if coded else None)
    answer = known(facts)
    assert answer.name.startswith("Swift-YOLO")
    assert isinstance(answer.spec, DetectSpec) and answer.spec.score_unit == 100
    boxes = [corners(*box) for box in table[0, :, :4].tolist()]
    share = np.clip(table[0, :, 4:] / 100, 0, 1)
    check(decoded(facts, answer.spec), best_classes(boxes, share[:, :1] * share[:, 1:], 0.5, 0.45))


def yolov8(size, *, classes=3, pixels=False, transposed=True, seed=2):
    """(1, 4 + classes, N), without objectness."""
    rng = np.random.default_rng(seed)
    boxes = boxes_around(rng, size, STRIDES)
    prob = squash(logits(rng, len(boxes), classes))
    wanted = best_classes([corners(*box) for box in boxes.tolist()], prob, 0.25, 0.7)
    table = np.concatenate([boxes, prob], axis=1)
    if not pixels:
        table[:, :4] /= np.tile(np.asarray(size, np.float32), 2)
    return (table.T if transposed else table)[None], wanted


@pytest.mark.parametrize("pixels", [False, True])
@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("classes", [1, 5, 80])
def test_yolov8(pixels, transposed, classes):
    table, wanted = yolov8(WIDE, classes=classes, pixels=pixels, transposed=transposed)
    facts = facts_of(WIDE, {"Identity": np.ascontiguousarray(table)})
    spec = known(facts).spec
    assert isinstance(spec, DetectSpec)
    assert (spec.objectness, spec.transposed) == ("", transposed)
    assert spec.box_units == ((1.0, 1.0) if pixels else WIDE)
    assert len(spec.labels) == classes
    check(decoded(facts, spec), wanted)


def test_names_of_the_metadata_make_it_sure():
    table, wanted = yolov8(SQUARE, classes=4)
    facts = facts_of(
        SQUARE, {"out": table}, metadata=ultralytics(task="detect", names=names(4), stride=32)
    )
    answer = known(facts)
    assert answer.sure
    assert answer.spec.labels == names(4)
    check(decoded(facts, answer.spec), wanted)


def test_as_many_candidates_as_columns():
    """64 × 64 pixels have 84 cells, and COCO makes 84 columns: the values tell the axes apart."""
    table, wanted = yolov8((64, 64), classes=80)
    assert table.shape == (1, 84, 84)
    facts = facts_of((64, 64), {"out": table})
    spec = known(facts).spec
    assert spec.transposed
    check(decoded(facts, spec), wanted)


def test_labels_tell_whether_column_4_is_an_objectness():
    table, _ = yolov8(SQUARE, classes=7, transposed=False)
    with_six = known(facts_of(SQUARE, {"out": table}, labels=names(6))).spec
    with_seven = known(facts_of(SQUARE, {"out": table}, labels=names(7))).spec
    assert isinstance(with_six, DetectSpec) and isinstance(with_seven, DetectSpec)
    assert (with_six.objectness, with_seven.objectness) == ("out", "")
    for wrong in (3, 6):
        with pytest.raises(DataError, match=f"{wrong} lines, the model has 7"):
            recognise(facts_of(SQUARE, {"out": np.swapaxes(table, 1, 2)}, labels=names(wrong)))


@pytest.mark.parametrize("classes", [3, 80])
def test_decoded_yolox(classes):
    """Pixels, no sigmoid left to do; classes are sure on the background, objectness is not."""
    rng = np.random.default_rng(3)
    boxes = boxes_around(rng, SQUARE, STRIDES)
    obj = squash(logits(rng, len(boxes), 1, 10))
    prob = squash(rng.normal(0, 2, (len(boxes), classes)).astype(np.float32))
    facts = facts_of(SQUARE, {"output": np.concatenate([boxes, obj, prob], axis=1)[None]})
    answer = known(facts)
    assert answer.name.startswith("YOLOX")
    assert answer.habit is not None and (answer.habit.colour, answer.habit.convention) == (
        "bgr", "0..255",
    )  # fmt: skip
    wanted = best_classes([corners(*box) for box in boxes.tolist()], obj * prob, 0.3, 0.45)
    check(decoded(facts, answer.spec), wanted)


def test_objectness_of_ones_is_yolov6():
    table, wanted = yolov8(SQUARE, classes=80, pixels=True, transposed=False)
    ones = np.ones((1, table.shape[1], 1), np.float32)
    table = np.concatenate([table[..., :4], ones, table[..., 4:]], axis=2)
    facts = facts_of(SQUARE, {"out": table})
    answer = known(facts)
    assert answer.name.startswith("YOLOv6")
    assert answer.habit is not None and answer.habit.convention == "0..1"
    assert len(decoded(facts, answer.spec)) >= len(wanted) - 2


def test_nothing_tells_the_classes():
    """Without labels a head of seven columns may have two classes and an objectness, or three."""
    rng = np.random.default_rng(5)
    boxes = boxes_around(rng, SQUARE, STRIDES)
    scores = rng.uniform(0, 1, (len(boxes), 3)).astype(np.float32)
    table = np.concatenate([boxes, scores], axis=1)[None]
    answer = recognise(facts_of(SQUARE, {"out": table}))
    assert isinstance(answer, Incomplete)
    assert set(answer.missing) == {"labels", "score_column"}
    assert answer.draft["box_units"] == [1.0, 1.0]


def test_without_a_picture():
    """Metadata or a scale tell what values would; where neither does, the key is named."""
    table, _ = yolov8(SQUARE, classes=4)
    maker = ultralytics(task="detect", names=names(4))
    spec = known(facts_of(SQUARE, {"out": table}, metadata=maker, photo=False)).spec
    assert isinstance(spec, DetectSpec) and spec.box_units == SQUARE
    codes = np.zeros(table.shape, np.int8)
    coded = facts_of(
        SQUARE, {"out": codes}, metadata=maker, photo=False, scales={"out": (2.5, -128)}
    )
    spec = known(coded).spec
    assert isinstance(spec, DetectSpec) and spec.box_units == (1.0, 1.0)
    assert recognise(facts_of(SQUARE, {"out": table}, photo=False)) is None


def test_rotated_boxes_are_refused():
    table, _ = yolov8(SQUARE, classes=4)
    maker = ultralytics(task="obb", names=names(3))
    with pytest.raises(ModelError, match="rotated boxes are not supported"):
        recognise(facts_of(SQUARE, {"out": table}, metadata=maker))
    angles = np.random.default_rng(4).uniform(-0.7, 2.3, (1, 1, table.shape[2]))
    table = np.concatenate([table, angles], axis=1).astype(np.float32)
    with pytest.raises(ModelError, match="like an angle: rotated boxes are not supported"):
        recognise(facts_of(SQUARE, {"out": table}))


@pytest.mark.parametrize("coding", ["cxcywh", "xyxy"])
@pytest.mark.parametrize("ready", [False, True])
def test_boxes_and_scores_apart(coding, ready):
    """hunglc007's YOLOv4-tiny: centres in pixels; TAO, YOLO-NAS: corners."""
    tiny = coding == "cxcywh"
    rng = np.random.default_rng(6)
    strides, per_cell = ((16, 32), 3) if tiny else (STRIDES, 1)
    boxes = boxes_around(rng, WIDE, strides, per_cell)
    raw = logits(rng, len(boxes), 4)
    ends = np.asarray([corners(*box) for box in boxes.tolist()], np.float32)
    arrays = {
        "Identity": (boxes if tiny else ends / np.tile(np.asarray(WIDE, np.float32), 2))[None],
        "Identity_1": (squash(raw) if ready else raw)[None],
    }
    if not tiny:
        arrays = dict(reversed(arrays.items()))
        arrays["Identity"] = arrays["Identity"][:, :, None]  # TAO's (1, N, 1, 4)
    facts = facts_of(WIDE, arrays)
    spec = known(facts).spec
    assert isinstance(spec, DetectSpec)
    assert (spec.coding, spec.boxes, spec.scores) == (coding, "Identity", "Identity_1")
    assert spec.activation == ("none" if ready else "sigmoid")
    assert spec.box_units == ((1.0, 1.0) if tiny else WIDE)
    check(decoded(facts, spec), best_classes(ends, squash(raw), 0.25, 0.45 if tiny else 0.7))


@pytest.mark.parametrize("classes", [2, 1])
def test_boxes_objectness_and_classes_apart(classes):
    rng = np.random.default_rng(16)
    boxes = boxes_around(rng, WIDE, STRIDES)
    obj = squash(logits(rng, len(boxes), 1, 12))
    prob = squash(rng.normal(0, 2, (len(boxes), classes)).astype(np.float32))
    arrays = {"a": prob[None], "b": obj[None, :, :1], "c": boxes[None]}
    if classes == 1:
        answer = recognise(facts_of(WIDE, arrays))
        assert answer is None  # two columns of scores: nothing says what they are
        return
    facts = facts_of(WIDE, arrays)
    spec = known(facts).spec
    assert isinstance(spec, DetectSpec) and (spec.objectness, spec.scores) == ("b", "a")
    ends = [corners(*box) for box in boxes.tolist()]
    check(decoded(facts, spec), best_classes(ends, obj * prob, 0.25, 0.7))


def test_qualcomm():
    """AI Hub: corners in pixels, the best class's score and its number."""
    rng = np.random.default_rng(7)
    boxes = boxes_around(rng, SQUARE, STRIDES)
    prob = squash(logits(rng, len(boxes), 80))
    ends = np.asarray([corners(*box) for box in boxes.tolist()], np.float32)
    arrays = {
        "scores": prob.max(axis=1)[None],
        "boxes": ends[None],
        "class_idx": prob.argmax(axis=1).astype(np.uint8)[None],
    }
    facts = facts_of(SQUARE, arrays)
    spec = known(facts).spec
    assert isinstance(spec, ListedSpec)
    assert (spec.scores, spec.boxes, spec.classes) == ("scores", "boxes", "class_idx")
    assert (spec.box_order, spec.nms_iou) == ("xyxy", 0.7)
    check(decoded(facts, spec), best_classes(ends, prob, 0.25, 0.7))


@pytest.mark.parametrize("pixels", [False, True])
def test_a_list_of_finished_boxes(pixels):
    """YOLOv10: rows of corners, score and class, best first; nothing is suppressed any more."""
    rng = np.random.default_rng(8)
    boxes = boxes_around(rng, WIDE, STRIDES)
    prob = squash(logits(rng, len(boxes), 80, 12))
    order = np.argsort(-prob.max(axis=1))[:100]
    ends = np.asarray([corners(*box) for box in boxes.tolist()], np.float32)
    rows = np.concatenate([ends, prob.max(axis=1)[:, None], prob.argmax(axis=1)[:, None]], axis=1)[
        order
    ].astype(np.float32)
    wanted = [
        (tuple(row[:4].tolist()), float(row[4]), int(row[5])) for row in rows if row[4] >= 0.25
    ]
    table = rows.copy()
    if not pixels:
        table[:, :4] /= np.tile(np.asarray(WIDE, np.float32), 2)
    facts = facts_of(WIDE, {"output0": table[None]})
    spec = known(facts).spec
    assert isinstance(spec, ListedSpec)
    assert (spec.box_order, len(spec.labels), spec.nms_iou) == ("xyxy", 80, 1.0)
    assert spec.box_units == ((1.0, 1.0) if pixels else WIDE)
    check(decoded(facts, spec), wanted)


def test_a_list_that_found_nothing():
    """Exports with NMS fill up with zeros; only the metadata then say what it is."""
    arrays = {"output0": np.zeros((1, 300, 6), np.float32)}
    answer = recognise(facts_of(SQUARE, arrays))
    assert isinstance(answer, Incomplete) and set(answer.missing) == {"box_units"}
    maker = ultralytics(task="detect", names=names(3), nms=True)
    spec = known(facts_of(SQUARE, arrays, metadata=maker)).spec
    assert isinstance(spec, ListedSpec)
    assert (spec.labels, spec.box_units) == (names(3), SQUARE)


def not_a_yolo():
    rng = np.random.default_rng(9)

    def noise(*shape):
        return rng.normal(0, 1, shape).astype(np.float32)

    good, _ = yolov8(SQUARE)
    boxes = boxes_around(rng, SQUARE, STRIDES)
    yield "classifier", {"out": noise(1, 6)}
    yield "segmentation", {"out": noise(1, 80, 80, 85)}
    yield "SSD", {"boxes": noise(1, 1917, 4), "scores": noise(1, 1917, 91)}
    yield "SSD on a YOLO's grid", {"boxes": noise(1, 336, 4), "scores": noise(1, 336, 91)}
    yield "no grid", {"out": good[:, :, :-1]}
    yield "no numbers", {"out": np.full(good.shape, np.nan, np.float32)}
    yield "infinite", {"out": np.full(good.shape, np.inf, np.float32)}
    yield "noise", {"out": noise(*good.shape)}
    yield "noise in the boxes", {"boxes": noise(1, 336, 4), "scores": squash(noise(1, 336, 5))}
    yield "boxes alone", {"boxes": boxes[None]}
    yield "constant", {"out": np.zeros(good.shape, np.float32)}
    yield "unsorted list", {"out": rng.uniform(0, 1, (1, 100, 6)).astype(np.float32)}


@pytest.mark.parametrize(("what", "arrays"), list(not_a_yolo()), ids=[k for k, _ in not_a_yolo()])
def test_what_looks_alike_is_none(what, arrays):
    answer = recognise(facts_of(SQUARE, arrays))
    assert answer is None or answer.name == "classifier" == what
