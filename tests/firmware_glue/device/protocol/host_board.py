"""The firmware's protocol compiled for this machine: a board with a fake clock and a fake wire."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from edgecnn.core.errors import TargetError
from firmware_glue.device.firmware import FIRMWARE_FILES
from firmware_glue.device.toolchain import app_file
from tests.firmware_glue.compiler.harness import compiler, run_tool

INPUTS, OUTPUTS, STEPS = (490, 37), (12, 5), 5
SHA256 = bytes(range(32))
FLASH = bytes(range(1, 10)) + bytes(65536 - 9)
STRICT = ("-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Wstrict-prototypes", "-Werror")
POWER, PIN, SOFTWARE, WATCHDOG = 1, 2, 3, 4


@dataclass(frozen=True)
class HostModel:
    """What a board is built with.

    Attributes:
        inputs, outputs: bytes of each, two of either.
        config, header: further lines for the two headers.
    """

    inputs: tuple[int, int] = INPUTS
    outputs: tuple[int, int] = OUTPUTS
    config: str = ""
    header: str = ""

    def config_text(self) -> str:
        return f"""
#define EDGECNN_MODEL m
#define EDGECNN_MODEL_HEADER <m.h>
#define EDGECNN_MODEL_ID "kws01"
#define EDGECNN_MODEL_SHA256 {", ".join(map(str, SHA256))}
#define EDGECNN_BOARD_NAME "testboard"
#define EDGECNN_FIRMWARE_VERSION "edgecnn 1.2.3"
#define EDGECNN_FLASH_BYTES 65536u
#define EDGECNN_INPUT_BYTES {sum(self.inputs)}u
#define EDGECNN_MODEL_BYTES m_ARENA_BYTES
#define EDGECNN_INPUTS {{edgecnn_arena + m_INPUT0_OFFSET, m_INPUT0_BYTES, EDGECNN_INT8, 0, 0u}}, \\
  {{edgecnn_arena + m_INPUT1_OFFSET, m_INPUT1_BYTES, EDGECNN_INT8, 0, 0u}}
#define EDGECNN_OUTPUTS \\
  {{edgecnn_arena + m_OUTPUT0_OFFSET, m_OUTPUT0_BYTES, EDGECNN_INT8, -128, 0x3B800000u}}, \\
  {{edgecnn_arena + m_OUTPUT1_OFFSET, m_OUTPUT1_BYTES, EDGECNN_UINT8, 0, 0u}}
{self.config}"""

    def header_text(self) -> str:
        return f"""
#ifndef M_H
#define M_H
#include <stdint.h>
#define m_ARENA_BYTES {sum(self.inputs) + sum(self.outputs)}
#define m_STEP_COUNT {STEPS}
#define m_INPUT0_OFFSET 0
#define m_INPUT0_BYTES {self.inputs[0]}
#define m_INPUT1_OFFSET {self.inputs[0]}
#define m_INPUT1_BYTES {self.inputs[1]}
#define m_OUTPUT0_OFFSET {sum(self.inputs)}
#define m_OUTPUT0_BYTES {self.outputs[0]}
#define m_OUTPUT1_OFFSET {sum(self.inputs) + self.outputs[0]}
#define m_OUTPUT1_BYTES {self.outputs[1]}
typedef struct {{ uint8_t *arena; uint32_t runs; }} m_state;
int m_init(m_state *state, void *arena);
int m_run_step(m_state *state, int step);
void m_reset(m_state *state);
{self.header}
#endif
"""


_MEMORY = """
#include <stdint.h>
static uint8_t edgecnn_arena[m_ARENA_BYTES] __attribute__((section(".edgecnn.arena")));
#define EDGECNN_MEMORY edgecnn_arena
"""


def reference(
    inputs: tuple[bytes, ...], run: int = 1, outputs: tuple[int, int] = OUTPUTS
) -> tuple[bytes, bytes]:
    """What the model of host_board.c computes, written a second time."""
    first, second = inputs
    out = [0] * outputs[0]
    for step in range(STEPS):
        for i in range(step, len(first), STEPS):
            out[i % len(out)] = (out[i % len(out)] * 31 + first[i] + i) & 0xFF
    return bytes(out), bytes([run, *(second[i % len(second)] for i in range(1, outputs[1]))])


def write_sources(folder: Path, model: HostModel) -> list[Path]:
    """Writes everything that is compiled; returns the C files, without :file:`main.c`."""
    for name in FIRMWARE_FILES:
        (folder / name).write_text(app_file(f"firmware/{name}"))
    texts = {
        "chip.h": app_file("chips/chip.h"), "model_config.h": model.config_text(),
        "m.h": model.header_text(), "model_memory.h": _MEMORY,
        "host_board.c": Path(__file__).with_suffix(".c").read_text(),
    }  # fmt: skip
    for name, text in texts.items():
        (folder / name).write_text(text)
    return [path for path in sorted(folder.glob("*.c")) if path.name != "main.c"]


def build(folder: Path, model: HostModel | None = None) -> ctypes.CDLL:
    """The library with the firmware, the chip and the model."""
    sources = write_sources(folder, model or HostModel())
    flags = ("-std=c99", "-D_GNU_SOURCE", "-O1", "-g", "-fPIC", "-shared", "-Wl,-Bsymbolic")
    target = folder / "board.so"
    run_tool([*compiler(), *flags, f"-I{folder}", *sources, "-o", target])
    return ctypes.CDLL(str(target))


@dataclass
class HostBoard:
    """A board in this process; its clock goes on only when somebody waits for it."""

    library: ctypes.CDLL
    watchdog_us: int = 8_000_000
    boots: int = 0
    _hung_at: int | None = field(default=None, init=False)
    _buffer: ctypes.Array[ctypes.c_char] = field(
        default_factory=lambda: ctypes.create_string_buffer(8192), init=False, repr=False
    )

    def boot(self, cause: int = POWER) -> None:
        self.boots += 1
        self._hung_at = None
        self.library.host_boot(cause)

    def set(self, **values: int) -> None:
        names = ("step_us", "byte_us", "hang_step", "holds_back", "fail_step", "now")
        for name, value in values.items():
            self.library.host_set(names.index(name), ctypes.c_uint32(value))

    def get(self, name: str) -> int:
        names = (
            "now",
            "invocations",
            "reset_wanted",
            "hung",
            "on_the_wire",
            "steps_run",
            "written",
        )
        return self.library.host_get(names.index(name)) & 0xFFFFFFFF

    def feed(self, data: bytes) -> None:
        """Puts bytes on the wire; they arrive one after the other."""
        self.library.host_feed(data, len(data))

    def take(self) -> bytes:
        """What the board has sent."""
        taken = bytearray()
        while count := self.library.host_take(self._buffer, len(self._buffer)):
            taken += ctypes.string_at(self._buffer, count)
        return bytes(taken)

    def turn(self) -> bool:
        """One turn of the main loop; resets where the chip would."""
        busy = bool(self.library.host_turn())
        self._reset_if_due()
        return busy

    def run(self, most_us: int) -> None:
        """Runs until something was sent, or so long."""
        end = self.get("now") + most_us
        while (left := end - self.get("now")) > 0 and not self.sent():
            self.library.host_run(left)
            self._reset_if_due()
            if self.get("hung"):
                self.library.host_wait(min(100_000, left))

    def settle(self) -> bytes:
        """Runs until all bytes have arrived and nothing is left to do; returns what was sent."""
        taken = bytearray()
        for _ in range(100_000):
            if not self.turn() and not self.get("on_the_wire"):
                return bytes(taken) + self.take()
            self.library.host_run(1000)
            taken += self.take()
        raise AssertionError("the board never comes to rest")

    def sent(self) -> bool:
        return bool(self.get("written"))

    def _reset_if_due(self) -> None:
        if self.get("reset_wanted"):
            self.boot(SOFTWARE)
        elif self.get("hung"):
            self._hung_at = self._hung_at if self._hung_at is not None else self.get("now")
            if (self.get("now") - self._hung_at) & 0xFFFFFFFF > self.watchdog_us:
                self.boot(WATCHDOG)

    def ask(self, text: str | bytes) -> bytes:
        self.feed(text.encode() if isinstance(text, str) else text)
        return self.settle()


class HostLine:
    """A line to a :class:`HostBoard`, in its time.

    Args:
        board: booted.
        down, up: what becomes of bytes to the board and from it.
    """

    description = "memory"

    def __init__(
        self,
        board: HostBoard,
        down: Callable[[bytes], bytes] = lambda data: data,
        up: Callable[[bytes], bytes] = lambda data: data,
    ) -> None:
        self.board, self.gone = board, False
        self._down, self._up = down, up

    def read(self, timeout_s: float) -> bytes:
        self._check()
        end = self.board.get("now") + int(timeout_s * 1e6)
        while True:
            self.board.run(max(end - self.board.get("now"), 1))
            if data := self._up(self.board.take()):
                return data
            if self.board.get("now") >= end:
                return b""

    def write(self, data: bytes) -> None:
        self._check()
        self.board.library.host_wait(100)
        self.board.feed(self._down(data))

    def close(self) -> None:
        self.gone = True

    def _check(self) -> None:
        if self.gone:
            raise TargetError("the line is gone", hint="plug it in")

    def clock(self) -> float:
        return self.board.get("now") / 1e6
