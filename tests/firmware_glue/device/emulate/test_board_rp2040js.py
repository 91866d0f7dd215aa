"""RP2040's drivers, tried with the program of echo.c in rp2040js: over its UART and its USB."""

from __future__ import annotations

import json
import os
import signal
import struct
import subprocess
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from edgecnn.core.errors import TargetError, ToolError
from firmware_glue.device.board import Board
from firmware_glue.device.board_file import load_board
from firmware_glue.device.elf import read_elf
from firmware_glue.device.emulate.board import start_board
from firmware_glue.device.emulate.board_rp2040js import Rp2040jsBoard
from firmware_glue.device.emulate.node_packages import NodePackage, find_rp2040js
from firmware_glue.device.flash.formats.flat import flatten
from firmware_glue.device.toolchain import find_toolchain
from tests.firmware_glue.device.emulate.echo import Talk, build_echo, cpu_s, with_line
from tests.share import long_but_for

EVERY_BYTE = bytes(range(256))
PORTS = ("usb", "uart")


@cache
def _board(port: str) -> Board:
    board = load_board("pico")
    if port == "usb":
        return board
    return with_line(board, kind="uart", peripheral="UART0", tx="GPIO0", rx="GPIO1")


@cache
def _image(port: str) -> bytes:
    return build_echo(_board(port), find_toolchain(_board(port)))


def _package() -> NodePackage:
    try:
        return find_rp2040js()
    except TargetError as error:
        pytest.skip(error.message)


@pytest.fixture(params=PORTS)
def board(request: pytest.FixtureRequest) -> Iterator[Rp2040jsBoard]:
    _package()
    with Rp2040jsBoard(_board(request.param), _image(request.param)) as machine:
        yield machine


def test_a_pico_echoes_every_byte_keeps_what_comes_while_it_computes_and_resets(
    board: Rp2040jsBoard,
) -> None:
    talk = Talk(board.line())
    assert talk.cause() == "power"
    assert talk.echo(EVERY_BYTE + EVERY_BYTE[::-1]) == EVERY_BYTE + EVERY_BYTE[::-1]

    # Its ring takes 1024 bytes; of the rest USB's host holds what the board does not take.
    sent = EVERY_BYTE * 8
    talk.say(b"c\x01" + b"e" + struct.pack("<H", len(sent)) + sent)
    assert talk.hear(1) == b"c"
    assert talk.hear(len(sent)) == sent
    assert talk.lost() == 0

    # Two million times three cycles, of 8 ns each.
    begin, before = talk.clock(), board.executed()
    talk.compute(2)
    assert 48_000 <= (talk.clock() - begin) % 2**32 < 200_000
    assert 6_000_000 <= board.executed() - before < 6_100_000

    talk.say(b"r")
    assert talk.cause() == "software"
    talk.line.close()

    again = Talk(board.line())
    assert again.echo(b"abc") == b"abc"
    board.reset()
    assert again.cause() == "power"
    assert again.echo(b"xyz") == b"xyz"


def test_an_idle_pico_sleeps_and_its_time_goes_on_with_the_hosts(board: Rp2040jsBoard) -> None:
    talk = Talk(board.line())
    talk.cause()
    here, begin = time.monotonic(), talk.clock()
    used = cpu_s(board.pid)
    time.sleep(1.2)
    used = cpu_s(board.pid) - used
    passed = (talk.clock() - begin) % 2**32 / 1e6
    assert 1.0 <= passed <= time.monotonic() - here + 0.1
    assert used <= 0.4, "an idle board takes the host's processor"


def test_the_watchdog_ends_a_hang_and_the_next_start_tells_of_it(board: Rp2040jsBoard) -> None:
    talk = Talk(board.line())
    assert talk.cause() == "power"
    talk.say(b"h")
    assert talk.cause() == "watchdog"
    assert talk.echo(b"!") == b"!"


def test_no_byte_is_lost_at_115200_baud_while_the_core_computes() -> None:
    """Nothing holds these bytes back: they come at their pace in the board's own time."""
    _package()
    with Rp2040jsBoard(_board("uart"), _image("uart"), pace_baud=115200) as machine:
        talk = Talk(machine.line())
        sent = bytes(reversed(range(250))) * 4
        # 2 million times three cycles are 48 ms: the time of 553 bytes, of which 32 have room.
        talk.say(b"c\x02" + b"e" + struct.pack("<H", len(sent)) + sent)
        assert talk.greeting() == "power"
        assert talk.hear(1) == b"c"
        assert talk.hear(len(sent)) == sent
        assert talk.lost() == 0
        assert machine.overruns() == 0


def test_bytes_that_come_at_their_pace_do_overrun_a_program_that_does_not_take_them() -> None:
    """The emulator's side of the test above: a ring that is full loses what comes."""
    _package()
    with Rp2040jsBoard(_board("uart"), _image("uart"), pace_baud=921600) as machine:
        talk = Talk(machine.line())
        talk.say(b"c\x04" + bytes(2000))
        assert talk.greeting() == "power"
        assert talk.hear(1) == b"c"
        deadline = time.monotonic() + 30
        while machine.overruns() == 0 and time.monotonic() < deadline:
            time.sleep(0.05)
        assert machine.overruns() > 0


def test_connections_over_tcp_serve_as_well() -> None:
    _package()
    with Rp2040jsBoard(_board("usb"), _image("usb"), tcp=True) as machine:
        talk = Talk(machine.line())
        assert talk.cause() == "power"
        assert talk.echo(b"ok") == b"ok"


def test_an_image_whose_boot_loader_has_a_wrong_checksum_does_not_start() -> None:
    _package()
    image = bytearray(_image("uart"))
    checksum = flatten(read_elf(bytes(image)), 0x10000000, 1 << 21).data[252:256]
    at = bytes(image).find(checksum)
    image[at] ^= 1
    with Rp2040jsBoard(_board("uart"), bytes(image)) as machine:
        with pytest.raises(TargetError, match="gone"):
            Talk(machine.line()).hear(1)
        with pytest.raises(ToolError) as caught:
            machine.executed()
    assert any("checksum" in line for line in caught.value.details)


def test_an_emulator_that_was_killed_is_an_error_and_no_hang(board: Rp2040jsBoard) -> None:
    talk = Talk(board.line())
    talk.cause()
    os.kill(board.pid, signal.SIGKILL)
    with pytest.raises(TargetError, match="gone"):
        talk.hear(1)
    with pytest.raises(ToolError, match="rp2040js"):
        board.executed()


@pytest.mark.parametrize("port", long_but_for(PORTS, "usb"))
def test_gcc_compiles_the_drivers_without_a_warning(port: str) -> None:
    try:
        toolchain = find_toolchain(_board(port), "gcc")
    except TargetError as error:
        pytest.skip(error.message)
    assert build_echo(_board(port), toolchain)


def test_enumeration_as_operating_systems_do_it() -> None:
    """Enumerates with a host of its own: usb_host.cjs says what it asks, in which order."""
    package = _package()
    flat = flatten(read_elf(_image("usb")), 0x10000000, 1 << 21)
    host = Path(__file__).parent / "usb_host.cjs"
    done = subprocess.run(
        [package.node, str(host), str(package.folder)],
        input=flat.data,
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    heard = json.loads(done.stdout)
    device = bytes.fromhex(heard["device"])
    assert len(device) == 18 and device[:2] == b"\x12\x01" and device[7] == 64
    assert struct.unpack_from("<HH", device, 8) == (0x2E8A, 0x000A)
    assert heard["device_first_8"] == device[:8].hex()
    configuration = bytes.fromhex(heard["configuration"])
    assert heard["configuration_first_9"] == configuration[:9].hex()
    _check_configuration(configuration)
    assert bytes.fromhex(heard["language"]) == b"\x04\x03\x09\x04"
    for index in ("manufacturer", "product"):
        text = bytes.fromhex(heard[index])
        assert text[0] == len(text) and text[1] == 3 and "edgecnn" in text[2:].decode("utf-16-le")
    assert heard["stalled"] == ["device qualifier", "string 9", "unknown vendor request"]
    assert heard["coding_before"] == "00c20100000008"
    assert heard["coding_after"] == heard["coding_set"] == "80250000000008"
    assert heard["configuration_value"] == "01"
    assert heard["status"] == "0000"
    assert heard["echo"] == EVERY_BYTE.hex()
    assert heard["empty_packet_after_full_ones"] is True
    assert heard["echo_after_cleared_halts"] == b"after".hex()
    assert heard["toggles_alternate"] is True


def _check_configuration(data: bytes) -> None:
    """USB 2.0, 9.6.3: lengths add up; CDC 1.2: two interfaces with three endpoints."""
    assert struct.unpack_from("<BBHB", data) == (9, 2, len(data), 2)
    kinds, endpoints, at = [], [], 0
    while at < len(data):
        size, kind = data[at], data[at + 1]
        assert size >= 2 and at + size <= len(data)
        kinds.append(kind)
        if kind == 5:
            address, attributes, packet = struct.unpack_from("<BBH", data, at + 2)
            endpoints.append((address, attributes & 3, packet))
        at += size
    assert kinds == [2, 11, 4, 0x24, 0x24, 0x24, 0x24, 5, 4, 5, 5]
    assert sorted(endpoints) == [(0x02, 2, 64), (0x81, 3, 8), (0x82, 2, 64)]


def test_node_that_is_not_there_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(TargetError, match=r"Node\.js") as caught:
        start_board(load_board("pico"), _image("usb"))
    assert "npm install -g rp2040js@1.4.1" in caught.value.hint


@pytest.mark.parametrize("version", [None, "0.19.4"])
def test_rp2040js_that_is_not_there_or_old_is_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, version: str | None
) -> None:
    node = tmp_path / "bin" / "node"
    node.parent.mkdir()
    node.write_text("#!/bin/sh\n")
    node.chmod(0o755)
    if version is not None:
        folder = tmp_path / "lib" / "node_modules" / "rp2040js"
        folder.mkdir(parents=True)
        (folder / "package.json").write_text(json.dumps({"version": version}))
    monkeypatch.setenv("PATH", str(node.parent))
    monkeypatch.delenv("NODE_PATH", raising=False)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(TargetError, match=r"rp2040js 1\.4\.1") as caught:
        find_rp2040js()
    assert (version or "not installed") in caught.value.message
    assert caught.value.hint == "npm install -g rp2040js@1.4.1"
