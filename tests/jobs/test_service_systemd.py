"""A service from its installation to its end under a real systemd: nothing is stood in for."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from edgecnn.jobs.service_unit import ServiceUnit, unit_text
from tests.camera.events.models import colour_points
from tests.jobs.systemd_syntax import NASTY
from tests.jobs.user_manager import UserManager, user_manager

pytestmark = pytest.mark.long

UNIT = "edgecnn-door.service"
NAMED = ("--name", "door")
# The real pauses would make the test wait for minutes.
QUICK = "[Service]\nWatchdogSec=3\nRestartSec=0.2\n"


def wait_for(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    end_s = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end_s, "it did not happen"
        time.sleep(0.2)


def marker(manager: UserManager) -> dict:
    path = manager.home / ".local/state/edgecnn/door/last_run.json"
    return json.loads(path.read_text()) if path.exists() else {}


def status(manager: UserManager) -> dict:
    return json.loads(manager.edgecnn("service", "status", *NAMED, "--json").stdout)


def begun_anew(manager: UserManager, times: int) -> bool:
    restarts = manager.show(UNIT, "NRestarts")
    return restarts == str(times) and status(manager)["state"] == "active"


def installed(manager: UserManager, *words: str) -> str:
    model = colour_points(manager.home)
    done = manager.edgecnn("service", "install", *NAMED, "detect", *model, *words)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_service_lives_through_kills_hangs_and_a_power_cut(tmp_path: Path) -> None:
    words = ("--source", "test,size=128x128,rate=10", "--events", "events.jsonl", "--no-serve")
    with user_manager(tmp_path) as manager:
        said = installed(manager, *words)
        assert "service door: running" in said
        found = status(manager)
        assert (found["state"], found["enabled"], found["restarts"]) == ("active", True, 0)
        drop = tmp_path / f".config/systemd/user/{UNIT}.d"
        drop.mkdir()
        (drop / "quick.conf").write_text(QUICK)
        assert "nothing has changed" in installed(manager, *words)
        first = manager.show(UNIT, "MainPID")

        manager.run("systemctl", "--user", "kill", "-s", "KILL", UNIT)
        wait_for(lambda: begun_anew(manager, 1))
        second = manager.show(UNIT, "MainPID")
        assert second not in ("0", first)
        wait_for(lambda: "killed, or it hung" in (marker(manager).get("before") or ""))

        # Signs of life come as long as it is well; what hangs is ended and begun anew.
        time.sleep(4)
        assert manager.show(UNIT, "MainPID") == second
        manager.run("kill", "-STOP", second)
        wait_for(lambda: begun_anew(manager, 2))
        logs = manager.edgecnn("service", "logs", *NAMED, "-n", "300")
        # Where each thread hung is in the journal, too.
        assert "did not come to its end" in logs.stdout and "hread 0x" in logs.stdout
        wait_for(lambda: marker(manager)["cameras"][""]["frames"] > 0)
        manager.power_cut()

    cut = marker(manager)
    assert cut["ended"] is None
    before = len((tmp_path / "events.jsonl").read_text().splitlines())
    with user_manager(tmp_path) as manager:
        # Nobody starts it: the machine has come up.
        wait_for(lambda: manager.show(UNIT, "ActiveState") == "active")
        wait_for(lambda: marker(manager)["started"] != cut["started"])
        assert "did not come to its end" in status(manager)["run"]["before"]
        assert manager.run("systemctl", "--user", "stop", UNIT).returncode == 0
        assert marker(manager)["ended"] == "interrupted"
        events = (tmp_path / "events.jsonl").read_text().splitlines()[before:]
        assert any('"run_interrupted"' in line for line in events)
        assert json.loads(events[-1])["event"] == "ended"
        done = manager.edgecnn("service", "remove", *NAMED)
        assert done.returncode == 0 and "recordings" in done.stdout
        assert not (tmp_path / ".config/systemd/user" / UNIT).exists() and not marker(manager)
        assert (tmp_path / "events.jsonl").exists()
        assert manager.edgecnn("service", "status").returncode == 1


def test_systemd_hands_over_every_argument_as_it_was(tmp_path: Path) -> None:
    folder = tmp_path / "my 100% $folder"
    folder.mkdir()
    script = (
        "import json, os, sys;"
        "json.dump([sys.argv[1:], os.getcwd(), os.environ['X']], open('args', 'w'))"
    )
    value = "a b\"c\\d%e$f'g"
    unit = ServiceUnit(
        "args",
        (sys.executable, "-c", script, *NASTY),
        folder,
        {"X": value},
        None,
        None,
        "on-failure",
    )
    with user_manager(tmp_path) as manager:
        units = tmp_path / ".config/systemd/user"
        units.mkdir(parents=True)
        (units / "edgecnn-args.service").write_text(unit_text(unit))
        manager.run("systemctl", "--user", "daemon-reload")
        manager.run("systemctl", "--user", "start", "edgecnn-args")
        arguments, cwd, variable = json.loads((folder / "args").read_text())
    assert arguments == list(NASTY) and cwd == str(folder) and variable == value
