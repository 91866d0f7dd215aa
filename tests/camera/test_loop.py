import io
import json
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from edgecnn.camera.loop import LoopConfig
from edgecnn.camera.notices import Notices
from edgecnn.camera.pipeline import Pipeline
from edgecnn.camera.sources.live import NewestSource
from edgecnn.camera.sources.open import open_source
from edgecnn.camera.sources.reconnect import ReconnectPolicy
from edgecnn.camera.stats import STAGES
from edgecnn.core.errors import CameraError, UsageError
from edgecnn.core.postprocess import ClassifySpec
from edgecnn.core.preprocess import ImageInput, PreprocessSpec
from edgecnn.core.runtime import LiteRTPredictor
from tests.builders import tiny_classifier
from tests.camera.doubles import (
    CLASSIFY,
    DETECT,
    PREPROCESS,
    FakeCamera,
    FakeClassifier,
    FakeDetector,
    Watching,
    cameras,
    looped,
    make_video,
    video_frames,
)
from tests.camera.file_source import FileSource

KEYS = ["frame", "timestamp_s", "time", "age_ms", "detections", "stage_ms"]
QUICK = ReconnectPolicy(attempts=1, backoff_s=0.01, backoff_max_s=0.01)


def detect(source, predictor=None, **more):
    return looped(source, Pipeline(predictor or FakeDetector(), PREPROCESS, DETECT), **more)


def lines(text: str) -> list[dict]:
    return [json.loads(line) for line in text.splitlines()]


def test_json_lines_are_what_the_design_says(tmp_path: Path) -> None:
    stream = io.StringIO()
    source = open_source(str(make_video(tmp_path / "a.mp4", 6)))
    summary = detect(source, jsonl=stream)
    *frames, last = lines(stream.getvalue())
    assert len(frames) == summary.frames == 6
    for k, line in enumerate(frames):
        assert list(line) == KEYS
        assert line["frame"] == k and line["age_ms"] >= 0
        assert list(line["stage_ms"]) == list(STAGES[:4])
        # 32 × 32 input pixels are 64 × 48 frame pixels; the box is clipped at the corner.
        assert line["detections"] == [
            {"label": "green", "score": 0.75, "box_xyxy": [8.0, 6.0, 24.0, 18.0], "track": None}
        ]
    assert last["schema"] == "edgecnn.detect/1"
    assert (last["frames"], last["dropped"], last["ended"]) == (6, 0, "source")
    assert set(last["stage_ms"]) == set(STAGES) and last["fps"] > 0
    assert last["stage_ms"]["infer"]["p95"] >= last["stage_ms"]["infer"]["p50"]


def test_a_classifier_gives_its_best_class_on_the_whole_frame(tmp_path: Path) -> None:
    stream = io.StringIO()
    source = open_source(str(make_video(tmp_path / "a.mp4", 2)))
    looped(source, Pipeline(FakeClassifier(), PREPROCESS, CLASSIFY), jsonl=stream)
    found = lines(stream.getvalue())[0]["detections"]
    assert [item["label"] for item in found] == ["red"]
    assert found[0]["box_xyxy"] == [0, 0, 64, 48] and 0.5 < found[0]["score"] < 1


@pytest.mark.parametrize(("threshold", "count"), [(None, 1), (0.7, 1), (0.8, 0)])
def test_threshold(threshold: float | None, count: int, tmp_path: Path) -> None:
    for predictor, spec, expected in (
        (FakeDetector(), DETECT, count),
        (FakeClassifier(), CLASSIFY, int((threshold or 0) < 0.95)),
    ):
        stream = io.StringIO()
        source = open_source(str(make_video(tmp_path / "a.avi", 1)))
        pipeline = Pipeline(predictor, PREPROCESS, spec, threshold)
        looped(source, pipeline, jsonl=stream)
        assert len(lines(stream.getvalue())[0]["detections"]) == expected


def test_a_real_model_runs_in_the_loop(tmp_path: Path) -> None:
    predictor = LiteRTPredictor(tiny_classifier(size=16, classes=4), threads=1)
    name = predictor.inputs[0].name
    preprocess = PreprocessSpec((ImageInput(name, 16, 16),))
    spec = ClassifySpec(predictor.outputs[0].name, ("a", "b", "c", "d"))
    stream = io.StringIO()
    source = open_source(str(make_video(tmp_path / "a.mp4", 3)))
    summary = looped(source, Pipeline(predictor, preprocess, spec), jsonl=stream)
    assert summary.frames == 3
    assert lines(stream.getvalue())[0]["detections"][0]["label"] in "abcd"


@pytest.mark.parametrize("suffix", [".mp4", ".avi"])
def test_the_video_holds_every_frame_with_its_boxes(suffix: str, tmp_path: Path) -> None:
    clip = make_video(tmp_path / "in.avi", 7, 25, (480, 360))
    out = tmp_path / "deep" / f"out{suffix}"
    shapes = []
    detect(
        open_source(str(clip)),
        video_out=out,
        sinks=(Watching(lambda seen: shapes.append(seen.picture.drawn().shape)),),
    )
    frames = video_frames(out)
    assert len(frames) == 7 and shapes == [(360, 480, 3)] * 7
    plain = video_frames(clip)[0]
    difference = np.abs(frames[0].astype(int) - plain).max(axis=2)
    assert difference[45:135, 60:180].max() > 60 and difference[220:, 300:].max() < 40
    assert [path.name for path in out.parent.iterdir()] == [out.name]


def test_limits(tmp_path: Path) -> None:
    clip = make_video(tmp_path / "a.avi", 9)
    assert detect(open_source(str(clip)), limits=LoopConfig(max_frames=4)).frames == 4
    camera = FakeCamera(10_000, 0.002)
    source = NewestSource(lambda: camera, "fake", QUICK)
    summary = detect(source, limits=LoopConfig(max_seconds=0.4))
    assert summary.ended == "limit" and 0 < summary.frames < 200 and camera.released.is_set()
    for key in ("max_frames", "max_seconds"):
        with pytest.raises(UsageError, match=f"--{key.replace('_', '-')} is 0"):
            LoopConfig(**{key: 0})
    with pytest.raises(UsageError, match="threshold is 1.5"):
        Pipeline(FakeDetector(), PREPROCESS, DETECT, 1.5)


class OutpacedDetector(FakeDetector):
    """A model so slow that the camera gives at least four frames during each run."""

    def __init__(self, camera: FakeCamera) -> None:
        super().__init__()
        self.camera = camera
        self.lag: list[int] = []

    def predict(self, inputs):
        goal = self.camera.number + 4
        self.lag.append(self.camera.number - round(float(inputs["x"].mean()) * 255))
        while self.camera.left and self.camera.number < goal:
            time.sleep(0.001)
        return super().predict(inputs)


def test_lag_does_not_grow_with_a_slow_model() -> None:
    camera = FakeCamera(60, 0.004)
    source = NewestSource(lambda: camera, "fake", None)
    stream = io.StringIO()
    model = OutpacedDetector(camera)
    summary = detect(source, model, jsonl=stream)
    sequence = [line["frame"] for line in lines(stream.getvalue())[:-1]]
    assert sequence == sorted(sequence) and sequence[-1] == 59
    assert summary.frames <= 16 and summary.counts.dropped == 60 - summary.frames
    assert sorted(model.lag)[len(model.lag) // 2] <= 4


def test_a_lost_camera_leaves_whole_files_and_an_error(tmp_path: Path) -> None:
    opener, _ = cameras(FakeCamera(5, 0.02), FakeCamera(0))
    source = NewestSource(opener, "camera 0", QUICK)
    outputs = {"video_out": tmp_path / "o.avi", "jsonl": tmp_path / "o.jsonl"}
    with pytest.raises(CameraError, match="camera 0 was lost"):
        detect(source, **outputs)
    last = lines((tmp_path / "o.jsonl").read_text())[-1]
    assert last["ended"] == "lost" and last["frames"] > 0
    assert last["video"]["frames"] == len(video_frames(tmp_path / "o.avi")) > 0


def test_a_source_without_frames_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CameraError, match="gave no frame"):
        detect(FileSource(FakeCamera(0)), video_out=tmp_path / "o.avi")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("key", ["video_out", "jsonl"])
def test_an_output_that_cannot_be_written(key: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    camera = FakeCamera(3)
    for path in (tmp_path / "file" / "o.mp4", tmp_path):
        target = path.with_suffix(".mp4") if key == "video_out" and path == tmp_path else path
        if target != path:
            target.mkdir()
        with pytest.raises(UsageError):
            detect(FileSource(camera), **{key: target})
    assert camera.left == 3 and camera.released.is_set()
    with pytest.raises(UsageError, match=r"suffix '.mkv', expected .mp4 or .avi"):
        detect(FileSource(camera), video_out=tmp_path / "o.mkv")


def test_a_bug_leaves_the_old_files_alone(tmp_path: Path) -> None:
    outputs = {"video_out": tmp_path / "o.avi", "jsonl": tmp_path / "o.jsonl"}
    for path in outputs.values():
        path.write_text("old")

    def fails(result) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        detect(FileSource(FakeCamera(3)), **outputs, on_result=fails)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["o.avi", "o.jsonl"]
    assert {path.read_text() for path in outputs.values()} == {"old"}


def test_a_reader_that_goes_away_ends_the_loop(tmp_path: Path) -> None:
    class Closed(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    outputs = {"jsonl": Closed(), "video_out": tmp_path / "o.avi"}
    summary = detect(FileSource(FakeCamera(5)), **outputs)
    assert summary.ended == "reader" and len(video_frames(tmp_path / "o.avi")) == 1


def test_frames_that_change_size_still_make_one_video(tmp_path: Path) -> None:
    class Changing(FakeCamera):
        def read(self):
            ok, image = super().read()
            return ok, image if self.left % 2 or not ok else np.zeros((300, 500, 3), np.uint8)

    detect(FileSource(Changing(6), 25), video_out=tmp_path / "o.mp4")
    assert len(video_frames(tmp_path / "o.mp4")) == 6


def test_sinks_finish_from_the_last_to_the_first_and_what_they_say_then_is_shown() -> None:
    notices, order, shown = Notices(), [], []

    class Late(Watching):
        def finish(self) -> None:
            order.append(self.name)
            notices.say("recording_stopped", self.name)

    sinks = (Late(lambda seen: None), Late(lambda seen: None))
    for sink, name in zip(sinks, ("first", "last"), strict=True):
        sink.name = name
    shows = {"notices": notices, "on_notice": lambda notice: shown.append(notice.text)}
    detect(FileSource(FakeCamera(2)), sinks=sinks, **shows)
    assert order == shown == ["last", "first"]


def test_outputs_are_decoded_by_whoever_has_time(tmp_path: Path) -> None:
    """A model that waits for frames decodes at once; one that is waited for leaves it to others."""
    decoders: list[str] = []

    class Noting:
        def __init__(self, seconds: float) -> None:
            self.seconds = seconds

        def prepare(self, image, times):
            times["preprocess"] = 0.1
            return self.infer

        def infer(self, times):
            times["infer"] = self.seconds * 1e3
            time.sleep(self.seconds)
            return self.decode

        def decode(self, times):
            times["decode"] = 0.1
            decoders.append(threading.current_thread().name)
            return ()

    slow_source = FileSource(FakeCamera(12, gap_s=0.01))
    assert looped(slow_source, Noting(0.0)).frames == 12
    assert all(name.startswith("edgecnn-infer") for name in decoders[1:])
    decoders.clear()
    assert looped(FileSource(FakeCamera(12)), Noting(0.02)).frames == 12
    assert sum(name == threading.current_thread().name for name in decoders) >= 6
