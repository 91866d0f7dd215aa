"""Counts through the real command line, on a video with things that move over lines and zones."""

import json
from pathlib import Path

from tests.camera.events.models import colour_points, square_video
from tests.run import in_process

RED, GREEN, BLUE = 0, 1, 2


def moving(tmp_path: Path) -> Path:
    """At 10 frames a second in 128 × 128 pixels, cells of 32.

    Red walks right through the upper row, green left through the lowest and back after a rest,
    blue down the last column's upper half.
    """
    frames = []
    for k in range(80):
        shown = [(min(k // 8, 3), 0, RED, 0.9)] if k < 40 else []
        green = 3 - k // 8 if k < 32 else 0 if k < 40 else min((k - 40) // 8, 3)
        shown.append((green, 3, GREEN, 0.8))
        if k >= 48:
            shown.append((3, min((k - 48) // 8, 1), BLUE, 0.7))
        frames.append(shown)
    return square_video(tmp_path / "clip.avi", frames)


def test_exact_counts_lines_events_and_the_summary(tmp_path: Path) -> None:
    clip, model = moving(tmp_path), colour_points(tmp_path)
    zones = tmp_path / "shop.json"
    zones.write_text(json.dumps({"zones": {"corner": [[0, 64], [64, 64], [64, 128], [0, 128]]}}))
    log = tmp_path / "events.jsonl"
    done = in_process(
        "detect", *model, "--source", clip, "--line", "middle=64,0,64,128",
        "--line", "100%,50%,50%,50%", "--zone", zones, "--events", log, "--json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    *frames, summary = map(json.loads, done.stdout.splitlines())
    expected = {
        # Walking down the line, the right-hand side is on the left of the picture.
        "middle": ({"green": 1}, {"red": 1, "green": 1}, None),
        "line 2": ({}, {}, None),
        "corner": ({"green": 1}, {"green": 1}, 0),
    }
    for counts in (summary["counts"], frames[-1]["counts"]):
        assert {
            count.get("line", count.get("zone")): (
                count["in_by_label"], count["out_by_label"], count["inside"]
            )
            for count in counts
        } == expected  # fmt: skip
    assert summary["tracks"] == 3
    assert {one["track"] for frame in frames[2:] for one in frame["detections"]} >= {1, 2}
    passed = [(c["track"], c["direction"]) for frame in frames for c in frame["crossings"]]
    events = [json.loads(line) for line in log.read_text().splitlines()]
    told = [event for event in events if event["event"] in ("crossed", "entered", "exited")]
    assert [(event["track"], event["direction"]) for event in told] == passed and len(told) == 5
    assert {(event["event"], event["line"], event["zone"]) for event in told} == {
        ("crossed", "middle", None), ("entered", None, "corner"), ("exited", None, "corner"),
    }  # fmt: skip
    assert sorted(event["label"] for event in events if event["event"] == "appeared") == [
        "blue", "green", "red",
    ]  # fmt: skip


def test_people_read_counts_and_snapshots_show_what_crossed(tmp_path: Path) -> None:
    clip, model = moving(tmp_path), colour_points(tmp_path)
    shots = tmp_path / "shots"
    done = in_process(
        "detect", *model, "--source", clip, "--line", "64,0,64,128", "--snapshots", shots,
        "-o", tmp_path / "out",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "line 'line 1': 1 in (green 1), 2 out" in done.stdout
    assert len(list(shots.glob("*.jpg"))) == 6  # three appear, three cross
    assert (tmp_path / "out" / "detections.mp4").stat().st_size > 0


def test_a_line_outside_the_frame_ends_the_run_in_one_line(tmp_path: Path) -> None:
    clip, model = moving(tmp_path), colour_points(tmp_path)
    done = in_process("detect", *model, "--source", clip, "--line", "0,540,1920,540")
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert (
        "line 'line 1' (0,540, 1920,540) lies outside the frame, which has 128x128" in done.stderr
    )
    done = in_process("detect", *model, "--source", clip, "--line", "0,64,640,64", "--json")
    assert done.returncode == 0 and "reaches beyond the frame of 128x128" in done.stderr


def test_a_broken_file_is_one_line(tmp_path: Path) -> None:
    clip, model = moving(tmp_path), colour_points(tmp_path)
    for text in ("[" * 100_000, '{"zones": {"a": [0, NaN, 9, 9]}}', " " * (1 << 21)):
        (tmp_path / "shop.json").write_text(text)
        done = in_process("detect", *model, "--source", clip, "--zone", tmp_path / "shop.json")
        assert done.returncode == 1 and "Traceback" not in done.stderr
        assert done.stderr.startswith("error: ") and "shop.json" in done.stderr
