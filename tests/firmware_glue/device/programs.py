"""Small hand-written programs for the device tests; built once per process."""

from functools import cache

from firmware_glue.device.board import load_board
from firmware_glue.device.elf import Elf, read_elf
from firmware_glue.device.toolchain import find_toolchain, start_up_sources

PRELUDE = """
#include <stdint.h>
int main(void);
void edgecnn_ready(void);
__attribute__((noinline, used)) void edgecnn_ready(void) { __asm__ volatile(""); }
#define KEEP __attribute__((noinline, used))
"""


@cache
def image(board: str, code: str, flags: tuple[str, ...] = ()) -> bytes:
    sources = {**start_up_sources(), "main.c": PRELUDE + code}
    return find_toolchain().build(load_board(board), sources, flags=flags)


def program(board: str, code: str) -> Elf:
    return read_elf(image(board, code))
