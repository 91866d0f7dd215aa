"""Standard streams that are closed, full, or read by nobody end no detection."""

import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.run import ROOT

DETECT = """
import sys
from unittest import mock
from edgecnn.camera.pipeline import Pipeline
from tests.camera.doubles import DETECT, PREPROCESS, FakeDetector
from edgecnn.cli import main
models = mock.Mock(for_camera=lambda *given: Pipeline(FakeDetector(), PREPROCESS, DETECT))
with mock.patch("edgecnn.jobs.detect.open_models", lambda *given: models), mock.patch(
    "edgecnn.cli.detect._stages", lambda *given: ()
):
    source = [] if "--source" in sys.argv else ["--source", "test,size=64x48"]
    sys.exit(main(["detect", *source, "--max-frames", "5", *sys.argv[1:]]))
"""


def detect(shell: str, *given: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Runs ``edgecnn detect`` with a fake model and the shell's redirections."""
    command = [sys.executable, "-c", DETECT, *given]
    return subprocess.run(
        ["sh", "-c", f'"$@" {shell}', "sh", *command],
        cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT), **env}, encoding="utf-8",
        capture_output=True, timeout=120, check=False,
    )  # fmt: skip


@pytest.mark.skipif(os.name == "nt", reason="POSIX shell")
@pytest.mark.parametrize("shell", ["<&- >&- 2>&-", "2>/dev/full"])
def test_missing_or_full_streams_end_no_detection(shell: str, tmp_path: Path) -> None:
    if "full" in shell and not Path("/dev/full").exists():
        pytest.skip("the system has no /dev/full")
    ran = detect(shell, "--record", str(tmp_path / "r"), "-o", str(tmp_path / "o"))
    assert ran.returncode == 0
    lines = (tmp_path / "o" / "detections.jsonl").read_text().splitlines()
    assert json.loads(lines[-1])["frames"] == 5
    assert len(list((tmp_path / "r").glob("*.mkv"))) == 1


@pytest.mark.skipif(os.name == "nt", reason="POSIX shell")
def test_lines_are_utf_8_whatever_the_system_s_encoding_is(tmp_path: Path) -> None:
    folder = tmp_path / "fotos für 猫"
    folder.mkdir()
    cv2.imencode(".png", np.zeros((48, 64, 3), np.uint8))[1].tofile(folder / "ä.png")
    ran = detect("", "--source", str(folder), "--json", PYTHONIOENCODING="ascii")
    assert ran.returncode == 0
    assert json.loads(ran.stdout.splitlines()[0])["file"] == str(folder / "ä.png")
