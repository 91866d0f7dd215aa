"""Lists of boxes against a plain loop over their rows."""

import math
from dataclasses import replace

import numpy as np
import pytest

from edgecnn.core.decode import decode
from edgecnn.core.errors import BundleError
from edgecnn.core.imaging import FrameMap
from edgecnn.core.postprocess import CandidatePoints, ListedSpec, MaskCoefficients, Skeleton
from edgecnn.core.runtime import TensorInfo

LABELS = ("cat", "dog", "owl")
ROWS = 12
SPEC = ListedSpec(
    "scores", "boxes", LABELS, ROWS, classes="classes", count="count", box_units=(60.0, 40.0)
)
FOUR = ("boxes", "scores", "classes", "count")


def infos(outputs: dict) -> list[TensorInfo]:
    return [TensorInfo(name, value.shape, str(value.dtype)) for name, value in outputs.items()]


def listed(seed: int, order: str = "yxyx") -> dict:
    rng = np.random.default_rng(seed)
    low, size = rng.uniform(-0.1, 0.8, (ROWS, 2)), rng.uniform(0.05, 0.5, (ROWS, 2))
    boxes = np.concatenate([low, size if order == "cxcywh" else low + size], 1)
    return {
        "boxes": boxes[None].astype(np.float32),
        "scores": np.round(rng.random((1, ROWS)), 1).astype(np.float32),
        "classes": rng.integers(-1, 5, (1, ROWS)).astype(np.float32),
        "count": np.float32([rng.integers(3, ROWS + 1)]),
    }


def plain(spec: ListedSpec, out: dict) -> list[tuple]:
    """Row by row, in Python's numbers."""
    found = []
    for k in range(int(out["count"][0])):
        score, kind = out["scores"][0, k].item(), out["classes"][0, k].item() - spec.class_offset
        if not 0 <= kind < len(LABELS):
            continue
        limit = spec.thresholds[int(kind)] if spec.thresholds else spec.score_threshold
        if score < np.float32(limit):
            continue
        a, b, c, d = (float(v) for v in out["boxes"][0, k])
        if spec.box_order == "yxyx":
            a, b, c, d = b, a, d, c
        if spec.box_order == "cxcywh":
            a, b, c, d = a - c / 2, b - d / 2, a + c / 2, b + d / 2
        found.append((-score, k, int(kind), (a * 60, b * 40, c * 60, d * 40)))
    return sorted(found)[: spec.max_detections]


@pytest.mark.parametrize("order", ["yxyx", "xyxy", "cxcywh"])
@pytest.mark.parametrize("seed", range(4))
def test_a_list_is_read_row_by_row(seed: int, order: str) -> None:
    out = listed(seed, order)
    specs = (
        SPEC,
        replace(SPEC, class_offset=1, thresholds=(0.2, 0.5, 0.9)),
        replace(SPEC, score_threshold=0.0, max_detections=2),
    )
    for spec in specs:
        spec = replace(spec, box_order=order)
        got = decode(spec, out, infos(out), None)
        expected = plain(spec, out)
        assert got.scores.tolist() == [np.float32(-row[0]) for row in expected]
        assert got.classes.tolist() == [row[2] for row in expected]
        np.testing.assert_allclose(
            got.boxes, np.reshape([row[3] for row in expected], (-1, 4)), atol=1e-4
        )


def test_rows_share_one_tensor_and_another_order_of_outputs_changes_nothing() -> None:
    out = listed(5)
    joined = np.concatenate(
        [out["boxes"], out["scores"][..., None], out["classes"][..., None]], axis=2
    )
    spec = ListedSpec(
        "rows", "rows", LABELS, ROWS, classes="rows", score_column=4, class_column=5,
        box_units=(60.0, 40.0),
    )  # fmt: skip
    got = decode(spec, {"rows": joined}, infos({"rows": joined}), None)
    alone = decode(replace(SPEC, count=""), out, infos(out)[::-1], None)
    assert len(got) > 2
    for name in ("boxes", "scores", "classes"):
        np.testing.assert_array_equal(getattr(got, name), getattr(alone, name))


def test_rows_carry_key_points_and_masks() -> None:
    rng = np.random.default_rng(3)
    points = rng.random((1, ROWS, 2, 2), np.float32)
    out = {
        **listed(3),
        "points": points,
        "coefficients": rng.normal(size=(1, ROWS, 2)).astype(np.float32),
        "prototypes": rng.normal(size=(1, 4, 6, 2)).astype(np.float32),
    }
    spec = replace(
        SPEC,
        keypoints=CandidatePoints(Skeleton(("nose", "tail")), "points", axes="yx"),
        masks=MaskCoefficients("coefficients", 0, "prototypes", 4, 6, 2, 60, 40),
    )
    got = decode(spec, out, infos(out), None)
    expected = plain(spec, out)
    assert len(got) == len(expected) == len(got.masks) > 1
    for found, mask, (_, row, _, box) in zip(got.keypoints, got.masks, expected, strict=True):
        place = points[0, row, :, ::-1] * np.float32([60, 40])
        np.testing.assert_allclose(found[:, :2], place, rtol=1e-5)
        whole = out["prototypes"][0] @ out["coefficients"][0, row]
        left, top = round(mask.covers[0] / 10), round(mask.covers[1] / 10)
        rows, cols = mask.values.shape
        np.testing.assert_allclose(mask.values, whole[top : top + rows, left : left + cols], 1e-4)
        np.testing.assert_allclose(mask.inside, box, atol=1e-4)
    short = {**out, "points": points[:, 1:]}
    with pytest.raises(BundleError, match="key points of 12 boxes"):
        decode(spec, short, infos(short), None)


def test_quantized_lists_are_read_in_real_values() -> None:
    out = {
        "boxes": np.uint8([[[0, 0, 128, 255], [128, 128, 255, 255]]]),
        "scores": np.uint8([[100, 230]]),
        "classes": np.int32([[0, 2]]),
    }
    real = [
        TensorInfo("boxes", (1, 2, 4), "uint8", 1 / 255, 0),
        TensorInfo("scores", (1, 2), "uint8", 1 / 256, 0),
        TensorInfo("classes", (1, 2), "int32"),
    ]
    got = decode(replace(SPEC, rows=2, count=""), out, real, None)
    assert got.classes.tolist() == [2, 0]
    np.testing.assert_allclose(got.boxes[1], [0, 0, 60, 40 * 128 / 255], rtol=1e-5)


def test_nms_and_the_way_back_to_the_frame() -> None:
    out = listed(1)
    out["boxes"][:] = [0.1, 0.2, 0.5, 1.4]
    out["classes"][:] = 1
    got = decode(replace(SPEC, nms_iou=0.5), out, infos(out), FrameMap(2.0, 2.0, 0.0, 5.0, 120, 90))
    assert len(got) == 1
    np.testing.assert_allclose(got.boxes, [[24, 13, 120, 45]], atol=1e-4)


@pytest.mark.parametrize(
    ("name", "value", "found"),
    [
        ("count", math.nan, 0), ("count", -3.0, 0), ("count", 1e9, 12), ("count", math.inf, 12),
        ("count", 2.0, 2), ("scores", math.nan, 0), ("scores", math.inf, 0),
        ("classes", -5.0, 0), ("classes", math.nan, 0), ("classes", 1e30, 0), ("classes", 1.9, 12),
        ("boxes", math.nan, 0), ("boxes", -math.inf, 0),
    ],
)  # fmt: skip
def test_what_is_no_number_finds_nothing(name: str, value: float, found: int) -> None:
    out = {
        "boxes": np.tile(np.float32([0.1, 0.1, 0.9, 0.9]), (1, ROWS, 1)),
        "scores": np.full((1, ROWS), 0.5, np.float32),
        "classes": np.ones((1, ROWS), np.float32),
        "count": np.float32([ROWS]),
    }
    out[name] = np.full_like(out[name], value)
    got = decode(SPEC, out, infos(out), FrameMap(1.0, 1.0, 0.0, 0.0, 60, 40))
    assert len(got) == found


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("boxes", (1, ROWS, 5)), ("boxes", (1, ROWS + 1, 4)), ("boxes", (4,)),
        ("scores", (1, ROWS, 3)), ("scores", ()), ("classes", (1, 5)), ("count", (1, 2)),
        ("count", (0,)),
    ],
)  # fmt: skip
def test_another_shape_is_said_in_one_line(name: str, shape: tuple[int, ...]) -> None:
    out = listed(0)
    out[name] = np.zeros(shape, np.float32)
    with pytest.raises(BundleError, match="the postprocess spec expects") as error:
        decode(SPEC, out, infos(out), None)
    assert "\n" not in str(error.value)


def test_a_long_list_with_nms_does_not_hang() -> None:
    rows = 1 << 20
    out = {
        "boxes": np.random.default_rng(0).random((1, rows, 4), np.float32),
        "scores": np.full((1, rows), 0.9, np.float32),
    }
    spec = ListedSpec("scores", "boxes", ("cat",), rows, nms_iou=0.5, max_detections=rows)
    assert len(decode(spec, out, infos(out), None)) <= 4096
