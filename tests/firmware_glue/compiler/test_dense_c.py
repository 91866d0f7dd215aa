"""``<name>_postprocess`` of dense detectors of every form: the boxes of edgecnn.core.decode."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from edgecnn.core.decode import decode
from edgecnn.core.detections import Detections
from edgecnn.core.imaging import resize_to_spec
from tests.firmware_glue.compiler.dense_cases import DENSE, Case, random_dense
from tests.firmware_glue.compiler.harness import Library, Runner
from tests.firmware_glue.compiler.stage_cases import fill, read_boxes, same_boxes
from tests.firmware_glue.compiler.stage_models import FrameMapC, frame_bytes, preprocess

RANDOM = {f"random{seed}": random_dense(np.random.default_rng([seed, 19])) for seed in range(10)}
CASES = {**DENSE, **RANDOM}


def built(cases: Mapping[str, Case], folder: pytest.TempPathFactory) -> dict[str, Runner]:
    """All of them in one library: a compiler run is what is dear."""
    library = Library(folder.mktemp("dense"))
    for name, case in cases.items():
        model = library.add(case[0], name)
        assert f"{name}_postprocess.c" in model.files, model.stage_notes
    library.build()
    return {name: library.runner(name) for name in library.models}


@pytest.fixture(scope="module")
def runners(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Runner]:
    return built(CASES, tmp_path_factory)


def _settled(found: Detections) -> Detections:
    """Boxes whose scores differ in their last bits alone, in an order that these do not decide."""
    group = np.cumsum(np.diff(found.scores, prepend=np.float32(2)) < -2e-6)
    order = np.lexsort((*np.round(found.boxes, 1).T, found.classes, group))
    points = None if found.keypoints is None else found.keypoints[order]
    return Detections(found.boxes[order], found.scores[order], found.classes[order], points)


def compare(case: Case, runner: Runner, rng: np.random.Generator) -> int:
    """Random outputs, on the tensor and on frames; how many boxes there were."""
    _, spec, image = case
    maps: list = [(None, None)]
    for width, height in ((64, 48), (33, 97), (640, 480)):
        rows, frame = frame_bytes(rng, width, height, "gray8")
        _, ours = preprocess(runner, rows, width, height, "gray8")
        maps.append((ours, resize_to_spec(image, frame)[1]))
    exact = spec.activation != "softmax" and all(
        io.dtype != "float32" for io in runner.model.outputs
    )
    seen = 0
    for spread in (0.3, 0.8, 1.5, 2.5):
        outputs, infos = fill(runner, rng, spread)
        largest = 4.0
        for ours, theirs in maps:
            expected = decode(spec, outputs, infos, theirs)
            assert isinstance(expected, Detections)
            if theirs is None and len(expected):
                largest = max(4.0, float(np.abs(expected.boxes).max()) / 32)
            zoom = largest * (1.0 if theirs is None else max(theirs.scale_x, theirs.scale_y))
            found = read_boxes(runner, ours, spec, spec.candidates)
            if not exact:
                found, expected = _settled(found), _settled(expected)
            same_boxes(found, expected, zoom)
            seen += len(expected)
    return seen


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
