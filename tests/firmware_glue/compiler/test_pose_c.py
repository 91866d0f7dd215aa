"""``<name>_postprocess`` of key points of one object, and of maps of classes."""

from __future__ import annotations

import ctypes
from dataclasses import replace

import numpy as np
import pytest

from edgecnn.core.decode import decode
from edgecnn.core.detections import Detections, Segmentation
from edgecnn.core.imaging import resize_to_spec
from edgecnn.core.postprocess import Skeleton
from edgecnn.core.tflite.reader import read_model
from firmware_glue.compiler.api import compile_model
from tests.firmware_glue.compiler.compare_boxes import built, put
from tests.firmware_glue.compiler.harness import Runner
from tests.firmware_glue.compiler.pose_cases import COUNT, MAPS, POSES, SKELETON, not_finite
from tests.firmware_glue.compiler.stage_cases import fill, same_boxes
from tests.firmware_glue.compiler.stage_models import (
    BoxC,
    FrameMapC,
    KeypointC,
    frame_bytes,
    preprocess,
    with_specs,
)


@pytest.fixture(scope="module")
def runners(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Runner]:
    return built({**POSES, **MAPS}, tmp_path_factory)


def _read_pose(runner: Runner, frame_map: FrameMapC | None) -> Detections:
    box, points = BoxC(), (KeypointC * (COUNT + 1))()
    points[COUNT].x = -99
    pointer = None if frame_map is None else ctypes.byref(frame_map)
    count = runner.call("postprocess", pointer, ctypes.byref(box), points)
    assert points[COUNT].x == -99, "wrote behind the points"
    assert count in (0, 1)
    places = [[(p.x, p.y, p.score) for p in points[:COUNT]]] * count
    return Detections(
        np.array([(box.x1, box.y1, box.x2, box.y2)] * count, np.float32).reshape(count, 4),
        np.array([box.score] * count, np.float32),
        np.array([box.label] * count, np.int64),
        np.array(places, np.float32).reshape(count, COUNT, 3),
    )


@pytest.mark.parametrize("name", POSES)
def test_points_equal_python(name: str, runners: dict[str, Runner]) -> None:
    (_, spec, image), runner = POSES[name], runners[name]
    rng = np.random.default_rng(8)
    maps: list = [(None, None)]
    for width, height in ((64, 48), (33, 97), (640, 480)):
        rows, frame = frame_bytes(rng, width, height, "gray8")
        _, ours = preprocess(runner, rows, width, height, "gray8")
        maps.append((ours, resize_to_spec(image, frame)[1]))
    seen = 0
    for spread in (0.3, 0.6, 1.0, 1.5, 2.5, 4.0) * 2:
        outputs, infos = fill(runner, rng, spread)
        for ours, theirs in maps:
            expected = decode(spec, outputs, infos, theirs)
            assert isinstance(expected, Detections)
            zoom = 1.0 if theirs is None else max(theirs.scale_x, theirs.scale_y)
            same_boxes(_read_pose(runner, ours), expected, zoom)
            seen += len(expected)
    assert seen > 5


@pytest.mark.parametrize(
    "name", ["movenet", "landmarks", "simcc", "posenetturned", "baselinefloat"]
)
def test_what_is_no_number_is_no_object(name: str, runners: dict[str, Runner]) -> None:
    (_, spec, _), runner = POSES[name], runners[name]
    rng = np.random.default_rng(3)
    for turn in range(30):
        outputs, infos = fill(runner, rng, 1.0)
        for key, values in outputs.items():
            if values.dtype == np.float32 and turn % 3:
                outputs[key] = not_finite(rng, values)
                put(runner, key, outputs[key])
        expected = decode(spec, outputs, infos, None)
        assert isinstance(expected, Detections)
        same_boxes(_read_pose(runner, None), expected)


def test_names_of_the_points_are_there(runners: dict[str, Runner]) -> None:
    runner = runners["movenet"]
    names = (ctypes.c_char_p * COUNT).in_dll(runner.handle, "movenet_keypoints")
    assert tuple(name.decode() for name in names) == SKELETON.names


def test_refuses_bad_arguments(runners: dict[str, Runner]) -> None:
    box, points, empty = BoxC(), (KeypointC * COUNT)(), ctypes.byref(FrameMapC())
    for arguments in (
        (None, None, points),
        (None, ctypes.byref(box), None),
        (empty, ctypes.byref(box), points),
    ):
        assert runners["movenet"].call("postprocess", *arguments) == -1
    classes = (ctypes.c_int16 * 7)()
    for row, room in ((-1, classes), (5, classes), (0, None)):
        assert runners["argmax"].call("postprocess", row, room, None) == -1


def _read_map(runner: Runner, rows: int, cols: int) -> tuple[np.ndarray, np.ndarray]:
    classes = np.full((rows, cols + 1), -99, np.int16)
    scores = np.full((rows, cols + 1), -99, np.float32)
    for row in range(rows):
        pointers = (ctypes.c_void_p(array[row].ctypes.data) for array in (classes, scores))
        assert runner.call("postprocess", row, *pointers) == 0
        alone = np.zeros(cols, np.int16)
        assert runner.call("postprocess", row, ctypes.c_void_p(alone.ctypes.data), None) == 0
        np.testing.assert_array_equal(alone, classes[row, :cols])
    assert (classes[:, cols] == -99).all() and (scores[:, cols] == -99).all()
    return classes[:, :cols], scores[:, :cols]


@pytest.mark.parametrize("name", MAPS)
def test_maps_equal_python(name: str, runners: dict[str, Runner]) -> None:
    (_, spec, _), runner = MAPS[name], runners[name]
    rng = np.random.default_rng(8)
    seen = set()
    for turn, spread in enumerate((0.1, 0.5, 1.0, 2.0, 4.0) * 2):
        outputs, infos = fill(runner, rng, spread)
        if outputs["map"].dtype == np.float32 and turn % 2:
            outputs["map"] = not_finite(rng, outputs["map"])
            put(runner, "map", outputs["map"])
        expected = decode(spec, outputs, infos, None)
        assert isinstance(expected, Segmentation)
        classes, scores = _read_map(runner, spec.rows, spec.cols)
        np.testing.assert_array_equal(classes, expected.classes)
        np.testing.assert_allclose(scores, expected.scores, rtol=0, atol=1e-6)
        seen |= set(np.unique(classes))
    assert len(seen) >= 2


def test_several_objects_are_left_out() -> None:
    data, spec, image = POSES["posenet"]
    tree = Skeleton(SKELETON.names, ((0, 1), (0, 2), (2, 3)))
    many = replace(spec, skeleton=tree, forward="there", backward="back")
    model = compile_model(read_model(with_specs(data, image, many)), name="many")
    assert "many_postprocess.c" not in model.files
    (note,) = model.stage_notes
    assert note.startswith("No postprocess: ") and "several objects" in note
    assert note in model.files["many.h"].replace("\n * ", " ")
