"""Those who watch the live page, in a process of their own; prints one JSON line at the end.

python -m benchmarks.page_viewers HOST PORT READING STALLED SECONDS

Those who read throw the bytes away where the system can do that without copying them: a viewer's
own work belongs to another machine, so here it also comes last. The first one takes its messages
apart. Standard library only.
"""

from __future__ import annotations

import json
import os
import selectors
import socket
import sys
import time

_BUFFER = 1 << 20


class Messages:
    """Counts the frames of a ``/live`` stream."""

    def __init__(self) -> None:
        self.frames = 0
        self._bytes = bytearray()
        self._inside = False

    def feed(self, data: bytes) -> None:
        """Takes bytes as they come."""
        self._bytes += data
        if not self._inside:
            _, found, rest = self._bytes.partition(b"\r\n\r\n")
            if not found:
                return
            self._inside, self._bytes = True, rest
        while len(self._bytes) >= 8:
            text, jpeg = (int.from_bytes(self._bytes[k : k + 4], "big") for k in (0, 4))
            if len(self._bytes) < 8 + text + jpeg:
                return
            self.frames += jpeg > 0
            del self._bytes[: 8 + text + jpeg]


def connected(host: str, port: int) -> socket.socket:
    """A stream that is open."""
    stream = socket.create_connection((host, port))
    stream.sendall(f"GET /live HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode())
    return stream


def watch(host: str, port: int, reading: int, stalled: int, seconds: float) -> dict[str, float]:
    """Watches until the time is over or the server has closed.

    Returns:
        ``frames_a_second`` of the first viewer, and ``mb_a_second`` of all of them.
    """
    asleep = [connected(host, port) for _ in range(stalled)]
    streams = [connected(host, port) for _ in range(reading)]
    selector, first, taken = selectors.DefaultSelector(), Messages(), 0
    for number, stream in enumerate(streams):
        stream.setblocking(False)
        selector.register(stream, selectors.EVENT_READ, number)
    throw_away = getattr(socket, "MSG_TRUNC", 0)
    buffer = bytearray(_BUFFER)
    began = last = time.monotonic()
    while selector.get_map() and time.monotonic() < began + seconds:
        for key, _ in selector.select(0.1):
            stream, flags = streams[key.data], throw_away if key.data else 0
            size = stream.recv_into(buffer, _BUFFER, flags)
            if not size:
                selector.unregister(stream)
                continue
            taken, last = taken + size, time.monotonic()
            if not key.data:
                first.feed(bytes(buffer[:size]))
    spent_s = max(last - began, 1e-6)
    for stream in (*asleep, *streams):
        stream.close()
    return {"frames_a_second": first.frames / spent_s, "mb_a_second": taken / spent_s / 1e6}


def main(arguments: list[str]) -> None:
    """Prints what was seen."""
    host, port, reading, stalled, seconds = arguments
    if hasattr(os, "nice"):
        os.nice(19)
    seen = watch(host, int(port), int(reading), int(stalled), float(seconds))
    print(json.dumps(seen), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
