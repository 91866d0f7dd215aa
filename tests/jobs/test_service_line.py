"""What a command line of detect becomes for a service."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from edgecnn.camera.events.config import EventConfig
from edgecnn.camera.loop import LoopConfig
from edgecnn.camera.page.config import PageConfig
from edgecnn.camera.recording.config import RecordingConfig
from edgecnn.camera.sources.several import named_sources
from edgecnn.core.errors import UsageError
from edgecnn.jobs.detect_request import DetectRequest
from edgecnn.jobs.service_environment import STATE_VARIABLE, service_config
from edgecnn.jobs.service_line import (
    ServiceLine,
    command_of,
    environment_of,
    is_wider,
    secrets_in,
    service_line,
)

FOREVER = ("--wait", "--reconnect", "forever")


def planned(*sources: str, given: tuple[str, ...] = (), more: tuple[str, ...] = (), **fields):
    words = ["detect", *(word for source in sources for word in ("--source", source)), *more]
    config = fields.pop("config", LoopConfig())
    request = DetectRequest((), named_sources(sources), config, **fields)
    return service_line(words, request, frozenset({"sources", *given}))


def words(plan: ServiceLine) -> str:
    return " ".join(plan.words)


@pytest.mark.parametrize("source", ["0", "rtsp://door/1", "picamera2", "http://h/v"])
def test_a_camera_is_waited_for(source: str) -> None:
    plan = planned(source)
    assert plan.words == ("detect", *FOREVER, "--source", source) and not plan.ends
    assert "--wait --reconnect forever" in plan.notes[0]
    assert planned(source, given=("wait", "reconnect")).words == ("detect", "--source", source)
    assert planned(source, given=("reconnect",)).words[1] == "--wait"


@pytest.mark.parametrize(
    ("source", "ends"), [("clip.mp4", True), ("test,seconds=3", True), ("test", False)]
)
def test_what_ends_by_itself_is_not_begun_for_ever(source: str, ends: bool) -> None:
    plan = planned(source)
    assert plan.ends == ends and plan.words == ("detect", "--source", source)
    assert planned("0", config=LoopConfig(max_frames=5)).ends


@pytest.mark.parametrize("option", ["output_dir", "as_json", "explain_model"])
def test_what_makes_no_sense_without_anybody_looking_is_refused(option: str) -> None:
    with pytest.raises(UsageError, match="not for a service"):
        planned("0", given=(option,))


def test_passwords_of_urls_become_variables() -> None:
    plan = planned("rtsp://me:s%2Fe:c@door:8554/1?a=b")
    assert words(plan).endswith("--source rtsp://me@door:8554/1?a=b")
    assert plan.secrets == {"EDGECNN_SOURCE_PASSWORD": "s/e:c"}
    assert not any("s/e:c" in note for note in plan.notes)
    events = EventConfig(mqtt="mqtt://a:b@c/d")
    plan = planned("0", events=events, more=("--mqtt=mqtt://a:b@c/d",))
    assert plan.words[-1] == "--mqtt=mqtt://a@c/d"
    assert plan.secrets == {"EDGECNN_MQTT_PASSWORD": "b"}
    assert planned("rtsp://door/1").secrets == {}


@pytest.mark.parametrize("other", ["rtsp://me:other@b/1", "rtsp://me@b/1"])
def test_passwords_that_one_variable_cannot_hold_stay_and_are_said(other: str) -> None:
    plan = planned("rtsp://me:one@a/1", other)
    assert "rtsp://me:one@a/1" in plan.words and plan.secrets == {}
    plan = planned("0", recording=RecordingConfig(Path("r")))
    assert any("--max-disk" in note for note in plan.notes)


def test_the_environment_that_goes_along() -> None:
    folders = os.pathsep.join((".", "/x"))
    environ = {
        "PATH": "/bin", "PYTHONPATH": folders, "HOME": "/h", "LD_LIBRARY_PATH": "",
        "EDGECNN_PAGE_TOKEN": "t", "EDGECNN_MQTT_PASSWORD": "",
    }  # fmt: skip
    found = environment_of(environ, Path("/state"))
    assert found["PATH"] == "/bin" and found[STATE_VARIABLE] == "/state"
    assert found["PYTHONPATH"].split(os.pathsep) == [str(Path.cwd()), "/x"]
    assert not {"HOME", "LD_LIBRARY_PATH", "EDGECNN_PAGE_TOKEN"} & set(found)
    assert secrets_in(environ) == {"EDGECNN_PAGE_TOKEN": "t"}


def test_modules_of_the_users_folder_do_not_stand_in_for_ours(tmp_path: Path) -> None:
    import edgecnn

    assert command_of(("detect",), tmp_path)[1:] == ("-P", "-m", "edgecnn", "detect")
    checkout = Path(edgecnn.__file__).parents[1]
    assert command_of(("detect",), checkout)[1:] == ("-m", "edgecnn", "detect")


@pytest.mark.parametrize(
    ("host", "wider"),
    [("127.0.0.1", False), ("::1", False), ("localhost", False), ("0.0.0.0", True), ("::", True),
     ("192.168.1.5", True), ("door.local", True)],
)  # fmt: skip
def test_who_can_see_the_page(host: str, wider: bool) -> None:
    assert is_wider(PageConfig(host)) == wider
    assert not is_wider(None)


def test_what_the_manager_says_is_read_in_one_place(tmp_path: Path) -> None:
    boot, clock = tmp_path / "boot", tmp_path / "clock"
    assert service_config({}, 7, boot, clock) is None
    environ = {"NOTIFY_SOCKET": "@x", "WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "7"}
    found = service_config(environ, 7, boot, clock)
    assert found is not None
    assert (found.socket, found.watchdog_s, found.state) == ("@x", 30.0, None)
    assert (found.boot, found.clock_set) == (None, None)
    boot.write_text("abc\n")
    clock.mkdir()
    found = service_config({**environ, STATE_VARIABLE: "/s"}, 8, boot, clock)
    assert found is not None
    assert (found.watchdog_s, found.state, found.boot) == (None, Path("/s"), "abc")
    assert found.clock_set is False
    (clock / "synchronized").touch()
    found = service_config({**environ, "WATCHDOG_USEC": "soon"}, 7, boot, clock)
    assert found is not None and found.watchdog_s is None and found.clock_set is True
