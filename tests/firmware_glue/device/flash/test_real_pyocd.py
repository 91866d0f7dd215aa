"""The real pyOCD, on a simulated nRF51: the commands as they are, and what they do."""

import random
import shutil
from collections.abc import Iterator
from dataclasses import replace
from importlib.util import find_spec

import pytest

from edgecnn.core.errors import TargetError
from firmware_glue.device.board_file import load_board
from firmware_glue.device.flash.base import BoardChoice, FlashPlan
from firmware_glue.device.flash.formats.flat import FlatImage
from firmware_glue.device.flash.host import Host, this_host
from firmware_glue.device.flash.identity import LOOK_BYTES, OURS, flash_owner
from firmware_glue.device.flash.plan import carry_out
from firmware_glue.device.flash.pyocd import PyOcd
from tests.firmware_glue.device.flash.fake_nrf51 import PAGE, Nrf51, ProbeServer
from tests.firmware_glue.device.flash.test_owner import identity

BOARD = load_board("microbit")
OLD, NEW = random.Random(1).randbytes(12_000), random.Random(2).randbytes(5_000)
OTHER = random.Random(3).randbytes(LOOK_BYTES)


class Bench:
    """A chip that runs someone's program, and the probe it hangs on."""

    def __init__(self, server: ProbeServer, chip: Nrf51) -> None:
        self.chip, self.choice = chip, BoardChoice(serial_number=server.uid)
        self.host: Host = this_host()
        chip.program(OLD)

    def plan(self, data: bytes = NEW) -> FlashPlan:
        return PyOcd().plan(BOARD, FlatImage(0, data), self.choice, self.host)


@pytest.fixture
def bench() -> Iterator[Bench]:
    if shutil.which("pyocd") is None and find_spec("pyocd") is None:
        pytest.skip("no pyocd")
    chip = Nrf51()
    with ProbeServer(chip) as server:
        yield Bench(server, chip)


def test_the_program_is_written_verified_and_started(bench: Bench) -> None:
    outcome = carry_out(bench.plan(), host=bench.host)
    assert outcome.verified
    assert bench.chip.flash(len(NEW)) == NEW
    # Pages beyond the program are not touched.
    assert bench.chip.erased == [PAGE * number for number in range(5)]
    assert bench.chip.flash(len(OLD))[5 * PAGE :] == OLD[5 * PAGE :]
    assert bench.chip.faults == []
    assert bench.chip.resets > 0
    assert not bench.chip.halted


@pytest.mark.long
def test_looking_leaves_everything_as_it_is(bench: Bench) -> None:
    bench.chip.program(b"v" * 192 + identity("microbit"))
    before = bench.chip.flash(1 << 18)
    data = PyOcd().read(BOARD, LOOK_BYTES, bench.choice, bench.host)
    assert data == before[:LOOK_BYTES]
    assert flash_owner(data).kind == OURS
    assert bench.chip.flash(1 << 18) == before
    assert (bench.chip.resets, bench.chip.erased, bench.chip.halted) == (0, [], False)


@pytest.mark.long
def test_a_reset_starts_the_program(bench: Bench) -> None:
    PyOcd().reset(BOARD, bench.choice, bench.host)
    assert bench.chip.resets > 0
    assert not bench.chip.halted
    assert bench.chip.flash(len(OLD)) == OLD


@pytest.mark.long
def test_flash_that_forgets_is_noticed(bench: Bench) -> None:
    """A bit that does not stay: pyOCD is content, reading back is not."""
    kept = bench.chip.read_bytes

    def read(address: int, size: int) -> bytes:
        data = bytearray(kept(address, size))
        if address == 0 and size == len(NEW):
            data[1234] ^= 1
        return bytes(data)

    bench.chip.read_bytes = read  # type: ignore[method-assign]
    with pytest.raises(TargetError, match="flash of 'microbit' holds 0x.. at 0x000004d2"):
        carry_out(bench.plan(), host=bench.host)


@pytest.mark.long
def test_parts_that_pyocd_does_not_know(bench: Bench) -> None:
    assert BOARD.flashing is not None
    board = replace(BOARD, flashing=replace(BOARD.flashing, pyocd_target="stm32l4r5zitx"))
    with pytest.raises(TargetError) as caught:
        PyOcd().read(board, 64, bench.choice, bench.host)
    assert caught.value.message == "pyocd does not know the part 'stm32l4r5zitx'"
    assert caught.value.hint.endswith("pyocd pack install stm32l4r5zitx")


@pytest.mark.long
def test_a_program_outside_the_parts_flash(bench: Bench) -> None:
    """pyOCD leaves it out, says so in passing and ends with exit code 0."""
    made = PyOcd().plan(BOARD, FlatImage(0x00800000, OTHER), bench.choice, bench.host)
    with pytest.raises(TargetError, match="lies where the tool knows no flash"):
        carry_out(made, host=bench.host)
    assert bench.chip.flash(len(OLD)) == OLD
