"""Key points from heat maps and coordinates, against the published decoders done value by value."""

from __future__ import annotations

import math
import time
import warnings
from dataclasses import replace

import numpy as np
import pytest

from edgecnn.core.decode import decode
from edgecnn.core.errors import BundleError
from edgecnn.core.imaging import FrameMap
from edgecnn.core.postprocess import PointsSpec, PosesSpec, Skeleton, from_json, to_json
from edgecnn.core.runtime import TensorInfo
from tests.core.slow_poses import TREE, slow_poses

NAMES = tuple(f"p{k}" for k in range(17))
MANY = PosesSpec(
    "heat", ("person",), Skeleton(NAMES, TREE), 9, 11, (16.0, 16.0), offsets="short",
    forward="mid", backward="mid", backward_column=32,
)  # fmt: skip


def maps(spec: PosesSpec, heat, short, mid=None, dtype: str = "float32"):
    """Raw outputs and their infos, from values in cells."""
    unit = {"heat": 1.0, "short": 16.0, "mid": 16.0}
    outputs, infos = {}, []
    for name, values in (("heat", heat), ("short", short), ("mid", mid)):
        if values is None:
            continue
        real = (np.asarray(values) * unit[name])[None].astype(np.float32)
        info = TensorInfo(name, real.shape, dtype)
        if dtype == "uint8":
            least, most = float(real.min()), float(max(real.max(), real.min() + 1))
            scale = (most - least) / 255
            info = TensorInfo(name, real.shape, dtype, scale, round(-least / scale))
        outputs[name] = info.quantize(real)
        infos.append(info)
    return outputs, infos


def drawn(persons: np.ndarray, rows: int, cols: int):
    """Heat maps, offsets and displacements that lead to persons (n, 17, 2), row and column."""
    heat = np.full((rows, cols, 17), -8.0)
    short, mid = np.zeros((rows, cols, 34)), np.zeros((rows, cols, 64))
    y, x = np.mgrid[:rows, :cols]
    for k in range(17):
        apart = np.stack([np.hypot(y - p[k, 0], x - p[k, 1]) for p in persons])
        owner = persons[apart.argmin(axis=0)]
        heat[..., k] = np.maximum(-8, 4 - 4 * apart.min(axis=0) ** 2)
        short[..., k], short[..., 17 + k] = owner[..., k, 0] - y, owner[..., k, 1] - x
        for edge, (a, b) in enumerate(TREE):
            for source, target, start in ((a, b, 0), (b, a, 32)):
                if source == k:
                    mid[..., start + edge] = owner[..., target, 0] - owner[..., k, 0]
                    mid[..., start + 16 + edge] = owner[..., target, 1] - owner[..., k, 1]
    return heat, short, mid


@pytest.mark.parametrize("nearest", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "uint8"])
def test_random_maps_give_the_published_decoders_poses(nearest: bool, dtype: str) -> None:
    rng = np.random.default_rng(5)
    for _ in range(6):
        # Gentle vectors: with wild ones float32 and float64 end at different places.
        heat, short = rng.normal(-1, 2, (9, 11, 17)), rng.normal(0, 0.3, (9, 11, 34))
        mid = rng.normal(0, 1, (9, 11, 64))
        spec = replace(MANY, sampling="nearest" if nearest else "bilinear",
                       refinements=int(rng.integers(0, 4)), radius=24.0, max_detections=7,
                       point_threshold=0.6, score_threshold=0.25)  # fmt: skip
        outputs, infos = maps(spec, heat, short, mid, dtype)
        real = [i.dequantize(outputs[i.name])[0] for i in infos]
        poses, scores = slow_poses(
            real[0], real[1] / 16, real[2] / 16, nearest=nearest, refinements=spec.refinements,
            radius=1.5, point=0.6, score=0.25, most=7,
        )  # fmt: skip
        found = decode(spec, outputs, infos, None)
        assert len(found) == len(poses) > 0
        np.testing.assert_allclose(found.scores, scores, atol=1e-4)
        for got, pose in zip(found.keypoints, poses, strict=True):
            np.testing.assert_allclose(got[:, [1, 0]], pose[:, :2] * 16, atol=0.02)
            np.testing.assert_allclose(got[:, 2], pose[:, 2], atol=1e-3)


@pytest.mark.parametrize("sampling", ["bilinear", "nearest"])
@pytest.mark.parametrize("dtype", ["float32", "uint8"])
def test_two_drawn_persons_are_found_where_they_stand(sampling: str, dtype: str) -> None:
    rng = np.random.default_rng(1)
    body = rng.uniform(0.5, 1, (17, 2)) * (18, 9)
    persons = np.stack([body + (1.3, 0.6), body * 0.8 + (3.1, 19.4)])
    spec = replace(MANY, rows=23, cols=31, sampling=sampling, refinements=2)
    outputs, infos = maps(spec, *drawn(persons, 23, 31), dtype)
    found = decode(spec, outputs, infos, FrameMap(2.0, 0.5, 0.0, 0.0, 1000, 1000))
    assert len(found) == 2
    found_at = {round(points[0, 0]): points for points in found.keypoints}
    for person in persons:
        points = found_at[min(found_at, key=lambda x: abs(x - person[0, 1] * 32))]
        apart = np.abs(points[:, :2] / (32, 8) - person[:, ::-1]) * 16
        assert apart.max() < (1.0 if dtype == "float32" else 2.5)  # a code is 1.4 pixels there
    low = found.keypoints[..., :2].min(axis=1)
    np.testing.assert_allclose(found.boxes[:, :2], low, rtol=1e-6)


def test_axes_units_and_separate_outputs_mean_what_they_say() -> None:
    rng = np.random.default_rng(2)
    heat, short, mid = (rng.normal(0, 2, (9, 11, c)) for c in (17, 34, 64))
    expected = decode(MANY, *maps(MANY, heat, short, mid), None)
    swap = np.concatenate([np.arange(17, 34), np.arange(17)])
    half = np.concatenate([np.arange(16, 32), np.arange(16)])
    pieces = {"heat": heat, "short": short[..., swap] * 16, "fwd": mid[..., :32][..., half] * 16,
              "bwd": mid[..., 32:][..., half] * 16}  # fmt: skip
    outputs = {name: value[None].astype(np.float32) / 4 for name, value in pieces.items()}
    outputs["heat"] *= 4
    infos = [TensorInfo(name, value.shape, "float32") for name, value in outputs.items()]
    spec = replace(MANY, forward="fwd", backward="bwd", backward_column=0, axes="xy",
                   offset_unit=4.0)  # fmt: skip
    found = decode(from_json(to_json(spec)), outputs, infos, None)
    np.testing.assert_allclose(found.keypoints, expected.keypoints, atol=1e-3)


def test_one_person_is_argmax_and_offset_or_a_quarter_of_a_cell() -> None:
    rng = np.random.default_rng(3)
    heat, short = rng.normal(0, 2, (9, 7, 4)), rng.normal(0, 1, (9, 7, 8))
    spec = PosesSpec("heat", ("hand",), Skeleton(tuple("abcd")), 9, 7, (8.0, 16.0),
                     offsets="short", offset_unit=0.5, score_threshold=0.0)  # fmt: skip
    outputs, infos = maps(spec, heat, short)
    found = decode(spec, outputs, infos, None)
    best = [np.unravel_index(heat[..., k].argmax(), (9, 7)) for k in range(4)]
    for k, (y, x) in enumerate(best):
        at = (x * 8 + short[y, x, 4 + k] * 16 * 0.5, y * 16 + short[y, x, k] * 16 * 0.5)
        sure = 1 / (1 + math.exp(-heat[y, x, k]))
        np.testing.assert_allclose(found.keypoints[0, k], (*at, sure), rtol=1e-4)
    spec = replace(spec, offsets="", peak_shift=0.25, origin="centre")
    found = decode(spec, outputs, infos, None)
    for k, (y, x) in enumerate(best):
        if 1 < x < 6 and 1 < y < 8:
            right = np.sign(heat[y, x + 1, k] - heat[y, x - 1, k]) / 4
            down = np.sign(heat[y + 1, x, k] - heat[y - 1, x, k]) / 4
            y, x = y + down, x + right
        np.testing.assert_allclose(found.keypoints[0, k, :2], ((x + 0.5) * 8, (y + 0.5) * 16))


def test_points_from_coordinates() -> None:
    """MoveNet's y, x, score, and MediaPipe's x, y, z and logits behind other values."""
    rng = np.random.default_rng(4)
    raw = rng.uniform(0, 1, (1, 1, 17, 3)).astype(np.float32)
    infos = [TensorInfo("out", raw.shape, "float32")]
    spec = PointsSpec("out", ("person",), Skeleton(NAMES), units=(192.0, 256.0))
    found = decode(spec, {"out": raw}, infos, None)
    np.testing.assert_allclose(found.keypoints[0, :, 0], raw[0, 0, :, 1] * 192)
    np.testing.assert_allclose(found.keypoints[0, :, 1], raw[0, 0, :, 0] * 256)
    assert found.scores[0] == pytest.approx(raw[..., 2].mean())
    seen = found.keypoints[0][raw[0, 0, :, 2] >= 0.2, :2]
    np.testing.assert_allclose(found.boxes[0], [*seen.min(axis=0), *seen.max(axis=0)])

    raw = rng.normal(100, 30, (1, 1, 1, 195)).astype(np.float32)
    flag = np.float32([[0.0]])
    infos = [TensorInfo("out", raw.shape, "float32"), TensorInfo("flag", (1, 1), "float32")]
    spec = PointsSpec("out", ("person",), Skeleton(NAMES), column=5, values=5, axes="xy",
                      point_score=3, point_activation="sigmoid", score="flag",
                      activation="sigmoid")  # fmt: skip
    found = decode(spec, {"out": raw, "flag": flag}, infos, None)
    np.testing.assert_allclose(found.keypoints[0, :, :2], raw.reshape(39, 5)[1:18, :2])
    assert found.scores[0] == np.float32(0.5)
    assert not len(decode(spec.with_threshold(0.51), {"out": raw, "flag": flag}, infos, None))
    alone = replace(spec, point_score=-1)
    assert (decode(alone, {"out": raw, "flag": flag}, infos, None).keypoints[..., 2] == 0.5).all()


def test_few_sure_points_still_make_a_box() -> None:
    raw = np.float32([[0.1, 0.2, 0.9], [0.5, 0.7, 0.1], [0.4, 0.3, 0.0]])
    infos = [TensorInfo("out", raw.shape, "float32")]
    spec = PointsSpec("out", ("x",), Skeleton(tuple("abc")), units=(10.0, 10.0))
    found = decode(spec, {"out": raw}, infos, FrameMap(1, 1, 0, 0, 10, 10))
    np.testing.assert_allclose(found.boxes, [[2, 1, 7, 5]])


def test_hostile_maps_end_soon_and_find_what_can_be_found() -> None:
    shape = (64, 64)
    spec = replace(MANY, rows=64, cols=64, max_detections=20)
    flat = np.zeros((*shape, 17)), np.zeros((*shape, 34)), np.zeros((*shape, 64))
    start = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        # Every cell is a maximum, and every root leads to a pose of one place.
        assert 0 < len(decode(spec, *maps(spec, *flat), None)) <= 20
        # Poses whose points are all unlikely: roots are followed and thrown away.
        heat = flat[0] - 8
        heat[::2, ::2, 0] = 8
        assert not len(decode(spec, *maps(spec, heat, *flat[1:]), None))
        for value in (np.nan, np.inf, -np.inf):
            bad = [np.full_like(item, value) for item in flat]
            assert not len(decode(spec, *maps(spec, *bad), None))
            outputs = maps(spec, bad[0], *flat[1:])
            assert not len(decode(spec, *outputs, None))
            single = replace(spec, forward="", backward="")
            assert not len(decode(single, *outputs, None))
            assert not len(decode(spec, *maps(spec, flat[0], bad[1], flat[2]), None))
            raw = np.full((1, 51), value, np.float32)
            points = PointsSpec("out", ("x",), Skeleton(NAMES), score_threshold=0.0)
            infos = [TensorInfo("out", (1, 51), "float32")]
            assert not len(decode(points, {"out": raw}, infos, None))
    assert time.perf_counter() - start < 3


def test_a_thousand_persons_are_decoded() -> None:
    y, x = np.mgrid[2:96:3, 2:96:3]
    centres = np.stack([y, x], axis=-1).reshape(-1, 1, 2)[:1000]
    heat = np.full((96, 96, 17), -8.0)
    heat[centres[:, 0, 0], centres[:, 0, 1]] = [4] + [0.2] * 16
    short = np.zeros((96, 96, 34))
    spec = replace(MANY, rows=96, cols=96, max_detections=1000, radius=8.0,
                   refinements=0, point_threshold=0.6)  # fmt: skip
    start = time.perf_counter()
    found = decode(spec, *maps(spec, heat, short, np.zeros((96, 96, 64))), None)
    assert len(found) == 1000
    assert time.perf_counter() - start < 5


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rows": 8}, "88 candidates × 17"),
        ({"offsets": "mid"}, "99 candidates × 34"),
        ({"backward_column": 40}, "72 values or more"),
        ({"heatmaps": "other"}, "names the output 'other'"),
    ],
)
def test_other_shapes_are_one_error(change: dict, message: str) -> None:
    outputs = maps(MANY, *(np.zeros((9, 11, c)) for c in (17, 34, 64)))
    with pytest.raises(BundleError, match=message):
        decode(replace(MANY, **change), *outputs, None)
    with pytest.raises(BundleError, match="17 points × 3"):
        decode(PointsSpec("heat", ("x",), Skeleton(NAMES), column=1680), *outputs, None)


def test_displacements_need_a_tree() -> None:
    ring = (*TREE[:-1], (0, 3))
    with pytest.raises(BundleError, match="a tree over all points"):
        replace(MANY, skeleton=Skeleton(NAMES, ring))
