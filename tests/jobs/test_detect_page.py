"""The page of a real run: the command line, a model, and a client that is not ours."""

import hashlib
import json
import re
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

import pytest

from edgecnn.camera.choice import ClassChoice
from edgecnn.camera.notices import Notices
from edgecnn.camera.pipeline import Pipeline
from edgecnn.core.errors import UsageError
from edgecnn.jobs.detect_page import PipelineControls
from edgecnn.jobs.input_range import RangeOptions
from edgecnn.jobs.model_card import model_card
from edgecnn.jobs.reference import resolve
from edgecnn.jobs.specs import SpecFiles, open_runnable
from tests.camera.doubles import DETECT, PREPROCESS, FakeDetector
from tests.camera.events.models import LABELS, colour_points
from tests.run import ROOT


def ask(address: str, body: dict | None = None) -> dict:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(address, data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=20) as answer:
        return json.load(answer)


def test_a_run_is_seen_and_moved_from_elsewhere(tmp_path: Path) -> None:
    log = tmp_path / "events.jsonl"
    words = [
        sys.executable, "-m", "edgecnn", "detect", *colour_points(tmp_path), "--source",
        "test,size=320x240", "--serve", "0", "--max-seconds", "60", "--events", str(log),
        "--record", str(tmp_path / "films"), "--threshold", "green=0.9",
    ]  # fmt: skip
    loop = subprocess.Popen(words, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    said: list[str] = []
    assert loop.stderr is not None
    try:
        for line in loop.stderr:
            said.append(line)
            if line.startswith("page: "):
                break
        found = re.search(r"http://127.0.0.1:\d+/", said[-1])
        assert found, said
        reader = threading.Thread(target=said.extend, args=(loop.stderr,))
        reader.start()
        page = found[0]
        about = ask(f"{page}about")
        assert about["labels"] == list(LABELS)
        assert (
            about["model"]["sha256"]
            == hashlib.sha256((tmp_path / "colours.tflite").read_bytes()).hexdigest()
        )
        assert about["limits"]["green"] == pytest.approx(0.9)
        assert about["cameras"] == [
            {"name": "", "source": "the test pattern", "live": True, "places": []}
        ]
        with urllib.request.urlopen(f"{page}snapshot.jpg", timeout=20) as answer:
            assert answer.read(2) == b"\xff\xd8"
        moved = ask(f"{page}limits", {"label": "red", "score": 0.75})["limits"]
        assert moved["red"] == 0.75 and moved["green"] == pytest.approx(0.9)
        deadline = time.monotonic() + 20
        while "limits_changed" not in log.read_text() and time.monotonic() < deadline:
            time.sleep(0.05)
        changed = [json.loads(line) for line in log.read_text().splitlines()]
        (told,) = [line["text"] for line in changed if line["event"] == "limits_changed"]
        assert "--threshold 'red=0.75' keeps it" in told
        assert [item["kind"] for item in ask(f"{page}recordings")] == ["recording"]
        with urllib.request.urlopen(f"{page}live", timeout=20) as stream:
            loop.terminate()
            everything = stream.read()
        assert b'"kind":"end","why":"interrupted"' in everything
        loop.wait(20)
        reader.join()
    finally:
        loop.kill()
        loop.wait()
    assert any(line.startswith("note: on the page") for line in said)


class Said(Notices):
    def texts(self) -> list[str]:
        return [notice.text for notice in self.take()]


def test_moving_limits_leaves_classes_that_nobody_wants_alone() -> None:
    choice = ClassChoice(("green",), {"green": 0.6})
    pipelines = [Pipeline(FakeDetector(), PREPROCESS, DETECT, 0.4, choice) for _ in range(2)]
    notices = Said()
    controls = PipelineControls(pipelines, 0.4, choice, notices)
    assert controls.limits() == {"red": 1.0, "green": 0.6}
    controls.set_limit("green", 0.3)
    assert [pipeline.limits["green"] for pipeline in pipelines] == [pytest.approx(0.3)] * 2
    controls.set_limit(None, 0.7)
    assert controls.limits() == {"red": 1.0, "green": pytest.approx(0.7)}
    for label, score in (("blue", 0.5), ("green", 1.5)):
        with pytest.raises(UsageError):
            controls.set_limit(label, score)
    assert controls.limits() == {"red": 1.0, "green": pytest.approx(0.7)}
    controls.said(None, 0.7)
    (text,) = notices.texts()
    assert "all classes" in text and "--threshold 0.7 keeps it" in text


def test_the_card_of_a_bare_file_says_what_is_known(tmp_path: Path) -> None:
    words = colour_points(tmp_path)
    reference = resolve(Path(words[1]))
    files = SpecFiles(postprocess=Path(words[3]), input=RangeOptions("0..1"))
    card = model_card(reference, open_runnable(reference, variant=None, files=files), ["a line"])
    data = Path(words[1]).read_bytes()
    assert card["name"] == card["file"] == "colours.tflite"
    assert card["bytes"] == len(data)
    assert card["sha256"] == hashlib.sha256(data).hexdigest()
    assert card["input"] == "64×64 rgb float32" and card["runs_on"] == "LiteRT"
    assert card["classes"] == 3 and card["task"] == "detect"
    assert card["variant"] is None and card["recognised"] is None and card["accuracy"] == []
    assert card["lines"][0] == "a line"
    json.dumps(card, allow_nan=False)
