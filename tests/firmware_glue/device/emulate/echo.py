"""Builds the program of echo.c for a board."""

from __future__ import annotations

from dataclasses import replace
from importlib.resources import files
from pathlib import Path

from firmware_glue.device.board import Board
from firmware_glue.device.families import CHIP_HEADERS, chip_files, config_header
from firmware_glue.device.toolchain import Toolchain, start_up_sources

APP = "edgecnn_app"
_CHIPS = files("firmware_glue.device") / "app" / "chips"


def echo_sources(board: Board) -> dict[str, str]:
    """Files of the echo program by path: main, start-up, the chip's drivers."""
    drivers = {name: (_CHIPS / name).read_text() for name in (*CHIP_HEADERS, *chip_files(board))}
    own = {"main.c": (Path(__file__).parent / "echo.c").read_text()}
    own["board_config.h"] = config_header(board)
    app = {f"{APP}/{name}": text for name, text in (drivers | own).items()}
    return {**start_up_sources(board), **app}


def build_echo(board: Board, toolchain: Toolchain) -> bytes:
    """The ELF image of the echo program."""
    return toolchain.build(
        board,
        echo_sources(board),
        flags=["-DEDGECNN_FIRMWARE", f"-I{APP}", "-Wall", "-Wextra", "-Wconversion", "-Werror"],
    )


def with_line(board: Board, **changes: object) -> Board:
    """The board with another line."""
    assert board.line is not None
    return replace(board, line=replace(board.line, **changes))
