"""QEMU's machine protocol (QMP): questions and answers as lines of JSON."""

from __future__ import annotations

import json
from typing import Any

from firmware_glue.device.emulate.gdb import Link, LinkError


class Qmp:
    """The asking side of a connection to QEMU; its greeting has been read."""

    def __init__(self, link: Link, deadline: float) -> None:
        self._link = link
        link.until(b"\n", 0, deadline)  # the greeting
        self.ask("qmp_capabilities", deadline)

    def ask(self, command: str, deadline: float) -> dict[str, Any]:
        """What QEMU answers to a command without arguments.

        Raises:
            LinkError, TimeoutError: it does not, or says that it cannot.
        """
        self._link.send(json.dumps({"execute": command}).encode() + b"\n")
        while True:
            line = self._link.until(b"\n", 0, deadline)
            try:
                answer = json.loads(line)
            except ValueError as error:
                raise LinkError(f"QEMU said {line[:80]!r}") from error
            if not isinstance(answer, dict) or "error" in answer:
                raise LinkError(f"QEMU said {line[:80]!r}")
            if isinstance(answer.get("return"), dict):
                return answer["return"]  # what else comes are events

    def instructions(self, deadline: float) -> int:
        """Executed since the start, where QEMU counts them; exact while the machine is stopped.

        Raises:
            LinkError, TimeoutError: QEMU does not say.
        """
        count = self.ask("query-replay", deadline).get("icount")
        if not isinstance(count, int) or count < 0:
            raise LinkError(f"QEMU gave {count!r} as its count of instructions")
        return count
