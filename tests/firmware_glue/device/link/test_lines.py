"""Lines of every kind, opened by what a user calls them, and the bridge that makes them."""

from __future__ import annotations

import ctypes
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from edgecnn.core.errors import MissingExtraError, TargetError, UsageError
from firmware_glue.device.link.base import Line
from firmware_glue.device.link.bridge import Bridge, PtyPort, TcpPort, open_bridge
from firmware_glue.device.link.client import BoardClient
from firmware_glue.device.link.open import open_line
from firmware_glue.device.link.pty import HAS_PTY, PtyPair, is_pty
from firmware_glue.device.link.serial_port import SerialLine
from tests.firmware_glue.device.protocol.host_board import INPUTS, HostBoard, reference
from tests.firmware_glue.device.protocol.live import LiveLine

needs_pty = pytest.mark.skipif(not HAS_PTY, reason="no pseudo-terminals on Windows")
DATA = bytes(range(256)) * 64  # every byte, and more than a pseudo-terminal holds


def tcp_pair() -> tuple[Line, Line]:
    """Two ends of a line over TCP."""
    from firmware_glue.device.link.tcp import TcpLine

    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        near = open_line(f"tcp://127.0.0.1:{port}")
        return near, TcpLine(server.accept()[0], "far")


def pty_pair() -> tuple[Line, Line]:
    pair = PtyPair()
    return open_line(pair.path), pair.line


def serial_pair() -> tuple[Line, Line]:
    pytest.importorskip("serial")
    pair = PtyPair()
    return SerialLine(pair.path), pair.line


@pytest.fixture(params=[tcp_pair, *([pty_pair, serial_pair] if HAS_PTY else [])])
def pair(request: pytest.FixtureRequest) -> Iterator[tuple[Line, Line]]:
    near, far = request.param()
    yield near, far
    near.close()
    far.close()


def received(line: Line, count: int) -> bytes:
    data = b""
    while len(data) < count and (more := line.read(5.0)):
        data += more
    return data


def test_bytes_arrive_as_they_were_sent(pair: tuple[Line, Line]) -> None:
    for sender, receiver in (pair, pair[::-1]):
        thread = threading.Thread(target=sender.write, args=(DATA,))
        thread.start()
        assert received(receiver, len(DATA)) == DATA
        thread.join()
        assert receiver.read(0.0) == b""
        assert receiver.read(0.02) == b""


def test_a_line_that_is_closed_says_so(pair: tuple[Line, Line]) -> None:
    near, _ = pair
    near.close()
    near.close()
    for use in (lambda: near.read(0.0), lambda: near.write(b"x")):
        with pytest.raises(TargetError) as caught:
            use()
        assert caught.value.hint and near.description in caught.value.message


def test_the_other_end_goes() -> None:
    near, far = tcp_pair()
    far.close()
    with pytest.raises(TargetError, match="gone"):
        near.read(5.0)


@pytest.mark.parametrize(
    "where",
    ["", "usb", "tcp://", "tcp://host", "tcp://host:0", "tcp://host:99999", "tcp://a/b:1",
     "pi@raspberry", "local", "COM", "tcp://host:80 "],
)  # fmt: skip
def test_what_is_no_line_is_a_usage_error(where: str) -> None:
    with pytest.raises(UsageError) as caught:
        open_line(where)
    assert repr(where) in caught.value.message and "tcp://host:port" in caught.value.hint


def test_nobody_is_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(TargetError, match=f"tcp://127.0.0.1:{port} cannot be reached"):
        open_line(f"tcp://127.0.0.1:{port}")
    if HAS_PTY:
        with pytest.raises(TargetError, match="cannot be opened"):
            open_line("/dev/pts/123456789")
        pytest.importorskip("serial")
        with pytest.raises(TargetError, match="/dev/no-such-port cannot be opened"):
            open_line("/dev/no-such-port")


def test_without_pyserial_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "serial", None)
    with pytest.raises(MissingExtraError) as caught:
        open_line("/dev/ttyACM0")
    assert caught.value.hint == "pip install 'edgecnn[flash]'"


@needs_pty
def test_a_serial_port_is_opened_once() -> None:
    pytest.importorskip("serial")
    pair = PtyPair()
    with ExitStack() as stack:
        stack.callback(pair.close)
        first = SerialLine(pair.path)
        stack.callback(first.close)
        with pytest.raises(TargetError) as caught:
            SerialLine(pair.path)
        assert "close the other program" in caught.value.hint


@needs_pty
def test_names_of_pseudo_terminals() -> None:
    pair = PtyPair()
    assert is_pty(pair.path)
    assert not any(map(is_pty, ("/dev/ttyACM0", "/dev/tty.usbmodem1", "/dev/cu.usbmodem1")))
    pair.close()
    pair.close()


PORTS = [TcpPort, *([PtyPort] if HAS_PTY else [])]


@pytest.fixture(params=PORTS)
def bridged(
    request: pytest.FixtureRequest, board_library: ctypes.CDLL
) -> Iterator[tuple[Bridge, LiveLine]]:
    board = HostBoard(board_library)
    board.set(step_us=10, hang_step=0xFFFF, fail_step=0xFFFFFFFF, holds_back=0, byte_us=1, now=0)
    board.boot()
    line = LiveLine(board)
    with Bridge(line, request.param()) as bridge:
        yield bridge, line


def test_clients_come_and_go(bridged: tuple[Bridge, LiveLine]) -> None:
    bridge, line = bridged
    for visit in range(4):
        client_line = open_line(bridge.device)
        if visit == 1:
            client_line.write(b"\xed\xc7\x02\x01\xff\x00")  # goes in the middle of a frame
            client_line.close()
            continue
        if visit == 2:
            client_line.write(b"infer 1000000")  # and of a command
            client_line.close()
            continue
        client = BoardClient(client_line)
        assert client.hello().board == "testboard"
        inputs = tuple(bytes([visit]) * size for size in INPUTS)
        assert client.infer(inputs).outputs == reference(inputs)
        client_line.close()
    assert line.longest_wait_s >= 0.5, "an idle bridge waits, it does not ask again and again"


def test_a_text_client(bridged: tuple[Bridge, LiveLine]) -> None:
    client = open_line(bridged[0].device)
    client.write(b"%name%")
    reply = b""
    # Before it come the greeting, if the line kept it, and the m-ready of the first "%".
    while not reply.endswith(b"m-name-dut-[edgecnn testboard]\r\nm-ready\r\n"):
        assert (more := client.read(5.0)), reply
        reply += more
    client.close()


def test_a_board_that_goes_ends_the_bridge(bridged: tuple[Bridge, LiveLine]) -> None:
    bridge, line = bridged
    line.close()
    with pytest.raises(TargetError, match="the board is gone"):
        bridge.serve()


def test_a_second_tcp_client_takes_the_place_of_the_first(board_library: ctypes.CDLL) -> None:
    board = HostBoard(board_library)
    board.boot()
    with open_bridge(LiveLine(board), 0) as bridge:
        assert bridge.device.startswith("tcp://127.0.0.1:")
        first = open_line(bridge.device)
        assert BoardClient(first).hello().steps == 5
        second = open_line(bridge.device)
        assert BoardClient(second).hello().steps == 5
        with pytest.raises(TargetError, match="gone"):
            BoardClient(first).hello()
        with pytest.raises(TargetError, match="cannot listen"):
            TcpPort(port=int(bridge.device.rsplit(":", 1)[1]))


@needs_pty
def test_a_bridge_is_a_pseudo_terminal_unless_a_port_is_named(board_library: ctypes.CDLL) -> None:
    board = HostBoard(board_library)
    board.boot()
    with open_bridge(LiveLine(board)) as bridge:
        assert is_pty(bridge.device)
        plain = subprocess.run(
            [sys.executable, "-c", _PLAIN, bridge.device], capture_output=True, timeout=60
        )
        assert b"m-name-dut-[edgecnn testboard]\n" in plain.stdout.replace(b"\r", b"")


_PLAIN = """
import os, sys
file = os.open(sys.argv[1], os.O_RDWR | os.O_NOCTTY)
os.write(file, b"%name%")
data = b""
while data.count(b"m-ready") < 2 or b"dut" not in data:
    data += os.read(file, 100)
os.write(1, data)
"""
