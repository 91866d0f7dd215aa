"""The C that every image carries: clean under strict warnings, and right at every alignment."""

import pytest

from firmware_glue.device.board_file import load_board
from firmware_glue.device.elf import Elf
from firmware_glue.device.emulate.unicorn_machine import UnicornMachine
from firmware_glue.device.toolchain import APP_FOLDER, app_file, start_up_sources
from tests.firmware_glue.device.programs import (
    CORES,
    TOOLCHAINS,
    UNICORN_CORES,
    program,
    toolchain,
)
from tests.share import long_but_for

STRICT = ("-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Wstrict-prototypes", "-Werror")
MEMORY = """
#include <stddef.h>
void *memcpy(void *, const void *, size_t);
void *memmove(void *, const void *, size_t);
void *memset(void *, int, size_t);
int memcmp(const void *, const void *, size_t);
static uint8_t from[96], to[96], expected[96];
volatile uint32_t failures, cases;
static void fill(void) {
  for (uint32_t i = 0u; i < 96u; ++i) {
    from[i] = (uint8_t)(i * 7u + 1u); to[i] = expected[i] = (uint8_t)(200u - i);
  }
}
static void judge(const uint8_t *got) {
  for (uint32_t i = 0u; i < 96u; ++i) { failures += got[i] != expected[i]; }
  ++cases;
}
KEEP void check(void) {
  for (uint32_t d = 0u; d < 6u; ++d) for (uint32_t s = 0u; s < 6u; ++s)
    for (size_t n = 0u; n < 48u; ++n) {
      volatile uint8_t *e = expected;
      fill();
      for (size_t i = 0u; i < n; ++i) { e[d + i] = from[s + i]; }
      memcpy(to + d, from + s, n); judge(to);
      failures += memcmp(to + d, from + s, n) != 0;
      if (n > 0u) { to[d] = (uint8_t)(from[s] + 1u); failures += memcmp(to + d, from + s, n) <= 0; }
      fill();
      for (size_t i = 0u; i < n; ++i) { e[d + i] = (uint8_t)(s + 250u); }
      memset(to + d, (int)s + 250, n); judge(to);
      fill();
      for (size_t i = 0u; i < 96u; ++i) { e[i] = from[i]; }
      for (size_t i = 0u; i < n; ++i) { e[d + i] = (uint8_t)((s + i) * 7u + 1u); }
      memmove(from + d, from + s, n); judge(from);
    }
}
int main(void) { check(); edgecnn_ready(); return 0; }
"""


@pytest.mark.parametrize("compiler", TOOLCHAINS)
@pytest.mark.parametrize("core", long_but_for(UNICORN_CORES, "cortex-m0plus", "cortex-m4"))
def test_memory_functions_at_every_alignment(core: str, compiler: str) -> None:
    elf = program(core, MEMORY, compiler)
    machine = UnicornMachine(elf, load_board(core))
    machine.run_until(elf.address("edgecnn_ready"))
    assert int.from_bytes(machine.read(elf.address("cases"), 4), "little") == 6 * 6 * 48 * 3
    assert int.from_bytes(machine.read(elf.address("failures"), 4), "little") == 0


@pytest.mark.parametrize("compiler", TOOLCHAINS)
@pytest.mark.parametrize("core", CORES)
def test_strict_warnings(core: str, compiler: str) -> None:
    header = """
    #include <stdint.h>
    #define m_ARENA_BYTES 8
    #define m_ARENA_ALIGN 16
    typedef struct { uint8_t *arena; void (*hook)(void *, int); } m_state;
    int m_init(m_state *state, void *arena);
    int m_invoke(m_state *state);
    void m_reset(m_state *state);
    """
    memory = "static uint8_t edgecnn_arena[8];\n#define EDGECNN_MEMORY edgecnn_arena\n"
    model = """
    #include "m.h"
    int m_init(m_state *state, void *arena) { state->arena = arena; return 0; }
    int m_invoke(m_state *state) { if (state->hook) { state->hook(0, 0); } return 0; }
    void m_reset(m_state *state) { state->hook = 0; }
    """
    bench = {f"{APP_FOLDER}/main.c": app_file("bench.c")}
    builder, board = toolchain(core, compiler), load_board(core)
    builder.build(board, {**start_up_sources(board), **bench}, flags=STRICT)
    sources = {**start_up_sources(board), **bench, "m.h": header, "m.c": model}
    sources[f"{APP_FOLDER}/model_memory.h"] = memory
    names = ("-DEDGECNN_MODEL=m", '-DEDGECNN_MODEL_HEADER="m.h"')
    assert builder.build(board, sources, flags=(*STRICT, *names))


@pytest.mark.parametrize("core", [core for core in CORES if core != "rv32imc"])
def test_the_vector_table_leads_to_reset(core: str) -> None:
    """What the emulators do not use, because they set the registers, a chip does."""
    elf: Elf = program(core, "int main(void) { return 0; }")
    flash = load_board(core).memory.flash_origin
    (data,) = [s.data for s in elf.segments if s.address == flash]
    stack, reset, nmi = (int.from_bytes(data[at : at + 4], "little") for at in (0, 4, 8))
    assert stack == elf.address("edgecnn_stack_top")
    assert reset == elf.address("edgecnn_reset") | 1
    assert nmi == elf.address("edgecnn_fault") | 1


def test_rv32_starts_at_the_beginning_of_flash() -> None:
    elf = program("rv32imc", "int main(void) { return 0; }")
    assert elf.address("edgecnn_reset") == load_board("rv32imc").memory.flash_origin
