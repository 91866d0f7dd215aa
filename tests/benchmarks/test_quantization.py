"""The quantization benchmark's own logic, without peers, weights or training."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks import __main__ as command
from benchmarks import markdown
from benchmarks.cells import Selection, Subject, cells_of, lost, named, read_selection
from benchmarks.evaluator import load_outputs, outputs_of, save_outputs
from benchmarks.peers.venvs import PeerFailedError, python_of, run_script
from benchmarks.record import Record
from benchmarks.scoring import score_agreement, score_classes, score_clips, score_scenes
from benchmarks.spoken_digits import WINDOW, Clips, part_of, samples_of, windows
from benchmarks.tasks import Task, balanced
from benchmarks.tools import Tool
from edgecnn.core.imaging import FrameMap
from edgecnn.core.metric import Metric
from edgecnn.core.postprocess import DetectSpec, GridLevel
from edgecnn.core.sample import Sample
from quantization.parity import drop
from tests import builders


def test_balanced_draws_as_many_of_each_class_and_every_first_part_is_balanced_too():
    labels = np.repeat(np.arange(10), 30)
    picked = balanced(labels, 100)
    assert len(set(picked.tolist())) == 100
    assert np.bincount(labels[picked]).tolist() == [10] * 10
    assert np.bincount(labels[picked[:20]]).tolist() == [2] * 10
    assert (picked == balanced(labels, 100)).all()


def test_balanced_takes_what_there_is_of_a_rare_class():
    labels = np.array([0] * 50 + [1] * 3)
    assert np.bincount(labels[balanced(labels, 20)]).tolist() == [10, 3]


def test_classes_are_scored_against_the_first_labels():
    outputs = (np.eye(4, dtype=np.float32)[[0, 1, 2]],)
    metric = score_classes(outputs, np.array([0, 1, 3, 3]), 4)
    assert (metric.n, metric.value) == (3, pytest.approx(2 / 3))


def test_a_clips_score_is_the_share_of_its_windows():
    guess = np.array([0, 0, 1, 1, 1, 1])
    metric = score_clips((np.eye(2, dtype=np.float32)[guess],), np.array([0, 1]), 3)
    assert metric.n == 2
    assert metric.per_sample.tolist() == pytest.approx([2 / 3, 1.0])


def test_agreement_is_of_the_best_class():
    reference = (np.float32([[0.9, 0.1], [0.4, 0.6]]),)
    metric = score_agreement((np.float32([[0.8, 0.2], [0.7, 0.3]]),), reference)
    assert metric.value == 0.5
    assert metric.extra["max_difference"] == pytest.approx(0.3)


def _detector(hits: list[bool]) -> Metric:
    """One class and one true box an image, which one cell finds or not."""
    spec = DetectSpec("scores", "boxes", ("a",), (GridLevel(1, 1, 8),))
    scores = np.where(hits, 3.0, -9.0).astype(np.float32).reshape(-1, 1, 1, 1)
    boxes = np.full((len(hits), 1, 1, 4), 0.5, np.float32)
    there = Sample("s", boxes=np.float32([[0, 0, 8, 8]]), box_labels=np.zeros(1, np.int64))
    whole = FrameMap(1.0, 1.0, 0.0, 0.0, 8, 8)
    return score_scenes((scores, boxes), [there] * len(hits), [whole] * len(hits), spec)


def test_equal_detectors_lose_exactly_nothing():
    found = drop(_detector([True, False] * 50), _detector([True, False] * 50))
    assert (found.points, found.low, found.high) == (0.0, 0.0, 0.0)


def test_a_detector_that_loses_boxes_has_an_interval_above_zero_that_is_paired():
    good = [True] * 160 + [False] * 40
    bad = [True] * 140 + [False] * 60
    found = drop(_detector(good), _detector(bad))
    assert found.points == pytest.approx(10.0, abs=1)  # recall has 101 steps
    assert 0 < found.low < 10 < found.high
    # Two independent binomial shares of 200 would give ±8.6 points.
    assert found.high - found.low < 14


def test_windows_move_the_clip_and_never_over_the_edge():
    audio = np.zeros((1, WINDOW, 1), np.float32)
    audio[0, 3000:5000] = 1.0
    found = windows(Clips(audio, np.array([2000]), np.array([7])), 3)
    assert found.shape == (3, WINDOW, 1)
    starts = [int(np.flatnonzero(row)[0]) for row in found]
    assert starts == [0, 3000, 6000]
    assert all(np.flatnonzero(row).size == 2000 for row in found)


def test_recordings_are_split_by_their_number():
    assert [part_of(index) for index in (0, 14, 15, 19, 20)] == [
        "test", "test", "val", "val", "train",
    ]  # fmt: skip


def test_a_wav_is_brought_to_a_peak_of_one(tmp_path: Path):
    import wave

    path = tmp_path / "a.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(np.array([0, -50, 100], "<i2").tobytes())
    assert samples_of(path.read_bytes()).tolist() == [0.0, -0.5, 1.0]


def _given(name: str, path: Path) -> Tool:
    return Tool(name, name, "given", lambda files: [path, files.folder / "model.tflite"])


def _subject(tmp_path: Path, *more: Tool) -> Subject:
    """A tiny int8 model that stands for the float one too, judged by agreement with itself."""
    model = tmp_path / "model.tflite"
    model.write_bytes(builders.tiny_classifier())
    rng = np.random.default_rng(0)
    test = rng.uniform(0, 1, (6, 16, 16, 3)).astype(np.float32)
    reference = outputs_of(model.read_bytes(), test)
    task = Task("image", test[:2], test, lambda outputs: score_agreement(outputs, reference))
    tools = (_given("float", model), _given("twin", model), *more)
    return Subject("tiny", "Tiny", model, lambda _: task, tools)


def test_outputs_are_real_values_in_the_models_order(tmp_path: Path):
    inputs = np.random.default_rng(1).uniform(0, 1, (3, 16, 16, 3)).astype(np.float32)
    outputs = outputs_of(builders.tiny_classifier(), inputs)
    assert outputs[0].shape == (3, 4)
    assert outputs[0].sum(axis=1) == pytest.approx(np.ones(3), abs=0.02)
    save_outputs(tmp_path / "outputs.npz", (outputs[0], inputs))
    again = load_outputs(tmp_path / "outputs.npz")
    assert (again[0] == outputs[0]).all() and (again[1] == inputs).all()


def test_cells_are_made_scored_and_found_again(tmp_path: Path):
    cells = cells_of(_subject(tmp_path), Selection(folder=tmp_path / "cache"))
    assert [cell.tool.name for cell in cells] == ["float", "twin"]
    assert lost(named(cells, "float"), cells[1])[0] == 0.0
    assert lost(cells[0], cells[0]) == (None, None, None)
    made = tmp_path / "cache" / "made"
    kept = next(made.glob("*/twin/said.json")).stat().st_mtime_ns
    chosen = Selection(tools=("float",), folder=tmp_path / "cache")
    again = cells_of(_subject(tmp_path), chosen)
    assert [cell.tool.name for cell in again] == ["float", "twin"]
    assert next(made.glob("*/twin/said.json")).stat().st_mtime_ns == kept


def test_a_tool_that_fails_leaves_its_reason_in_the_table(tmp_path: Path):
    nothing = _given("broken", tmp_path / "no.tflite")
    cells = cells_of(_subject(tmp_path, nothing), Selection(folder=tmp_path / "cache"))
    assert cells[2].made is None and "no.tflite" in cells[2].failed
    assert lost(cells[0], cells[2]) == (None, None, None)


def test_a_model_that_does_not_run_is_a_failure_too(tmp_path: Path):
    bad = tmp_path / "bad.tflite"
    bad.write_bytes(b"no model")
    cells = cells_of(_subject(tmp_path, _given("bad", bad)), Selection(folder=tmp_path / "cache"))
    assert cells[2].made is None and cells[2].failed


def test_a_peer_tells_its_time_memory_and_versions(tmp_path: Path):
    (tmp_path / "a").write_bytes(b"x")
    said = run_script(python_of(None, tmp_path), "given", tmp_path / "a", tmp_path / "b")
    assert sorted(said) == ["cpu_seconds", "peak_mib", "seconds", "versions"]
    with pytest.raises(PeerFailedError, match="FileNotFoundError"):
        run_script(python_of(None, tmp_path), "given", tmp_path / "none", tmp_path / "b")


def test_options_are_checked_against_the_names(capsys: pytest.CaptureFixture[str]):
    found = read_selection(["--nets", "a", "--limit", "5"], "x", ["a", "b"], ["t"])
    assert (found.nets, found.tools, found.limit, found.reuse) == (("a",), (), 5, False)
    with pytest.raises(SystemExit):
        read_selection(["--nets", "c"], "x", ["a", "b"], ["t"])
    assert "invalid choice: 'c'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["nothing"], "unknown benchmark 'nothing'"),
        (["--limit", "3"], "no one subject"),
        (["start", "--limit", "3"], "'start' takes no options"),
    ],
)
def test_the_command_refuses_what_it_does_not_know(
    arguments: list[str], text: str, capsys: pytest.CaptureFixture[str]
):
    assert command.main(arguments) == 2
    assert text in capsys.readouterr().err


def test_markdown_pivots_nets_and_tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from benchmarks.quantization import COLUMNS

    blank = dict.fromkeys(COLUMNS)
    base = {**blank, "net": "N", "metric": "accuracy", "n": 9, "bytes": 2048, "seconds": 1.5}
    rows = [
        {**base, "tool": "float32", "value": 0.9},
        {**base, "tool": "T", "value": 0.8, "drop_points": 10.0, "low": -1.0, "high": 21.0},
        {**blank, "net": "M", "tool": "T", "versions": "failed: no"},
    ]
    record = Record("quantization", COLUMNS, tuple(tuple(row.values()) for row in rows), "How.")
    monkeypatch.setattr("benchmarks.record.RESULTS", tmp_path)
    monkeypatch.setattr("benchmarks.markdown.RESULTS", tmp_path)
    assert "whole" not in json.loads(record.save().read_text("utf-8"))
    text = markdown.render("quantization")
    assert "| net | float32 | T |" in text
    assert "| N | 90.00 % | 10.00 (−1.00 … 21.00) |" in text
    assert "| M |  | failed |" in text
    assert "| N | 2, 1.5 s | 2, 1.5 s |" in text
    assert text.endswith("How.\n")
    assert markdown.main(["absent"]) == 2
