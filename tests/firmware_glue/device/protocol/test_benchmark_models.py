"""What MLPerf Tiny's public runner sends to models of its shapes, on a whole board in QEMU.

Pixels and floats become tensors and outputs become text as LiteRT and exact fractions say.
"""

from __future__ import annotations

import hashlib
import re
import shutil
from fractions import Fraction

import numpy as np
import pytest

from edgecnn.core.tflite.reader import read_model
from firmware_glue.compiler.api import compile_model
from firmware_glue.device.board_file import load_board
from firmware_glue.device.emulate.board import start_board
from firmware_glue.device.firmware import link_firmware
from firmware_glue.device.link.base import Line
from firmware_glue.device.model_config import ModelIdentity
from tests.builders import ModelBuilder, conv_weights, tiny_classifier
from tests.firmware_glue.compiler.harness import Reference
from tests.firmware_glue.device.programs import toolchain
from tests.share import long_but_for

_CHUNK = 31
_SCALE = 0.0625


def autoencoder() -> bytes:
    """640 elements into 4 and back."""
    rng = np.random.default_rng(3)
    build = ModelBuilder()
    given = build.tensor((1, 640), "int8", _SCALE, 5, name="mel")
    narrow = build.tensor((1, 4), "int8", 0.5, -3)
    made = build.tensor((1, 640), "int8", 0.03, 7, name="again")
    for source, result, shape, scale in (
        (given, narrow, (4, 640), _SCALE * 0.01),
        (narrow, made, (640, 4), 0.5 * 0.01),
    ):
        weights = build.tensor(shape, "int8", 0.01, data=conv_weights(rng, shape))
        bias = build.tensor(shape[:1], "int32", scale, data=rng.integers(-90, 90, shape[0]))
        build.op("FULLY_CONNECTED", [source, weights, bias], [result])
    return build.build([given], [made])


MODELS = {
    "ic01": tiny_classifier(size=32, classes=10),
    "vww01": tiny_classifier(size=96, classes=2),
    "ad01": autoencoder(),
}


def pixels(rng: np.random.Generator, name: str) -> tuple[bytes, np.ndarray]:
    """What is sent, and the tensor that it is to become."""
    size = 32 if name == "ic01" else 96
    sent = rng.integers(0, 256, (1, size, size, 3), np.uint8)
    return sent.tobytes(), (sent.astype(int) - 128).astype(np.int8)


def floats(rng: np.random.Generator, first: float) -> tuple[bytes, np.ndarray, list[Fraction]]:
    """Also the exact values sent: some between two steps, some beyond the range."""
    steps = rng.integers(-700, 700, 640) / 4
    steps[0] = first
    sent = (steps * _SCALE).astype("<f4")
    exact = [Fraction(float(value)) for value in sent]
    away = np.copysign(np.floor(np.abs(steps) + 0.5), steps)  # TFLite's rounding
    tensor = np.clip(away + 5, -128, 127).astype(np.int8).reshape(1, 640)
    return sent.tobytes(), tensor, exact


@pytest.mark.parametrize("name", long_but_for(MODELS, "ic01", "ad01"))
def test_what_the_runner_sends_is_what_litert_computes_with(name: str) -> None:
    if shutil.which("qemu-system-arm") is None:
        pytest.skip("no qemu-system-arm")
    data, board = MODELS[name], load_board("mps2-an386")
    compiled = compile_model(read_model(data), name="tiny", optimize="size")
    identity = ModelIdentity("tiny", hashlib.sha256(data).hexdigest())
    firmware = link_firmware(compiled, board, toolchain(board.name, "auto"), identity)
    reference, out = Reference(data), compiled.outputs[0]
    scale = Fraction(float(np.float32(out.scale)))
    rng = np.random.default_rng(5)
    with start_board(board, firmware.image) as machine:
        line = machine.line()
        assert f"m-model-[{name}]" in ask(line, "profile%", f"m-model-[{name}]")
        for first in (0.0, -7.5, 2.0**110):
            exact = []
            if name == "ad01":
                sent, tensor, exact = floats(rng, first)
            else:
                sent, tensor = pixels(rng, name)
            raw = reference([tensor])[0].reshape(-1).tolist()
            wanted = [scale * (value - (out.zero_point or 0)) for value in raw]
            if exact:
                squares = [(a - b) ** 2 for a, b in zip(exact, wanted, strict=True)]
                wanted = [sum(squares, Fraction(0)) / 640]
            said = send(line, sent)
            values = re.search(r"m-results-\[([^]]*)\]", said)
            assert values, said
            shown = values[1].split(",")
            assert shown == [thousandths(value) for value in wanted]


def send(line: Line, sent: bytes) -> str:
    """An input as the runner sends it; returns what ``infer`` says."""
    assert f"m-[Expecting {len(sent)} bytes]" in ask(line, f"db load {len(sent)}%")
    for at in range(0, len(sent), _CHUNK):
        said = ask(line, f"db {sent[at : at + _CHUNK].hex()}%")
    assert said == "m-load-done\r\nm-ready\r\n"
    return ask(line, "infer 1 0%")


def ask(line: Line, command: str, after: str = "") -> str:
    """The reply to a command; all that came, where ``after`` tells it from a greeting."""
    line.write(command.encode())
    said = ""
    while after not in said or not said.endswith("m-ready\r\n"):
        more = line.read(5.0)
        assert more, said
        said += more.decode("ascii")
    return said


def thousandths(value: Fraction) -> str:
    if value >= 1 << 32:
        return "4294967295.999"
    count = int(abs(value) * 1000 + Fraction(1, 2))
    return f"{'-' if value < 0 and count else ''}{count // 1000}.{count % 1000:03d}"
