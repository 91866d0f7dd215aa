"""Units that systemd reads as they were meant."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecnn.core.errors import UsageError
from edgecnn.jobs.service_unit import MARK, ServiceUnit, environment_text, unit_text
from tests.jobs import systemd_syntax
from tests.jobs.systemd_syntax import NASTY

UNIT = ServiceUnit(
    "door",
    ("/usr/bin/python3", "-m", "edgecnn", "detect", "--source", "0"),
    Path("/home/me/my door"),
    {"PYTHONUNBUFFERED": "1"},
    Path("/home/me/.config/edgecnn/door.env"),
    1 << 30,
    "always",
)
SIGNS = st.characters(exclude_categories=("Cc", "Cs", "Cn")) | st.sampled_from("\\\"'%$;#\t {}=@")
TEXT = st.text(SIGNS, max_size=20)


def service(text: str) -> dict[str, str]:
    return dict(systemd_syntax.settings(text, "Service"))


@settings(max_examples=200, deadline=None)
@given(st.lists(TEXT | st.sampled_from(NASTY), max_size=6))
def test_arguments_arrive_as_they_were(words: list[str]) -> None:
    unit = replace(UNIT, command=("/opt/100% py/python", *words))
    assert systemd_syntax.exec_start(unit_text(unit)) == ["/opt/100% py/python", *words]


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(st.sampled_from(["PATH", "PYTHONPATH"]), TEXT), TEXT)
def test_folders_and_variables_arrive_too(environment: dict[str, str], folder: str) -> None:
    path = Path("/home") / ("x" + folder.replace("/", "") + "y")
    text = (
        unit_text(replace(UNIT, environment=environment, folder=path)) if "\t" not in folder else ""
    )
    if not text:
        return
    assert systemd_syntax.specifiers(service(text)["WorkingDirectory"]) == str(path)
    values = [
        value for key, value in systemd_syntax.settings(text, "Service") if key == "Environment"
    ]
    read = dict(
        systemd_syntax.specifiers(systemd_syntax.words(value)[0]).split("=", 1) for value in values
    )
    assert read == environment


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.sampled_from(["A", "B"]), TEXT.filter(lambda text: "\t" not in text)))
def test_secrets_arrive_as_they_were(secrets: dict[str, str]) -> None:
    assert systemd_syntax.environment_file(environment_text(secrets)) == secrets


@pytest.mark.parametrize("bad", ["a\nb", "a\0b", "\x1b[31m", "\udcff", "a\r", "\ufffe", "\ufdd0"])
def test_what_cannot_be_written_is_refused(bad: str) -> None:
    for unit in (
        replace(UNIT, command=("/usr/bin/python3", bad)),
        replace(UNIT, folder=Path("/home") / bad),
        replace(UNIT, environment={"PATH": bad}),
    ):
        with pytest.raises(UsageError):
            unit_text(unit)
    with pytest.raises(UsageError):
        environment_text({"A": bad})


@pytest.mark.parametrize("folder", ["/home/x ", "/home/x\\", "/home/a\tb"])
def test_a_folder_that_systemd_would_cut_is_refused(folder: str) -> None:
    with pytest.raises(UsageError):
        unit_text(replace(UNIT, folder=Path(folder)))


def test_what_a_service_must_say() -> None:
    text = unit_text(UNIT)
    assert text.startswith(MARK + "\n")
    assert ("StartLimitIntervalSec", "0") in systemd_syntax.settings(text, "Unit")
    assert systemd_syntax.settings(text, "Install") == [("WantedBy", "default.target")]
    said = service(text)
    assert said["Type"] == "notify" and said["Restart"] == "always" and said["RestartSec"] == "10"
    # A frame may take half of the watchdog's time; opening the model more than systemd's 90 s.
    assert int(said["WatchdogSec"]) >= 2 * 20 and int(said["TimeoutStartSec"]) > 90
    assert said["MemoryMax"] == str(1 << 30) and said["MemorySwapMax"] == "0"
    assert said["EnvironmentFile"] == "/home/me/.config/edgecnn/door.env"
    # Cameras, GPUs and Coral sticks are devices, groups and memory that must stay reachable.
    assert not {
        "PrivateDevices", "DevicePolicy", "ProtectHome", "MemoryDenyWriteExecute", "DynamicUser",
        "PrivateUsers", "RestrictAddressFamilies", "PrivateNetwork",
    } & set(said)  # fmt: skip
    free = service(unit_text(replace(UNIT, memory=None, secrets=None)))
    assert not {"MemoryMax", "MemorySwapMax", "EnvironmentFile"} & set(free)


@pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="no systemd-analyze here (Debian: systemd)"
)
@pytest.mark.parametrize("memory", [None, 1 << 30])
def test_systemd_finds_no_fault(memory: int | None, tmp_path: Path) -> None:
    folder = tmp_path / "my % folder"
    folder.mkdir()
    (folder / "env").touch()
    unit = replace(
        UNIT,
        command=(sys.executable, *NASTY),
        folder=folder,
        secrets=folder / "env",
        memory=memory,
        environment={"PYTHONPATH": '/a b:/c"d\\e%f$g'},
    )
    path = tmp_path / "edgecnn-door.service"

    def verified(text: str) -> subprocess.CompletedProcess[str]:
        path.write_text(text, encoding="utf-8")
        runtime = {"XDG_RUNTIME_DIR": str(tmp_path), "SYSTEMD_LOG_LEVEL": "warning"}
        return subprocess.run(
            ["systemd-analyze", "--user", "verify", "--man=no", str(path)],
            env={**os.environ, **runtime}, capture_output=True, text=True, check=False,
        )  # fmt: skip

    done = verified(unit_text(unit))
    assert done.returncode == 0 and path.name not in done.stderr, done.stderr
    # It does look: a line of nonsense is found.
    assert path.name in verified(unit_text(unit).replace("Restart=always", "Restart=ever")).stderr
