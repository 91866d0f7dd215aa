import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from edgecnn.camera.interrupt import stop_on_interrupt
from tests.camera.doubles import video_frames
from tests.run import ROOT

SCRIPT = """
import signal
import sys
from pathlib import Path
if hasattr(signal, "SIGHUP"):  # which nohup has turned off, where the tests run under it
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
from edgecnn.camera.pipeline import Pipeline
from edgecnn.camera.loop import LoopConfig
from edgecnn.camera.sources.live import NewestSource
from edgecnn.camera.sources.reconnect import ReconnectPolicy
from tests.camera.doubles import DETECT, PREPROCESS, FakeCamera, FakeDetector, looped
source = NewestSource(lambda: FakeCamera(100_000, 0.01), "fake", ReconnectPolicy())
outputs = {"jsonl": sys.stdout, "video_out": Path(sys.argv[1])}
limits = LoopConfig(max_seconds=60)
looped(source, Pipeline(FakeDetector(), PREPROCESS, DETECT), **outputs, limits=limits)
"""


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
@pytest.mark.parametrize("number", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_ctrl_c_finishes_the_files(number: str, tmp_path: Path) -> None:
    out = tmp_path / "o.avi"
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(out)],
        cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    for _ in range(12):
        assert process.stdout.readline()
    assert not out.exists()
    process.send_signal(getattr(signal, number))
    rest, errors = process.communicate(timeout=30)
    assert process.returncode == 0 and errors == ""
    last = json.loads(rest.splitlines()[-1])
    assert last["schema"] == "edgecnn.detect/1" and last["ended"] == "interrupted"
    assert last["frames"] >= 12 and last["video"]["frames"] == len(video_frames(out)) > 0
    assert [path.name for path in tmp_path.iterdir()] == ["o.avi"]


def test_handlers_come_back_and_a_second_ctrl_c_aborts(monkeypatch) -> None:
    before = signal.getsignal(signal.SIGINT)
    stop = threading.Event()
    with pytest.raises(KeyboardInterrupt), stop_on_interrupt(stop):
        signal.raise_signal(signal.SIGINT)
        assert stop.is_set()
        for _ in range(3):  # the same once more
            signal.raise_signal(signal.SIGINT)
        now_s = time.monotonic()
        monkeypatch.setattr("edgecnn.camera.interrupt.time.monotonic", lambda: now_s + 0.6)
        signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


def test_outside_the_main_thread_nothing_is_touched() -> None:
    before = signal.getsignal(signal.SIGINT)
    inside = []

    def work() -> None:
        with stop_on_interrupt(threading.Event()):
            inside.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert inside == [before]
