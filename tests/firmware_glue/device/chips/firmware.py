"""The chip files of a board, built with a main that calls each of them once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache

from firmware_glue.device.board import Board, Clock, LinePort
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


UART0 = LinePort("uart", "UART0", "GPIO0", "GPIO1", function=2)
VARIANTS: Mapping[str, tuple[str, Clock | None, LinePort | None]] = {
    "pico-uart": ("pico", None, UART0),
    "pico2-uart": ("pico2", None, UART0),
    "pico-100": ("pico", Clock(100_000_000, 12_000_000), UART0),
    "pico2-100": (
        "pico2", Clock(100_000_000, 12_000_000), LinePort("uart", "UART0", "GPIO12", "GPIO13"),
    ),
    "f405-84": (
        "netduino-plus2", Clock(84_000_000, 8_000_000), LinePort("uart", "USART6", "PC6", "PC7", 8),
    ),
    "f405-internal": ("netduino-plus2", Clock(168_000_000), None),
    "f446-100": (
        "nucleo-f446re", Clock(100_000_000, 8_000_000, True),
        LinePort("uart", "USART3", "PB10", "PC5", 7, baud=9600),
    ),
    "l4r5-80": (
        "nucleo-l4r5zi", Clock(80_000_000),
        LinePort("uart", "USART2", "PD5", "PD6", 7, baud=921600),
    ),
    "h743-internal": ("nucleo-h743zi", Clock(400_000_000), None),
    "h743-240": ("nucleo-h743zi", Clock(240_000_000, 24_000_000), None),
    "nrf52-fast": (
        "microbit-v2", None, LinePort("uart", "UART0", "P1.02", "P0.31", baud=1_000_000),
    ),
}  # fmt: skip
"""A board of the package with another clock or line: a board of the same family."""


@cache
def board(name: str) -> Board:
    """A board of the package, or one of :data:`VARIANTS`."""
    plain, clock, line = VARIANTS.get(name, (name, None, None))
    known = load_board(plain)
    return replace(known, name=name, clock=clock or known.clock, line=line or known.line)


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
