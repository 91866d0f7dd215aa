"""The boards' real program on whole emulated boards: its flash, its resets, its watchdog."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from functools import cache
from random import Random

import numpy as np
import pytest

from edgecnn.core.errors import TargetError
from edgecnn.core.tflite.reader import read_model
from firmware_glue.compiler.api import CompiledModel, compile_model
from firmware_glue.device import firmware as firmware_module
from firmware_glue.device.board import BOARDS, Board
from firmware_glue.device.board_file import load_board
from firmware_glue.device.emulate.board import EmulatedBoard, start_board
from firmware_glue.device.emulate.board_rp2040js import Rp2040jsBoard
from firmware_glue.device.firmware import Firmware, link_firmware
from firmware_glue.device.firmware_files import flat_image
from firmware_glue.device.link.client import BoardClient
from firmware_glue.device.model_config import ModelIdentity
from firmware_glue.device.toolchain import find_toolchain
from tests.builders import tiny_classifier
from tests.firmware_glue.compiler.harness import Reference
from tests.firmware_glue.device.emulate.echo import with_line
from tests.firmware_glue.device.protocol.test_emulated_sessions import NoisyLine, right_result

EMULATED = tuple(name for name in BOARDS if load_board(name).emulation is not None)
WATCHED = ("pico", "mps3-an547")


@cache
def _model() -> tuple[bytes, CompiledModel]:
    data = tiny_classifier()
    return data, compile_model(read_model(data), name="tiny", optimize="size")


def _program(board: Board, compiled: CompiledModel) -> Firmware:
    identity = ModelIdentity("tiny", hashlib.sha256(_model()[0]).hexdigest())
    return link_firmware(compiled, board, find_toolchain(board), identity)


def _started(board: Board, image: bytes) -> EmulatedBoard:
    try:
        return start_board(board, image)
    except TargetError as error:
        if "install" in error.hint:
            pytest.skip(error.message)
        raise


@pytest.mark.long
@pytest.mark.parametrize("name", EMULATED)
def test_what_is_in_flash_is_the_file_and_a_reset_says_that_it_was_asked_for(name: str) -> None:
    board = load_board(name)
    program = _program(board, _model()[1])
    flash = flat_image(program)
    with _started(board, program.image) as machine:
        client = BoardClient(machine.line())
        assert client.hello().board == name
        assert client.flash_hash(len(flash.data)) == hashlib.sha256(flash.data).hexdigest()
        client.reset()
        assert client.hello().reset_cause == "software"


@pytest.mark.long
@pytest.mark.parametrize("name", WATCHED)
def test_a_hang_in_a_model_resets_the_board_which_says_which_step(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A step that never ends is planted; the watchdog is less patient, for the test's sake."""
    source = _model()[1].files["tiny.c"]
    hang = 'for (;;) { __asm__ volatile(""); }\n    ec_average_pool2d_s8('
    assert source.count("    ec_average_pool2d_s8(") == 1
    spoilt = source.replace("ec_average_pool2d_s8(", hang)
    compiled = replace(_model()[1], files={**_model()[1].files, "tiny.c": spoilt})
    header = firmware_module.model_config

    def impatient(*arguments: object) -> str:
        text = header(*arguments)  # type: ignore[arg-type]
        return text.replace("\n\n#endif", "\n#define EDGECNN_WATCHDOG_MS 700u\n\n#endif")

    monkeypatch.setattr(firmware_module, "model_config", impatient)
    board = load_board(name)
    with _started(board, _program(board, compiled).image) as machine:
        client = BoardClient(machine.line())
        size = client.hello().inputs[0]
        with pytest.raises(TargetError, match="watchdog reset the board: step 2"):
            client.infer([bytes(size)])
        said = client.hello()
        assert (said.reset_cause, said.hung_step) == ("watchdog", 2)


def test_results_are_right_over_a_uart_that_nothing_holds_back() -> None:
    """115,200 baud in the board's own time; what it does not take in time is lost."""
    board = with_line(
        load_board("pico"), kind="uart", peripheral="UART0", tx="GPIO0", rx="GPIO1", usb=()
    )
    data, compiled = _model()
    image = _program(board, compiled).image
    _started(board, image).close()
    reference = Reference(data)
    with Rp2040jsBoard(board, image, pace_baud=115200) as machine:
        client = BoardClient(machine.line())
        size = client.hello().inputs[0]
        values = np.random.default_rng(7).integers(-128, 128, size, np.int8)
        shape = reference._interpreter.get_input_details()[0]["shape"]
        wanted = reference([values.reshape(shape)])[0].tobytes()
        done = client.infer([values.tobytes()], runs=3, profile=True)
        assert done.outputs == (wanted,)
        assert len(done.run_us) == 3 and min(done.run_us) > 0
        assert machine.overruns() == 0


@pytest.mark.long
def test_sessions_over_a_bad_line_to_a_pico() -> None:
    """As those to QEMU's boards: noise over USB, resets at times; the next session works."""
    data, compiled = _model()
    reference, results = Reference(data), 0
    with _started(load_board("pico"), _program(load_board("pico"), compiled).image) as machine:
        line = machine.line()
        for session in range(8):
            rng = Random(f"pico {session}")
            try:
                results += right_result(NoisyLine(line, machine, rng), reference, rng)
            except TargetError as error:
                assert error.hint
            line.write(rng.choice((b"", b"db 0", b"\xed\xc7\x02\x09", b"infer 1", b"\xed")))
            assert right_result(line, reference, rng), "the next session works"
    assert results > 4
