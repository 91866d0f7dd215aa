"""``<name>_postprocess`` of lists of boxes and of heat maps with centres."""

from __future__ import annotations

import ctypes
from pathlib import Path

import numpy as np
import pytest

from edgecnn.core.decode import decode
from edgecnn.core.detections import Detections
from edgecnn.core.postprocess import ListedSpec
from edgecnn.core.runtime import tensor_infos
from edgecnn.core.tflite.reader import read_model
from tests.firmware_glue.compiler.box_cases import CENTERS, LABELS, LISTED
from tests.firmware_glue.compiler.cases.detection import model as op_model
from tests.firmware_glue.compiler.cases.detection import options
from tests.firmware_glue.compiler.compare_boxes import BoxCase, built, compare, put
from tests.firmware_glue.compiler.harness import Library, Reference, Runner
from tests.firmware_glue.compiler.stage_cases import fill, read_boxes, same_boxes
from tests.firmware_glue.compiler.stage_models import BoxC, CandidateC, FrameMapC, with_specs

CASES: dict[str, BoxCase] = {**LISTED, **CENTERS}


@pytest.fixture(scope="module")
def runners(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Runner]:
    return built(CASES, tmp_path_factory)


@pytest.mark.parametrize("name", [name for name in CASES if name != "ssdop"])
def test_boxes_equal_python(name: str, runners: dict[str, Runner]) -> None:
    assert compare(CASES[name], runners[name], np.random.default_rng(8)) > 5


def test_the_rows_that_count(runners: dict[str, Runner]) -> None:
    """Any count, and classes that are none."""
    runner, (_, spec, _) = runners["ssdop"], CASES["ssdop"]
    rng = np.random.default_rng(2)
    seen = []
    for count in (20, 7.5, 6.5, 0.4, -3, 1e9, np.inf, -np.inf, np.nan):
        outputs, infos = fill(runner, rng, 1.0)
        outputs["count"][:] = count
        outputs["classes"] = rng.integers(-2, 5, 20).astype(np.float32).reshape(1, 20)
        outputs["classes"][0, :3] = np.nan, np.inf, 0.5
        outputs["boxes"][0, 4, 2] = np.nan
        for name, values in outputs.items():
            put(runner, name, values)
        expected = decode(spec, outputs, infos, None)
        assert isinstance(expected, Detections)
        same_boxes(read_boxes(runner, None, spec, 20), expected)
        seen.append(len(expected))
    assert max(seen) > 3 and seen[4] == seen[-1] == 0


def test_what_is_no_number_is_no_peak(runners: dict[str, Runner]) -> None:
    runner, (_, spec, _) = runners["centerlog"], CASES["centerlog"]
    outputs, infos = fill(runner, np.random.default_rng(2), 1.5)
    outputs["scores"][0, ::2, ::3] = np.nan
    outputs["sizes"][0, 1, :, 0] = np.nan
    outputs["sizes"][0, 3, :, 1] = np.inf
    for name, values in outputs.items():
        put(runner, name, values)
    expected = decode(spec, outputs, infos, None)
    assert isinstance(expected, Detections) and len(expected) > 3
    same_boxes(read_boxes(runner, None, spec, 100), expected)


def test_the_op_and_its_list_in_one_model(tmp_path: Path) -> None:
    """TFLite_Detection_PostProcess computed and read by the C, beside LiteRT and Python."""
    packed = options(
        max_detections=9, max_classes_per_detection=1, detections_per_class=9, num_classes=3,
        use_regular_nms=False, nms_score_threshold=0.2, nms_iou_threshold=0.4, y_scale=10.0,
        x_scale=10.0, h_scale=5.0, w_scale=5.0,
    )  # fmt: skip
    bare = op_model(np.random.default_rng(1), "float32", 30, 3, 0, packed)
    infos = tensor_infos(read_model(bare))[1]
    boxes, classes, scores, count = (info.name for info in infos)
    spec = ListedSpec(
        scores, boxes, LABELS, 9, classes, count, box_units=(64.0, 48.0), score_threshold=0.4
    )
    library = Library(tmp_path)
    library.add(with_specs(bare, None, spec), "whole")
    library.build()
    runner, rng, seen = library.runner("whole"), np.random.default_rng(5), 0
    shapes = [info.shape for info in tensor_infos(read_model(bare))[0]]
    for _ in range(5):
        inputs = [rng.normal(0, 1, shapes[0]), rng.random(shapes[1])]
        given = [value.astype(np.float32) for value in inputs]
        outputs = {info.name: value for info, value in zip(infos, runner(given), strict=True)}
        want = Reference(bare)(given)
        rows = int(want[3][0])
        np.testing.assert_allclose(outputs[boxes][:, :rows], want[0][:, :rows], rtol=1e-5)
        expected = decode(spec, outputs, infos, None)
        assert isinstance(expected, Detections)
        same_boxes(read_boxes(runner, None, spec, 9), expected)
        seen += len(expected)
    assert seen > 5


@pytest.mark.parametrize("name", ["ssdop", "centernet"])
def test_refuses_bad_arguments(name: str, runners: dict[str, Runner]) -> None:
    boxes, scratch, empty = (BoxC * 4)(), (CandidateC * 4)(), ctypes.byref(FrameMapC())
    for arguments in (
        (None, None, 4, scratch, 4),
        (None, boxes, 4, None, 4),
        (None, boxes, 0, scratch, 4),
        (None, boxes, 4, scratch, 0),
        (empty, boxes, 4, scratch, 4),
    ):
        assert runners[name].call("postprocess", *arguments) == -1
