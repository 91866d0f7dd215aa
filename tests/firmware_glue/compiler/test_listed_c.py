"""``<name>_postprocess`` of lists of boxes and of heat maps with centres."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest

from edgecnn.core.decode import decode
from edgecnn.core.detections import Detections
from tests.firmware_glue.compiler.box_cases import CENTERS, LISTED
from tests.firmware_glue.compiler.compare_boxes import BoxCase, built, compare, put
from tests.firmware_glue.compiler.harness import Runner
from tests.firmware_glue.compiler.stage_cases import fill, read_boxes, same_boxes
from tests.firmware_glue.compiler.stage_models import BoxC, CandidateC, FrameMapC

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
