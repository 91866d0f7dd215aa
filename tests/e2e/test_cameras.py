"""Several cameras through the real command line: nothing of one is taken for the other's."""

import json
import os
import signal
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

from tests.builders import tiny_classifier
from tests.camera.doubles import video_frames
from tests.camera.events.models import colour_points, square_video
from tests.run import ROOT, in_process

RED, GREEN, BLUE = 0, 1, 2
FRAMES = {"front": 24, "back": 17}


@pytest.fixture
def clips(tmp_path: Path) -> dict[str, Path]:
    """Red wanders through the one, then blue comes; green stands in the other, now and then."""
    front = [[(k % 4, 0, RED, 0.9)] if k < 15 else [(1, 3, BLUE, 0.8)] for k in range(24)]
    back = [[(2, 2, GREEN, 0.7)] if 3 <= k < 9 else [] for k in range(17)]
    return {
        "front": square_video(tmp_path / "front.avi", front),
        "back": square_video(tmp_path / "back.avi", back),
    }


def both(clips: dict[str, Path]) -> list[str | Path]:
    return ["--source", clips["front"], "--name", "front", "--source", clips["back"],
            "--name", "back"]  # fmt: skip


def found(text: str) -> tuple[dict[str | None, list], dict]:
    """Each camera's lines without what differs from run to run, in order; and the last line."""
    *frames, last = [json.loads(line) for line in text.splitlines()]
    of_camera: dict[str | None, list] = defaultdict(list)
    for line in frames:
        for key in ("time", "age_ms", "stage_ms"):
            del line[key]
        of_camera[line.pop("camera", None)].append(line)
    return of_camera, last


def labels_of(lines: list[dict]) -> set[str]:
    return {item["label"] for line in lines for item in line["detections"]}


def test_each_camera_s_lines_are_those_of_its_clip_alone(clips, tmp_path: Path) -> None:
    """Detections, tracks and counts too, which are followed from frame to frame."""
    follow = ("--track", "--zone", "upper=0%,0%,100%,50%", "--line", "middle=50%,0%,50%,100%")
    flags = ("detect", *colour_points(tmp_path), *follow, "--json")
    alone, ends = {}, {}
    for name, clip in clips.items():
        done = in_process(*flags, "--source", clip)
        assert done.returncode == 0 and '"camera"' not in done.stdout
        lines, ends[name] = found(done.stdout)
        alone[name] = lines[None]
        assert len(alone[name]) == FRAMES[name]
    done = in_process(*flags, *both(clips))
    assert done.returncode == 0, done.stderr
    lines, last = found(done.stdout)
    assert lines == alone
    for name, end in ends.items():
        assert end["tracks"] > 0 and last["cameras"][name]["tracks"] == end["tracks"]
        assert last["cameras"][name]["counts"] == end["counts"]
    assert ends["front"]["counts"] != ends["back"]["counts"]
    assert labels_of(alone["front"]) == {"red", "blue"} and labels_of(alone["back"]) == {"green"}
    assert {name: one["frames"] for name, one in last["cameras"].items()} == FRAMES
    assert last["frames"] == sum(FRAMES.values()) and last["ended"] == "source"


def test_recordings_and_events_know_their_camera(clips, tmp_path: Path) -> None:
    log, out = tmp_path / "events.jsonl", tmp_path / "out"
    folders = {kind: tmp_path / kind for kind in ("record", "clips", "snapshots")}
    kinds = [item for kind, folder in folders.items() for item in (f"--{kind}", folder)]
    done = in_process(
        "detect", *colour_points(tmp_path), *both(clips), *kinds, "--events", log,
        "--event-gap", "300ms", "-o", out, "--max-disk", "50M",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    events = [json.loads(line) for line in log.read_text().splitlines()]
    assert sorted(event["number"] for event in events) == list(range(1, len(events) + 1))
    assert len({event["run"] for event in events}) == 1
    numbers = {event["number"]: event for event in events}
    seen = defaultdict(list)
    for event in events:
        assert event["source"] == str(clips[event["camera"]])
        seen[event["camera"]].append((event["event"], event["label"], event["frame"]))
        if event["event"] == "left":
            began = numbers[event["began"]]
            assert (began["camera"], began["label"]) == (event["camera"], event["label"])
        if event["event"] == "appeared":
            for kind in ("clip", "snapshot"):
                assert (folders[f"{kind}s"] / event["camera"] / event[kind]).is_file()
    assert seen["back"] == [
        ("started", None, None), ("appeared", "green", 3), ("left", "green", 8),
        ("ended", None, None),
    ]  # fmt: skip
    assert [event for event in seen["front"] if event[0] == "appeared"] == [
        ("appeared", "red", 0), ("appeared", "blue", 15),
    ]  # fmt: skip
    for name, count in FRAMES.items():
        (recorded,) = (folders["record"] / name).glob("*.mkv")
        assert len(video_frames(recorded)) == count
        assert len(video_frames(out / name / "detections.mp4")) == count
        assert f"wrote {out / name / 'detections.mp4'}" in done.stdout
        assert f"{name}: {count} frames" in done.stdout
    assert sorted(path.name for path in out.iterdir()) == ["back", "detections.jsonl", "front"]
    _, last = found((out / "detections.jsonl").read_text())
    assert last["events"]["appeared"] == last["events"]["left"] == 3
    assert last["events"]["logged"] == len(events)
    assert "events" not in last["cameras"]["front"] and "recording" not in last
    assert last["cameras"]["front"]["recording"]["frames"] == 24 + 24  # segments and a clip
    assert "events: 3 appeared, 3 left" in done.stdout


def test_two_networks_in_a_row_and_two_cameras(clips, tmp_path: Path) -> None:
    colour_points(tmp_path)
    (tmp_path / "net.tflite").write_bytes(tiny_classifier(classes=3))
    (tmp_path / "labels.txt").write_text("x\ny\nz")
    (tmp_path / "spec.toml").write_text(
        '[postprocess]\nkind = "centroids"\nscores = "scores"\nactivation = "none"\n'
        'labels = ["red", "green", "blue"]\nlevel = {rows = 4, cols = 4, stride = 16}\n'
    )
    (tmp_path / "stages.toml").write_text(
        '[[stages]]\nmodel = "colours.tflite"\nspec = "spec.toml"\ninput_range = "0..1"\n'
        '[[stages]]\nmodel = "net.tflite"\nlabels = "labels.txt"\ninput_range = "0..1"\n'
    )
    flags = ("detect", "--stages", tmp_path / "stages.toml", "--json")
    alone = {}
    for name, clip in clips.items():
        done = in_process(*flags, "--source", clip)
        assert done.returncode == 0, done.stderr
        alone[name] = found(done.stdout)[0][None]
    done = in_process(*flags, *both(clips))
    assert done.returncode == 0, done.stderr
    lines, _ = found(done.stdout)
    assert lines == alone
    inner = {item["then"][0]["label"] for line in alone["front"] for item in line["detections"]}
    assert inner <= {"x", "y", "z"} and inner


def test_what_cannot_be_meant_is_said(clips, tmp_path: Path) -> None:
    model = colour_points(tmp_path)
    for flags, words in (
        (["--source", "0", "--source", "/dev/video0"], "two --source are the same camera"),
        (["--source", "a", "--source", "b", "--name", "x"], "2 --source and 1 --name"),
        (["--source", "a", "--name", "../x"], "a name that a folder can have"),
        (["--source", clips["front"], "--source", clips["back"], "--record", tmp_path / "r",
          "--max-disk", "100K"], "for each of 2 cameras"),
    ):  # fmt: skip
        done = in_process("detect", *model, *flags)
        assert done.returncode == 2 and words in done.stderr, done.stderr
    missing = ["--source", clips["front"], "--source", tmp_path / "none.mp4"]
    done = in_process("detect", *model, *missing)
    assert done.returncode == 1 and "error: camera2: " in done.stderr
    assert not list(tmp_path.glob("**/*.part*"))


def test_where_one_camera_failed_the_summary_of_all_is_there_too(clips, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "broken.jpg").write_bytes(b"no picture")
    flags = ("--source", clips["front"], "--source", tmp_path / "photos")
    done = in_process("detect", *colour_points(tmp_path), *flags)
    assert done.returncode == 1, done.stderr
    assert "camera1: 24 frames" in done.stdout and "camera2: 0 frames" in done.stdout
    assert "error: camera2: the source gave no frame" in done.stderr


def test_a_camera_that_is_waited_for_leaves_the_others_alone(clips, tmp_path: Path) -> None:
    flags = ("--source", clips["back"], "--source", tmp_path / "later.mp4", "--wait")
    limits = ("--max-seconds", "2", "--json")
    done = in_process("detect", *colour_points(tmp_path), *flags, *limits)
    assert done.returncode == 0, done.stderr
    lines, last = found(done.stdout)
    assert len(lines["camera1"]) == FRAMES["back"] and "camera2" not in lines
    ends = {name: (one["frames"], one["ended"]) for name, one in last["cameras"].items()}
    assert ends == {"camera1": (FRAMES["back"], "source"), "camera2": (0, "limit")}
    assert "note: camera2: " in done.stderr and "note: camera1: over after 17" in done.stderr


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
def test_ctrl_c_ends_all_cameras_cleanly(tmp_path: Path) -> None:
    pattern = "test,size=64x64,rate=50"
    command = [
        sys.executable, "-m", "edgecnn", "detect", *colour_points(tmp_path), "--json",
        "--source", pattern, "--source", f"{pattern},seed=2", "--record", str(tmp_path / "r"),
    ]  # fmt: skip
    process = subprocess.Popen(
        command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    seen = set()
    while seen != {"camera1", "camera2"}:
        seen.add(json.loads(process.stdout.readline())["camera"])
    process.send_signal(signal.SIGINT)
    rest, errors = process.communicate(timeout=60)
    assert process.returncode == 0 and "Traceback" not in errors
    lines, last = found(rest)
    ends = [one["ended"] for one in last["cameras"].values()]
    assert ends == ["interrupted"] * 2 and last["ended"] == "interrupted"
    for name in seen:
        (recorded,) = (tmp_path / "r" / name).iterdir()
        assert recorded.suffix == ".mkv" and ".part" not in recorded.name
        assert len(video_frames(recorded)) == last["cameras"][name]["recording"]["frames"] > 0
