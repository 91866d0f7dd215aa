"""The whole program of each board, over the protocol, where its chip is a model of registers.

The image is the one that would be flashed; what it computes is held against LiteRT's reference
kernels. On most of these boards nothing else here can run it.
"""

import io
import struct
from collections.abc import Mapping
from functools import cache

import numpy as np
import pytest
from elftools.elf.elffile import ELFFile

from edgecnn.core.files import sha256_bytes
from edgecnn.core.tflite.reader import read_model
from firmware_glue.compiler.api import compile_model
from firmware_glue.device.firmware import Firmware, link_firmware
from firmware_glue.device.link.client import BoardClient
from firmware_glue.device.model_config import ModelIdentity
from firmware_glue.device.toolchain import find_toolchain
from tests.builders import tiny_classifier
from tests.firmware_glue.compiler.harness import Reference, random_inputs
from tests.firmware_glue.device.chips import firmware, specimens
from tests.firmware_glue.device.chips.rules import check
from tests.firmware_glue.device.chips.session import ModelledLine
from tests.firmware_glue.device.chips.specimens import TRACED, specimen
from tests.share import long_but_for

NAMES = tuple(name for name in TRACED if name in specimens.SHORT)
SHORT = ("nucleo-l4r5zi", "nucleo-h743zi", "pico2")
"""Of the usual run: three that nothing else runs."""

MODEL = read_model(tiny_classifier())


@cache
def program(name: str) -> Firmware:
    data = tiny_classifier()
    board = firmware.board(name)
    compiled = compile_model(MODEL, name="tiny", kernels=board.kernels)
    identity = ModelIdentity("tiny", sha256_bytes(data))
    return link_firmware(compiled, board, find_toolchain(board), identity)


@pytest.mark.parametrize("name", long_but_for(NAMES, *SHORT))
def test_it_greets_infers_and_tells_of_itself(name: str) -> None:
    built = program(name)
    line = ModelledLine(specimen(name), built.elf)
    greeting = line.read(1.0)
    if line.host is None:
        assert greeting.endswith(b"m-ready\r\n")
    else:  # what was sent before a program opened the port is dropped
        check_descriptors(line.host.descriptors, built)
    line.write(b"name%")
    assert b"m-name-dut-[edgecnn " in line.read(1.0)

    client = BoardClient(line)
    info = client.hello()
    assert info.model_sha256 == built.identity.sha256
    rng, reference = np.random.default_rng(7), Reference(tiny_classifier())
    for _ in range(2):
        inputs = random_inputs(MODEL, rng)
        run = client.infer([each.tobytes() for each in inputs])
        assert run.outputs == tuple(each.tobytes() for each in reference(inputs))

    memory, use = client.memory(), built.use
    assert memory.arena_bytes == use.arena_bytes
    assert 0 < memory.stack_used_bytes < use.stack_bytes
    flash = stored(built)
    assert client.flash_hash(len(flash)) == sha256_bytes(flash)
    what = specimen(name)
    assert check(line.accesses, what.registers, what.gates, what.rules, what.memory) == []


@pytest.mark.parametrize("name", long_but_for([n for n in NAMES if firmware.on_usb(n)], "pico2"))
def test_a_board_that_is_plugged_in_again_answers(name: str) -> None:
    line = ModelledLine(specimen(name), program(name).elf)
    for cut in (b"", b"na", b"name%", b"\xed\xc7\x01", b"db load 768%" + b"db " + b"07" * 40):
        assert line.host is not None
        line.write(cut)
        line.read(1.0)
        line.host.reconnect()
        line.read(1.0)
        line.write(b"%%name%")
        assert b"m-name-dut-[edgecnn " in line.read(1.0)
        assert BoardClient(line).hello().board == name


@pytest.mark.parametrize("name", long_but_for(NAMES, *SHORT))
def test_a_hang_in_a_step_is_told_after_the_watchdog_s_reset(name: str) -> None:
    """RAM and the chip's register of reset causes tell together."""
    what, built = specimen(name), program(name)
    watchdog = next(cause for cause in what.causes if cause.why == "WATCHDOG")
    line = ModelledLine(what, built.elf)
    line.read(1.0)
    pool = next(s.name for s in built.elf.symbols if s.name.startswith("tiny_step2_"))
    line.hang_in(pool)
    (size,) = (array.nbytes for array in random_inputs(MODEL, np.random.default_rng(0)))
    for command in (f"db load {size}%", *[f"db {'07' * 32}%"] * (size // 32), "infer 1 0%"):
        line.write(command.encode("ascii"))
        line.read(1.0)
    line.write(b"name%")
    assert line.read(1.0) == b""  # it hangs
    line.reset(dict(watchdog.registers))
    line.read(1.0)
    info = BoardClient(line).hello()
    assert (info.reset_cause, info.hung_step) == ("watchdog", 2)

    line.reset({})  # and it is not told again
    line.read(1.0)
    assert BoardClient(line).hello().hung_step is None


def check_descriptors(found: Mapping[str, bytes], built: Firmware) -> None:
    """USB 2.0, section 9.6: lengths that add up, and the identity that the board's TOML has."""
    line = built.board.line
    assert line is not None
    vendor, product = struct.unpack_from("<2H", found["device"], 8)
    assert f"{vendor:04x}:{product:04x}" in line.usb
    assert found["device"][:2] == bytes((18, 1))
    assert found["start"] == found["device"][:8]
    whole, at, endpoints = found["configuration"], 0, set[int]()
    assert len(whole) == int.from_bytes(whole[2:4], "little")
    while at < len(whole):
        assert whole[at] >= 2
        if whole[at + 1] == 5:
            endpoints.add(whole[at + 2])
        at += whole[at]
    assert at == len(whole)
    assert endpoints == {0x81, 0x82, 0x02}
    assert found["product"][:2] == bytes((len(found["product"]), 3))
    assert found["product"][2:].decode("utf-16-le")


def stored(built: Firmware) -> bytes:
    """What is in flash, from its start, by an independent reader of the ELF file."""
    origin, memory = built.board.memory.flash_origin, bytearray()
    segments = ELFFile(io.BytesIO(built.image)).iter_segments("PT_LOAD")
    for segment in sorted(segments, key=lambda each: int(each["p_paddr"])):
        if segment["p_filesz"]:
            memory += bytes(segment["p_paddr"] - origin - len(memory)) + segment.data()
    return bytes(memory)
