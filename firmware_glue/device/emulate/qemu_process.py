"""A QEMU process with two connections: GDB's protocol to drive it, QMP to ask for its clock."""

from __future__ import annotations

import os
import socket
import subprocess
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress

from edgecnn.core.errors import TargetError, ToolError
from firmware_glue.device.emulate.gdb import Gdb, Link, LinkError
from firmware_glue.device.emulate.guarded import start_guarded, stop_guarded
from firmware_glue.device.emulate.qmp import Qmp

START_S = 60.0
_HINT = "if QEMU runs elsewhere, please report this with the model"


class QemuProcess:
    """QEMU, stopped before its first instruction. :meth:`close` ends it, at any time."""

    def __init__(self, program: str, arguments: Sequence[str]) -> None:
        if os.name != "posix":
            raise TargetError(
                "QEMU is driven over socket pairs, which this system lacks",
                hint="use --emulator unicorn, or Linux or macOS",
            )
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 (it lives as long as the process)
        gdb, gdb_there = socket.socketpair()
        qmp, qmp_there = socket.socketpair()
        self._links = (Link(gdb), Link(qmp))
        try:
            self._process = self._start(
                program, arguments, (gdb_there.fileno(), qmp_there.fileno())
            )
        except OSError as error:
            self._close_links()
            raise ToolError("qemu", error.errno or 1, str(error), hint=_HINT) from error
        finally:
            gdb_there.close()
            qmp_there.close()
        deadline = time.monotonic() + START_S
        try:
            self.gdb = Gdb(self._links[0], deadline)
            self._qmp = Qmp(self._links[1], deadline)
        except (LinkError, TimeoutError) as error:
            raise self.failure(error) from error
        except BaseException:
            self.close()
            raise

    def _start(
        self, program: str, arguments: Sequence[str], descriptors: tuple[int, int]
    ) -> subprocess.Popen[bytes]:
        gdb, qmp = descriptors
        command = [
            program, *arguments, "-S", "-nodefaults", "-no-user-config", "-display", "none",
            "-serial", "none", "-monitor", "none", "-nic", "none", "-icount", "shift=0",
            "-chardev", f"socket,id=gdb,fd={gdb}", "-gdb", "chardev:gdb",
            "-chardev", f"socket,id=qmp,fd={qmp}", "-mon", "chardev=qmp,mode=control",
        ]  # fmt: skip
        return start_guarded(command, self._log, descriptors)

    def instructions(self, deadline: float) -> int:
        """Executed since the start; exact while the machine is stopped.

        Raises:
            LinkError, TimeoutError: QEMU does not say.
        """
        return self._qmp.instructions(deadline)

    def failure(self, cause: BaseException, where: str = "") -> ToolError:
        """Ends QEMU; the error says what it printed last.

        Args:
            cause: what went wrong; a TimeoutError makes it a time-out.
            where: a line on where the program stopped, if it was the program that failed.
        """
        if not where and isinstance(cause, LinkError):
            # The connection closes a moment before the process ends.
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(2.0)
        ended = self._process.poll()
        text = ""
        if not self._log.closed:
            self._log.seek(0)
            text = self._log.read().decode("utf-8", "replace")
        self.close()
        code = None if isinstance(cause, TimeoutError) else ended if ended is not None else 1
        return ToolError("qemu", code, f"{text}\n{cause}\n{where}", hint=_HINT)

    def close(self) -> None:
        """Ends QEMU and waits for it; may be called again."""
        stop_guarded(self._process)
        self._close_links()
        self._log.close()

    def _close_links(self) -> None:
        for link in self._links:
            link.close()
