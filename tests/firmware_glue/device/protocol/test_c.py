"""The firmware's C itself: no warning of any compiler, and nothing that sanitizers find."""

from __future__ import annotations

import itertools
import shutil
import struct
import subprocess
import sys
import zlib
from pathlib import Path
from random import Random

import pytest

from firmware_glue.device.board_file import load_board
from firmware_glue.device.firmware import FIRMWARE_FILES
from firmware_glue.device.toolchain import APP_FOLDER, app_file, start_up_sources
from tests.firmware_glue.compiler.harness import run_tool
from tests.firmware_glue.device.programs import TOOLCHAINS, toolchain
from tests.firmware_glue.device.protocol.host_board import HostModel, write_sources
from tests.firmware_glue.device.protocol.test_frames import wrapped
from tests.share import long_but_for

STRICT = ("-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Wstrict-prototypes", "-Werror")
CHIP = """
#include "chip.h"
static volatile uint32_t hardware;
void edgecnn_clock_init(void) {}
uint32_t edgecnn_clock_us(void) { return hardware; }
void edgecnn_line_init(void) {}
void edgecnn_line_put(uint8_t byte) { hardware = byte; }
void edgecnn_line_flush(void) {}
void edgecnn_line_poll(void) {}
void edgecnn_watchdog_start(uint32_t milliseconds) { hardware = milliseconds; }
void edgecnn_watchdog_feed(void) {}
edgecnn_reset_cause edgecnn_chip_reset_cause(void) { return EDGECNN_RESET_POWER; }
void edgecnn_chip_reset(void) {}
"""
MODEL = """
#include "m.h"
int m_init(m_state *state, void *arena) { state->arena = arena; return 0; }
int m_run_step(m_state *state, int step) { state->arena[0] = (uint8_t)step; return 0; }
void m_reset(m_state *state) { state->runs = 0u; }
"""
FLOATS = """
#define EDGECNN_DB_FLOATS 1
#define EDGECNN_RESULT_MSE 1
#define m_INPUT0_ELEMENTS 12
static inline int8_t m_quantize_input0(float real) { return (int8_t)real; }
static inline int8_t *m_input0(const m_state *state) { return (int8_t *)state->arena; }
static inline int8_t *m_output0(const m_state *state) { return (int8_t *)state->arena; }
static inline float m_dequantize_output0(int8_t value) { return (float)value; }
"""


PIXELS = "#define EDGECNN_DB_PIXELS 1\n"
CORES = ("cortex-m0plus", "cortex-m4", "rv32imc")
BUILDS = list(itertools.product(CORES, TOOLCHAINS, ("", PIXELS, FLOATS)))


@pytest.mark.parametrize(
    ("core", "compiler", "kind"),
    long_but_for(BUILDS, ("cortex-m0plus", "zig", FLOATS), ("cortex-m0plus", "gcc", PIXELS)),
)
def test_strict_warnings(core: str, compiler: str, kind: str, tmp_path: Path) -> None:
    write_sources(tmp_path, HostModel())
    board, builder = load_board(core), toolchain(core, compiler)
    sources: dict[str, str | bytes] = dict(start_up_sources(board))
    sources |= {f"{APP_FOLDER}/{name}": app_file(f"firmware/{name}") for name in FIRMWARE_FILES}
    for name in ("chip.h", "model_config.h", "model_memory.h"):
        sources[f"{APP_FOLDER}/{name}"] = (tmp_path / name).read_text()
    header = (tmp_path / "m.h").read_text()
    end = header.rindex("#endif")
    sources |= {"m.h": header[:end] + kind + header[end:], "m.c": MODEL}
    sources[f"{APP_FOLDER}/chip.c"] = CHIP
    assert builder.build(board, sources, flags=(*STRICT, "-Os"))


@pytest.mark.long
@pytest.mark.parametrize("core", ["thumbv6m-none-eabi", "riscv32-unknown-elf"])
def test_clang_tidy_finds_nothing(core: str, tmp_path: Path) -> None:
    """But for bytes that are shifted, parameters of one type, and branches that do the same."""
    beside = Path(sys.executable).with_name("clang-tidy")
    tidy = str(beside) if beside.exists() else shutil.which("clang-tidy")
    if tidy is None:
        pytest.skip("there is no clang-tidy (pip install clang-tidy)")
    sources = [path for path in write_sources(tmp_path, HostModel()) if path.stem != "host_board"]
    checks = (
        "-*,bugprone-*,cert-*,clang-diagnostic-*,-bugprone-easily-swappable-parameters,"
        "-bugprone-signed-bitwise,-bugprone-branch-clone"
    )
    flags = (f"--target={core}", "-std=c99", "-ffreestanding", "-Wall", "-Wextra", f"-I{tmp_path}")
    run_tool([tidy, "-quiet", f"-checks={checks}", "-warnings-as-errors=*", *sources, "--", *flags])


MAIN = """
#include <stdio.h>
#include <string.h>
#include <stdint.h>
#include <unistd.h>
void host_boot(uint32_t cause);
void host_feed(const uint8_t *data, uint32_t count);
int host_run(uint32_t most_us);
uint32_t host_take(uint8_t *to, uint32_t most);
uint32_t host_get(uint32_t what);
void host_set(uint32_t what, uint32_t value);

/* Without stdin, which is a variable that a boot would clear. */
static int get(uint8_t *to, uint32_t count) {
  while (count != 0u) {
    const ssize_t got = read(0, to, count);
    if (got <= 0) { return 0; }
    to += got;
    count -= (uint32_t)got;
  }
  return 1;
}

/* Standard input: records of a pause in milliseconds, a length, and bytes. */
int main(void) {
  static uint8_t data[65536];
  uint8_t head[4];
  uint32_t sent = 0u;
  host_set(1, 87u);
  host_boot(1u);
  while (get(head, 4u)) {
    const uint32_t length = head[2] | (uint32_t)head[3] << 8;
    int turns;
    const uint32_t pause_us = (head[0] | (uint32_t)head[1] << 8) * 1000u + 1u;
    if (!get(data, length)) { return 2; }
    host_feed(data, length);
    for (turns = 0; turns < 400 && host_run(pause_us); ++turns) {
      sent += host_take(data, sizeof data);
      if (host_get(2) || host_get(3)) { host_boot(4u); }
    }
  }
  printf("%u\\n", (unsigned)sent);
  return 0;
}
"""


def some_records(rng: Random, count: int) -> bytes:
    """Frames and commands of every kind, right and damaged, at any pace."""
    texts = (b"name%", b"db load 527%", b"db " + b"a5" * 60 + b"%", b"db print%", b"infer 2 1%",
             b"results%", b"start%", b"stop%", b"print_detections%", b"help%", b"%" * 30,
             b"x" * 200, b"db zz%", b"infer 99999999999%")  # fmt: skip
    records = b""
    for _ in range(count):
        kind, size = rng.randrange(11), rng.choice((0, 4, 8, 5, 12, 100, 256))
        span = struct.pack(
            "<BBHI", rng.randrange(3), 0, rng.choice((0, 4, size)), rng.randrange(500)
        )
        payload = rng.choice((span, rng.randbytes(size), span + rng.randbytes(size)))
        if kind == 4:
            payload = struct.pack("<HBBI", 2, rng.randrange(4), 0, zlib.crc32(bytes(527)))
        data = bytearray(
            rng.choice((wrapped(kind, rng.randrange(256), payload), rng.choice(texts)))
        )
        if rng.random() < 0.3:
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        if rng.random() < 0.2:
            del data[rng.randrange(len(data)) :]
        records += struct.pack("<HH", rng.choice((0, 5, 300)), len(data)) + data
    return records


@pytest.mark.parametrize("count", long_but_for((1500, 20_000), 1500))
def test_sanitizers_find_nothing(tmp_path: Path, count: int) -> None:
    gcc = shutil.which("gcc") or pytest.skip("needs gcc with its sanitizers")
    sources = write_sources(tmp_path, HostModel())
    (tmp_path / "driver.c").write_text(MAIN)
    flags = ("-std=c99", "-D_GNU_SOURCE", "-O1", "-g", "-fsanitize=address,undefined",
             "-fno-sanitize-recover=all")  # fmt: skip
    program = tmp_path / "driver"
    run_tool([gcc, *flags, f"-I{tmp_path}", *sources, tmp_path / "driver.c", "-o", program])
    done = subprocess.run(
        [program], input=some_records(Random(count), count), capture_output=True, timeout=240
    )
    assert done.returncode == 0, done.stderr.decode()[-3000:]
    assert int(done.stdout) > count, "it answered"
