"""The whole program of each board, over the protocol, where its chip is a model of registers.

The image is the one that would be flashed; what it computes is held against LiteRT's reference
kernels. On most of these boards nothing else here can run it.
"""

import io
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
from tests.firmware_glue.device.chips import firmware
from tests.firmware_glue.device.chips.session import ModelledLine
from tests.firmware_glue.device.chips.specimens import BOARDS, specimen
from tests.share import long_but_for

SHORT = ("nucleo-l4r5zi", "nucleo-h743zi", "pico2")
"""Of the usual run: three that nothing else runs."""


@cache
def program(name: str) -> Firmware:
    data = tiny_classifier()
    board = firmware.board(name)
    compiled = compile_model(read_model(data), name="tiny", kernels=board.kernels)
    identity = ModelIdentity("tiny", sha256_bytes(data))
    return link_firmware(compiled, board, find_toolchain(board), identity)


@pytest.mark.parametrize("name", long_but_for(BOARDS, *SHORT))
def test_it_greets_infers_and_tells_of_itself(name: str) -> None:
    built = program(name)
    line = ModelledLine(specimen(name), built.elf)
    assert line.read(1.0).endswith(b"m-ready\r\n")
    line.write(b"name%")
    assert b"m-name-dut-[edgecnn " in line.read(1.0)

    client = BoardClient(line)
    info = client.hello()
    assert info.model_sha256 == built.identity.sha256
    rng, reference = np.random.default_rng(7), Reference(tiny_classifier())
    for _ in range(2):
        inputs = random_inputs(read_model(tiny_classifier()), rng)
        run = client.infer([each.tobytes() for each in inputs])
        assert run.outputs == tuple(each.tobytes() for each in reference(inputs))

    memory, use = client.memory(), built.use
    assert memory.arena_bytes == use.arena_bytes
    assert 0 < memory.stack_used_bytes < use.stack_bytes
    flash = stored(built)
    assert client.flash_hash(len(flash)) == sha256_bytes(flash)


def stored(built: Firmware) -> bytes:
    """What is in flash, from its start, by an independent reader of the ELF file."""
    origin, memory = built.board.memory.flash_origin, bytearray()
    segments = ELFFile(io.BytesIO(built.image)).iter_segments("PT_LOAD")
    for segment in sorted(segments, key=lambda each: int(each["p_paddr"])):
        if segment["p_filesz"]:
            memory += bytes(segment["p_paddr"] - origin - len(memory)) + segment.data()
    return bytes(memory)
