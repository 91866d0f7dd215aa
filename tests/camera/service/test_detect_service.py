"""``detect`` as a service manager runs it: the real command line, and the manager's socket."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from tests.camera.clocks import until
from tests.camera.events.models import colour_points
from tests.camera.http_server import MULTIPART, serving
from tests.camera.service.manager import FakeManager, managing
from tests.run import ROOT

pytestmark = pytest.mark.skipif(os.name == "nt", reason="datagram sockets of Unix")


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[FakeManager]:
    with managing(tmp_path / "notify") as fake:
        yield fake


# The program as it is, but its third inference waits until there is a file "go".
STUCK = """
import itertools, pathlib, sys, time
from edgecnn.cli import main
from edgecnn.core import runtime
predict, calls = runtime.LiteRTPredictor.predict, itertools.count()
def stuck(self, inputs):
    if next(calls) == 2:
        pathlib.Path("hangs").touch()
        while not pathlib.Path("go").exists():
            time.sleep(0.05)
    return predict(self, inputs)
runtime.LiteRTPredictor.predict = stuck
sys.exit(main(sys.argv[1:]))
"""


@contextlib.contextmanager
def service(
    folder: Path,
    manager: FakeManager,
    *words: str,
    program: tuple[str, ...] = ("-m", "edgecnn"),
    stdout: int = subprocess.DEVNULL,
) -> Iterator[subprocess.Popen[str]]:
    """A run whose manager wants a sign every second."""
    environ = {
        **os.environ, "PYTHONPATH": str(ROOT), "NOTIFY_SOCKET": manager.address,
        "WATCHDOG_USEC": "1000000", "EDGECNN_SERVICE_STATE": str(folder / "state"),
    }  # fmt: skip
    manager.said.clear()
    child = subprocess.Popen(
        [sys.executable, *program, "detect", *colour_points(folder), "--no-serve", *words],
        cwd=folder, env=environ, stdout=stdout, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        yield child
    finally:
        child.kill()
        child.communicate()


def marker(folder: Path) -> dict[str, Any]:
    path = folder / "state" / "last_run.json"
    return json.loads(path.read_text()) if path.exists() else {}


def lines(path: Path) -> list[dict[str, Any]]:
    whole = path.read_text().rpartition("\n")[0] if path.exists() else ""
    return [json.loads(line) for line in whole.splitlines()]


def kinds(path: Path) -> list[str]:
    return [line["event"] for line in lines(path)]


def test_kill_9_is_told_by_the_next_run(tmp_path: Path, manager: FakeManager) -> None:
    words = ("--source", "test,size=128x128,rate=20", "--events", "events.jsonl")
    with service(tmp_path, manager, *words) as child:
        manager.until("READY=1")
        manager.until("WATCHDOG=1")
        until(lambda: marker(tmp_path), 60)
        child.send_signal(signal.SIGKILL)
    killed = marker(tmp_path)
    assert killed["ended"] is None and killed["schema"] == "edgecnn.service-run/1"
    with service(tmp_path, manager, *words) as child:
        manager.until("READY=1")
        child.send_signal(signal.SIGTERM)
        _, errors = child.communicate(timeout=60)
    manager.hear()
    assert child.returncode == 0 and manager.said[-2] == "STOPPING=1"
    when = killed["last_alive"][:19] + "Z"
    told = f"the run before did not come to its end (killed, or it hung): last word {when}; not"
    assert told in errors
    events = lines(tmp_path / "events.jsonl")
    (event,) = [line for line in events if line["event"] == "run_interrupted"]
    assert event["text"].startswith(told) and events[-1]["event"] == "ended"
    ended = marker(tmp_path)
    assert ended["ended"] == "interrupted" and ended["before"] == event["text"]
    assert ended["cameras"][""]["frames"] > 0


def test_a_camera_that_comes_later_than_the_service(tmp_path: Path, manager: FakeManager) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    picture = cv2.imencode(".jpg", np.full((64, 64, 3), 200, np.uint8))[1].tobytes()
    head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(picture)}\r\n\r\n".encode()
    over = threading.Event()

    def stream(connection: socket.socket, request: str) -> None:
        connection.sendall(MULTIPART)
        while not over.wait(0.05):
            connection.sendall(head + picture + b"\r\n")

    url = f"http://127.0.0.1:{port}/video"
    words = ("--source", url, "--wait", "--reconnect", "forever", "--events", "events.jsonl")
    with service(tmp_path, manager, *words) as child:
        # Ready, though there is nothing to see, and alive.
        manager.until("READY=1")
        manager.said.clear()
        manager.until("WATCHDOG=1")
        assert marker(tmp_path)["cameras"][""]["frames"] == 0
        with serving(stream, port=port):
            until(lambda: "appeared" in kinds(tmp_path / "events.jsonl"), 60)
            over.set()
        manager.said.clear()
        manager.until("WATCHDOG=1")
        child.send_signal(signal.SIGTERM)
        assert child.wait(60) == 0
    told = kinds(tmp_path / "events.jsonl")
    assert told[:2] == ["started", "source_waiting"] and {"source_back", "appeared"} <= {*told[2:4]}
    assert marker(tmp_path)["cameras"][""]["frames"] > 0


def test_a_model_that_hangs_gets_no_sign_of_life(tmp_path: Path, manager: FakeManager) -> None:
    words = ("--source", "test,size=128x128,rate=20")
    with service(tmp_path, manager, *words, program=("-c", STUCK)) as child:
        manager.until("READY=1")
        until(lambda: (tmp_path / "hangs").exists(), 60)
        assert manager.falls_silent(1.5)
        (tmp_path / "go").touch()
        manager.goes_on()
        child.send_signal(signal.SIGTERM)
        assert child.wait(60) == 0


def test_an_output_that_hangs_gets_no_sign_of_life(tmp_path: Path, manager: FakeManager) -> None:
    words = ("--source", "test,size=128x128,rate=60", "--json")
    with service(tmp_path, manager, *words, stdout=subprocess.PIPE) as child:
        manager.until("READY=1")
        # Nobody reads its lines: the pipe is full soon.
        assert manager.falls_silent(1.5)
        assert child.stdout is not None
        reading = threading.Thread(target=child.stdout.read, daemon=True)
        reading.start()
        manager.goes_on()
        child.send_signal(signal.SIGTERM)
        assert child.wait(60) == 0
