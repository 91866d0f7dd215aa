"""Key points and masks of candidates, against the published arithmetic in plain loops."""

import math

import numpy as np
import pytest

from edgecnn.core.decode.carried import key_points, masks
from edgecnn.core.decode.cells import cell_layout
from edgecnn.core.decode.outputs import Outputs
from edgecnn.core.errors import BundleError
from edgecnn.core.postprocess import CandidatePoints, GridLevel, MaskCoefficients, Skeleton
from edgecnn.core.runtime import TensorInfo

SKELETON = Skeleton(("nose", "left", "right"))
CELLS = cell_layout((GridLevel(2, 3, 8, ((10.0, 20.0), (30.0, 15.0))),))


def test_points_of_mediapipe_s_detectors() -> None:
    """x = raw / x_scale · anchor's width + its centre (TensorsToDetectionsCalculator)."""
    rng = np.random.default_rng(0)
    values = rng.normal(0, 50, (len(CELLS.stride), 6)).astype(np.float32)
    scores = rng.random(len(values)).astype(np.float32)
    spec = CandidatePoints(SKELETON, "p", coding="anchor")
    got = key_points(spec, values, scores, cells=CELLS, variances=(1 / 128, 1 / 64, 1.0, 1.0))
    for k, row in enumerate(values.tolist()):
        cx, cy = CELLS.centre[k].tolist()
        w, h = ((10, 20), (30, 15))[k % 2]
        expected = [(row[2 * i] / 128 * w + cx, row[2 * i + 1] / 64 * h + cy) for i in range(3)]
        assert np.allclose(got[k, :, :2], expected, atol=1e-3)
        assert np.allclose(got[k, :, 2], scores[k])


def test_points_of_ultralytics_pose_heads() -> None:
    """x = (2 · raw + anchor's x − 0.5) · stride, with anchors at cells' centres in cells."""
    rng = np.random.default_rng(1)
    cells = cell_layout((GridLevel(4, 5, 16),)).at(np.array([7, 19, 0]))
    values = rng.normal(0, 2, (3, 9)).astype(np.float32)
    spec = CandidatePoints(SKELETON, "p", values=3, coding="cell", activation="sigmoid")
    got = key_points(spec, values, np.ones(3, np.float32), cells=cells)
    for k, cell in enumerate((7, 19, 0)):
        for i, (x, y, sure) in enumerate(values[k].reshape(3, 3).tolist()):
            expected = ((2 * x + cell % 5) * 16, (2 * y + cell // 5) * 16)
            assert np.allclose(got[k, i, :2], expected, atol=1e-3)
            assert got[k, i, 2] == pytest.approx(1 / (1 + math.exp(-sure)), abs=1e-6)


def test_points_in_units_y_first_and_what_is_no_point() -> None:
    spec = CandidatePoints(SKELETON, "p", values=3, axes="yx")
    values = np.float32(
        [[0.5, 0.25, 0.75, np.nan, 0, 1, 0, np.inf, 1], [1, 1, 7, 1, 1, np.nan, 0, 0, -1]]
    )
    got = key_points(spec, values, np.ones(2, np.float32), units=(640.0, 480.0))
    assert got[0].tolist() == [[160, 240, 0.75], [0, 0, 0], [0, 0, 0]]
    assert got[1].tolist() == [[640, 480, 1], [0, 0, 0], [0, 0, 0]]
    assert got.dtype == np.float32


def prototypes(values: np.ndarray, info: TensorInfo) -> Outputs:
    return Outputs({info.name: info.quantize(values)[None]}, [info])


@pytest.mark.parametrize("dtype", ["int8", "float32"])
def test_masks_are_sums_of_prototypes_where_the_box_is(dtype: str) -> None:
    """The cropped map is the whole one, as far as an interpolation inside the box can see."""
    rng = np.random.default_rng(2)
    real = rng.normal(0, 1, (12, 16, 5))
    scale = {"int8": (0.02, 3)}.get(dtype, (None, None))
    info = TensorInfo("protos", (1, 12, 16, 5), dtype, *scale)
    outputs = prototypes(real, info)
    seen = info.dequantize(outputs.raw("protos")[0])[0].astype(np.float64)
    spec = MaskCoefficients("all", 7, "protos", 12, 16, 5, 64, 48)
    boxes = np.float32([[10, 9, 31, 22], [-9, -9, 99, 99], [63, 47, 90, 90], [5, 5, 5, 5]])
    factors = rng.normal(0, 1, (4, 5)).astype(np.float32)
    found = masks(spec, outputs, factors, boxes)
    assert [mask.inside for mask in found] == [tuple(box) for box in boxes.tolist()]
    assert found[1].covers == (0, 0, 64, 48)
    for mask, box, row in zip(found, boxes.tolist(), factors.astype(np.float64), strict=True):
        left, top, right, bottom = (int(end) // 4 for end in mask.covers)
        assert np.allclose(mask.values, (seen @ row)[top:bottom, left:right], atol=1e-4)
        # The centres of the cells around each pixel of the box are there.
        assert left == 0 or (left + 0.5) * 4 <= box[0]
        assert right == 16 or (right - 0.5) * 4 >= box[2]
        assert top == 0 or (top + 0.5) * 4 <= box[1]
        assert bottom == 12 or (bottom - 0.5) * 4 >= box[3]


def test_boxes_that_are_no_boxes_have_a_mask_of_one_cell() -> None:
    spec = MaskCoefficients("all", 7, "protos", 12, 16, 5, 64, 48)
    info = TensorInfo("protos", (1, 12, 16, 5), "float32")
    bad = np.float32([[np.nan] * 4, [-np.inf, 0, np.inf, 9], [1e30, 1e30, 2e30, 2e30]])
    found = masks(spec, prototypes(np.zeros((12, 16, 5)), info), np.ones((3, 5), np.float32), bad)
    assert [mask.values.shape[1] for mask in found] == [1, 1, 1]
    info = TensorInfo("protos", (1, 11, 16, 5), "float32")
    with pytest.raises(BundleError, match="12 × 16 × 5"):
        masks(spec, prototypes(np.zeros((11, 16, 5)), info), np.ones((3, 5), np.float32), bad)
