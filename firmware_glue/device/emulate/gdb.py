"""The part of GDB's remote serial protocol that driving QEMU takes.

What comes from the other side is checked: a packet's checksum and length, and every reply's form.
"""

from __future__ import annotations

import socket
import time

_CHUNK = 1024  # bytes of memory per packet; QEMU takes packets of 4096 characters
_MAX_PACKET = 1 << 16


class LinkError(Exception):
    """The other side closed the connection, or spoke out of turn; never leaves this package."""


class Link:
    """A connection with a deadline per reply; reads lines or packets."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._received = b""

    def close(self) -> None:
        """Closes the connection."""
        self._socket.close()

    def send(self, data: bytes) -> None:
        """Sends all of ``data``.

        Raises:
            LinkError: the connection is closed.
        """
        try:
            self._socket.settimeout(None)
            self._socket.sendall(data)
        except OSError as error:
            raise LinkError(str(error)) from error

    def until(self, mark: bytes, more: int, deadline: float) -> bytes:
        """Everything up to ``mark`` and ``more`` bytes after it.

        Raises:
            LinkError: the connection is closed, or sent too much without the mark.
            TimeoutError: the deadline (of ``time.monotonic``) passed.
        """
        while True:
            end = self._received.find(mark)
            if end >= 0 and len(self._received) >= end + len(mark) + more:
                end += len(mark) + more
                found, self._received = self._received[:end], self._received[end:]
                return found
            if len(self._received) > _MAX_PACKET:
                raise LinkError("a reply has no end")
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError
            try:
                self._socket.settimeout(left)
                received = self._socket.recv(_MAX_PACKET)
            except TimeoutError:
                raise
            except OSError as error:
                raise LinkError(str(error)) from error
            if not received:
                raise LinkError("the connection was closed")
            self._received += received


class Gdb:
    """A debugger's side of the connection to a stopped machine."""

    def __init__(self, link: Link, deadline: float) -> None:
        self._link = link
        self._acknowledges = True
        if self.ask("QStartNoAckMode", deadline) == "OK":
            self._acknowledges = False
        # QEMU answers for single registers only once the description was read.
        self.ask("qSupported:xmlRegisters=i386", deadline)
        self.ask("qXfer:features:read:target.xml:0,ffb", deadline)

    def close(self) -> None:
        """Closes the connection."""
        self._link.close()

    def put(self, text: str) -> None:
        """Sends one packet.

        Raises:
            LinkError: the connection is closed.
        """
        data = text.encode("ascii")
        self._link.send(b"$%s#%02x" % (data, sum(data) & 0xFF))

    def get(self, deadline: float) -> str:
        """The next packet.

        Raises:
            LinkError, TimeoutError: as :meth:`Link.until`, or a damaged packet.
        """
        packet = self._link.until(b"#", 2, deadline).lstrip(b"+")
        data = packet[1:-3]
        if packet[:1] != b"$" or packet[-2:].lower() != b"%02x" % (sum(data) & 0xFF):
            raise LinkError(f"a damaged packet: {packet[:40]!r}")
        if self._acknowledges:
            self._link.send(b"+")
        return data.decode("latin-1")

    def ask(self, text: str, deadline: float) -> str:
        """Sends a packet and returns the answer."""
        self.put(text)
        return self.get(deadline)

    def command(self, text: str, deadline: float) -> None:
        """Sends a packet that is answered with OK.

        Raises:
            LinkError: another answer.
        """
        answer = self.ask(text, deadline)
        if answer != "OK":
            raise LinkError(f"'{text[:40]}' was answered with '{answer[:40]}'")

    def interrupt(self) -> None:
        """Stops a running machine; the stop is reported as any other."""
        self._link.send(b"\x03")

    def register(self, number: int, deadline: float) -> int:
        """The value of a 32-bit register."""
        return int.from_bytes(self._hex(f"p{number:x}", 4, deadline), "little")

    def set_register(self, number: int, value: int, deadline: float) -> None:
        """Writes a 32-bit register."""
        self.command(f"P{number:x}={value.to_bytes(4, 'little').hex()}", deadline)

    def read(self, address: int, size: int, deadline: float) -> bytes:
        """Reads memory."""
        parts = []
        for start in range(0, size, _CHUNK):
            part = min(_CHUNK, size - start)
            parts.append(self._hex(f"m{address + start:x},{part:x}", part, deadline))
        return b"".join(parts)

    def write(self, address: int, data: bytes, deadline: float) -> None:
        """Writes memory."""
        for start in range(0, len(data), _CHUNK):
            part = data[start : start + _CHUNK]
            self.command(f"M{address + start:x},{len(part):x}:{part.hex()}", deadline)

    def _hex(self, text: str, size: int, deadline: float) -> bytes:
        answer = self.ask(text, deadline)
        try:
            data = bytes.fromhex(answer)
        except ValueError:
            data = b""
        if len(data) != size:
            raise LinkError(f"'{text}' was answered with '{answer[:40]}'")
        return data
