"""What a supervised loop says, with doubles that hang."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from edgecnn.camera.following import Following, PlaceCount
from edgecnn.camera.loop import Listeners, LoopConfig
from edgecnn.camera.notices import Notices
from edgecnn.camera.pipeline import Pipeline
from edgecnn.camera.service.config import ServiceConfig
from edgecnn.camera.service.notify import Notifier
from edgecnn.camera.service.watch import ServiceWatch
from edgecnn.camera.sources.live import NewestSource
from edgecnn.camera.sources.reconnect import ReconnectPolicy
from edgecnn.camera.together import CameraLoop, run_together
from edgecnn.core.errors import CameraError
from tests.camera.clocks import FakeClock
from tests.camera.doubles import DETECT, PREPROCESS, FakeCamera, FakeDetector, Watching
from tests.camera.service.manager import FakeManager, managing

pytestmark = pytest.mark.skipif(os.name == "nt", reason="datagram sockets of Unix")


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[FakeManager]:
    with managing(tmp_path / "notify") as fake:
        yield fake


class Stuck(FakeDetector):
    """Its third inference does not return until released."""

    def __init__(self) -> None:
        super().__init__()
        self.hangs, self.released = threading.Event(), threading.Event()

    def predict(self, inputs: Any) -> dict[str, Any]:
        if len(self.seen) == 2:
            self.hangs.set()
            self.released.wait(60)
        return super().predict(inputs)


class Running:
    """Supervised loops of some cameras on a thread; signs of life come as often as they can."""

    def __init__(self, manager: FakeManager, cameras: dict[str, Any], sinks: tuple = ()) -> None:
        self.stop, self.notices = threading.Event(), Notices()
        self.watch = ServiceWatch(
            ServiceConfig(manager.address, watchdog_s=0.4), tuple(cameras), self.notices
        )
        self.cameras = [
            CameraLoop(
                NewestSource(lambda: FakeCamera(10**6, 0.01), name, ReconnectPolicy()),
                Pipeline(model, PREPROCESS, DETECT),
                self.watch.camera(name).join(Listeners(sinks=sinks, notices=Notices())),
                name,
            )
            for name, model in cameras.items()
        ]
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        with self.watch:
            summary = run_together(self.cameras, LoopConfig(), stop=self.stop)
            self.watch.ends(summary.ended)

    def end(self) -> None:
        self.stop.set()
        self.thread.join(30)
        assert not self.thread.is_alive()


def test_a_loop_says_that_it_is_ready_alive_and_over(manager: FakeManager) -> None:
    running = Running(manager, {"": FakeDetector()})
    manager.until("READY=1")
    manager.goes_on()
    running.end()
    manager.until("STOPPING=1")
    assert manager.said.count("STOPPING=1") == 1
    assert "WATCHDOG=1" not in manager.said[manager.said.index("STOPPING=1") :]


@pytest.mark.parametrize("several", [False, True])
def test_a_model_that_hangs_ends_the_signs_of_life(manager: FakeManager, several: bool) -> None:
    stuck = Stuck()
    others = {"a": FakeDetector(), "b": FakeDetector()} if several else {}
    running = Running(manager, {**others, "stuck": stuck})
    assert stuck.hangs.wait(30)
    assert manager.falls_silent(0.6)
    stuck.released.set()
    manager.goes_on()
    running.end()


def test_a_sink_that_hangs_ends_the_signs_of_life(manager: FakeManager) -> None:
    hangs, released = threading.Event(), threading.Event()

    def wait(seen: Any) -> None:
        if seen.frame.sequence > 3:
            hangs.set()
            released.wait(60)

    running = Running(manager, {"": FakeDetector()}, (Watching(wait),))
    assert hangs.wait(30)
    assert manager.falls_silent(0.6)
    released.set()
    manager.goes_on()
    running.end()


def test_a_camera_that_is_not_there_yet_is_no_failure(manager: FakeManager) -> None:
    def never() -> FakeCamera:
        raise CameraError("nothing there", hint="plug it in")

    notices = Notices()
    watch = ServiceWatch(ServiceConfig(manager.address, watchdog_s=0.4), ("",), notices)
    source = NewestSource(never, "door", ReconnectPolicy(), notices=notices, wait=True)
    listeners = watch.camera("").join(Listeners(notices=notices))
    stop = threading.Event()
    loop = CameraLoop(source, Pipeline(FakeDetector(), PREPROCESS, DETECT), listeners)
    thread = threading.Thread(
        target=run_together, args=([loop], LoopConfig()), kwargs={"stop": stop}
    )
    with watch:
        thread.start()
        manager.until("READY=1")
        manager.goes_on()
        stop.set()
        thread.join(30)


def seen_with(following: Following) -> Any:
    """A frame, as far as the marker looks at it."""
    return SimpleNamespace(result=SimpleNamespace(following=following))


def watched(folder: Path, clock: FakeClock, boot: str = "b1", **more: Any) -> ServiceWatch:
    return ServiceWatch(ServiceConfig(None, None, folder, boot, **more), ("",), Notices(), clock)


def marked(folder: Path, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """The marker, once it is as wanted."""
    for _ in range(600):
        if (folder / "last_run.json").exists():
            found = json.loads((folder / "last_run.json").read_text())
            if wanted(found):
                return found
        time.sleep(0.01)
    raise AssertionError("no such marker")


def alive(watch: ServiceWatch) -> None:
    listeners = watch.camera("").join(Listeners())
    assert listeners.on_alive is not None
    listeners.on_alive()


def test_the_marker_says_how_far_it_came(tmp_path: Path) -> None:
    clock = FakeClock()
    with watched(tmp_path, clock) as watch:
        alive(watch)
        begun = marked(tmp_path, lambda found: True)
        assert begun["ended"] is None and begun["cameras"] == {"": {"frames": 0, "counts": []}}
        count = PlaceCount("gate", "line", {"cat": 2}, {"dog": 1})
        for _ in range(5):
            watch.camera("").put(seen_with(Following(counts=(count,))))
        clock.pass_by(90)
        alive(watch)
        watch.ends("interrupted")
    done = marked(tmp_path, lambda found: found["ended"] is not None)
    assert done["ended"] == "interrupted" and done["cameras"][""]["frames"] == 5
    assert done["cameras"][""]["counts"][0]["line"] == "gate"
    assert done["last_alive_s"] - done["started_s"] == pytest.approx(90)


def test_an_error_ends_the_run_with_its_words(tmp_path: Path) -> None:
    with pytest.raises(CameraError), watched(tmp_path, FakeClock()) as watch:
        alive(watch)
        raise CameraError("the camera burns", hint="run")
    assert marked(tmp_path, lambda found: True)["ended"] == "failed: the camera burns"


def test_a_loop_that_never_began_leaves_the_word_of_the_run_before(tmp_path: Path) -> None:
    with watched(tmp_path, FakeClock()) as watch:
        alive(watch)
    before = (tmp_path / "last_run.json").read_bytes()
    with pytest.raises(CameraError), watched(tmp_path, FakeClock()):
        raise CameraError("no model", hint="make one")
    assert (tmp_path / "last_run.json").read_bytes() == before


def test_a_marker_that_cannot_be_written_is_said_once(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    notices = Notices()
    config = ServiceConfig(None, None, tmp_path / "file" / "state")
    with ServiceWatch(config, ("",), notices, FakeClock()) as watch:
        alive(watch)
    kinds = [notice.kind for notice in notices.take()]
    assert kinds.count("run_unmarked") == 1


def test_messages_reach_an_abstract_socket_and_nobody() -> None:
    with managing(f"@edgecnn-test-{os.getpid()}") as manager:
        notifier = Notifier(manager.address)
        notifier.send("READY=1", "STATUS=two\nlines ✓")
        assert manager.hear(5) == ["READY=1", "STATUS=two lines ✓"]
        notifier.close()
        notifier.send("READY=1")
    for address in (None, "", "vsock:2:1", "/nowhere/at/all"):
        Notifier(address).send("READY=1")
