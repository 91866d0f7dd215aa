"""What boards' TOMLs say to the programs, judged by the programs' own tables."""

import shutil
from pathlib import Path

import pytest

from firmware_glue.device.board import Flashing
from firmware_glue.device.board_file import board_names, load_board

FLASHED = tuple(name for name in board_names() if load_board(name).flashing)
# Boards' numbers as pyOCD knows them (its board table), for the boards of whose maker it has a row.
NUMBERS = {
    "microbit": ("9900", "9901"),
    "microbit-v2": ("9903", "9904", "9905", "9906"),
    "nucleo-f446re": ("0777",),
    "nucleo-l4r5zi": ("0781",),
    "nucleo-h743zi": ("0813",),
}


def flashing(name: str) -> Flashing:
    found = load_board(name).flashing
    assert found is not None
    return found


@pytest.mark.parametrize("name", FLASHED)
def test_pyocd_knows_the_part_and_its_flash(name: str) -> None:
    """Built in: with the flash that the board's TOML says; else a part of a CMSIS pack."""
    targets = pytest.importorskip("pyocd.target.builtin").BUILTIN_TARGETS
    boards = pytest.importorskip("pyocd.board.board_ids").BOARD_ID_TO_INFO
    board, target = load_board(name), flashing(name).pyocd_target
    if target not in targets:
        assert target in {info.target for info in boards.values()}
        return
    flash = [region for region in targets[target].MEMORY_MAP if region.is_flash]
    start = board.memory.flash_origin
    end = start + board.memory.flash_bytes
    assert any(region.start == start for region in flash)
    while start < end:
        start = next(region.end + 1 for region in flash if region.start == start)


@pytest.mark.parametrize("name", NUMBERS)
def test_pyocd_knows_the_board_by_its_number(name: str) -> None:
    boards = pytest.importorskip("pyocd.board.board_ids").BOARD_ID_TO_INFO
    for number in NUMBERS[name]:
        words = boards[number].name.lower().replace(":", "").replace(" ", "-")
        assert words.removesuffix("-p") == name
    if flashing(name).drive_ids:
        assert flashing(name).drive_ids == NUMBERS[name]


@pytest.mark.parametrize("name", FLASHED)
def test_openocd_has_the_configuration_files(name: str) -> None:
    program = shutil.which("openocd")
    scripts = Path(program or "/").resolve().parent.parent / "share" / "openocd" / "scripts"
    if not scripts.is_dir():
        pytest.skip("no openocd")
    missing = [file for file in flashing(name).openocd if not (scripts / file).exists()]
    # OpenOCD 0.12.0 is older than the RP2350.
    assert missing in ([], ["target/rp2350.cfg"])
