"""Events through the real command line, on a video with known things in it."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.builders import tiny_classifier
from tests.camera.events.models import LABELS, colour_points, square_video
from tests.run import ROOT, in_process

KEYS = [
    "schema", "run", "number", "event", "time", "monotonic_s", "source", "text", "frame",
    "timestamp_s", "file", "label", "score", "box_xyxy", "region", "track", "line", "zone",
    "direction", "camera", "seconds", "began", "clip", "snapshot",
]  # fmt: skip
RED, GREEN = 0, 1


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def brief(events: list[dict]) -> list[tuple]:
    return [(line["event"], line["label"], line["region"], line["frame"]) for line in events]


def shown(count: int, *there: tuple[range, tuple[int, int, int, float]]) -> list[list]:
    return [[square for span, square in there if k in span] for k in range(count)]


def test_a_clip_becomes_events_in_one_command(tmp_path: Path) -> None:
    frames = shown(
        40, (range(5, 15), (1, 1, RED, 0.9)), (range(10, 40), (3, 3, GREEN, 0.7)),
    )  # fmt: skip
    clip = square_video(tmp_path / "clip.avi", frames)
    log = tmp_path / "deep" / "events.jsonl"
    model = colour_points(tmp_path)
    arguments = ("detect", *model, "--source", clip, "--events", log, "--event-gap", "500ms")
    done = in_process(*arguments, "--json")
    assert done.returncode == 0, done.stderr
    events = lines(log)
    assert all(list(line) == KEYS and line["schema"] == "edgecnn.event/1" for line in events)
    assert [line["number"] for line in events] == [1, 2, 3, 4, 5, 6]
    assert brief(events) == [
        ("started", None, None, None),
        ("appeared", "red", None, 5),
        ("appeared", "green", None, 10),
        ("left", "red", None, 14),
        ("left", "green", None, 39),
        ("ended", None, None, None),
    ]
    assert events[1]["timestamp_s"] == 0.5 and events[1]["score"] == pytest.approx(0.9, abs=0.03)
    assert events[3]["began"] == events[1]["number"] and events[3]["seconds"] == 0.9
    assert events[5]["text"] == "source" and events[0]["source"] == str(clip)
    summary = json.loads(done.stdout.splitlines()[-1])
    assert summary["events"] == {"appeared": 2, "left": 2, "logged": 6, "log_dropped": 0}

    again = in_process(*arguments, "--quiet", "--classes", "green", "--event-after", "0.25s")
    assert again.returncode == 0, again.stderr
    added = lines(log)[6:]
    assert [line["number"] for line in added] == [1, 2, 3, 4]
    assert len({line["run"] for line in events}) == len({line["run"] for line in added}) == 1
    assert added[0]["run"] != events[0]["run"]
    assert brief(added)[1] == ("appeared", "green", None, 13)


def test_events_of_images_name_the_image(tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for number, strength in enumerate((0, 255, 255, 0, 0)):
        image = np.zeros((64, 64, 3), np.uint8)
        image[:32, :32, 2] = strength
        cv2.imwrite(str(folder / f"photo {number}.png"), image)
    flags = (*colour_points(tmp_path), "--source", folder, "--events", "-", "--event-gap", "1s")
    done = in_process("detect", *flags)
    assert done.returncode == 0, done.stderr
    events = [json.loads(line) for line in done.stdout.splitlines()]
    named = [(line["event"], Path(line["file"]).name) for line in events[1:-1]]
    assert named == [("appeared", "photo 1.png"), ("left", "photo 2.png")]


def test_thresholds_and_regions_say_what_is_an_event(tmp_path: Path) -> None:
    frames = shown(
        6,
        (range(6), (0, 0, RED, 0.8)),
        (range(6), (3, 0, RED, 0.6)),
        (range(6), (3, 3, GREEN, 0.4)),
    )  # fmt: skip
    clip, log = square_video(tmp_path / "clip.avi", frames), tmp_path / "e.jsonl"
    regions = tmp_path / "regions.toml"
    regions.write_text("[regions]\nright = [[0.5, 0], [1, 0], [1, 1], [0.5, 1]]\n")
    model = (*colour_points(tmp_path), "--source", clip, "--events", log)
    asked = ("--region", "corner=0,0,50%,50%", "--region", regions, "--threshold", "Green=0.3")
    done = in_process("detect", *model, *asked, "--json")
    assert done.returncode == 0, done.stderr
    assert brief(lines(log))[1:4] == [
        ("appeared", "red", "corner", 0),
        ("appeared", "red", "right", 0),
        ("appeared", "green", "right", 0),
    ]
    found = json.loads(done.stdout.splitlines()[0])["detections"]
    assert [item["label"] for item in found] == ["red", "red", "green"]
    done = in_process("detect", *model, "--json", "--threshold", "0.3", "--threshold", "red=0.7")
    found = json.loads(done.stdout.splitlines()[0])["detections"]
    assert [(item["label"], item["score"] > 0.5) for item in found] == [
        ("red", True), ("green", False),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        (("--classes", "rad"), "the class 'rad'", "did you mean 'red'"),
        (("--threshold", "gren=0.5"), "the class 'gren'", "its 3 classes: red, green, blue"),
        (("--threshold", "red=2"), "of 'red' is 2.0", "red=0.5"),
        (("--threshold", "high"), "--threshold is 'high'", "person=0.7"),
        (("--region", "a=0,0,1,1"), "nothing gets events", "--events FILE"),
        (("--events", "-", "--json"), "both write lines", "give --events a file"),
        (("--events", "e", "--region", "a=0,0,2,1"), "the coordinate 2", "10%,20%"),
        (("--events", "e", "--region", "a=0,0,1"), "3 coordinates", "two corners"),
        (("--events", "e", "--region", "a=0,0,1,0,0.5,0"), "encloses no area", "rectangle"),
        (("--events", "e", "--region", "a=0,0,1,1,1,0,0,1"), "crosses itself", "in the order"),
        (("--events", "e", "--region", "a=x,0,1,1"), "'x', expected a number", "x,y of each"),
        (("--events", "e", "--region", "=0,0,1,1"), "has no name", "door="),
        (("--events", "e", "--region", "door"), "expected NAME=", "door="),
        (("--events", "e", "--region", "a=0,0,1,1", "--region", "a=0,0,.5,1"), "two regions 'a'",
         "a name of its own"),
        (("--events", "e", "--region", "no.toml"), "cannot read the regions file", "[regions]"),
        (("--events", "."), "cannot write to the event log", "the path of a file"),
        (("--events", "e", "--event-gap", "long"), "no time", "0.5s or 10m"),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_said(
    arguments: tuple[str, ...], message: str, hint: str, tmp_path: Path
) -> None:
    clip = square_video(tmp_path / "clip.avi", [[]])
    flags = (*colour_points(tmp_path), "--source", clip)
    done = in_process("detect", *flags, *arguments, cwd=tmp_path)
    assert done.returncode in (1, 2), done.stdout
    assert message in done.stderr and hint in done.stderr and "Traceback" not in done.stderr


def test_of_two_networks_the_first_one_s_classes_are_meant(tmp_path: Path) -> None:
    (tmp_path / "net.tflite").write_bytes(tiny_classifier(classes=2))
    (tmp_path / "first.txt").write_text("cat\ndog")
    (tmp_path / "second.txt").write_text("red\nblue")
    (tmp_path / "stages.toml").write_text(
        "".join(
            f'[[stages]]\nmodel = "net.tflite"\nlabels = "{name}.txt"\ninput_range = "0..1"\n'
            for name in ("first", "second")
        )
    )
    clip = square_video(tmp_path / "clip.avi", [[(0, 0, RED, 1.0)]])
    flags = ("detect", "--stages", tmp_path / "stages.toml", "--source", clip, "--json")
    refused = in_process(*flags, "--classes", "red")
    assert refused.returncode == 2 and "its 2 classes: cat, dog" in refused.stderr
    lists = []
    for name in ("cat", "dog"):
        done = in_process(*flags, "--classes", name)
        assert done.returncode == 0, done.stderr
        lists.append(json.loads(done.stdout.splitlines()[0])["detections"])
    assert sorted(len(found) for found in lists) == [0, 1]
    assert lists[0] == [] or lists[0][0]["then"][0]["label"] in ("red", "blue")


def test_events_on_standard_output_are_all_that_is_there(tmp_path: Path) -> None:
    clip = square_video(tmp_path / "clip.avi", [[(0, 0, RED, 1.0)]] * 3)
    done = in_process("detect", *colour_points(tmp_path), "--source", clip, "--events", "-")
    assert done.returncode == 0
    events = [json.loads(line)["event"] for line in done.stdout.splitlines()]
    assert events == ["started", "appeared", "left", "ended"]


@pytest.mark.skipif(sys.platform == "win32", reason="there is no kill -9")
def test_kill_9_leaves_whole_lines(tmp_path: Path) -> None:
    flicker = [[(k % 4, 1, k % len(LABELS), 1.0)] if k % 2 else [] for k in range(4000)]
    clip, log = square_video(tmp_path / "clip.avi", flicker), tmp_path / "e.jsonl"
    flags = (*colour_points(tmp_path), "--source", str(clip), "--events", str(log))
    command = [sys.executable, "-m", "edgecnn", "detect", *flags, "--event-gap", "0", "--quiet"]
    process = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(ROOT)})
    deadline = time.monotonic() + 120
    while not (log.exists() and log.stat().st_size > 5000) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    text = log.read_text()
    assert text.endswith("\n") and len(lines(log)) > 10
    assert [line["number"] for line in lines(log)] == list(range(1, len(lines(log)) + 1))
