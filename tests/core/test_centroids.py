"""Points out of a grid of scores, against a plain flood fill."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecnn.core import postprocess as post
from edgecnn.core.decode import decode
from edgecnn.core.detections import Centroids
from edgecnn.core.errors import BundleError
from edgecnn.core.imaging import FrameMap
from edgecnn.core.postprocess import CentroidSpec, GridLevel
from edgecnn.core.runtime import TensorInfo

LABELS = ("cat", "dog")


def flood(kinds: np.ndarray) -> list[list[tuple[int, int]]]:
    """Objects in reading order, each its cells in reading order."""
    seen: set[tuple[int, int]] = set()
    objects = []
    for start in zip(*np.nonzero(kinds >= 0), strict=True):
        todo, cells = [start], []
        while todo:
            row, col = cell = todo.pop()
            inside = 0 <= row < kinds.shape[0] and 0 <= col < kinds.shape[1]
            if cell in seen or not inside or kinds[cell] != kinds[start]:
                continue
            seen.add(cell)
            cells.append((int(row), int(col)))
            todo += [(row + dy, col + dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)]
        if cells:
            objects.append(sorted(cells))
    return objects


def expected(spec: CentroidSpec, real: np.ndarray) -> list[tuple]:
    """(x, y, edges, score, class) of each object, best first."""
    if spec.activation == "sigmoid":
        scores = 1 / (1 + np.exp(-real.astype(np.float64)))
    else:
        powers = np.exp(real.astype(np.float64))
        scores = powers / powers.sum(axis=-1, keepdims=True)
    scores = scores[..., int(spec.background) :]
    best, label = scores.max(axis=-1), scores.argmax(axis=-1)
    limits = np.array(spec.thresholds or [spec.score_threshold] * len(spec.labels))
    found = []
    for cells in flood(np.where(best >= limits[label], label, -1)):
        weights = np.array([best[cell] for cell in cells])
        rows, cols = np.array(cells).T
        x, y = ((at + 0.5) @ weights / weights.sum() * spec.level.stride for at in (cols, rows))
        edges = np.array([cols.min(), rows.min(), cols.max() + 1, rows.max() + 1])
        found.append((x, y, edges * spec.level.stride, weights.max(), label[cells[0]]))
    return sorted(found, key=lambda item: -item[3])[: spec.max_detections]


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 2**32 - 1), st.booleans(), st.sampled_from(["float32", "int8"]), st.booleans()
)
def test_points_equal_a_flood_fill(seed: int, background: bool, dtype: str, each: bool) -> None:
    rng = np.random.default_rng(seed)
    rows, cols = (int(n) for n in rng.integers(1, 9, 2))
    spec = CentroidSpec(
        "s", LABELS, GridLevel(rows, cols, 8), background, "softmax" if background else "sigmoid",
        score_threshold=0.45, max_detections=int(rng.choice([2, 100])),
        thresholds=(0.3, 0.7) if each else (),
    )  # fmt: skip
    real = rng.normal(-0.2, 1.5, (1, rows, cols, 2 + background))
    info = TensorInfo("s", real.shape, dtype, *((0.04, 3) if dtype == "int8" else (None, None)))
    raw = info.quantize(real)
    found = decode(spec, {"s": raw}, [info], None)
    wanted = expected(spec, info.dequantize(raw)[0])
    assert isinstance(found, Centroids)
    np.testing.assert_allclose(found.scores, [item[3] for item in wanted], atol=1e-6)
    # Equal int8 codes leave the order of objects to the last bit of exp().
    rows_of = zip(found.cells.tolist(), found.classes, found.points.tolist(), strict=True)
    got = sorted([*cells, kind, *point] for cells, kind, point in rows_of)
    wanted_rows = sorted([*edges, kind, x, y] for x, y, edges, _, kind in wanted)
    if len(found) < spec.max_detections:
        np.testing.assert_allclose(got, wanted_rows, atol=1e-3)
    assert found.points.dtype == found.cells.dtype == np.float32
    assert found.classes.dtype == np.int64


def one_cell(frame_map: FrameMap | None) -> Centroids:
    spec = CentroidSpec("s", ("thing",), GridLevel(2, 4, 8))
    raw = np.full((1, 2, 4, 1), -9, np.float32)
    raw[0, 1, 2] = 9
    found = decode(spec, {"s": raw}, [TensorInfo("s", raw.shape, "float32")], frame_map)
    assert isinstance(found, Centroids)
    return found


def test_points_are_mapped_to_the_frame() -> None:
    assert one_cell(None).points.tolist() == [[20, 12]]
    found = one_cell(FrameMap(2, 3, 0, -10, 64, 100))
    assert found.points.tolist() == [[40, 26]]
    assert found.cells.tolist() == [[32, 14, 48, 38]]
    assert len(one_cell(FrameMap(1, 1, 0, -100, 32, 32))) == 0
    half = one_cell(FrameMap(1, 1, -19, 0, 32, 32))
    assert half.cells.tolist() == [[0, 8, 5, 16]] and half.points.tolist() == [[1, 12]]


def test_a_point_outside_the_frame_moves_to_its_edge() -> None:
    found = one_cell(FrameMap(1, 1, -21, 0, 32, 32))
    assert found.points.tolist() == [[0, 12]] and found.cells.tolist() == [[0, 8, 3, 16]]


def test_misfit() -> None:
    spec = CentroidSpec("s", LABELS, GridLevel(2, 4, 8), background=True)
    raw = np.zeros((1, 2, 4, 2), np.float32)
    with pytest.raises(BundleError, match="2 × 4 cells × 3 classes"):
        decode(spec, {"s": raw}, [TensorInfo("s", raw.shape, "float32")], None)


SPEC = CentroidSpec("s", LABELS, GridLevel(2, 4, 8), True, "softmax", thresholds=(0.4, 0.6))


def test_round_trip() -> None:
    assert post.from_json(json.loads(json.dumps(post.to_json(SPEC)))) == SPEC
    assert SPEC.with_threshold(0.2).thresholds == () and SPEC.task == "detect"


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"level": None}, "cannot be read"),
        ({"level": {"rows": 1, "cols": 1, "stride": 8, "anchors": [[1, 1]]}}, "without anchors"),
        ({"background": 1}, "background"),
        ({"thresholds": [0.5]}, "one per label"),
        ({"score_threshold": 2}, "score_threshold"),
        ({"max_detections": 0}, "max_detections"),
        ({"activation": "relu"}, "activation"),
        ({"scores": 4}, "scores"),
        ({"surprise": 1}, "surprise"),
    ],
)
def test_bad_fields_are_named(change: dict, text: str) -> None:
    data = json.loads(json.dumps(post.to_json(SPEC)))
    with pytest.raises(BundleError, match=text):
        post.from_json({**data, **change})
