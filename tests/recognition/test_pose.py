"""Published pose models by their outputs alone, and what their publishers read from them."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations

import cv2
import numpy as np
import pytest

from edgecnn.core.decode import decode
from edgecnn.core.imaging import FrameMap
from edgecnn.core.postprocess import ListedSpec, PointsSpec, PosesSpec, from_json, to_json
from edgecnn.core.runtime import LiteRTPredictor
from edgecnn.core.tflite.cut import last_custom, without_last_custom
from edgecnn.core.tflite.file_metadata import FileMetadata
from edgecnn.core.tflite.reader import read_model
from edgecnn.recognition.facts import Facts
from edgecnn.recognition.found import Incomplete, Recognised
from edgecnn.recognition.table import recognise
from tests.core.slow_poses import slow_poses
from tests.recognition.given import given
from tests.run import shared

RNG = np.random.default_rng(11)


def floats(*shape: int, low: float = 0.0, high: float = 1.0) -> np.ndarray:
    return RNG.uniform(low, high, shape).astype(np.float32)


def known(facts: Facts, name: str) -> Recognised:
    answer = recognise(facts)
    assert isinstance(answer, Recognised), answer
    assert answer.name == name
    assert from_json(to_json(answer.spec)) == answer.spec
    assert len(answer.evidence) > 1
    return answer


def found_in(facts: Facts, answer: Recognised, frame_map: FrameMap | None = None):
    return decode(answer.spec, facts.predictor.predict({}), facts.outputs, frame_map)


@pytest.mark.parametrize("points", [13, 17])
def test_movenet_of_one_person(points: int) -> None:
    raw = floats(1, 1, points, 3)
    facts = given({"StatefulPartitionedCall:0": raw}, (256, 192))
    answer = known(facts, "MoveNet, one person")
    assert isinstance(answer.spec, PointsSpec)
    assert (answer.habit.convention, answer.habit.fit) == ("0..255", "letterbox")
    found = found_in(facts, answer, FrameMap(2, 2, 0, -64, 512, 256))
    expected = raw[0, 0, :, [1, 0]].T * (512, 384) + (0, -64)
    np.testing.assert_allclose(found.keypoints[0, :, :2], expected, rtol=1e-5, atol=1e-3)
    np.testing.assert_array_equal(found.keypoints[0, :, 2], raw[0, 0, :, 2])
    assert recognise(given({"out": raw * 100}, (256, 192))) is None


def test_movenet_of_several_persons() -> None:
    raw = floats(1, 6, 56)
    raw[0, :, 51:53] *= 0.4
    raw[0, :, 53:55] = raw[0, :, 51:53] + 0.3
    raw[0, 3, 55] = 0.05
    facts = given({"Identity": raw}, (256, 160))
    answer = known(facts, "MoveNet, several persons")
    assert isinstance(answer.spec, ListedSpec)
    found = found_in(facts, answer)
    order = [k for k in np.argsort(-raw[0, :, 55], kind="stable") if raw[0, k, 55] >= 0.2]
    assert 3 not in order and len(found) == len(order)
    for got, points, k in zip(found.boxes, found.keypoints, order, strict=True):
        y1, x1, y2, x2 = raw[0, k, 51:55]
        np.testing.assert_allclose(got, (x1 * 256, y1 * 160, x2 * 256, y2 * 160), rtol=1e-5)
        triple = raw[0, k, :51].reshape(17, 3)
        np.testing.assert_allclose(points[:, 0], triple[:, 1] * 256, rtol=1e-5)
        np.testing.assert_allclose(points[:, 1], triple[:, 0] * 160, rtol=1e-5)


def pose_maps(rows: int, cols: int, pixels: float):
    """Heat, short offsets and displacements, gentle enough for float32 to follow."""
    heat = RNG.normal(-2, 2, (1, rows, cols, 17)).astype(np.float32)
    short = RNG.normal(0, 0.3 * pixels, (1, rows, cols, 34)).astype(np.float32)
    mid = RNG.normal(0, pixels, (1, rows, cols, 64)).astype(np.float32)
    return heat, short, mid


def check_poses(found, heat, short, mid, pixels: float, **rule) -> None:
    poses, scores = slow_poses(
        heat[0].astype(float), short[0] / pixels, mid[0] / pixels,
        radius=rule.pop("radius") / pixels, score=0.2, **rule,
    )  # fmt: skip
    assert len(found) == len(poses) > 0
    np.testing.assert_allclose(found.scores, scores, atol=1e-4)
    for got, pose in zip(found.keypoints, poses, strict=True):
        np.testing.assert_allclose(got[:, [1, 0]], pose[:, :2] * pixels, atol=0.05)


def test_posenet_without_its_op_in_any_order_of_outputs() -> None:
    """The outputs of posenet_mobilenet_v1_100_257x257_multi_kpt_stripped.tflite."""
    heat, short, mid = pose_maps(9, 9, 32)
    named = {"float_heatmaps": heat, "float_short_offsets": short, "float_mid_offsets": mid,
             "float_segments": floats(1, 9, 9, 1)}  # fmt: skip
    for order in list(permutations(named))[::5]:
        facts = given({name: named[name] for name in order}, (257, 257))
        answer = known(facts, "PoseNet")
        assert answer.spec.stride == (32.0, 32.0) and answer.habit.convention == "-1..1"
    check_poses(found_in(facts, answer), heat, short, mid, 32, nearest=True, refinements=2,
                radius=20, point=0.5, most=20)  # fmt: skip


def test_displacements_apart_are_told_by_their_names() -> None:
    heat, short, mid = pose_maps(15, 21, 16)
    outputs = {
        "float_short_offsets": short,
        "resnet_v1_50/displacement_bwd_2/BiasAdd": mid[..., 32:],
        "resnet_v1_50/displacement_fwd_2/BiasAdd": mid[..., :32],
        "float_heatmaps": 1 / (1 + np.exp(-heat)),
    }
    facts = given(outputs, (321, 225))
    answer = known(facts, "PoseNet")
    assert answer.spec.activation == "none" and not answer.warnings
    check_poses(found_in(facts, answer), heat, short, mid, 16, nearest=True, refinements=2,
                radius=20, point=0.5, most=20)  # fmt: skip
    plain = dict(zip("abcd", outputs.values(), strict=True))
    answer = known(given(plain, (321, 225)), "PoseNet")
    assert answer.spec.forward == "" and "one person" in answer.warnings[0]


@pytest.mark.parametrize("named", [True, False])
def test_qualcomms_posenet_has_its_channels_first(named: bool) -> None:
    """Probabilities, and beside them the highest one of each window of 3 × 3."""
    heat, short, mid = pose_maps(33, 17, 16)
    sure = 1 / (1 + np.exp(-heat))
    most = np.stack([cv2.dilate(sure[0, ..., k], np.ones((3, 3))) for k in range(17)])[None]
    outputs = {name: np.ascontiguousarray(value.transpose(0, 3, 1, 2)) for name, value in (
        ("heatmaps_result", sure), ("offsets_result", short),
        ("displacement_fwd_result", mid[..., :32]), ("displacement_bwd_result", mid[..., 32:]),
    )}  # fmt: skip
    outputs["max_vals" if named else "a"] = most
    facts = given(outputs, (257, 513))
    answer = known(facts, "PoseNet")
    assert answer.spec.transposed and answer.spec.heatmaps == "heatmaps_result"
    check_poses(found_in(facts, answer), heat, short, mid, 16, nearest=True, refinements=2,
                radius=20, point=0.5, most=20)  # fmt: skip


def test_bodypix_long_offsets_are_no_short_ones() -> None:
    heat, short, mid = pose_maps(33, 33, 16)
    outputs = {"a": floats(1, 33, 33, 34, low=-300, high=300), "b": heat, "c": short, "d": mid,
               "e": floats(1, 33, 33, 1), "f": floats(1, 33, 33, 24)}  # fmt: skip
    assert known(given(outputs, (513, 513)), "PoseNet").spec.offsets == "c"
    outputs["float_long_offsets"] = outputs.pop("a")
    assert known(given(outputs, (513, 513), seen=False), "PoseNet").spec.offsets == "c"
    outputs["a"] = outputs.pop("float_long_offsets")
    answer = recognise(given(outputs, (513, 513), seen=False))
    assert isinstance(answer, Incomplete) and list(answer.missing) == ["offsets"]
    assert from_json({**answer.draft, "schema": "edgecnn.postprocess/2", "offsets": "c"})


@pytest.mark.parametrize("part", ["coral/posenet", "edgetpu/test_data/posenet"])
def test_corals_files_find_a_person_as_their_own_op_would(part: str) -> None:
    folder = shared() / "models" / "edgetpu_pairs" / part
    data = next(folder.glob("*decoder.tflite")).read_bytes()
    photo = cv2.imread(str(shared() / "data" / "images" / "squat.bmp"))
    cut, op = without_last_custom(read_model(data), last_custom(read_model(data)))
    predictor = LiteRTPredictor(cut)
    facts = Facts(predictor, read_model(cut), FileMetadata(), (), photo, op)
    answer = known(facts, "PoseNet")
    assert answer.sure
    image = cv2.resize(photo, (481, 353))[None, ..., ::-1]
    outputs = predictor.predict({predictor.inputs[0].name: np.ascontiguousarray(image)})
    heat, short, mid = (
        next(i.dequantize(outputs[name]) for i in predictor.outputs if i.name == name)
        for name in op.inputs
    )
    frame_map = FrameMap(500 / 481, 610 / 353, 0, 0, 500, 610)
    found = decode(answer.spec, outputs, predictor.outputs, frame_map)
    poses, scores = slow_poses(
        heat[0], short[0] / 16, mid[0] / 16, nearest=False, refinements=5,
        radius=op.options["nms_radius"] / 16, point=op.options["score_threshold"],
        score=op.options["score_threshold"], most=op.options["max_detections"],
    )  # fmt: skip
    assert len(found) == len(poses) == 1 and scores[0] > 0.7
    expected = poses[0][:, [1, 0]] * 16 * (500 / 481, 610 / 353)
    np.testing.assert_allclose(found.keypoints[0, :, :2], expected, atol=0.2)
    head, foot = found.keypoints[0, 0, 1], found.keypoints[0, 15:, 1]
    assert 150 < head < 260 < 480 < foot.min()  # where they are in the photo
    single = replace(answer.spec, forward="", backward="")
    alone = decode(single, outputs, predictor.outputs, frame_map)
    sure = found.keypoints[0, :, 2] > 0.9
    np.testing.assert_allclose(alone.keypoints[0, sure], found.keypoints[0, sure], atol=14)


@pytest.mark.parametrize(
    ("size", "grid", "points", "whole"),
    [((192, 256), (64, 48), 17, False), ((192, 192), (48, 48), 13, True),
     ((256, 256), (64, 64), 21, False), ((192, 192), (96, 96), 14, False)],
)  # fmt: skip
def test_heat_maps_alone(size, grid, points: int, whole: bool) -> None:
    heat = np.abs(RNG.normal(0, 0.01, (1, *grid, points))).astype(np.float32)
    peaks = [(int(RNG.integers(3, grid[0] - 3)), int(RNG.integers(3, grid[1] - 3)))
             for _ in range(points)]  # fmt: skip
    for k, (y, x) in enumerate(peaks):
        heat[0, y, x, k] = 0.9
        heat[0, y - 1, x, k] = heat[0, y, x + 1, k] = 0.6
    facts = given({"heat": heat}, size)
    answer = known(facts, "heat maps of key points")
    step = size[0] / grid[1]
    right, down = (0.5, 0.5) if whole else (0.25, -0.25)
    expected = [((x + right) * step, (y + down) * step) for y, x in peaks]
    found = found_in(facts, answer)
    np.testing.assert_allclose(found.keypoints[0, :, :2], expected, atol=1e-3)


@pytest.mark.parametrize(
    ("size", "sizes", "label", "count", "values"),
    [
        ((224, 224), {"Identity": (1, 63), "Identity_1": (1, 1), "Identity_2": (1, 1),
                      "Identity_3": (1, 63)}, "hand", 21, 3),
        ((256, 256), {"landmarks": (1, 21, 3), "scores": (1,), "lr": (1,)}, "hand", 21, 3),
        ((192, 192), {"conv2d_20": (1, 1, 1, 1404), "conv2d_30": (1, 1, 1, 1)}, "face", 468, 3),
        ((192, 192), {"output_mesh_identity": (1, 1, 1, 1404), "output_lips": (1, 1, 1, 160),
                      "output_left_eye": (1, 1, 1, 142), "output_left_iris": (1, 1, 1, 10),
                      "conv_faceflag": (1, 1, 1, 1)}, "face", 468, 3),
        ((256, 256), {"Identity": (1, 195), "Identity_1": (1, 1), "Identity_4": (1, 117),
                      "Identity_2": (1, 256, 256, 1), "Identity_3": (1, 64, 64, 39)},
         "person", 33, 5),
        ((64, 64), {"output_iris": (1, 15), "output_eyes_contours_and_brows": (1, 213)},
         "eye", 71, 3),
    ],
)  # fmt: skip
@pytest.mark.parametrize("pixels", [True, False])
def test_mediapipes_landmarks(size, sizes, label, count: int, values: int, pixels: bool) -> None:
    name = max(sizes, key=lambda key: (np.prod(sizes[key]) % 4 != 0, np.prod(sizes[key])))
    name = {"person": "Identity", "hand": next(iter(sizes))}.get(label, name)
    if label == "face":
        name = next(iter(sizes))
    outputs = {key: floats(*shape, high=0.9) for key, shape in sizes.items()}
    outputs[name] = outputs[name] * (size[0] if pixels else 1)
    if "Identity_3" in sizes and label == "hand":
        outputs["Identity_3"] = outputs["Identity_3"] * 0.1
    facts = given(outputs, size)
    answer = recognise(facts)
    assert isinstance(answer, Recognised) and answer.spec.points == name
    assert answer.spec.labels == (label,) and "crop" in answer.warnings[0]
    spec = answer.spec.with_threshold(0.0)
    found = decode(spec, facts.predictor.predict({}), facts.outputs, None)
    raw = outputs[name].reshape(-1, values)[:count]
    expected = raw[:, :2] * (1 if pixels else size[0])
    np.testing.assert_allclose(found.keypoints[0, :, :2], expected, rtol=1e-5)
    if label == "hand":
        presence = outputs.get("Identity_1", outputs.get("scores"))
        assert found.scores[0] == presence.item()
    if label == "person" and pixels:
        seen = 1 / (1 + np.exp(-raw[:, 3]))
        np.testing.assert_allclose(found.keypoints[0, :, 2], seen, rtol=1e-5)


def test_litehrnet_with_what_it_read_itself() -> None:
    """Qualcomm's export: places and scores of the highest cells beside maps, channels first."""
    heat = np.abs(RNG.normal(0, 0.01, (1, 17, 64, 48))).astype(np.float32)
    heat[0, :, 30, 20], heat[0, :, 30, 21], heat[0, :, 29, 20] = 0.8, 0.5, 0.6
    outputs = {"keypoints": floats(1, 17, 2, high=40), "scores": floats(1, 17), "heatmaps": heat}
    facts = given(outputs, (192, 256))
    found = found_in(facts, known(facts, "heat maps of key points"))
    np.testing.assert_allclose(found.keypoints[0, :, :2], [(20.25 * 4, 29.75 * 4)] * 17)


@pytest.mark.parametrize(("size", "points"), [((192, 256), 133), ((256, 256), 21)])
def test_simcc(size, points: int) -> None:
    """get_simcc_maximum of MMPose: the best bin along each axis, half a pixel each."""
    across, down = floats(1, points, 2 * size[0]), floats(1, points, 2 * size[1])
    facts = given({"pred_y": down, "pred_x": across}, size)
    found = found_in(facts, known(facts, "SimCC key points (RTMPose)"))
    expected = np.stack([across[0].argmax(axis=1), down[0].argmax(axis=1)], axis=1) / 2
    np.testing.assert_array_equal(found.keypoints[0, :, :2], expected)
    best = np.minimum(across[0].max(axis=1), down[0].max(axis=1))
    np.testing.assert_array_equal(found.keypoints[0, :, 2], best)
    same = given({"a": across, "b": down}, size)
    assert isinstance(recognise(same), Recognised) == (size[0] != size[1])
    lost = dict.fromkeys(("pred_x", "pred_y"), np.full_like(across, np.nan))
    assert not len(
        decode(known(facts, "SimCC key points (RTMPose)").spec, lost, facts.outputs, None)
    )


def test_coordinates_in_one_output() -> None:
    shares = floats(1, 136)
    facts = given({"Identity": shares}, (112, 112))
    answer = known(facts, "coordinates of key points")
    found = found_in(facts, answer)
    np.testing.assert_allclose(found.keypoints[0, :, :2], shares.reshape(68, 2) * 112, rtol=1e-5)
    pixels = given({"hand_landmarks": floats(1, 42, high=200)}, (224, 224))
    assert known(pixels, "coordinates of key points").spec.units == (1.0, 1.0)
    answer = recognise(given({"landmarks": floats(1, 10, low=-3, high=3)}, (64, 64)))
    assert isinstance(answer, Incomplete) and list(answer.missing) == ["units"]


def test_classifiers_and_maps_of_classes_are_no_poses() -> None:
    powers = np.exp(RNG.normal(0, 3, (1, 136)))
    chances = (powers / powers.sum()).astype(np.float32)
    assert recognise(given({"Identity": chances}, (224, 224))).name == "classifier"
    logits = RNG.normal(0, 3, (1, 136)).astype(np.float32)
    assert recognise(given({"Identity": logits}, (224, 224))).name == "classifier"
    for outputs in ({"landmarks": chances}, {"landmarks": floats(1, 98960)}):
        assert recognise(given(outputs, (320, 320))).name == "classifier"
    for ages in ({"age": floats(1, 100)}, {"age": chances[:, :63] / chances[:, :63].sum()}):
        assert recognise(given({**ages, "gender": floats(1, 1)}, (64, 64))) is None
    assert recognise(given({"Identity": floats(2, 4, 56)}, (64, 64))) is None
    for classes in (17, 21):
        maps = RNG.normal(0, 3, (1, 64, 64, classes)).astype(np.float32)
        answer = recognise(given({"Identity": maps}, (256, 256)))
        assert answer is None or not isinstance(getattr(answer, "spec", None), PosesSpec)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_no_numbers_decide_nothing(value: float) -> None:
    for name, shape in {
        "a": (1, 1, 17, 3),
        "b": (1, 6, 56),
        "c": (1, 64, 48, 17),
        "d": (1, 136),
    }.items():
        recognise(given({name: np.full(shape, value, np.float32)}, (192, 256)))
    outputs = {key: np.full(shape, value, np.float32) for key, shape in
               {"a": (1, 9, 9, 17), "b": (1, 9, 9, 34), "c": (1, 9, 9, 64)}.items()}  # fmt: skip
    facts = given(outputs, (257, 257))
    assert not len(found_in(facts, known(facts, "PoseNet")))
