"""Boxes from peaks of heat maps, against a search value by value."""

from __future__ import annotations

import time
import warnings
from dataclasses import replace

import numpy as np
import pytest

from edgecnn.core.activation import activate
from edgecnn.core.decode import decode
from edgecnn.core.decode.peaks import peaks
from edgecnn.core.errors import BundleError
from edgecnn.core.postprocess import CenterSpec, GridLevel, from_json, to_json
from edgecnn.core.runtime import TensorInfo
from tests.core.slow_decode import plain_nms
from tests.core.slow_poses import slow_centers

SPEC = CenterSpec("heat", "size", ("a", "b", "c"), GridLevel(12, 9, 4.0), offsets="offset")


def outputs_of(rng, spec: CenterSpec, dtype: str = "float32"):
    cells = (1, spec.level.rows, spec.level.cols)
    wanted = {"heat": rng.normal(-2, 2, (*cells, len(spec.labels))),
              "size": rng.normal(3, 2, (*cells, 4 if spec.coding == "ltrb" else 2)),
              "offset": rng.uniform(0, 1, (*cells, 2))}  # fmt: skip
    outputs, infos = {}, []
    for name, real in wanted.items():
        scale = {"float32": None, "int8": 0.05, "uint8": 0.05}[dtype]
        info = TensorInfo(name, real.shape, dtype, scale, None if scale is None else 3)
        outputs[name] = info.quantize(real.astype(np.float32))
        infos.append(info)
    return outputs, infos


@pytest.mark.parametrize("dtype", ["float32", "int8", "uint8"])
@pytest.mark.parametrize(
    "change",
    [
        {},
        {"window": 5, "offsets": "", "axes": "yx", "thresholds": (0.5, 0.2, 0.7)},
        {"coding": "log-size", "size_unit": 4.0, "origin": "centre", "axes": "yx"},
        {"coding": "ltrb", "size_unit": 2.0, "offsets": "", "origin": "corner", "window": 1},
        {"activation": "none", "score_threshold": 0.0, "max_detections": 4},
        {"nms_iou": 0.3, "window": 1},
    ],
)
def test_boxes_equal_a_search_value_by_value(change: dict, dtype: str) -> None:
    spec = from_json(to_json(replace(SPEC, **change)))
    rng = np.random.default_rng(7)
    outputs, infos = outputs_of(rng, spec, dtype)
    heat, size, offset = (info.dequantize(outputs[info.name])[0] for info in infos)
    sure = np.minimum(activate(heat, spec.activation), 1)
    limits = spec.thresholds or (spec.score_threshold,) * 3
    found = [item for item in slow_centers(heat, -np.inf, spec.window)
             if sure[item[1:]] >= limits[item[3]]]  # fmt: skip
    found.sort(key=lambda item: (-sure[item[1:]], item[1:]))
    boxes = []
    for _, y, x, _ in found:
        s, o = size[y, x], offset[y, x]
        if spec.axes == "yx":
            s, o = (s[[1, 0, 3, 2]] if len(s) == 4 else s[::-1]), o[::-1]
        start = (
            0.5 if spec.origin == "centre" or (spec.origin == "auto" and not spec.offsets) else 0
        )
        cx, cy = (
            (x + start, y + start) if not spec.offsets else (x + start + o[0], y + start + o[1])
        )
        cx, cy = cx * 4, cy * 4
        if spec.coding == "ltrb":
            left, top, right, bottom = s * spec.size_unit
        else:
            w, h = np.exp(s) if spec.coding == "log-size" else np.maximum(s, 0)
            left = right = w * spec.size_unit / 2
            top = bottom = h * spec.size_unit / 2
        boxes.append((cx - left, cy - top, cx + right, cy + bottom))
    boxes = np.asarray(boxes, np.float32)
    scores = np.asarray([sure[item[1:]] for item in found], np.float32)
    labels = np.asarray([item[3] for item in found])
    kept = np.arange(len(boxes))[: spec.max_detections]
    if spec.nms_iou < 1:
        kept = plain_nms(boxes, scores, labels, spec.nms_iou, spec.max_detections)
    got = decode(spec, outputs, infos, None)
    np.testing.assert_array_equal(got.classes, labels[kept])
    np.testing.assert_allclose(got.scores, scores[kept], rtol=1e-6)
    np.testing.assert_allclose(got.boxes, boxes[kept], rtol=1e-4, atol=1e-3)


def test_few_and_many_candidates_have_the_same_peaks() -> None:
    rng = np.random.default_rng(8)
    maps = np.round(rng.normal(0, 2, (40, 30, 5))).astype(np.float32)
    for window in (1, 3, 7):
        every = peaks(maps, np.ones(maps.shape, bool), window)
        some = np.zeros(maps.shape, bool)
        some.ravel()[rng.choice(every, min(60, len(every)), replace=False)] = True
        some.ravel()[rng.integers(0, maps.size, 40)] = True
        np.testing.assert_array_equal(
            peaks(maps, some, window), np.intersect1d(every, some.ravel().nonzero()[0])
        )


def test_hostile_maps_end_soon() -> None:
    rng = np.random.default_rng(9)
    spec = replace(SPEC, level=GridLevel(256, 256, 4.0), score_threshold=0.0)
    outputs, infos = outputs_of(rng, spec)
    start = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        outputs["heat"][:] = 0  # every cell is a peak
        assert len(decode(spec, outputs, infos, None)) == 100
        assert len(decode(replace(spec, nms_iou=0.4), outputs, infos, None)) <= 100
        for value in (np.nan, np.inf, -np.inf):
            for name in ("heat", "size", "offset"):
                bad = {**outputs, name: np.full_like(outputs[name], value)}
                with_limit = replace(spec, score_threshold=0.3)
                found = decode(with_limit, bad, infos, None)
                assert np.isfinite(found.boxes).all()
                if np.isnan(value):
                    assert not len(found)
    assert time.perf_counter() - start < 4
    for name, message in (("heat", "65536|256 × 256"), ("size", "65536 candidates × 2")):
        bad = {**outputs, name: np.zeros((1, 3), np.float32)}
        with pytest.raises(BundleError, match=message):
            decode(spec, bad, infos, None)
