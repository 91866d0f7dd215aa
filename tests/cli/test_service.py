"""``edgecnn service`` as it is typed."""

from __future__ import annotations

import json
import os
import socket
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from edgecnn.camera.clock import Instant
from edgecnn.camera.service.marker import CameraCounts, RunMarker, write_marker
from edgecnn.jobs.service_files import read_secrets
from edgecnn.jobs.service_manager import ServiceSurroundings, UserManager
from tests.camera.events.models import colour_points
from tests.jobs import systemd_syntax
from tests.jobs.fake_systemd import FakeSystemd
from tests.run import in_process

pytestmark = pytest.mark.skipif(os.name == "nt", reason="systemd is Linux's")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home, and a machine that systemd has not started: nothing of the real one is touched."""
    for name in (
        "XDG_CONFIG_HOME",
        "XDG_STATE_HOME",
        "EDGECNN_PAGE_TOKEN",
        "EDGECNN_SOURCE_PASSWORD",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    around = ServiceSurroundings("linux", False, lambda name: False, os.environ, "me", 1000)
    monkeypatch.setattr("edgecnn.jobs.service_manager.surroundings", lambda: around)
    return tmp_path


def install(folder: Path, *words: str, options: tuple[str, ...] = ("--print",)):
    return in_process(
        "service", "install", *options, "detect", *colour_points(folder), *words, cwd=folder
    )


def test_print_prints_the_unit_and_installs_nothing(home: Path) -> None:
    before = sorted(home.rglob("*"))
    files = {home / "colours.tflite", home / "post.json"}
    done = install(
        home, "--source", "rtsp://me:hunter2@door/1", "--record", "my clips/100 %", "--line",
        "gate=0,50%,100%,50%", "--serve", "0.0.0.0:8080",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    program, *arguments = systemd_syntax.exec_start(done.stdout)
    assert program == sys.executable
    assert arguments[arguments.index("--record") + 1] == "my clips/100 %"
    assert arguments[arguments.index("--source") + 1] == "rtsp://me@door/1"
    assert "hunter2" not in done.stdout + done.stderr
    assert "EDGECNN_SOURCE_PASSWORD" in done.stderr and "--wait" in done.stderr
    said = dict(systemd_syntax.settings(done.stdout, "Service"))
    assert said["WorkingDirectory"] == str(home) and said["EnvironmentFile"].endswith("camera.env")
    assert {path for path in home.rglob("*") if path.is_file()} == files and before == []


def test_options_of_install_stand_before_detect(home: Path) -> None:
    options = ("--name", "door", "--memory", "500M", "--print", "--")
    done = install(home, "--source", "0", "--name", "front", options=options)
    assert done.returncode == 0, done.stderr
    assert "MemoryMax=524288000" in done.stdout and "(door)" in done.stdout
    assert systemd_syntax.exec_start(done.stdout)[-2:] == ["--name", "front"]
    free = install(home, "--source", "0", options=("--memory", "0", "--print")).stdout
    assert "MemoryMax" not in dict(systemd_syntax.settings(free, "Service"))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--sourcee", "0"), "no such option"),
        (("--source", "-1"), "--source"),
        (("--source", "0", "--threshold", "x"), "--threshold"),
        (("--source", "0", "--labels", "nowhere.txt"), "nowhere.txt"),
        (("--source", "0", "--import", "nowhere.py"), "nowhere.py"),
        (("--source", "0", "--stages", "nowhere.toml"), "--stages"),
        (("--source", "0", "--zone", "nowhere.json"), "nowhere.json"),
        (("--source", "0", "--segment", "10m"), "--record"),
        (("--source", "0", "--serve", "somewhere"), "--serve"),
        (("--source", "0", "-o", "out"), "-o is not for a service"),
        ((), "--source"),
    ],
)
def test_a_wrong_command_line_ends_there_in_one_line(
    words: tuple[str, ...], said: str, home: Path
) -> None:
    done = install(home, *words)
    assert done.returncode in (1, 2) and done.stdout == ""
    assert said in done.stderr and len(done.stderr.splitlines()) == 2, done.stderr
    assert not (home / ".config").exists()


def test_a_model_that_is_not_there(home: Path) -> None:
    done = in_process(
        "service", "install", "detect", "--model", "no.tflite", "--source", "0", cwd=home
    )
    assert done.returncode == 2 or done.returncode == 1
    assert "no.tflite" in done.stderr


@pytest.mark.parametrize("line", [(), ("train",), ("--source", "0")])
def test_only_detect_is_a_service(line: tuple[str, ...], home: Path) -> None:
    done = in_process("service", "install", *line, cwd=home)
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 2


@pytest.mark.parametrize("verb", ["install", "status", "logs", "remove"])
def test_without_systemd_one_line_says_what_to_use(verb: str, home: Path) -> None:
    if verb == "install":
        done = install(home, "--source", "0", options=())
        assert f"cd {home} && {sys.executable} -P -m edgecnn detect --wait" in done.stderr
    else:
        done = in_process("service", verb, cwd=home)
    assert done.returncode == 1 and done.stdout == "" and "@reboot" in done.stderr
    assert len(done.stderr.splitlines()) == 2 and not (home / ".config").exists()


def test_installed_asked_and_removed(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    systemd = FakeSystemd()
    monkeypatch.setattr(
        "edgecnn.jobs.service_manager.open_manager", lambda *_: UserManager(systemd)
    )
    monkeypatch.setattr("edgecnn.jobs.service._PAGE_TRIES", 0)
    done = install(home, "--source", "0", "--serve", "0.0.0.0:8080", options=("--name", "door"))
    assert done.returncode == 0, done.stderr
    token = read_secrets(home / ".config/edgecnn/door.env")["EDGECNN_PAGE_TOKEN"]
    assert done.stdout.count(token) == 1
    assert f"http://{socket.gethostname()}:8080/?token={token}" in done.stdout
    again = install(home, "--source", "1", "--serve", "0.0.0.0:8080", options=("--name", "door"))
    assert token not in again.stdout and "changed: ExecStart" in again.stdout
    gate = {"line": "gate", "in": 2, "out": 1}
    run = RunMarker(
        Instant(0, 1e9), Instant(9, 1e9), "b", {"": CameraCounts(7, (gate,))}, page="http://h:8080/"
    )
    state = home / ".local/state/edgecnn/door"
    write_marker(state, replace(run, before="the run before …"))
    shown = in_process("service", "status", cwd=home)
    assert shown.returncode == 0
    for words in ("door: active", "http://h:8080/", "the run before …", "gate 2 in 1 out"):
        assert words in shown.stdout
    systemd.shows = "ActiveState=failed\nSubState=failed\n"
    dead = in_process("service", "status", "--name", "door", cwd=home)
    assert dead.returncode == 1 and "last word 2001-09-09T01:46:40Z" in dead.stdout
    found = json.loads(in_process("service", "status", "--json", cwd=home).stdout)
    assert found["schema"] == "edgecnn.service/1" and found["run"]["cameras"][""]["frames"] == 7
    gone = in_process("service", "remove", cwd=home)
    assert gone.returncode == 0 and "recordings" in gone.stdout
    left = {path.name for path in home.rglob("*") if path.is_file()}
    assert left == {"colours.tflite", "post.json"}


def test_errors_as_json(home: Path) -> None:
    done = in_process("service", "status", "--json", cwd=home)
    assert json.loads(done.stderr)["code"] == 1
