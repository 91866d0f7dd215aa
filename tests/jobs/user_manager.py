"""A real ``systemd --user`` with its journal, in namespaces and a home of its own."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.run import ROOT

_SYSTEMD = Path("/lib/systemd/systemd")
_JOURNAL = Path("/lib/systemd/systemd-journald")
_RUNTIME = "/run/user/0"
# Nothing of the machine's own systemd is seen or touched: /run is hidden by empty file systems, and
# the control groups below that of this process look like all there are.
_START = f"""
set -e
umount -R /sys/fs/cgroup || mount -t tmpfs none /sys/fs/cgroup
mount -t cgroup2 none /sys/fs/cgroup
mkdir -p /run/user /run/systemd /run/log
for folder in /run/user /run/systemd /run/log; do mount -t tmpfs none $folder; done
mkdir -p /run/systemd/system /run/systemd/journald.conf.d /run/log/journal
mkdir -m 700 {_RUNTIME}
cd /run/systemd/journald.conf.d
printf '[Journal]\\nAudit=no\\nReadKMsg=no\\nStorage=volatile\\n' > x.conf
{_JOURNAL} &
group=/sys/fs/cgroup/user.slice/user-0.slice/user@0.service
mkdir -p $group
while [ ! -S /run/systemd/journal/stdout ]; do sleep 0.05; done
(echo $BASHPID > $group/cgroup.procs; exec {_SYSTEMD} --user) &
wait
"""


class UserManager:
    """The manager, and programs that run where it is seen.

    Attributes:
        home: of its user.
    """

    def __init__(self, home: Path, group: Path) -> None:
        self.home = home
        self._environ = {
            "HOME": str(home), "XDG_RUNTIME_DIR": _RUNTIME, "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT), "LC_ALL": "C.UTF-8",
        }  # fmt: skip
        namespaces = ("unshare", "-m", "-C", "-p", "-f", "--kill-child", "--mount-proc")
        # The shell moves itself into the group before it becomes the root of what it sees.
        into = f'echo $$ > {group}/cgroup.procs && exec "$@"'
        self._shell = subprocess.Popen(
            ["bash", "-c", into, "bash", *namespaces, "bash", "-c", _START],
            env=self._environ,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self._inside: int | None = None

    def comes_up(self) -> bool:
        """Waits until it answers."""
        for _ in range(100):
            time.sleep(0.1)
            children = Path(f"/proc/{self._shell.pid}/task/{self._shell.pid}/children")
            inside = children.read_text().split() if children.exists() else []
            if self._shell.poll() is not None:
                return False
            if inside:
                self._inside = int(inside[0])
                if self.run("systemctl", "--user", "is-system-running").stdout.strip() in (
                    "running", "degraded",
                ):  # fmt: skip
                    return True
        return False

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        assert self._inside is not None
        return subprocess.run(
            [
                "nsenter",
                f"--target={self._inside}",
                "-m",
                "-C",
                "-p",
                f"--wdns={self.home}",
                *words,
            ],
            env=self._environ,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def edgecnn(self, *words: str) -> subprocess.CompletedProcess[str]:
        return self.run(sys.executable, "-m", "edgecnn", *words)

    def show(self, unit: str, key: str) -> str:
        return self.run("systemctl", "--user", "show", unit, "-p", key, "--value").stdout.strip()

    def power_cut(self) -> None:
        """Everything inside is gone, and had no time for a last word."""
        if self._inside is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._inside, signal.SIGKILL)
        self._shell.kill()
        self._shell.wait(30)


@contextlib.contextmanager
def user_manager(home: Path) -> Iterator[UserManager]:
    """A manager that has come up; skips where none can be had."""
    if sys.platform != "linux" or os.getuid() != 0:
        pytest.skip("a user manager of its own needs Linux and root")
    programs = [name for name in ("unshare", "nsenter", "bash") if shutil.which(name) is None]
    if programs or not _SYSTEMD.exists() or not _JOURNAL.exists():
        pytest.skip("no systemd, unshare or nsenter here (Debian: systemd, util-linux)")
    group = _own_group()
    manager = UserManager(home, group)
    try:
        if not manager.comes_up():
            pytest.skip(
                "systemd --user does not start here: namespaces or control groups are barred"
            )
        yield manager
    finally:
        manager.power_cut()
        for _ in range(100):
            with contextlib.suppress(OSError):
                for folder in sorted(group.rglob("*/"), reverse=True):
                    folder.rmdir()
                group.rmdir()
            if not group.exists():
                break
            time.sleep(0.05)


def _own_group() -> Path:
    """A new control group below that of this process."""
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        fields, _, system = line.partition(" - ")
        if system.startswith("cgroup2 "):
            own = Path("/proc/self/cgroup").read_text().split("0::/")[-1].splitlines()[0]
            group = Path(fields.split()[4]) / own / f"edgecnn-test-{os.getpid()}-{time.time_ns()}"
            with contextlib.suppress(OSError):
                group.mkdir()
                return group
    pytest.skip("no control group (version 2) can be made here")
