"""The fast decoder gives the bits of the slow one: every layout, coding, dtype, threshold."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecnn.core.activation import activate, lowest_real
from edgecnn.core.decode import cell_layout, decode
from edgecnn.core.decode.suppression import nms
from edgecnn.core.errors import BundleError
from edgecnn.core.imaging import FrameMap
from edgecnn.core.postprocess import CandidatePoints, DetectSpec, GridLevel, Skeleton
from edgecnn.core.runtime import TensorInfo
from tests.core.slow_decode import plain_nms, slow_decode

FREE = (GridLevel(5, 7, 8), GridLevel(3, 4, 16))
ANCHORED = (GridLevel(4, 6, 8, ((10, 20), (30, 15))), GridLevel(2, 3, 16, ((40, 40),)))


CODINGS = {
    "ltrb": FREE, "cell-exp": FREE, "center-size": ANCHORED, "center-exp": ANCHORED,
    "center-linear": ANCHORED, "corner-linear": ANCHORED, "anchor-exp": ANCHORED,
    "anchor-square": ANCHORED, "cxcywh": (), "xyxy": (),
}  # fmt: skip
LIMITS = st.sampled_from([0.0, 1e-35, 0.001, 0.25, 0.5, 0.9, 1.0]) | st.floats(0, 1)
SKELETON = Skeleton(("nose", "tail", "paw"))


@st.composite
def cases(draw) -> tuple[DetectSpec, dict, list]:
    """A spec, outputs with many equal values, and their infos."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    classes = draw(st.sampled_from([1, 2, 5, 80]))
    coding = draw(st.sampled_from(sorted(CODINGS)))
    levels, anchors = CODINGS[coding], ()
    if coding.startswith(("center", "corner")) and draw(st.booleans()):
        levels, anchors = (), tuple(map(tuple, rng.uniform(1, 60, (50, 4)).tolist()))
    count = 0 if levels or anchors else draw(st.sampled_from([1, 40, 700]))
    background = draw(st.booleans())
    bins = draw(st.sampled_from([0, 8])) if coding == "ltrb" else 0
    points = draw(key_points_of(coding, bool(levels)))
    widths = {
        "boxes": 4 * max(bins, 1), "objectness": draw(st.integers(0, 1)),
        "scores": classes + background, "keypoints": points.width if points else 0,
    }  # fmt: skip
    names, starts, sizes = draw(layouts(widths, len(levels)))
    free = coding == "ltrb" and not (points and points.coding == "cell")
    levels = tuple(
        replace(
            level,
            anchors_first=draw(st.booleans()),
            offset=draw(st.sampled_from([0.0, 0.5])) if free else 0.5,
            **{key: name[i] for key, name in names.items() if len(name) > 1},
        )
        for i, level in enumerate(levels)
    )
    whole = {key: name[0] if len(name) == 1 else "" for key, name in names.items()}
    each = draw(st.booleans())
    spec = DetectSpec(
        whole["scores"], whole["boxes"], tuple(f"c{i}" for i in range(classes)), levels, coding,
        box_scale=draw(st.sampled_from([0.7, 1.0, 3.0])),
        variances=draw(st.sampled_from([(0.1, 0.1, 0.2, 0.2), (1.0, 0.5, 0.25, 0.125)])),
        activation=draw(st.sampled_from(["none", "sigmoid", "softmax"])),
        score_threshold=draw(LIMITS),
        nms_iou=draw(st.sampled_from([0.0, 0.3, 0.5, 1.0])),
        max_detections=draw(st.sampled_from([1, 7, 300])),
        thresholds=tuple(draw(LIMITS) for _ in range(classes)) if each and classes < 9 else (),
        max_candidates=draw(st.sampled_from([1, 13, 4096])),
        objectness=whole["objectness"], score_column=starts["scores"], box_column=starts["boxes"],
        objectness_column=starts["objectness"], transposed=draw(st.booleans()),
        box_units=draw(st.sampled_from([(1.0, 1.0), (96.0, 64.0)])), decoded_boxes=count,
        background=background, bins=bins, anchor_boxes=anchors,
        suppression=draw(st.sampled_from(["greedy", "weighted"])),
        keypoints=points
        and replace(points, output=whole["keypoints"], column=starts["keypoints"]),
    )  # fmt: skip
    dtype = draw(st.sampled_from(["int8", "uint8", "int16", "float32", "float16"]))
    outputs, infos = {}, []
    counts = [level.candidates for level in levels]
    for name, (width, level) in sorted(sizes.items()):
        rows = spec.candidates if level is None else counts[level]
        shape = (1, width, rows) if spec.transposed else (1, rows, width)
        outputs[name], info = random_output(rng, name, shape, dtype, draw(st.booleans()))
        infos.append(info)
    return spec, outputs, infos


@st.composite
def key_points_of(draw, coding: str, levels: bool) -> CandidatePoints | None:
    """Key points that the coding of boxes allows, or none."""
    known = ["units"]
    known += ["anchor"] if coding.startswith(("center", "anchor")) else []
    known += ["cell"] if levels else []
    if draw(st.booleans()):
        return None
    return CandidatePoints(
        SKELETON, "p", values=draw(st.integers(2, 3)), axes=draw(st.sampled_from(["xy", "yx"])),
        coding=draw(st.sampled_from(known)), activation=draw(st.sampled_from(["none", "sigmoid"])),
        units=draw(st.sampled_from([(), (3.0, 5.0)])),
    )  # fmt: skip


@st.composite
def layouts(draw, widths: dict[str, int], levels: int) -> tuple[dict, dict, dict]:
    """Which outputs hold what.

    Returns:
        Key → the names of its outputs, one or one per level (or an empty one); key → its first
        column; name → its width, and the level it belongs to.
    """
    together = draw(st.booleans())
    split = {key: levels > 0 and draw(st.booleans()) for key in widths}
    if together:
        split = dict.fromkeys(widths, split["scores"])
    names: dict = {}
    starts: dict = {}
    sizes: dict = {}
    at = 0
    for key, width in widths.items():
        own = "all" if together else key
        names[key], starts[key] = [""], 0
        if width:
            names[key] = [f"{own}{i}" for i in range(levels)] if split[key] else [own]
            starts[key] = at if together else 0
            at += width
        for i, name in enumerate(names[key] if width else []):
            sizes[name] = (at if together else width, i if split[key] else None)
    if levels == 1:
        return draw(layouts(widths, 0))
    spare = draw(st.integers(0, 2)) if together else 0
    return names, starts, {name: (width + spare, level) for name, (width, level) in sizes.items()}


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
    assert (found.keypoints is None) == (expected.keypoints is None)
    if expected.keypoints is not None:
        np.testing.assert_array_equal(found.keypoints, expected.keypoints)
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
