"""``<name>_postprocess`` of dense detectors of every form: the boxes of edgecnn.core.decode."""

from __future__ import annotations

import numpy as np
import pytest

from edgecnn.core.decode import decode
from edgecnn.core.detections import Detections
from tests.firmware_glue.compiler.compare_boxes import built, compare
from tests.firmware_glue.compiler.dense_cases import DENSE, random_dense
from tests.firmware_glue.compiler.harness import Runner
from tests.firmware_glue.compiler.stage_cases import fill, read_boxes, same_boxes
from tests.firmware_glue.compiler.stage_models import FrameMapC

RANDOM = {f"random{seed}": random_dense(np.random.default_rng([seed, 19])) for seed in range(6)}
CASES = {**DENSE, **RANDOM}


@pytest.fixture(scope="module")
def runners(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Runner]:
    return built(CASES, tmp_path_factory)


@pytest.mark.parametrize("name", CASES)
def test_boxes_equal_python(name: str, runners: dict[str, Runner]) -> None:
    assert compare(CASES[name], runners[name], np.random.default_rng(8)) > 5


@pytest.mark.long
def test_many_forms(tmp_path_factory: pytest.TempPathFactory) -> None:
    cases = {f"random{seed}": random_dense(np.random.default_rng(seed)) for seed in range(150)}
    runners = built(cases, tmp_path_factory)
    rng = np.random.default_rng(1)
    assert sum(compare(case, runners[name], rng) for name, case in cases.items()) > 10_000


def test_what_is_no_number_is_no_box(runners: dict[str, Runner]) -> None:
    _, spec, _ = CASES["yolov8"]
    runner = runners["yolov8"]
    outputs, infos = fill(runner, np.random.default_rng(4), 2.0)
    io = runner.model.outputs[0]
    raw = outputs[io.name]
    raw[0, :6, ::3] = np.array([np.nan, np.inf, -np.inf, 3.0, 2.0, 9.0])[:, None]
    runner.arena[io.offset : io.offset + io.nbytes] = raw.reshape(-1).view(np.uint8)
    expected = decode(spec, outputs, infos, None)
    assert isinstance(expected, Detections) and len(expected) > 0
    same_boxes(read_boxes(runner, None, spec, spec.candidates), expected)
    frame_map = FrameMapC(9, 9, 0, 0, 9, 9, 0, 0, 64, 48)
    assert len(read_boxes(runner, frame_map, spec, spec.candidates)) <= len(expected)
