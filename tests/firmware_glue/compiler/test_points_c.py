"""``<name>_postprocess`` of a model that finds points: the same ones as edgecnn.core.decode."""

from __future__ import annotations

import ctypes
import re

import numpy as np
import pytest

from edgecnn.core.decode import decode
from edgecnn.core.detections import Centroids
from edgecnn.core.imaging import resize_to_spec
from edgecnn.core.tflite.reader import read_model
from firmware_glue.compiler.specs import read_stages
from firmware_glue.kernels import kernel_text
from tests.firmware_glue.compiler.harness import Library, Runner
from tests.firmware_glue.compiler.stage_cases import GRIDS, fill, read_points
from tests.firmware_glue.compiler.stage_models import (
    CellC,
    FrameMapC,
    PointC,
    frame_bytes,
    preprocess,
)


@pytest.fixture(scope="module")
def runners(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Runner]:
    library = Library(tmp_path_factory.mktemp("points"))
    for name, case in GRIDS.items():
        library.add(case[0], name)
    library.build()
    return {name: library.runner(name) for name in library.models}


@pytest.mark.parametrize("name", GRIDS)
def test_points_equal_python(name: str, runners: dict[str, Runner]) -> None:
    _, spec, image = GRIDS[name]
    runner, rng = runners[name], np.random.default_rng(8)
    maps: list = [(None, None)]
    for width, height in ((64, 48), (33, 97), (500, 31), (640, 480)):
        rows, frame = frame_bytes(rng, width, height, "gray8")
        _, ours = preprocess(runner, rows, width, height, "gray8")
        maps.append((ours, resize_to_spec(image, frame)[1]))
    seen = 0
    for spread in (0.1, 0.3, 0.8, 1.5, 2.5, 4.0):
        outputs, infos = fill(runner, rng, spread)
        for ours, theirs in maps:
            expected = decode(spec, outputs, infos, theirs)
            assert isinstance(expected, Centroids)
            found = read_points(runner, ours, spec)
            np.testing.assert_array_equal(found.classes, expected.classes)
            np.testing.assert_allclose(found.scores, expected.scores, rtol=0, atol=1e-6)
            np.testing.assert_allclose(found.points, expected.points, rtol=1e-6, atol=1e-3)
            np.testing.assert_allclose(found.cells, expected.cells, rtol=1.2e-7, atol=1e-4)
            seen += len(expected)
    assert seen > 50


def test_the_best_ones_are_kept(runners: dict[str, Runner]) -> None:
    _, spec, _ = GRIDS["points"]
    fill(runners["points"], np.random.default_rng(3), 1.5)
    everything = read_points(runners["points"], None, spec)
    assert len(everything) == spec.max_detections
    few = read_points(runners["points"], None, spec, most=2)
    np.testing.assert_array_equal(few.points, everything.points[:2])


def test_not_a_number_finds_nothing(runners: dict[str, Runner]) -> None:
    for name in ("pointsfloat", "pointsnone"):
        runner = runners[name]
        for io in runner.model.outputs:
            raw = np.full(io.nbytes // 4, np.nan, np.float32).view(np.uint8)
            runner.arena[io.offset : io.offset + io.nbytes] = raw
        assert len(read_points(runner, None, GRIDS[name][1])) == 0


def test_refuses_bad_arguments(runners: dict[str, Runner]) -> None:
    points, scratch, empty = (PointC * 4)(), (CellC * 48)(), ctypes.byref(FrameMapC())
    for arguments in (
        (None, None, 4, scratch),
        (None, points, 4, None),
        (None, points, 0, scratch),
        (empty, points, 4, scratch),
    ):
        assert runners["points"].call("postprocess", *arguments) == -1


def test_params_follow_the_c_struct() -> None:
    after = read_stages(read_model(GRIDS["points"][0])).after
    assert after is not None
    bodies = re.findall(r"typedef struct \{([^}]*)\} (\w+);", kernel_text("edgecnn_centroids.h"))
    body = next(text for text, name in bodies if name == after.params.struct)
    declared = [line.strip().split(" ", 1)[1] for line in body.split(";") if line.strip()]
    names = [name.strip() for line in declared for name in line.split(",")]
    assert names == [name for name, _ in after.params.fields]
