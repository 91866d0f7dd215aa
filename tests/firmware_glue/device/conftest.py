"""The board that runs in this process; built once."""

import ctypes
import sys
from pathlib import Path

import pytest

from tests.firmware_glue.device.protocol.host_board import HostBoard, build


@pytest.fixture(scope="session")
def board_library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    if sys.platform != "linux":
        pytest.skip("clears .bss by the symbols of an ELF linker")
    folder: Path = tmp_path_factory.mktemp("board")
    return build(folder)


@pytest.fixture
def board(board_library: ctypes.CDLL) -> HostBoard:
    made = HostBoard(board_library)
    made.set(step_us=100, byte_us=87, hang_step=0xFFFF, holds_back=0, fail_step=0xFFFFFFFF, now=0)
    made.boot()
    made.take()
    return made
