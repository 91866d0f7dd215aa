"""Masks on frames: against interpolation written out pixel by pixel, and pycocotools."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecnn.core.imaging import FrameMap
from edgecnn.core.mask import Mask, MaskArea

HEIGHT, WIDTH = 13, 17


def at(values: np.ndarray, row: float, col: float) -> float:
    """Bilinear between the cells' centres (0 is the first), constant outside of them."""
    row = min(max(row, 0.0), values.shape[0] - 1.0)
    col = min(max(col, 0.0), values.shape[1] - 1.0)
    top, left = math.floor(row), math.floor(col)
    total = 0.0
    for r, wr in ((top, 1 - (row - top)), (top + 1, row - top)):
        for c, wc in ((left, 1 - (col - left)), (left + 1, col - left)):
            if wr and wc:
                total += wr * wc * float(values[r, c])
    return total


def slow(mask: Mask) -> np.ndarray:
    """Value over each pixel's centre; −inf outside."""
    rows, cols = mask.values.shape
    x1, y1, x2, y2 = mask.covers
    result = np.full((HEIGHT, WIDTH), -np.inf)
    for y in range(HEIGHT):
        for x in range(WIDTH):
            left, top, right, bottom = mask.inside
            if not (left <= x + 0.5 < right and top <= y + 0.5 < bottom):
                continue
            row = (y + 0.5 - y1) / (y2 - y1) * rows
            col = (x + 0.5 - x1) / (x2 - x1) * cols
            if mask.smooth:
                result[y, x] = at(mask.values, row - 0.5, col - 0.5)
            else:
                row = min(max(math.floor(row), 0), rows - 1)
                result[y, x] = mask.values[row, min(max(math.floor(col), 0), cols - 1)]
    return result


boxes = st.tuples(st.floats(-9, 16), st.floats(-9, 12), st.floats(0.3, 30), st.floats(0.3, 30)).map(
    lambda v: (v[0], v[1], v[0] + v[2], v[1] + v[3])
)


@settings(max_examples=60)
@given(st.integers(1, 6), st.integers(1, 6), st.integers(0, 2**32 - 1), boxes, boxes, st.booleans())
def test_pixels_are_those_of_the_slow_interpolation(
    rows: int, cols: int, seed: int, covers: tuple, inside: tuple, smooth: bool
) -> None:
    values = np.random.default_rng(seed).normal(size=(rows, cols)).astype(np.float32)
    mask = Mask(values, covers, inside, smooth)
    expected = slow(mask)
    clear = ~(np.abs(expected) < 1e-5)
    if not smooth:  # a centre on the border of two cells may belong to either
        clear = np.ones((HEIGHT, WIDTH), bool)
        for axis, count, low, high in ((0, rows, 1, 3), (1, cols, 0, 2)):
            size = (HEIGHT, WIDTH)[axis]
            place = (np.arange(size) + 0.5 - covers[low]) / (covers[high] - covers[low]) * count
            sure = np.abs(place - np.rint(place)) > 1e-9
            clear &= sure[:, None] if axis == 0 else sure
    got = mask.pixels(HEIGHT, WIDTH)
    assert got.shape == (HEIGHT, WIDTH) and (got == (expected > 0))[clear].all()


@settings(max_examples=60)
@given(st.integers(0, 2**32 - 1), st.sampled_from([0, 1, 2]))
def test_run_lengths_are_read_by_pycocotools(seed: int, kind: int) -> None:
    coco = pytest.importorskip("pycocotools.mask")
    random = np.random.default_rng(seed)
    height, width = (int(size) for size in random.integers(1, 9, 2))
    frame = random.random((height, width)) < random.choice([0.0, 0.1, 0.5, 0.9, 1.0])
    top, left = (int(random.integers(0, size)) for size in (height, width)) if kind else (0, 0)
    rows = int(random.integers(0, height - top + 1)) if kind == 2 else height - top
    area = MaskArea(left, top, frame[top : top + rows, left:])
    expected = area.in_frame(height, width)
    runs = json.loads(json.dumps(area.run_lengths(height, width)))
    assert runs["size"] == [height, width] and sum(runs["counts"]) == height * width
    assert all(count > 0 for count in runs["counts"][1:])
    read = coco.decode(coco.frPyObjects(runs, height, width))
    assert (read == expected).all()
    # The same runs as pycocotools makes of the pixels itself.
    assert coco.frPyObjects(runs, height, width) == coco.encode(
        np.asfortranarray(expected, np.uint8)
    )


def test_a_mask_moves_with_the_frame_map_and_bad_ones_cover_nothing() -> None:
    values = np.float32([[1, -1]])
    mask = Mask(values, (0, 0, 4, 4), (0, 0, 4, 4)).on(FrameMap(2, 3, 1, -3, WIDTH, HEIGHT))
    assert mask.covers == mask.inside == (1, -3, 9, 9)
    assert mask.area(HEIGHT, WIDTH).box() == (1, 0, 5, 9)
    everywhere = (0.0, 0.0, 9.0, 9.0)
    for bad in (math.nan, math.inf, -math.inf):
        for covers, inside in (
            ((0, 0, bad, 9), everywhere),
            ((bad, bad, 9, 9), everywhere),
            (everywhere, (bad, 0, bad, 9)),
        ):
            assert not Mask(values, covers, inside).pixels(HEIGHT, WIDTH).any()
        if not bad > 0:
            assert (
                not Mask(values * np.float32(bad), everywhere, everywhere, False)
                .pixels(HEIGHT, WIDTH)[:, :4]
                .any()
            )
    empty = Mask(np.empty((0, 3), np.float32), everywhere, everywhere)
    assert empty.run_lengths(2, 3) == {"size": [2, 3], "counts": [6]}
    assert empty.area(2, 3).box() is None
