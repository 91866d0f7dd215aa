"""Maps of classes: against a plain loop over cells."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecnn.core import postprocess as post
from edgecnn.core.decode import decode
from edgecnn.core.detections import Segmentation
from edgecnn.core.errors import BundleError
from edgecnn.core.imaging import FrameMap
from edgecnn.core.postprocess import SegmentSpec
from edgecnn.core.runtime import TensorInfo

ROWS, COLS = 4, 5


def probability(values: list[float], k: int, activation: str) -> float:
    if activation == "softmax":
        top = max(values)
        return math.exp(values[k] - top) / sum(math.exp(value - top) for value in values)
    if activation == "sigmoid":
        return 1 / (1 + math.exp(-values[k]))
    return min(max(values[k], 0.0), 1.0)


def run(spec: SegmentSpec, raw: np.ndarray, info: TensorInfo, frame=None) -> Segmentation:
    found = decode(spec, {"map": raw}, [info], frame)
    assert isinstance(found, Segmentation)
    return found


@settings(max_examples=80)
@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from(["uint8", "int8", "int16", "float32", "float16", "int32"]),
    st.sampled_from(["none", "softmax", "sigmoid"]),
    st.integers(2, 7),
    st.integers(-1, 1),
    st.sampled_from([0.0, 0.3, 0.6]),
)
def test_scores_per_class_as_a_loop_over_cells_reads_them(
    seed: int, dtype: str, activation: str, columns: int, background: int, threshold: float
) -> None:
    random = np.random.default_rng(seed)
    shape = (1, ROWS, COLS, columns)
    if dtype.startswith("float"):
        info = TensorInfo("map", shape, dtype)
        raw = random.normal(size=shape).astype(dtype)
    else:
        info = TensorInfo("map", shape, dtype, 0.04, 3)
        raw = random.integers(0, 90, shape).astype(dtype)
    raw[random.random(shape) < 0.2] = 1  # ties
    labels = tuple("abcdefg"[:columns])
    spec = SegmentSpec(
        "map", labels, ROWS, COLS, (1.0, 1.5), False, False, background, activation, threshold
    )
    assert post.from_json(post.to_json(spec)) == spec
    found = run(spec, raw, info)
    assert found.covers == (0, 0, 5, 6) and found.margins is None
    turned = run(replace(spec, transposed=True), np.moveaxis(raw, -1, 1), info)
    assert (turned.classes == found.classes).all() and (turned.scores == found.scores).all()
    for row in range(ROWS):
        for col in range(COLS):
            real = [float(value) for value in info.dequantize(raw[0, row, col])]
            best = real.index(max(real))
            score = probability(real, best, activation)
            if abs(score - threshold) < 1e-5:
                continue
            if best == background or score < threshold:
                best, score = -1, 0.0
            assert found.classes[row, col] == best
            assert found.scores[row, col] == pytest.approx(score, abs=1e-5)


@pytest.mark.parametrize("dtype", ["uint8", "int32", "int64", "float32"])
def test_numbers_of_classes(dtype: str) -> None:
    numbers = np.array([[0, 1, 2, 3], [200, 2, 1, 0]])
    spec = SegmentSpec("map", ("none", "a", "b"), 2, 4, class_numbers=True, background=0)
    for shape in ((2, 4), (1, 2, 4, 1)):
        found = run(spec, numbers.astype(dtype).reshape(shape), TensorInfo("map", shape, dtype))
        assert found.classes.tolist() == [[-1, 1, 2, -1], [-1, 2, 1, -1]]
        assert found.scores.tolist() == [[0, 1, 1, 0], [0, 1, 1, 0]]


def test_a_mask_of_truths() -> None:
    spec = SegmentSpec("map", ("none", "it"), 1, 3, class_numbers=True, background=0)
    found = run(spec, np.array([[True, False, True]]), TensorInfo("map", (1, 1, 3), "bool"))
    assert found.classes.tolist() == [[1, -1, 1]]


def test_one_column_is_interpolated_at_its_threshold() -> None:
    raw = np.array([[10, 40]], np.uint8)
    info = TensorInfo("map", (1, 1, 2, 1), "uint8", 0.01, 0)
    spec = SegmentSpec("map", ("person",), 1, 2, (50.0, 60.0), score_threshold=0.25)
    found = run(spec, raw, info, FrameMap(2, 2, 0, 0, 200, 120))
    assert found.classes.tolist() == [[-1, 0]] and found.covers == (0, 0, 200, 120)
    assert found.scores.tolist() == [[0, pytest.approx(0.4)]]
    # 0.1 at x = 50 and 0.4 at x = 150: 0.25 at x = 100.
    assert found.mask(0).area(120, 200).box() == (100, 0, 200, 120)
    logits = run(
        SegmentSpec("map", ("p",), 1, 2, activation="sigmoid", score_threshold=0.5),
        np.float32([[0, -1e-3]]),
        TensorInfo("map", (1, 1, 2, 1), "float32"),
    )
    assert logits.classes.tolist() == [[0, -1]]


@pytest.mark.parametrize(("dtype", "activation"), [("float32", "softmax"), ("int8", "none")])
@pytest.mark.parametrize("stride", [2.0, 4.0, 15.5])
def test_scores_of_large_cells_are_interpolated(dtype: str, activation: str, stride: float) -> None:
    random = np.random.default_rng(3)
    rows, cols, columns = 4, 3, 5
    info = TensorInfo("map", (1, rows, cols, columns), dtype)
    raw = random.normal(size=info.shape).astype(np.float32)
    if dtype == "int8":
        info = replace(info, scale=0.008, zero_point=-5)
        raw = info.quantize(raw / 3)
    spec = SegmentSpec(
        "map", tuple("abcde"), rows, cols, (stride, stride), False, False, 1, activation, 0.3
    )
    found = run(spec, raw, info)
    real = info.dequantize(raw)[0]
    parts = {2.0: 2, 4.0: 4, 15.5: 16}[stride]
    assert found.classes.shape == (rows * parts, cols * parts)
    for row in range(rows * parts):
        for col in range(cols * parts):
            values = [
                between(real[..., k], (row + 0.5) / parts - 0.5, (col + 0.5) / parts - 0.5)
                for k in range(columns)
            ]
            best = values.index(max(values))
            number = found.classes[row, col]
            if number >= 0:
                assert values[number] == pytest.approx(values[best], abs=1e-5) and number != 1
            elif sorted(values)[-1] - sorted(values)[-2] > 1e-5 and best != 1:
                # The score is that of the nearest cell where four cells agree.
                cell = real[row // parts, col // parts].tolist()
                scores = [
                    probability(item, item.index(max(item)), activation) for item in (values, cell)
                ]
                assert min(scores) < 0.3 + 1e-5


def between(values: np.ndarray, row: float, col: float) -> float:
    """Bilinear between the cells' centres, constant outside of them."""
    row = min(max(row, 0.0), values.shape[0] - 1.0)
    col = min(max(col, 0.0), values.shape[1] - 1.0)
    top, left = math.floor(row), math.floor(col)
    total = 0.0
    for r, wr in ((top, 1 - (row - top)), (top + 1, row - top)):
        for c, wc in ((left, 1 - (col - left)), (left + 1, col - left)):
            if wr and wc:
                total += wr * wc * float(values[r, c])
    return total


def test_classes_share_the_pixels_of_a_frame_among_them() -> None:
    random = np.random.default_rng(5)
    numbers = random.integers(0, 4, (7, 9))
    spec = SegmentSpec("map", tuple("abcd"), 7, 9, (3.0, 3.0), class_numbers=True)
    frame = FrameMap(1.37, 2.11, -3.3, 1.9, 31, 43)
    found = run(spec, numbers, TensorInfo("map", (7, 9), "int64"), frame)
    own = np.stack([found.mask(k).pixels(43, 31) for k in range(4)])
    x1, y1, x2, y2 = found.covers
    rows, cols = (np.arange(43) + 0.5 - y1) / (y2 - y1), (np.arange(31) + 0.5 - x1) / (x2 - x1)
    inside = ((rows >= 0) & (rows < 1))[:, None] & ((cols >= 0) & (cols < 1))
    assert (own.sum(axis=0) == inside).all()
    nearest = numbers[np.clip((rows * 7).astype(int), 0, 6)][
        :, np.clip((cols * 9).astype(int), 0, 8)
    ]
    assert (own.argmax(axis=0) == nearest)[inside].all()


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_what_is_no_number_has_no_class(bad: float) -> None:
    labels = ("a", "b")
    values = np.float32([[bad, 0], [0, bad], [1, 0]])
    info = TensorInfo("map", (1, 1, 3, 2), "float32")
    for activation in ("none", "softmax", "sigmoid"):
        spec = SegmentSpec("map", labels, 1, 3, activation=activation)
        assert run(spec, values, info).classes.tolist() == [[-1, -1, 0]]
    one = SegmentSpec("map", ("a",), 1, 3, score_threshold=0.5)
    assert run(one, values[:, 0], info).classes.tolist() == [[-1, -1, 0]]
    assert not run(one, values[:2, 1].repeat(2)[1:], info).mask(0).pixels(9, 9)[:, 3:].any()
    numbers = SegmentSpec("map", labels, 1, 3, class_numbers=True)
    assert run(numbers, values[:, 0], info).classes.tolist() == [[-1, 0, 1]]


def test_maps_of_another_size_are_refused_in_a_line() -> None:
    spec = SegmentSpec("map", ("a", "b"), 2, 3)
    for shape, words in (((1, 2, 3, 3), "2 classes"), ((2, 3), "2 × 3 cells"), ((0,), "2 × 3")):
        with pytest.raises(BundleError, match=words):
            run(spec, np.zeros(shape, np.float32), TensorInfo("map", shape, "float32"))
    with pytest.raises(BundleError, match="class numbers"):
        numbers = SegmentSpec("map", ("a", "b"), 2, 3, class_numbers=True)
        run(numbers, np.zeros((1, 2, 3, 2), np.int32), TensorInfo("map", (1, 2, 3, 2), "int32"))
    with pytest.raises(BundleError, match="stride"):
        SegmentSpec("map", ("a",), 2, 3, (0.0, 1.0))
