"""Installing, changing and removing, with a systemd that only remembers what it is told."""

from __future__ import annotations

import os
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from edgecnn.core.errors import ServiceError, UsageError
from edgecnn.jobs.service import Installed, InstallRequest, install, remove
from edgecnn.jobs.service_files import (
    ServiceFiles,
    installed,
    read_secrets,
    service_files,
)
from edgecnn.jobs.service_manager import ServiceSurroundings, UserManager, open_manager
from edgecnn.jobs.service_status import service_status
from tests.jobs import systemd_syntax
from tests.jobs.fake_systemd import FakeSystemd

pytestmark = pytest.mark.skipif(os.name == "nt", reason="systemd is Linux's")

GIGABYTE = 1 << 30


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ServiceFiles:
    monkeypatch.setattr("edgecnn.jobs.service._PAGE_TRIES", 0)
    return service_files("door", {"HOME": str(tmp_path)})


def request(*words: str, **more) -> InstallRequest:
    command = ("/usr/bin/python3", "-m", "edgecnn", "detect", *(words or ("--source", "0")))
    return InstallRequest(command, Path("/srv"), {"PYTHONUNBUFFERED": "1"}, **more)


def installs(files: ServiceFiles, asked: InstallRequest, systemd: FakeSystemd) -> Installed:
    return install(asked, files, UserManager(systemd), "nobody-of-that-name", 4 * GIGABYTE)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def every_file(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_a_new_service_is_written_enabled_and_started(files: ServiceFiles, tmp_path: Path) -> None:
    systemd = FakeSystemd()
    done = installs(files, request(), systemd)
    assert (done.state, done.updated, done.limited, done.token) == ("running", False, True, None)
    assert every_file(tmp_path) == [".config/systemd/user/edgecnn-door.service"]
    unit = files.unit.read_text()
    assert systemd_syntax.exec_start(unit)[1:] == ["-m", "edgecnn", "detect", "--source", "0"]
    # Three quarters of the machine's memory.
    assert ("MemoryMax", str(3 * GIGABYTE)) in systemd_syntax.settings(unit, "Service")
    order = [line.split()[2] for line in systemd.said if "--user" in line]
    assert order[:2] == ["daemon-reload", "enable"] and systemd.did(
        "restart", "edgecnn-door.service"
    )
    assert any(line.startswith("loginctl") and "enable-linger" in line for line in systemd.said)
    assert done.lingers and files.state.is_dir()
    assert installed({"HOME": str(tmp_path)}) == ("door",)


def test_to_install_again_says_what_has_changed_and_no_secret(files: ServiceFiles) -> None:
    systemd = FakeSystemd()
    secret = {"EDGECNN_MQTT_PASSWORD": 'p"a$s\\s`'}
    installs(files, request(secrets=secret), systemd)
    assert read_secrets(files.secrets) == secret and mode(files.secrets) == 0o600
    assert systemd_syntax.environment_file(files.secrets.read_text()) == secret
    assert 'p"a' not in files.unit.read_text() and mode(files.unit) == 0o600
    assert installs(files, request(), systemd).changed == ()
    assert read_secrets(files.secrets) == secret, "what was kept stays"
    other = {"EDGECNN_MQTT_PASSWORD": "new"}
    asked = request("--source", "1", secrets=other, memory=GIGABYTE)
    again = installs(files, asked, systemd)
    assert again.updated and again.kept == ("EDGECNN_MQTT_PASSWORD",)
    assert again.changed == ("ExecStart", "MemoryMax", "EDGECNN_MQTT_PASSWORD")
    assert not any("new" in line for line in systemd.said)


def test_a_wider_pages_token_is_made_once_and_shown_once(files: ServiceFiles) -> None:
    systemd = FakeSystemd()
    first = installs(files, request(needs_token=True), systemd)
    assert first.new_token and first.token is not None and len(first.token) >= 32
    assert read_secrets(files.secrets) == {"EDGECNN_PAGE_TOKEN": first.token}
    assert first.token not in files.unit.read_text() and first.to_json()["token"] == first.token
    again = installs(files, request("--source", "1", needs_token=True), systemd)
    assert again.token == first.token and not again.new_token and again.to_json()["token"] is None
    assert "EnvironmentFile" in dict(systemd_syntax.settings(files.unit.read_text(), "Service"))
    own = {"EDGECNN_PAGE_TOKEN": "my-own-token-of-some-length"}
    mine = installs(files, request(needs_token=True, secrets=own), systemd)
    assert mine.token == own["EDGECNN_PAGE_TOKEN"] and not mine.new_token


@pytest.mark.parametrize("refused", ["daemon-reload", "enable"])
def test_what_systemd_does_not_take_leaves_everything_as_it_was(
    refused: str, files: ServiceFiles, tmp_path: Path
) -> None:
    with pytest.raises(ServiceError):
        installs(files, request(secrets={"EDGECNN_PAGE_TOKEN": "x"}), FakeSystemd(refused))
    assert every_file(tmp_path) == []
    installs(files, request(secrets={"EDGECNN_PAGE_TOKEN": "x"}), FakeSystemd())
    before = {path: (tmp_path / path).read_bytes() for path in every_file(tmp_path)}
    with pytest.raises(ServiceError):
        changed = request("--source", "1", secrets={"EDGECNN_PAGE_TOKEN": "y"})
        installs(files, changed, FakeSystemd(refused))
    assert {path: (tmp_path / path).read_bytes() for path in every_file(tmp_path)} == before


def test_one_that_ends_at_once_is_said_with_its_last_words(files: ServiceFiles) -> None:
    systemd = FakeSystemd("restart")
    systemd.shows = "ActiveState=activating\nSubState=auto-restart\n"
    with pytest.raises(ServiceError, match="ends at once"):
        installs(files, request(), systemd)
    assert files.unit.exists(), "it is tried again"
    systemd.shows = "ActiveState=activating\nSubState=start\n"
    assert installs(files, request(), systemd).state == "starting"
    quiet = FakeSystemd()
    assert installs(files, request(start=False), quiet).state == "not started"
    assert not any("restart" in line for line in quiet.said)


def test_a_unit_of_somebody_else_is_left_alone(files: ServiceFiles, tmp_path: Path) -> None:
    files.unit.parent.mkdir(parents=True)
    files.unit.write_text("[Service]\nExecStart=/bin/true\n")
    for act in (
        lambda: installs(files, request(), FakeSystemd()),
        lambda: remove(files, UserManager(FakeSystemd())),
    ):
        with pytest.raises(ServiceError, match="was not made by"):
            act()
    assert every_file(tmp_path) == [".config/systemd/user/edgecnn-door.service"]
    assert installed({"HOME": str(tmp_path)}) == ()


def test_remove_takes_the_units_files_and_leaves_the_recordings(
    files: ServiceFiles, tmp_path: Path
) -> None:
    (tmp_path / "clips").mkdir()
    (tmp_path / "clips" / "000001.mkv").touch()
    systemd = FakeSystemd()
    installs(files, request(secrets={"EDGECNN_PAGE_TOKEN": "x"}), systemd)
    (files.state / "last_run.json").write_text("{}")
    done = remove(files, UserManager(systemd))
    assert systemd.did("disable", "--now", "edgecnn-door.service")
    assert len(done.files) == 3 and every_file(tmp_path) == ["clips/000001.mkv"]
    with pytest.raises(ServiceError, match="there is no service"):
        remove(files, UserManager(systemd))


@pytest.mark.parametrize("memory", [1, 1 << 20])
def test_a_memory_in_which_nothing_runs_is_refused(memory: int, files: ServiceFiles) -> None:
    with pytest.raises(UsageError, match="--memory"):
        installs(files, request(memory=memory), FakeSystemd())
    assert not files.unit.exists()


@pytest.mark.parametrize("name", ["", "a b", "../x", "A", "-x", "x" * 42, "ä", "a/b", "a@b", "a%h"])
def test_a_name_that_can_be_no_unit_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--name"):
        service_files(name, {"HOME": str(tmp_path)})


def test_folders_of_the_xdg_specification(tmp_path: Path) -> None:
    base = {"HOME": "/home/me", "XDG_CONFIG_HOME": "/c", "XDG_STATE_HOME": "relative"}
    files = service_files("x", base)
    assert files.unit == Path("/c/systemd/user/edgecnn-x.service")
    assert files.state == Path("/home/me/.local/state/edgecnn/x")


AROUND = ServiceSurroundings("linux", True, lambda name: True, {}, "me", 1000)


@pytest.mark.parametrize(
    ("around", "instead"),
    [
        (replace(AROUND, platform="darwin"), "launchd"),
        (replace(AROUND, platform="win32"), "schtasks"),
        (replace(AROUND, booted=False), "@reboot"),
        (replace(AROUND, programs=lambda name: False), "supervisord"),
    ],
)
def test_elsewhere_one_line_says_what_to_use(around: ServiceSurroundings, instead: str) -> None:
    systemd = FakeSystemd()
    command = ("/usr/bin/python3", "-m", "edgecnn", "detect", "--source", "my clip%.mp4")
    with pytest.raises(ServiceError) as caught:
        open_manager(around, "door", Path("/srv/my cameras"), command, systemd)
    assert instead in caught.value.hint and "my cameras" in caught.value.hint
    assert "my clip" in caught.value.hint and "\n" not in caught.value.hint
    assert caught.value.exit_code == 1 and systemd.said == []


def test_without_a_session_the_way_to_one_is_said() -> None:
    with pytest.raises(ServiceError) as caught:
        open_manager(AROUND, "door", Path("/"), ("x",), FakeSystemd("show"))
    assert "enable-linger me" in caught.value.hint and "/run/user/1000" in caught.value.hint


def test_how_it_is(files: ServiceFiles, tmp_path: Path) -> None:
    systemd = FakeSystemd()
    systemd.shows = (
        "ActiveState=active\nSubState=running\nUnitFileState=enabled\nNRestarts=3\n"
        "MemoryCurrent=[not set]\nMemoryMax=infinity\nMainPID=7\nStatusText=29.9 FPS = fine\n"
    )
    (tmp_path / "7").mkdir()
    (tmp_path / "7" / "status").write_text("Name:\tpython\nVmRSS:\t   2048 kB\n")
    found = service_status(files, UserManager(systemd), lingers=False, processes=tmp_path)
    assert found.running and found.enabled and found.restarts == 3 and found.run is None
    assert found.memory == 2 << 20 and found.memory_limit is None
    assert found.words == "29.9 FPS = fine"
    assert found.to_json()["starts_with_machine"] is False
    systemd.shows = ""
    gone = service_status(files, UserManager(systemd), lingers=True, processes=tmp_path)
    assert not gone.running and gone.memory is None and gone.restarts == 0
