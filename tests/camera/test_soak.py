"""Memory, threads and open files stay flat however long the loop runs."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.run import python

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def soaked(frames: int, folder: Path, *how: str) -> dict[str, Any]:
    """Runs the loop in a process of its own, as ``edgecnn detect`` sets it up."""
    ran = python(
        "-m", "tests.camera.soak", str(frames), str(folder), *how, MALLOC_ARENA_MAX="2",
    )  # fmt: skip
    assert ran.returncode == 0 and ran.stderr == "", ran.stderr
    result: dict[str, Any] = json.loads(ran.stdout)
    summary = result["summary"]
    assert summary["frames"] == frames and summary["ended"] == "limit"
    assert summary["reconnects"] >= frames // 200 and summary["corrupt"] >= frames // 8
    assert summary["recording"]["deleted"] > 0 and summary["recording"]["stopped"] == 0
    assert summary["clips"]["lost"] == summary["snapshots"]["lost"] == 0
    assert summary["events"]["appeared"] == summary["events"]["left"] >= frames // 250
    lines = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
    assert [line["number"] for line in lines] == list(range(1, len(lines) + 1))
    recorded = [
        path for name in ("all", "clips", "snapshots") for path in (folder / name).iterdir()
    ]
    assert sum(path.stat().st_size for path in recorded) <= 1 << 20
    assert not [path for path in recorded if ".part" in path.name or path.name.startswith(".")]
    return result


def assert_flat(samples: list[list[int]], begin: int) -> None:
    """Nothing grows from a frame on: RSS and traced memory within 2 MB, threads, open files."""
    kept = [sample[1:] for sample in samples if sample[0] >= begin]
    rss, traced, threads, files = zip(*kept, strict=True)
    assert max(rss) - min(rss) <= 2048 and max(traced) - min(traced) <= 2048
    half = len(kept) // 2
    assert max(threads[half:]) <= max(threads[:half]) + 1
    assert max(files[half:]) <= max(files[:half]) + 2


def test_memory_is_flat_while_a_camera_comes_and_goes_and_everything_is_recorded(
    tmp_path: Path,
) -> None:
    assert_flat(soaked(3000, tmp_path)["samples"], 1000)


@pytest.mark.long
@pytest.mark.parametrize("how", [(), ("trace",)])
def test_memory_is_flat_over_ten_thousand_frames(how: tuple[str, ...], tmp_path: Path) -> None:
    assert_flat(soaked(10_000, tmp_path, *how)["samples"], 2000)
