"""Lines of boards: what a family's drivers need to be told, and what a TOML may get wrong."""

from __future__ import annotations

import re
from importlib.resources import files

import pytest

from edgecnn.core.errors import TargetError
from firmware_glue.device.board_file import load_board, parse_board
from firmware_glue.device.families import CHIP_HEADERS, FAMILIES, chip_files, config_header


def _toml(name: str) -> str:
    return (files("firmware_glue.device") / "boards" / f"{name}.toml").read_text()


@pytest.mark.parametrize(
    ("name", "find", "put", "says"),
    [
        (
            "netduino-plus2",
            'kind = "uart"',
            'kind = "usb"',
            "'line.kind' is 'usb'; allowed: 'uart'",
        ),
        ("pico", 'kind = "usb"', 'kind = "uart"', "'line.kind' is 'uart'; allowed: 'usb'"),
        ("pico", 'usb = ["2e8a:000a"]', "", "'line.usb' is []; allowed: the vid:pid"),
        ("microbit", 'tx = "P0.24"', "", "'line.tx' is ''; allowed: a pin"),
        ("nucleo-l4r5zi", 'rx = "', 'rx = "X', "'line.rx' is 'X"),
    ],
)
def test_a_line_that_the_drivers_cannot_be_built_for_is_refused(
    name: str, find: str, put: str, says: str
) -> None:
    text = _toml(name)
    assert text.count(find) == 1
    with pytest.raises(TargetError, match=re.escape(says)):
        parse_board(text.replace(find, put), source="mine.toml")


def test_a_pico_may_have_its_line_on_a_uart() -> None:
    text = _toml("pico").replace('kind = "usb"', 'kind = "uart"\ntx = "GPIO0"\nrx = "GPIO1"')
    board = parse_board(text.replace('peripheral = "USB"', 'peripheral = "UART0"'), source="mine")
    assert "line_pl011.c" in chip_files(board)
    header = config_header(board)
    assert "#define EDGECNN_LINE_RX_PIN 1u" in header and "USB" not in header


def test_the_usb_ids_reach_the_descriptor() -> None:
    header = config_header(load_board("pico"))
    assert f"#define EDGECNN_USB_VENDOR {0x2E8A}u" in header
    assert f"#define EDGECNN_USB_PRODUCT {0x000A}u" in header


def test_every_file_that_a_family_names_is_there_and_every_header_is_named() -> None:
    chips = files("firmware_glue.device") / "app" / "chips"
    there = {entry.name for entry in chips.iterdir() if entry.name.endswith((".c", ".h"))}
    named = {name for family in FAMILIES.values() for name in (*family.files, *family.boot)}
    named |= {name for family in FAMILIES.values() for name in family.lines.values()}
    assert named | set(CHIP_HEADERS) == there
