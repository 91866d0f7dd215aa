"""Sessions over a bad line to a whole board in QEMU: real registers and interrupts, real time."""

from __future__ import annotations

import hashlib
import re
import shutil
from dataclasses import replace
from random import Random

import numpy as np
import pytest

from edgecnn.core.errors import TargetError
from edgecnn.core.tflite.reader import read_model
from firmware_glue.compiler.api import compile_model
from firmware_glue.device.board_file import load_board
from firmware_glue.device.emulate.board import EmulatedBoard, start_board
from firmware_glue.device.firmware import link_firmware
from firmware_glue.device.link.base import Line
from firmware_glue.device.link.client import BoardClient
from firmware_glue.device.link.exchange import Timing
from firmware_glue.device.model_config import ModelIdentity
from tests.builders import tiny_classifier
from tests.firmware_glue.compiler.harness import Reference
from tests.firmware_glue.device.programs import toolchain
from tests.firmware_glue.device.protocol.noise import some_noise
from tests.share import long_but_for

QUICK = Timing(reply_s=0.25)
PROGRAMS = {
    "microbit": "qemu-system-arm",
    "netduino-plus2": "qemu-system-arm",
    "mps2-an386": "qemu-system-arm",
    "mps3-an547": "qemu-system-arm",
    "riscv-virt": "qemu-system-riscv32",
}


class NoisyLine:
    """Another line with noise on it; the board is reset at times."""

    description = "noisy"

    def __init__(self, line: Line, machine: EmulatedBoard, rng: Random) -> None:
        self._line, self._machine, self._rng = line, machine, rng
        self._down, self._up = some_noise(rng)
        self._resets = rng.choice((0.0, 0.0, 0.03))

    def read(self, timeout_s: float) -> bytes:
        if self._rng.random() < self._resets:
            self._machine.reset()
        data = self._line.read(timeout_s)
        return self._up(data) if data else b""

    def write(self, data: bytes) -> None:
        self._line.write(self._down(data))

    def close(self) -> None:
        pass


@pytest.mark.parametrize(
    ("name", "sessions"),
    long_but_for([("microbit", 4), *((name, 20) for name in PROGRAMS)], ("microbit", 4)),
)
def test_sessions(name: str, sessions: int) -> None:
    if shutil.which(PROGRAMS[name]) is None:
        pytest.skip(f"no {PROGRAMS[name]}")
    data, board = tiny_classifier(), load_board(name)
    compiled = compile_model(read_model(data), name="tiny", optimize="size")
    identity = ModelIdentity("tiny", hashlib.sha256(data).hexdigest())
    firmware = link_firmware(compiled, board, toolchain(name, "auto"), identity)
    reference, results = Reference(data), 0
    with start_board(board, firmware.image) as machine:
        line = machine.line()
        for session in range(sessions):
            rng = Random(f"{name} {session}")
            try:
                results += right_result(NoisyLine(line, machine, rng), reference, rng)
            except TargetError as error:
                assert error.hint
            line.write(rng.choice((b"", b"db 0", b"\xed\xc7\x02\x09", b"infer 1", b"\xed")))
            assert right_result(line, reference, rng), "the next session works"
            line.write(b"%name%")
            assert f"m-name-dut-[edgecnn {name}]" in text_until(line, b"]\r\nm-ready\r\n")
    # How many get through depends on which bytes the noise meets, which depends on the timing.
    assert results >= sessions // 4


def right_result(line: Line, reference: Reference, rng: Random) -> bool:
    """One inference; what comes back is what LiteRT computes."""
    client = BoardClient(line, QUICK)
    info = client.hello()
    values = np.frombuffer(rng.randbytes(info.inputs[0]), np.int8)
    details = reference._interpreter.get_input_details()[0]
    wanted = reference([values.reshape(details["shape"])])[0].tobytes()
    run = client.infer([values.tobytes()], profile=True)
    assert run.outputs == (wanted,)
    assert len(run.step_us) == info.steps
    return True


def text_until(line: Line, end: bytes) -> str:
    data = b""
    while not data.endswith(end):
        more = line.read(5.0)
        assert more, data
        data += more
    return data.decode("ascii", "replace")


@pytest.mark.long
def test_a_step_that_hangs_is_named_after_the_watchdog(name: str = "mps2-an386") -> None:
    """QEMU has no watchdog in the micro:bit, the Netduino and the RISC-V machine."""
    if shutil.which(PROGRAMS[name]) is None:
        pytest.skip(f"no {PROGRAMS[name]}")
    data, board = tiny_classifier(), load_board(name)
    compiled = compile_model(read_model(data), name="tiny", optimize="size")
    call = re.search(r"case 1:\n( +)tiny_step1\w*\(state\);", compiled.files["tiny.c"])
    assert call is not None
    hang = f"{call[0]}\n{call[1]}for (volatile int always = 1; always;) {{ }}"
    files = compiled.files | {"tiny.c": compiled.files["tiny.c"].replace(call[0], hang)}
    identity = ModelIdentity("tiny", hashlib.sha256(data).hexdigest())
    firmware = link_firmware(
        replace(compiled, files=files), board, toolchain(name, "auto"), identity
    )
    with start_board(board, firmware.image) as machine:
        client = BoardClient(machine.line(), QUICK)
        size = client.hello().inputs[0]
        with pytest.raises(TargetError, match="step 1 of the model did not end"):
            client.infer([bytes(size)])
        assert client.hello().reset_cause == "watchdog"
