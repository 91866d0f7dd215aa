"""The fast decoder gives the bits of the slow one: every layout, coding, dtype, threshold."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecnn.core.activation import activate, lowest_real
from edgecnn.core.decode import cell_layout, decode
from edgecnn.core.decode.suppression import nms
from edgecnn.core.errors import BundleError
from edgecnn.core.imaging import FrameMap
from edgecnn.core.postprocess import DetectSpec, GridLevel
from edgecnn.core.runtime import TensorInfo
from tests.core.slow_decode import plain_nms, slow_decode

FREE = (GridLevel(5, 7, 8), GridLevel(3, 4, 16))
ANCHORED = (GridLevel(4, 6, 8, ((10, 20), (30, 15))), GridLevel(2, 3, 16, ((40, 40),)))


@st.composite
def cases(draw) -> tuple[DetectSpec, dict, list]:
    """A spec, outputs with many equal values, and their infos."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    classes = draw(st.sampled_from([1, 2, 5, 80]))
    coding = draw(st.sampled_from(["ltrb", "center-size", "cxcywh", "xyxy"]))
    levels = {"ltrb": FREE, "center-size": ANCHORED}.get(coding, ())
    count = 0 if levels else draw(st.sampled_from([1, 40, 700]))
    layout = draw(st.sampled_from(["apart", "objectness apart", "yolo5", "yolo8"]))
    names = {"apart": ("s", "b", ""), "objectness apart": ("s", "b", "o")}.get(layout)
    columns = {"yolo5": (5, 0, 4), "yolo8": (4, 0, 0)}.get(layout, (0, 0, 0))
    names = names or ("all", "all", "all" if layout == "yolo5" else "")
    limit = st.sampled_from([0.0, 1e-35, 0.001, 0.25, 0.5, 0.9, 1.0]) | st.floats(0, 1)
    each = draw(st.booleans())
    spec = DetectSpec(
        names[0], names[1], tuple(f"c{i}" for i in range(classes)), levels, coding,
        box_scale=draw(st.sampled_from([0.7, 1.0, 3.0])),
        activation=draw(st.sampled_from(["none", "sigmoid", "softmax"])),
        score_threshold=draw(limit),
        nms_iou=draw(st.sampled_from([0.0, 0.3, 0.5, 1.0])),
        max_detections=draw(st.sampled_from([1, 7, 300])),
        thresholds=tuple(draw(limit) for _ in range(classes)) if each and classes < 9 else (),
        max_candidates=draw(st.sampled_from([1, 13, 4096])),
        objectness=names[2], score_column=columns[0], box_column=columns[1],
        objectness_column=columns[2], transposed=draw(st.booleans()),
        box_units=draw(st.sampled_from([(1.0, 1.0), (96.0, 64.0)])), decoded_boxes=count,
    )  # fmt: skip
    dtype = draw(st.sampled_from(["int8", "uint8", "int16", "float32", "float16"]))
    widths = {"s": classes, "b": 4, "o": 1, "all": columns[0] + classes + draw(st.integers(0, 2))}
    outputs, infos = {}, []
    for name in sorted({*names} - {""}):
        shape = (1, spec.candidates, widths[name])
        shape = (1, shape[2], shape[1]) if spec.transposed else shape
        outputs[name], info = random_output(rng, name, shape, dtype, draw(st.booleans()))
        infos.append(info)
    return spec, outputs, infos


def random_output(rng, name: str, shape: tuple, dtype: str, steps: bool):
    """Values around 0, sometimes in few steps; floats with some that are no number."""
    real = rng.normal(-1, 2, shape)
    real = np.round(real) if steps else real
    if dtype.startswith("float"):
        raw = real.astype(dtype)
        if rng.random() < 0.3:
            raw.flat[rng.integers(0, raw.size, 5)] = [np.nan, np.inf, -np.inf, 1e4, -1e4]
        return raw, TensorInfo(name, shape, dtype)
    kind = np.iinfo(dtype)
    scale = float(rng.choice([1 / 256, 0.05, 0.173])) * 256 / (kind.max - kind.min)
    info = TensorInfo(name, shape, dtype, scale, int(rng.integers(kind.min // 2, kind.max // 2)))
    return info.quantize(real), info


@settings(max_examples=150, deadline=None)
@given(cases())
def test_every_layout_gives_the_slow_rule_s_bits(case) -> None:
    spec, outputs, infos = case
    with np.errstate(all="ignore"):
        expected = slow_decode(spec, outputs, infos)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = decode(spec, outputs, infos, None)
        decode(spec, outputs, infos, FrameMap(2.0, 2.0, -3.0, 5.0, 40, 60))
    np.testing.assert_array_equal(found.classes, expected.classes)
    np.testing.assert_array_equal(found.scores, expected.scores)
    np.testing.assert_array_equal(found.boxes, expected.boxes)
    types = (found.boxes.dtype, found.scores.dtype, found.classes.dtype)
    assert types == (np.float32, np.float32, np.int64)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([2, 150, 900]), st.integers(1, 4))
def test_nms_in_blocks_equals_one_box_at_a_time(seed: int, count: int, classes: int) -> None:
    rng = np.random.default_rng(seed)
    low = rng.uniform(0, 200, (count, 2))
    boxes = np.concatenate([low, low + rng.uniform(-2, 60, (count, 2))], 1).astype(np.float32)
    scores = np.round(rng.random(count), int(rng.integers(1, 5))).astype(np.float32)
    labels = rng.integers(0, classes, count)
    iou, most = float(rng.choice([0.0, 0.2, 0.5, 0.9, 1.0])), int(rng.choice([1, 20, 1000]))
    found = nms(boxes, scores, labels, iou, most)
    np.testing.assert_array_equal(found, plain_nms(boxes, scores, labels, iou, most))


@given(st.floats(0, 1, width=32), st.sampled_from(["none", "sigmoid"]))
def test_lowest_real_loses_nothing(probability: float, kind: str) -> None:
    """Whatever lies below it really scores less."""
    least = lowest_real(probability, kind)
    if least > -1e30:
        below = np.nextafter(np.float32(least), np.float32(-np.inf))
        assert activate(np.float32([below]), kind)[0] <= np.float32(probability)


def test_cells_are_laid_out_once() -> None:
    assert cell_layout(FREE) is cell_layout(tuple(FREE))
    with pytest.raises(ValueError, match="read-only"):
        cell_layout(FREE).centre[0] = 0


@pytest.mark.parametrize(
    ("fields", "shape", "text"),
    [
        (
            {"score_column": 5, "objectness_column": 4},
            (1, 40, 6),
            "40 candidates × 7 values or",
        ),
        (
            {"score_column": 5, "objectness_column": 4},
            (1, 39, 8),
            "40 candidates × 7 values or",
        ),
        ({"objectness_column": 9}, (1, 40, 9), "40 candidates × 10 values or"),
        ({"transposed": True}, (1, 3, 40), "40 candidates × 4 values or"),
    ],
)
def test_columns_outside_the_output(fields: dict, shape: tuple, text: str) -> None:
    spec = DetectSpec(
        "all", "all", ("a", "b"), (), "cxcywh", objectness="all", decoded_boxes=40, **fields
    )
    info = TensorInfo("all", shape, "float32")
    with pytest.raises(BundleError, match=text):
        decode(spec, {"all": np.zeros(shape, np.float32)}, [info], None)
