"""Whose program is in flash, and what may be overwritten."""

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_glue.device.board_file import load_board
from firmware_glue.device.elf import read_elf
from firmware_glue.device.flash.formats.flat import flatten
from firmware_glue.device.flash.identity import (
    EMPTY,
    FOREIGN,
    LOOK_BYTES,
    MAGIC,
    OURS,
    UNKNOWN,
    FlashOwner,
    flash_owner,
    may_overwrite,
)
from firmware_glue.device.toolchain import app_file, find_toolchain, start_up_sources
from tests.share import long_but_for

CONFIG = """
#define EDGECNN_BOARD_NAME "nucleo-l4r5zi"
#define EDGECNN_MODEL_ID "kws01"
#define EDGECNN_FIRMWARE_VERSION "edgecnn 9.9"
#define EDGECNN_MODEL_SHA256 0x01, 0x02, 0x03, 0xfe
"""


def identity(board: str = "pico", model: str = "kws01") -> bytes:
    texts = (text.encode().ljust(48, b"\0") for text in (board, model, "edgecnn 1.0"))
    return struct.pack("<16s48s48s48s32s", MAGIC, *texts, bytes(range(32)))


@pytest.mark.parametrize(
    "name", long_but_for(("microbit", "nucleo-l4r5zi", "riscv-virt"), "nucleo-l4r5zi")
)
def test_what_the_linked_firmware_says_of_itself(name: str) -> None:
    """The C struct, its section and the linker script; read from the image as from flash."""
    board = load_board(name)
    image = find_toolchain().build(
        board,
        {
            **start_up_sources(board),
            "model_config.h": CONFIG,
            "identity.c": app_file("firmware/identity.c"),
            "main.c": "int main(void); void edgecnn_ready(void); void edgecnn_ready(void) {}\n"
            "int main(void) { return 0; }",
        },
    )
    memory = board.memory
    flat = flatten(read_elf(image), memory.flash_origin, memory.flash_bytes)
    owner = flash_owner(flat.data[:LOOK_BYTES])
    assert owner.kind == OURS
    assert (owner.board, owner.model_id) == ("nucleo-l4r5zi", "kws01")
    assert owner.firmware == "edgecnn 9.9"
    assert owner.model_sha256 == "010203fe" + "00" * 28


@pytest.mark.parametrize("fill", (b"\xff", b"\x00"))
def test_empty_flash(fill: bytes) -> None:
    assert flash_owner(fill * LOOK_BYTES).kind == EMPTY


@pytest.mark.parametrize("at", (0, 256, 1000, LOOK_BYTES - 192))
def test_our_program_stands_behind_the_vectors(at: int) -> None:
    owner = flash_owner((b"v" * at + identity()).ljust(LOOK_BYTES, b"\xaa"))
    assert owner == FlashOwner(OURS, "pico", "kws01", "edgecnn 1.0", bytes(range(32)).hex())


@pytest.mark.parametrize(
    "data",
    (
        b"\xff" * 4095 + b"\x00",
        b"MicroPython" * 300,
        b"v" * 64 + MAGIC,
        b"v" * 64 + identity()[:-1],
        identity()[1:],
    ),
)
def test_someone_elses(data: bytes) -> None:
    assert flash_owner(data).kind == FOREIGN


def test_nothing_read_is_unknown() -> None:
    assert flash_owner(b"").kind == UNKNOWN


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=300), st.binary(min_size=0, max_size=176))
def test_any_bytes_are_judged(before: bytes, after: bytes) -> None:
    owner = flash_owner(before + MAGIC + after)
    for text in (owner.board, owner.model_id, owner.firmware):
        assert text.isprintable()
        assert text.isascii()
    assert (owner.kind == OURS) == (len(after) >= 176)


@pytest.mark.parametrize(
    ("owner", "force", "allowed", "words"),
    (
        (FlashOwner(OURS, "pico"), False, True, ""),
        (FlashOwner(EMPTY), False, True, ""),
        (FlashOwner(FOREIGN), False, False, "a program that is not edgecnn's"),
        (FlashOwner(UNKNOWN), False, False, "unknown what the board holds"),
        (FlashOwner(UNKNOWN, reason="no probe"), False, False, "holds (no probe)"),
        (FlashOwner(FOREIGN), True, True, ""),
        (FlashOwner(UNKNOWN), True, True, ""),
    ),
)
def test_what_may_be_overwritten(owner: FlashOwner, force: bool, allowed: bool, words: str) -> None:
    decision = may_overwrite(owner, force=force)
    assert decision.allowed is allowed
    assert words in decision.reason
    assert ("--force" in decision.hint) is not allowed
