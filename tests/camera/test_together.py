"""Several cameras on one model: none disturbs another, and nothing is mixed up."""

import io
import json
import threading
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgecnn.camera.common import CommonOutputs
from edgecnn.camera.events.config import EventConfig
from edgecnn.camera.events.watch import EventWatch
from edgecnn.camera.loop import Listeners, LoopConfig
from edgecnn.camera.model_thread import ModelThread
from edgecnn.camera.notices import Notices
from edgecnn.camera.pipeline import Pipeline, find
from edgecnn.camera.recording.line_file import LineFile
from edgecnn.camera.sources.live import NewestSource
from edgecnn.camera.sources.reconnect import ReconnectPolicy
from edgecnn.camera.stats import STAGES
from edgecnn.camera.together import CameraLoop, run_together
from edgecnn.core.errors import CameraError
from edgecnn.core.postprocess import ClassifySpec
from edgecnn.core.preprocess import ImageInput, PreprocessSpec, StateInput
from edgecnn.core.runtime import LiteRTPredictor, TensorInfo
from tests.builders import tiny_classifier
from tests.camera.doubles import (
    CLASSIFY,
    DETECT,
    PREPROCESS,
    FakeCamera,
    FakeClassifier,
    FakeDetector,
    Watching,
    waiting,
)
from tests.camera.file_source import FileSource

ENDLESS = 10**9
QUICK = ReconnectPolicy(attempts=1, backoff_s=0.01, backoff_max_s=0.01)


class OneAtATime(FakeDetector):
    """Notes when two use it at once."""

    busy = overlaps = 0

    def predict(self, inputs):
        self.overlaps += self.busy
        self.busy += 1
        found = super().predict(inputs)
        self.busy -= 1
        return found


class Gray(FakeCamera):
    """Frames of one gray value."""

    def __init__(self, frames: int, value: int, gap_s: float = 0.0) -> None:
        super().__init__(frames, gap_s)
        self.value = value

    def read(self):
        ok, image = super().read()
        return ok, None if image is None else np.full_like(image, self.value)


def together(sources, predictor=None, *, stop=None, config=None, jsonl=None, each=None, **more):
    """Runs cameras a, b, c … on one detector; ``each`` gives the listeners of one by its name."""
    predictor, thread = predictor or FakeDetector(), ModelThread()
    common = CommonOutputs(more.pop("sinks", ()), LineFile(jsonl) if jsonl is not None else None)
    shared = common.shared()
    loops = []
    for source, name in zip(sources, "abcdefgh", strict=False):
        listeners = {"notices": Notices(camera=name, common=common.notices)}
        listeners |= each(name) if each else {}
        sinks = (*shared, *listeners.pop("sinks", ()))
        model = Pipeline(predictor, PREPROCESS, DETECT, thread=thread)
        loops.append(CameraLoop(source, model, Listeners(sinks, **listeners), name))
    with closing(thread):
        return run_together(loops, config or LoopConfig(), common, stop=stop, **more)


def parsed(stream: io.StringIO) -> tuple[list[dict], dict]:
    *frames, last = [json.loads(line) for line in stream.getvalue().splitlines()]
    return frames, last


def test_four_cameras_share_one_model_and_one_stream_of_lines() -> None:
    predictor, stream = OneAtATime(0.001), io.StringIO()
    frames = {"a": 12, "b": 5, "c": 20, "d": 1}
    summary = together(
        [FileSource(FakeCamera(count)) for count in frames.values()], predictor, jsonl=stream
    )
    assert predictor.overlaps == 0 and len(predictor.seen) == sum(frames.values())
    lines, last = parsed(stream)
    for name, count in frames.items():
        own = [line["frame"] for line in lines if line["camera"] == name]
        assert own == list(range(count)) and last["cameras"][name]["frames"] == count
    assert all(list(line)[:2] == ["frame", "camera"] for line in lines)
    assert list(lines[0]["stage_ms"]) == [*STAGES[:2], "wait", *STAGES[2:4]]
    assert (last["schema"], last["frames"], last["ended"]) == ("edgecnn.detect/1", 38, "source")
    assert last["fps"] == pytest.approx(
        sum(camera["fps"] for camera in last["cameras"].values()), abs=0.05
    )
    for key in ("dropped", "corrupt", "reconnects"):
        assert last[key] == 0 == last["cameras"]["a"][key]
    assert "schema" not in last["cameras"]["a"] and summary.to_json() == last


def test_the_limit_of_frames_is_for_each_camera() -> None:
    sources = [FileSource(FakeCamera(ENDLESS)), FileSource(FakeCamera(3))]
    summary = together(sources, config=LoopConfig(max_frames=7))
    assert [(camera.run.frames, camera.run.ended) for camera in summary.cameras] == [
        (7, "limit"), (3, "source"),
    ]  # fmt: skip
    assert summary.ended == "limit"


def test_a_camera_that_hangs_and_one_that_was_lost_leave_the_others_alone() -> None:
    class Hanging(FakeCamera):
        def interrupt(self) -> None:
            self.released.set()

    def open_lost():
        raise CameraError("it was unplugged", hint="plug it in")

    opened = [FakeCamera(3, 0.002)]
    stop, notices, seen = threading.Event(), [], []
    sources = [
        NewestSource(lambda: Hanging(0, hang=True), "camera a", QUICK),
        NewestSource(lambda: opened.pop() if opened else open_lost(), "camera b", QUICK),
        FileSource(FakeCamera(ENDLESS)),
    ]

    def each(name: str) -> dict:
        def result(found) -> None:
            seen.append(name)
            if seen.count("c") >= 40 and "b" in over:
                stop.set()

        return {"on_result": result}

    over: list[str | None] = []

    def told(notice) -> None:
        notices.append(notice)
        if notice.kind == "source_over":
            over.append(notice.camera)

    stream = io.StringIO()
    with pytest.raises(CameraError, match=r"^b: camera b was lost") as caught:
        together(sources, stop=stop, each=each, on_notice=told, jsonl=stream)
    assert caught.value.hint
    (notice,) = notices
    assert notice.camera == "b" and "was lost" in notice.text and "others go on" in notice.text
    lines, last = parsed(stream)
    ends = {name: (one["frames"], one["ended"]) for name, one in last["cameras"].items()}
    assert ends["a"] == (0, "interrupted") and ends["b"][1] == "lost"
    assert ends["c"][0] >= 40 and last["ended"] == "lost"
    assert seen.count("c") == ends["c"][0] == [line["camera"] for line in lines].count("c")


def test_every_failure_is_told_at_the_end() -> None:
    sources = [FileSource(FakeCamera(0)), FileSource(FakeCamera(2)), FileSource(FakeCamera(0))]
    with pytest.raises(CameraError, match="2 cameras failed") as caught:
        together(sources)
    assert [line.split(":")[0] for line in caught.value.details] == ["a", "c"]
    assert all("gave no frame" in line for line in caught.value.details)


@pytest.mark.parametrize("wrong", ["a", "b"])
def test_an_error_of_ours_in_one_ends_all_and_is_raised(wrong: str, tmp_path: Path) -> None:
    (tmp_path / "lines.jsonl").write_text("old")
    sinks = {name: Watching(lambda seen: None) for name in "ab"}

    def each(name: str) -> dict:
        def fails(found) -> None:
            if name == wrong and found.frame == 3:
                raise ZeroDivisionError

        return {"on_result": fails, "sinks": (sinks[name],)}

    sources = [FileSource(FakeCamera(ENDLESS)) for _ in range(2)]
    with pytest.raises(ZeroDivisionError):
        together(sources, each=each, jsonl=tmp_path / "lines.jsonl")
    assert (tmp_path / "lines.jsonl").read_text() == "old" and len(list(tmp_path.iterdir())) == 1
    assert {name for name, sink in sinks.items() if sink.finished} == set("ab") - {wrong}
    assert all(source.ended for source in sources)


def test_a_reader_that_goes_away_ends_all() -> None:
    class Closing(io.StringIO):
        def write(self, text: str) -> int:
            if len(self.getvalue().splitlines()) == 9:
                raise BrokenPipeError
            return super().write(text)

    stream = Closing()
    summary = together([FileSource(FakeCamera(ENDLESS)) for _ in range(3)], jsonl=stream)
    assert summary.ended == "reader" and '"schema"' not in stream.getvalue()


def test_a_keyboard_interrupt_in_one_ends_all() -> None:
    def each(name: str) -> dict:
        def fails(found) -> None:
            if name == "a":
                raise KeyboardInterrupt

        return {"on_result": fails}

    with pytest.raises(KeyboardInterrupt):
        together([FileSource(FakeCamera(ENDLESS)) for _ in range(2)], each=each)


def test_a_busy_camera_leaves_the_model_to_those_that_wait() -> None:
    """While another one waits, no camera has two inferences in a row."""
    order: list[tuple[int, int]] = []

    class Noting(FakeDetector):
        def predict(self, inputs):
            found = super().predict(inputs)
            order.append((round(float(inputs["x"].mean()) * 255), waiting(thread)))
            return found

    predictor, values = Noting(0.001), (10, 100, 200)
    with closing(ModelThread()) as thread:
        loops = [
            CameraLoop(
                FileSource(Gray(ENDLESS, value)),
                Pipeline(predictor, PREPROCESS, DETECT, thread=thread),
                Listeners(),
                str(value),
            )
            for value in values
        ]
        run_together(loops, LoopConfig(max_frames=60))
    waited = [k for k, (_, others) in enumerate(order[:-1]) if others]
    assert waited and len(order) == 180
    assert all(order[k][0] != order[k + 1][0] for k in waited)


def test_shared_sinks_get_one_frame_at_a_time_and_are_finished_once_after_all() -> None:
    inside, most, frames = [0], [], []

    def put(seen) -> None:
        inside[0] += 1
        time.sleep(0.0005)
        most.append(inside[0])
        inside[0] -= 1
        frames.append((seen.result.camera, seen.result.frame))

    log, own = Watching(put), {name: Watching(lambda seen: None) for name in "abc"}
    together(
        [FileSource(FakeCamera(10)) for _ in range(3)],
        sinks=(log,), each=lambda name: {"sinks": (own[name],)},
    )  # fmt: skip
    assert set(most) == {1} and log.finished == 1
    assert sorted(frames) == [(name, k) for name in "abc" for k in range(10)]
    assert [sink.finished for sink in own.values()] == [1, 1, 1]


class Remembering:
    """Its score is the mean of all pictures up to now, its state their sum and number."""

    inputs = (TensorInfo("x", (1, 32, 32, 3), "float32"), TensorInfo("h", (1, 2), "float32"))
    outputs = (TensorInfo("scores", (1, 2), "float32"), TensorInfo("new_h", (1, 2), "float32"))

    def predict(self, inputs):
        state = inputs["h"] + np.float32([[float(inputs["x"].mean()), 1]])
        time.sleep(0.0005)
        score = state[0, 0] / state[0, 1]
        return {"scores": np.float32([[1 - score, score]]), "new_h": state}


def test_what_a_model_remembers_is_of_one_camera() -> None:
    before = PreprocessSpec(
        (ImageInput("x", 32, 32, "rgb", "stretch"), StateInput("h", (1, 2), "new_h"))
    )
    predictor, thread, found = Remembering(), ModelThread(), {}
    values = {"a": (250, 15), "b": (140, 20), "c": (200, 11)}
    loops = []
    for name, (value, count) in values.items():
        found[name] = []
        listeners = Listeners(on_result=lambda result: found[result.camera].append(result))
        model = Pipeline(predictor, before, CLASSIFY, thread=thread)
        loops.append(CameraLoop(FileSource(Gray(count, value)), model, listeners, name))
    with closing(thread):
        run_together(loops, LoopConfig())
    for name, (value, count) in values.items():
        scores = [result.items[0].score for result in found[name]]
        assert len(scores) == count
        assert scores == pytest.approx([value / 255] * count, abs=1e-3)


@pytest.mark.parametrize("resolver", ["auto", "builtin", "reference"])
def test_outputs_are_not_overwritten_by_another_camera_s_inference(resolver: str) -> None:
    predictor = LiteRTPredictor(tiny_classifier(size=16, classes=4), threads=1, resolver=resolver)
    before = PreprocessSpec((ImageInput(predictor.inputs[0].name, 16, 16),))
    after = ClassifySpec(predictor.outputs[0].name, tuple("abcd"))
    rng = np.random.default_rng(5)
    pictures = rng.integers(0, 256, (6, 16, 16, 3), np.uint8)
    alone = [find(Pipeline(predictor, before, after), picture, {}) for picture in pictures]
    assert len(set(alone)) == len(pictures)
    with closing(ModelThread()) as thread:
        pipelines = [Pipeline(predictor, before, after, thread=thread) for _ in pictures]
        # All are inferred before any is decoded, as another camera's may be.
        inferred = [
            pipeline.prepare(picture, {})({})
            for pipeline, picture in zip(pipelines, pictures, strict=True)
        ]
    assert [decode({}) for decode in inferred] == alone


def test_shapes_that_a_run_decides_are_those_of_the_camera_s_own_run() -> None:
    """A model whose output has as many rows as its last picture was bright."""

    class Growing(FakeClassifier):
        rows = 1

        @property
        def outputs(self):
            return (TensorInfo("scores", (self.rows, 2), "float32"),)

        def predict(self, inputs):
            self.rows = 1 + round(float(inputs["x"].mean()) * 4)
            return {"scores": np.full((self.rows, 2), 0.5, np.float32)}

    predictor = Growing()

    class Shared(ModelThread):
        """Another camera's run comes at once behind each."""

        def run(self, work):
            result = super().run(work)
            super().run(lambda: predictor.predict({"x": np.ones((1, 32, 32, 3), np.float32)}))
            return result

    captured = {}

    def fake_decode(spec, outputs, infos, frame_map):
        captured["shapes"] = [info.shape for info in infos], outputs["scores"].shape
        raise StopIteration

    with closing(Shared()) as thread:
        pipeline = Pipeline(predictor, PREPROCESS, CLASSIFY, thread=thread)
        decode = pipeline.prepare(np.zeros((8, 8, 3), np.uint8), {})({})
    with pytest.MonkeyPatch.context() as patch, pytest.raises(StopIteration):
        patch.setattr("edgecnn.camera.pipeline.decode", fake_decode)
        decode({})
    assert predictor.rows == 5
    assert captured["shapes"] == ([(1, 2)], (1, 2))


def test_what_concerns_all_cameras_is_told_once_and_is_of_none_of_them() -> None:
    common = Notices()
    front, back = (Notices(camera=name, common=common) for name in ("front", "back"))
    common.say("delivery_failing", "the broker is away")
    back.say("source_lost", "unplugged")
    (shared,) = front.take()
    (own,) = back.take()
    assert (shared.camera, own.camera) == (None, "back") and front.take() == ()
    common.say("delivery_resumed", "it is back")
    assert front.take_own() == ()  # a loop that is over leaves it to those that go on
    assert [notice.kind for notice in back.take()] == ["delivery_resumed"]
    watch = EventWatch(EventConfig(), "0", camera="front", run="r")
    event = watch.notice(shared).to_json()
    assert (event["camera"], event["source"], event["number"]) == (None, None, 1)
    mine = watch.notice(replace(own, camera="front")).to_json()
    assert (mine["camera"], mine["source"], mine["number"]) == ("front", "0", 2)
