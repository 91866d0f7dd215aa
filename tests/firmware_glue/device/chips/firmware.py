"""The chip files of a board, built with a main that calls each of them once."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

from firmware_glue.device.board import Board, LinePort
from firmware_glue.device.board_file import load_board
from firmware_glue.device.elf import Elf, read_elf
from firmware_glue.device.families import CHIP_HEADERS, chip_files, config_header
from firmware_glue.device.toolchain import (
    APP_FOLDER,
    app_file,
    find_toolchain,
    start_up_sources,
)
from tests.firmware_glue.device.chips.machine import PHASE

CAUSE, CLOCK, LINE, WATCHDOG, PUT, TIME, RECEIVE, RESET = range(1, 9)
"""The phases of a trace, in order."""
WATCHDOG_MS = 4000
SENT, RECEIVED = 0x41, 0x5A
STRICT = ("-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Wstrict-prototypes", "-Werror")
_MAIN = f"""
#include "chip.h"
#define AT(n) EDGECNN_REG(0x{PHASE:08X}u) = (n)
volatile uint32_t ring_count, ring_byte, cause, us;
int edgecnn_ring_put(uint8_t byte) {{ ring_byte = byte; ++ring_count; return 1; }}
int edgecnn_ring_has_room(void) {{ return 1; }}
int main(void) {{
  AT({CAUSE}u); cause = (uint32_t)edgecnn_chip_reset_cause();
  AT({CLOCK}u); edgecnn_clock_init();
  AT({LINE}u); edgecnn_line_init();
  AT({WATCHDOG}u); edgecnn_watchdog_start({WATCHDOG_MS}u); edgecnn_watchdog_feed();
  AT({PUT}u); edgecnn_line_put(0x{SENT:02X}u); edgecnn_line_flush(); edgecnn_line_poll();
  AT({TIME}u); us = edgecnn_clock_us(); edgecnn_clock_irq();
  AT({RECEIVE}u); edgecnn_line_irq();
  AT({RESET}u); edgecnn_chip_reset();
  return 0;
}}
"""


VARIANTS = ("pico-uart", "pico2-usb")
"""Boards whose chip has a further kind of line."""


def board(name: str) -> Board:
    """A board of the package, or one of :data:`VARIANTS`."""
    plain, _dash, kind = name.rpartition("-")
    if name not in VARIANTS:
        return load_board(name)
    lines = {
        "uart": LinePort("uart", "UART0", "GPIO0", "GPIO1", function=2),
        "usb": LinePort("usb", "USB", usb=("2e8a:0009",)),
    }
    return replace(load_board(plain), name=name, line=lines[kind])


def on_usb(name: str) -> bool:
    """Whether the board's line is USB."""
    line = board(name).line
    return line is not None and line.kind == "usb"


@cache
def image(name: str, compiler: str = "auto") -> Elf:
    """The image of a board of that name; see :func:`board`."""
    return read_elf(file(name, compiler))


@cache
def file(name: str, compiler: str = "auto") -> bytes:
    """The ELF file of a board of that name."""
    return build(board(name), compiler)


def build(board: Board, compiler: str = "auto") -> bytes:
    """The ELF file of a board."""
    sources: dict[str, str | bytes] = {**start_up_sources(board)}
    for file in (*chip_files(board), *CHIP_HEADERS):
        sources[f"{APP_FOLDER}/{file}"] = app_file(f"chips/{file}")
    sources[f"{APP_FOLDER}/board_config.h"] = config_header(board)
    sources[f"{APP_FOLDER}/main.c"] = _MAIN
    flags = ("-DEDGECNN_FIRMWARE", *STRICT)
    return find_toolchain(board, compiler).build(board, sources, flags=flags)
