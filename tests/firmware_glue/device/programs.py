"""Small hand-written programs for the device tests; built once per process."""

import shutil
from functools import cache

import pytest

from edgecnn.core.errors import TargetError
from firmware_glue.device.board_file import core_names, load_board
from firmware_glue.device.elf import Elf, read_elf
from firmware_glue.device.emulate.qemu_machine import qemu_serves
from firmware_glue.device.toolchain import Toolchain, find_toolchain, start_up_sources

CORES = core_names()
UNICORN_CORES = tuple(core for core in CORES if load_board(core).emulator.unicorn)
TOOLCHAINS = ("zig", "gcc")
PRELUDE = """
#include <stdint.h>
int main(void);
void edgecnn_ready(void);
__attribute__((noinline, used)) void edgecnn_ready(void) { __asm__ volatile(""); }
#define KEEP __attribute__((noinline, used))
"""


def toolchain(core: str, name: str) -> Toolchain:
    """Skips where GCC for the core is missing; CI installs it."""
    try:
        return find_toolchain(load_board(core), name)
    except TargetError as error:
        pytest.skip(error.message)


def need_qemu(core: str) -> None:
    """Skips where QEMU for the core is missing; CI installs it."""
    if not qemu_serves(load_board(core)):
        pytest.skip(f"no QEMU for {core}")


def need_program(name: str) -> str:
    return shutil.which(name) or pytest.skip(f"no {name}")


@cache
def image(board: str, code: str, flags: tuple[str, ...] = (), compiler: str = "auto") -> bytes:
    sources = {**start_up_sources(load_board(board)), "main.c": PRELUDE + code}
    return toolchain(board, compiler).build(load_board(board), sources, flags=flags)


def program(board: str, code: str, compiler: str = "auto") -> Elf:
    return read_elf(image(board, code, compiler=compiler))
