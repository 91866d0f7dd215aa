"""The real OpenOCD, on a simulated STM32F405: the commands as they are, and what they do."""

import random
import shutil
import struct
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from edgecnn.core.errors import TargetError
from firmware_glue.device.board_file import load_board
from firmware_glue.device.flash.base import BoardChoice, FlashPlan
from firmware_glue.device.flash.formats.flat import FlatImage
from firmware_glue.device.flash.host import this_host
from firmware_glue.device.flash.openocd import OpenOcd
from firmware_glue.device.flash.plan import carry_out
from tests.firmware_glue.device.flash.fake_stm32f4 import BitbangServer, JtagChain, Stm32f405

VECTORS = struct.pack("<II", 0x20010000, 0x08000101)
OLD = VECTORS + random.Random(1).randbytes(40_000)
NEW = VECTORS + random.Random(2).randbytes(5_000)
SECTOR = 0x4000


class Bench:
    """A chip that runs someone's program, on a JTAG adapter."""

    def __init__(self, server: BitbangServer, chip: Stm32f405, folder: Path) -> None:
        adapter = folder / "adapter.cfg"
        adapter.write_text(server.configuration)
        board = load_board("netduino-plus2")
        assert board.flashing is not None
        files = (str(adapter), board.flashing.openocd[-1])
        self.board = replace(board, flashing=replace(board.flashing, openocd=files))
        self.chip, self.host = chip, this_host()
        chip.program(OLD)

    def plan(self, data: bytes = NEW) -> FlashPlan:
        image = FlatImage(self.board.memory.flash_origin, data)
        return OpenOcd().plan(self.board, image, BoardChoice(), self.host)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    if shutil.which("openocd") is None:
        pytest.skip("no openocd")
    chip = Stm32f405()
    with BitbangServer(chip) as server:
        yield Bench(server, chip, tmp_path)


def test_the_program_is_written_verified_and_started(bench: Bench) -> None:
    outcome = carry_out(bench.plan(), host=bench.host)
    assert outcome.verified
    assert bench.chip.flash(len(NEW)) == NEW
    # Sectors beyond the program are not touched.
    assert bench.chip.erased == [bench.board.memory.flash_origin]
    assert bench.chip.flash(len(OLD))[SECTOR:] == OLD[SECTOR:]
    assert bench.chip.faults == []
    assert bench.chip.resets > 0
    assert not bench.chip.halted


@pytest.mark.long
def test_looking_leaves_everything_as_it_is(bench: Bench) -> None:
    data = OpenOcd().read(bench.board, 4096, BoardChoice(), bench.host)
    assert data == OLD[:4096]
    assert bench.chip.flash(len(OLD)) == OLD
    assert (bench.chip.resets, bench.chip.erased, bench.chip.halted) == (0, [], False)


@pytest.mark.long
def test_a_reset_starts_the_program(bench: Bench) -> None:
    OpenOcd().reset(bench.board, BoardChoice(), bench.host)
    assert bench.chip.resets > 0
    assert not bench.chip.halted
    assert bench.chip.flash(len(OLD)) == OLD


@pytest.mark.long
def test_flash_that_does_not_take_a_bit(bench: Bench) -> None:
    """OpenOCD's own check finds it."""
    worn, read = bench.board.memory.flash_origin + 0x401, bench.chip.read

    def stuck(address: int) -> int:
        bench.chip.uc.mem_write(worn, b"\x00")
        return read(address)

    bench.chip.read = stuck  # type: ignore[method-assign]
    with pytest.raises(TargetError) as caught:
        carry_out(bench.plan(), host=bench.host)
    assert caught.value.message == "openocd: flash does not hold what was written to it"


@pytest.mark.long
def test_a_chip_that_does_not_answer(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """No power, or wires that are not connected: the line stays up."""

    def pins(chain: JtagChain, clock: int, mode: int, given: int) -> None:
        chain.out = 1

    monkeypatch.setattr(JtagChain, "pins", pins)
    with pytest.raises(TargetError) as caught:
        carry_out(bench.plan(), host=bench.host)
    assert caught.value.message == "openocd: the debug probe does not reach the chip"
    assert bench.chip.flash(len(OLD)) == OLD
