"""Clips and snapshots through the real command line, on a video with known things in it."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.camera.events.models import colour_points, square_video
from tests.camera.recording.shown import only_files, times_in
from tests.run import in_process

RED, GREEN, BLUE = 0, 1, 2


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve seconds at 10 a second: red in the 2nd, green in the 3rd, blue in the 9th."""
    spans = {RED: range(20, 30), GREEN: range(28, 38), BLUE: range(90, 100)}
    frames = [
        [(kind, kind, kind, 0.9) for kind, span in spans.items() if number in span]
        for number in range(120)
    ]
    return square_video(tmp_path_factory.mktemp("scene") / "scene.avi", frames)


def detect(scene: Path, folder: Path, *options: str | Path) -> list[dict]:
    """Runs the command; the events that it logged and, last, its summary."""
    log = folder / "events.jsonl"
    done = in_process(
        "detect", *colour_points(folder), "--source", scene, "--events", log, "--json", *options
    )
    assert done.returncode == 0, done.stderr
    return [*lines(log), json.loads(done.stdout.splitlines()[-1])]


def frames_of(path: Path) -> list[np.ndarray]:
    capture, frames = cv2.VideoCapture(str(path)), []
    while (read := capture.read())[0]:
        frames.append(read[1])
    capture.release()
    return frames


def colours(image: np.ndarray) -> set[int]:
    """Which squares are on a frame."""
    side = image.shape[0] // 4
    return {
        kind
        for kind in (RED, GREEN, BLUE)
        if image[side * kind + side // 2, side * kind + side // 2, 2 - kind] > 150
    }


def test_each_event_names_a_clip_and_a_snapshot_that_show_it(scene: Path, tmp_path: Path) -> None:
    clips, snapshots = tmp_path / "clips", tmp_path / "deep/snapshots"
    *events, summary = detect(
        scene, tmp_path, "--clips", clips, "--snapshots", snapshots, "--clip-seconds", "1", "2",
        "--record-raw",
    )  # fmt: skip
    appeared = {line["label"]: line for line in events if line["event"] == "appeared"}
    left = {line["label"]: line for line in events if line["event"] == "left"}
    assert list(appeared) == list(left) == ["red", "green", "blue"]
    for label, line in left.items():
        assert (line["clip"], line["snapshot"]) == (
            appeared[label]["clip"], appeared[label]["snapshot"],
        )  # fmt: skip
    first, same, last = (line["clip"] for line in appeared.values())
    assert first == same != last
    assert sorted(only_files(clips)) == sorted({first, last})
    names = [line["snapshot"] for line in appeared.values()]
    assert sorted(only_files(snapshots)) == sorted(names) and len(set(names)) == 3
    # A second before red came, two seconds after green did; then a second before blue.
    for name, start, end in ((first, 10, 48), (last, 80, 110)):
        times, frames = times_in(clips / name), frames_of(clips / name)
        assert times == pytest.approx([k / 10 for k in range(end - start + 1)], abs=0.002)
        assert [20 <= k < 38 or 90 <= k < 100 for k in range(start, end + 1)] == [
            bool(colours(frame)) for frame in frames
        ]
    for (label, line), kind in zip(appeared.items(), (RED, GREEN, BLUE), strict=True):
        picture = cv2.imread(str(snapshots / line["snapshot"]))
        assert kind in colours(picture) and label in line["snapshot"]
    assert summary["clips"] == {"files": 2, "lost": 0}
    assert summary["snapshots"] == {"files": 3, "lost": 0}


def test_clips_need_no_log_and_go_with_a_recording_into_one_folder(
    scene: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "all"
    done = in_process(
        "detect", *colour_points(tmp_path), "--source", scene, "--record", folder,
        "--clips", folder, "--snapshots", folder, "--classes", "blue",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = sorted(only_files(folder))
    assert len(found) == 3 and sum(name.endswith("_blue.mkv") for name in found) == 1
    videos = {name: len(frames_of(folder / name)) for name in found if name.endswith(".mkv")}
    # The default: five seconds before and, here, the three that are left.
    assert sorted(videos.values()) == [80, 120]
    picture = cv2.imread(str(folder / next(name for name in found if name.endswith(".jpg"))))
    assert picture.shape[0] > 128, "small frames are enlarged, to draw on them"


def test_a_realtime_source_gives_clips_too(scene: Path, tmp_path: Path) -> None:
    short = square_video(
        tmp_path / "short.avi", [[(0, 0, RED, 0.9)] if k >= 8 else [] for k in range(16)], fps=25.0
    )
    *events, summary = detect(
        short, tmp_path, "--clips", tmp_path / "clips", "--snapshots", tmp_path / "shots",
        "--realtime", "--clip-seconds", "0.2", "0.2",
    )  # fmt: skip
    appeared = [line for line in events if line["event"] == "appeared"]
    assert [len(list((tmp_path / kind).glob("*_red.*"))) for kind in ("clips", "shots")] == [
        len({line["clip"] for line in appeared}), len(appeared),
    ]  # fmt: skip
    assert summary["clips"]["lost"] == summary["snapshots"]["lost"] == 0
    for line in appeared:
        assert times_in(tmp_path / "clips" / line["clip"])[-1] < 0.5


def test_options_of_clips_need_clips(scene: Path, tmp_path: Path) -> None:
    done = in_process(
        "detect", *colour_points(tmp_path), "--source", scene, "--clip-seconds", "1", "1"
    )
    assert done.returncode == 2 and "--clip-seconds is given without --clips" in done.stderr
