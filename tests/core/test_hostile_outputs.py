"""Dense detectors whose outputs are not what they should be: one line, or nothing found."""

from __future__ import annotations

import time
import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from edgecnn.core.decode import decode
from edgecnn.core.detections import Detections
from edgecnn.core.errors import BundleError
from edgecnn.core.imaging import FrameMap
from edgecnn.core.postprocess import (
    CandidatePoints,
    DetectSpec,
    GridLevel,
    MaskCoefficients,
    Skeleton,
)
from edgecnn.core.runtime import TensorInfo

LEVELS = (
    GridLevel(4, 4, 8, ((8.0, 8.0),), "s0", "b0", "o0", "p0"),
    GridLevel(2, 2, 16, ((16.0, 16.0),), "s1", "b1", "o1", "p1"),
)
SPEC = DetectSpec(
    "", "", ("a", "b"), LEVELS, "anchor-exp", score_threshold=0.001,
    keypoints=CandidatePoints(Skeleton(("nose",)), coding="cell"),
    masks=MaskCoefficients("m", 0, "protos", 2, 2, 3, 32, 32),
)  # fmt: skip
SHAPES = {
    "s0": (1, 4, 4, 2), "b0": (1, 4, 4, 4), "o0": (1, 4, 4, 1), "p0": (1, 4, 4, 2),
    "s1": (1, 4, 2), "b1": (1, 4, 4), "o1": (1, 4, 1), "p1": (1, 2, 2, 2),
    "m": (1, 20, 3), "protos": (1, 2, 2, 3),
}  # fmt: skip


def run(spec: DetectSpec, outputs: dict[str, Any]) -> Detections:
    infos = [TensorInfo(name, raw.shape, raw.dtype.name) for name, raw in outputs.items()]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = decode(spec, outputs, infos, FrameMap(1.0, 1.0, 0.0, 0.0, 32, 32))
    assert isinstance(found, Detections)
    return found


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 3e38, -3e38])
@pytest.mark.parametrize("where", [None, *SHAPES])
def test_values_that_are_no_numbers(value: float, where: str | None) -> None:
    """Nothing that is reported holds them."""
    outputs = {
        name: np.full(shape, value if where in (None, name) else 0.5, np.float32)
        for name, shape in SHAPES.items()
    }
    for suppression in ("greedy", "weighted"):
        found = run(replace(SPEC, suppression=suppression), outputs)
        assert found.keypoints is not None and found.masks is not None
        assert np.isfinite(found.boxes).all() and np.isfinite(found.scores).all()
        assert np.isfinite(found.keypoints).all()
        assert len(found.masks) == len(found.keypoints) == len(found)
        if where is None:
            assert not len(found) or value == 3e38


@pytest.mark.parametrize("name", sorted(SHAPES))
@pytest.mark.parametrize("change", [(0,), (1,), (1, 7), (2, 4, 4, 40), (1, 3, 3, 3)])
def test_wrong_sizes_name_the_output(name: str, change: tuple[int, ...]) -> None:
    outputs = {key: np.zeros(shape, np.float32) for key, shape in SHAPES.items()}
    outputs[name] = np.zeros(change, np.float32)
    with pytest.raises(BundleError, match=f"the output '{name}' is .* expects") as caught:
        run(SPEC, outputs)
    assert caught.value.hint and "\n" not in str(caught.value)


def test_outputs_that_are_missing_are_named() -> None:
    outputs = {key: np.zeros(shape, np.float32) for key, shape in SHAPES.items()}
    for name in SHAPES:
        rest = {key: value for key, value in outputs.items() if key != name}
        with pytest.raises(BundleError, match=f"names the output '{name}'"):
            run(SPEC, rest)


@pytest.mark.parametrize("dtype", ["complex64", "S4", "object"])
@pytest.mark.parametrize("name", ["s0", "b1", "protos"])
def test_outputs_of_no_numbers_are_named(name: str, dtype: str) -> None:
    outputs = {key: np.zeros(shape, np.float32) for key, shape in SHAPES.items()}
    outputs[name] = outputs[name].astype(dtype)
    with pytest.raises(BundleError, match=f"the output '{name}' holds .* expects numbers"):
        run(SPEC, outputs)
    outputs[name] = np.ones(SHAPES[name], np.bool_)
    run(SPEC, outputs)


@pytest.mark.parametrize("suppression", ["greedy", "weighted"])
def test_a_million_candidates_that_all_pass_are_bounded(suppression: Any) -> None:
    count = 1 << 20
    spec = DetectSpec(
        "s", "b", ("a",), (), "xyxy", decoded_boxes=count, score_threshold=0.0,
        suppression=suppression, nms_iou=0.5,
    )  # fmt: skip
    rng = np.random.default_rng(0)
    low = rng.uniform(0, 1e4, (count, 2)).astype(np.float32)
    outputs = {
        "s": np.zeros((1, count, 1), np.float32),
        "b": np.concatenate([low, low + 5], axis=1)[None],
    }
    start = time.process_time()
    infos = [TensorInfo(name, raw.shape, "float32") for name, raw in outputs.items()]
    found = decode(spec, outputs, infos, None)
    assert len(found) == spec.max_detections
    assert time.process_time() - start < 2
