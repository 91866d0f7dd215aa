"""``run`` on a board behind a line: flashed through a stand-in probe, answered by QEMU."""

import pytest

from edgecnn.jobs import board_line
from edgecnn.jobs.board_line import _clock_behind
from edgecnn.jobs.emulate import EmulateRequest, emulate
from edgecnn.jobs.flash import FlashRequest
from edgecnn.jobs.reference import ModelRef
from edgecnn.jobs.run import RunRequest, run
from firmware_glue.device.board_file import load_board
from targets.base import RunOptions
from targets.mcu.on_board import DeviceClock
from tests.builders import tiny_classifier
from tests.firmware_glue.device.flash.fake_probe import FakeProbe
from tests.firmware_glue.device.flash.recorded import PYOCD_DONE
from tests.firmware_glue.device.programs import need_program


def test_the_whole_way_on_a_line(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All steps of a real board; only the probe and the chip are stand-ins."""
    need_program("qemu-system-arm")
    # As behind a port that a board has to itself.
    monkeypatch.setattr(
        board_line, "_clock_behind", lambda where, board: DeviceClock("ms", 1e-3, where)
    )
    path = tmp_path / "tiny.tflite"
    path.write_bytes(tiny_classifier())
    model = ModelRef("tflite", path)
    probe = FakeProbe(tmp_path, monkeypatch)
    probe.answers({"flash ": (PYOCD_DONE, 0)})
    probe.flash(b"\xff", 1 << 18)
    with emulate(EmulateRequest(model, "microbit", RunOptions(), port=0)) as board:
        options = RunOptions(device=board.device, runs=5)
        result = run(RunRequest(model, "microbit", options, flash=FlashRequest("pyocd")))
    assert result.failed is None
    assert [(step.name, step.passed) for step in result.steps] == [
        ("compile", True), ("fits", True), ("link", True), ("flash", True), ("golden", True),
        ("bench", True),
    ]  # fmt: skip
    said = result.to_json()
    assert said["golden"] == said["golden"] | {"replayed": True, "max_diff_lsb": 0}
    assert said["device"] == board.device and said["emulated"] is False
    assert said["bench"]["unit"] == "ms" and len(said["bench"]["samples"]) == 5
    assert said["bench"]["p50"] == result.bench.percentile(50) > 0
    steps = [step["ms"] for step in said["bench"]["per_step"]]
    assert 0 < sum(steps) < 2 * max(said["bench"]["samples"])
    assert said["bench"]["conditions"]["device"] == board.device


@pytest.mark.parametrize(
    ("name", "where", "unit"),
    [
        ("microbit", "/dev/ttyACM0", "ms"), ("microbit", "COM3", "ms"),
        ("pico", "tcp://192.168.1.7:5555", "ms"), ("nucleo-f446re", "/dev/pts/3", "ms"),
        ("microbit", "/dev/pts/3", "instructions"), ("pico", "/dev/pts/3", "cycles"),
        ("pico", "tcp://127.0.0.1:5555", "cycles"), ("pico", "tcp://[::1]:5555", "cycles"),
        ("riscv-virt", "tcp://10.0.0.2:5555", "instructions"),
    ],
)  # fmt: skip
def test_whose_clock_it_is(name: str, where: str, unit: str) -> None:
    assert _clock_behind(where, load_board(name)).unit == unit
