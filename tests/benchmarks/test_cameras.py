"""The benchmark of several cameras, on figures that are known."""

from pathlib import Path
from typing import Any

import pytest

from benchmarks import camera_runs, cameras
from benchmarks.camera_runs import Scene


def test_rows_are_medians_and_shares_of_one_camera_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[int, tuple[str, ...]]] = []

    def ours(scene: Scene, *options: str) -> dict[str, Any]:
        asked.append((scene.frames, options))
        count = int(options[0].partition("=")[2])
        one = {"fps": 60.0 / count, "age_ms": {"p95": 10.0 * count}}
        each = {f"camera{k}": {**one, "fps": one["fps"] + k} for k in range(count)}
        summary = one if count == 1 else {**one, "cameras": each}
        fps = {1: 60.0, 2: 57.0, 4: 54.0}[count]
        return {"fps": fps, "cpu_ms": 5.0, "dropped": 0, "peak_mib": 100.0, "summary": summary}

    monkeypatch.setattr(camera_runs.Scene, "ours", ours)
    rows = cameras._rows("cell", Scene(Path("clip"), Path("model"), 240), 3)
    assert [row[:4] for row in rows] == [
        ("cell", "1", 60.0, "1.00"),
        ("cell", "2", 57.0, "0.95"),
        ("cell", "4", 54.0, "0.90"),
        ("cell", "4 processes", 240.0, "4.00"),
    ]
    assert rows[2][5:8] == (15.0, 18.0, 40.0) and rows[3][9] == 400
    assert {(frames, options[0]) for frames, options in asked} == {
        (240, "cameras=1"), (120, "cameras=2"), (60, "cameras=4"),
    }  # fmt: skip
