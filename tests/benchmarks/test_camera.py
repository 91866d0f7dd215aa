"""The camera benchmark's arithmetic, its models and its child; not its timings."""

from __future__ import annotations

import time

import cv2
import numpy as np
import pytest

from benchmarks import camera, camera_cells, camera_child, camera_clip, camera_models, camera_runs
from benchmarks.camera_cells import Figure, bound_fps, percentile_95
from benchmarks.peers.stamps import Stamps
from edgecnn.core.decode import decode
from edgecnn.core.runtime import LiteRTPredictor
from edgecnn.core.tflite.metadata import specs
from edgecnn.core.tflite.reader import read_model

PARTS = {
    "decoding": {"wall_ms": 4.0, "cpu_ms": 5.0},
    "paced": {"wall_ms": 12.0, "cpu_ms": 5.5},
    "inference": {"wall_ms": 8.0, "cpu_ms": 8.0},
    "invoke": {"wall_ms": 7.0, "cpu_ms": 7.0},
}


def cells(figures) -> dict[str, tuple]:
    return {row[1]: row[2:] for row in (figure.row("cell") for figure in figures)}


def test_a_row_has_the_median_the_quartiles_and_whether_the_goal_is_met() -> None:
    values = (5.0, 1.0, 2.0, 3.0, 4.0)
    assert Figure("x", values).row("c") == ("c", "x", 3.0, 2.0, 4.0, "", "")
    assert Figure("x", values, least=3.0).row("c")[-2:] == (">= 3", "yes")
    assert Figure("x", values, most=2.9).row("c")[-2:] == ("<= 2.9", "no")
    assert Figure("x", (7.0,)).row("c")[2:5] == (7.0, 7.0, 7.0)
    assert len(Figure("x", values).row("c")) == len(camera_cells.COLUMNS)


def test_the_bound_is_the_slowest_stage_or_all_cores() -> None:
    assert bound_fps(PARTS, 12.0, cores=2) == 125
    assert bound_fps(PARTS, 20.0, cores=2) == 100
    assert bound_fps(PARTS, 20.0, cores=4) == 125


def test_the_95th_percentile_is_a_value_that_came() -> None:
    assert percentile_95([3.0]) == 3.0
    assert percentile_95(list(range(20, 0, -1))) == 19


def test_a_files_figures_come_from_the_pairs() -> None:
    pair = {
        "ours": {"fps": 120.0, "cpu_ms": 14.0},
        "plain": {"fps": 80.0, "cpu_ms": 14.5},
        "parts": PARTS,
    }
    rows = cells(camera_cells.file_figures(4.0, [pair] * 3, cores=2))
    assert rows["share of the bound"][0] == pytest.approx(120 / 125)
    assert rows["share of the bound"][-1] == "yes"
    beyond = rows["CPU ms beyond decoding, preprocessing and inference"]
    assert (beyond[0], beyond[-1]) == (1.0, "no")
    assert rows["CPU ms beyond the same with decoding at its pace"][0] == 0.5
    assert rows["CPU ms less the plain loop's"][0] == -0.5
    assert rows["FPS over the plain loop's"][-1] == ""
    equal = cells(camera_cells.file_figures(1.0, [pair], cores=2))
    assert equal["FPS over the plain loop's"][-2:] == (">= 1.3", "yes")
    assert equal["CPU ms less the plain loop's"][-1] == ""


def test_outputs_are_held_against_the_run_without_them() -> None:
    pair = {
        "without": {"dropped": 2, "ages_ms": [10.0] * 100},
        "with": {"dropped": 3, "ages_ms": [10.0] * 90 + [16.0] * 10},
    }
    rows = cells(camera_cells.realtime_figures("-o", [pair]))
    assert rows["frames dropped with -o, less those without"][-1] == "no"
    assert rows["age of 95 % with -o, less that without, ms"][0] == 6.0
    run = {"fps": 100.0, "cpu_ms": 18.0}
    shares = cells(camera_cells.recorded_figures("-o", [run], cores=2, least=0.9))
    assert shares["share of what the cores allow with -o"][0] == pytest.approx(0.9)


def test_overload_is_judged_by_inference_and_one_frame_and_by_its_growth() -> None:
    ages = [30.0] * 30 + [35.0] * 30 + [41.0] * 30
    pair = {"ours": {"ages_ms": ages}, "parts": PARTS}
    rows = cells(camera_cells.overload_figures([pair], period_ms=33.0))
    beyond = rows["age of 95 % beyond inference and one frame, ms"]
    assert (beyond[0], beyond[-1]) == (0.0, "yes")
    growth = rows["age of 95 %, last third less the first, ms"]
    assert (growth[0], growth[-1]) == (11.0, "no")


def test_stamps_leave_the_first_frames_out(monkeypatch) -> None:
    wall, cpu = iter([0.0, 5.0, 5.5, 6.0]), iter([0.0, 9.0, 9.2, 9.4])
    monkeypatch.setattr(time, "perf_counter", lambda: next(wall))
    monkeypatch.setattr(time, "process_time", lambda: next(cpu))
    stamps = Stamps()
    for _ in range(4):
        stamps.add()
    figures = stamps.figures(1)
    assert (figures["frames"], figures["fps"]) == (2, 2.0)
    assert figures["cpu_ms"] == pytest.approx(200)
    with pytest.raises(ValueError, match="4 frames"):
        stamps.figures(3)


def test_runs_take_turns_in_being_first() -> None:
    order: list[str] = []

    def run(name: str):
        return lambda: order.append(name) or {"name": name}

    taken = camera_runs.alternated({name: run(name) for name in "abc"}, 3)
    assert order == list("abcbcacab")
    assert [list(pair) for pair in taken] == [["a", "b", "c"]] * 3
    assert all(pair[name]["name"] == name for pair in taken for name in "abc")


@pytest.mark.parametrize("make", [camera_models.detector, camera_models.yolo_detector])
def test_the_models_find_five_boxes_whatever_is_seen(make) -> None:
    data = make(1)
    predictor, spec = LiteRTPredictor(data), specs(read_model(data))[1]
    info = predictor.inputs[0]
    for value in (0, 100):
        outputs = predictor.predict({"image": np.full(info.shape, value, info.dtype)})
        assert len(decode(spec, outputs, predictor.outputs, None)) == 5


def test_a_child_measures_the_loop_and_its_parts(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(camera_clip, "WIDTH", 192)
    monkeypatch.setattr(camera_clip, "HEIGHT", 108)
    clip = camera_clip.write_clip(tmp_path / "clip.mp4", 12)
    assert cv2.VideoCapture(str(clip)).read()[1].shape == (108, 192, 3)
    model = tmp_path / "model.tflite"
    model.write_bytes(camera_models.detector(0))
    run = camera_child.loop(str(clip), str(model), 12, 2, [f"video={tmp_path / 'out.mp4'}"])
    assert (run["frames"], len(run["ages_ms"]), run["dropped"]) == (9, 10, 0)
    assert run["summary"]["frames"] == 12
    assert (tmp_path / "out.mp4").exists()
    parts = camera_child.parts(str(clip), str(model), 12, 2)
    assert set(parts) == {"decoding", "paced", "inference", "invoke"}
    assert all(part["frames"] == 9 for part in parts.values())


def test_a_part_of_the_table_is_not_published() -> None:
    assert camera.selection_of([]).whole
    assert not camera.selection_of(["--pairs", "1"]).whole
    chosen = camera.selection_of(["--cells", "overload", "memory"])
    assert chosen.cells == ("overload", "memory")
    assert not chosen.whole
