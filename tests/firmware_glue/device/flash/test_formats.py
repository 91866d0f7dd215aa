"""UF2, HEX and BIN files, read by readers that are not ours."""

import io
import json
import os
import random
import shutil
import struct
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from intelhex import IntelHex

from edgecnn.core.errors import TargetError
from firmware_glue.device.board_file import load_board
from firmware_glue.device.elf import read_elf
from firmware_glue.device.flash.formats.binary import write_binary
from firmware_glue.device.flash.formats.flat import FlatImage, flatten
from firmware_glue.device.flash.formats.hex import write_hex
from firmware_glue.device.flash.formats.uf2 import write_uf2
from tests.firmware_glue.device.flash.images import FLASH, FLASH_BYTES, elf, segments
from tests.firmware_glue.device.programs import TOOLCHAINS, image
from tests.share import long_but_for

RP2040, RP2350 = 0xE48BFF56, 0xE48BFF59
READER = """
const uf2 = require('uf2');
const data = require('fs').readFileSync(0);
const blocks = [];
for (let at = 0; at < data.length; at += uf2.blockSize) {
  const raw = data.subarray(at, at + uf2.blockSize);
  if (!uf2.isUF2Block(raw)) throw new Error('no block at ' + at);
  const block = uf2.decodeBlock(raw);
  block.payload = Buffer.from(block.payload).toString('hex');
  block.family = uf2.familyMap.get(block.boardFamily) || '';
  blocks.push(block);
}
console.log(JSON.stringify(blocks));
"""


def expected(parts: list[tuple[int, bytes]]) -> bytes:
    """What flash holds, by a second way: byte by byte into a dictionary."""
    held = {at + number: byte for at, data in parts for number, byte in enumerate(data)}
    return bytes(held.get(address, 0xFF) for address in range(FLASH, max(held) + 1))


def read_uf2(data: bytes) -> tuple[dict[int, int], set[int]]:
    """A reader from the text of the specification: bytes by address, and the families."""
    assert len(data) % 512 == 0
    held: dict[int, int] = {}
    families = set()
    for number in range(len(data) // 512):
        block = data[number * 512 : number * 512 + 512]
        assert block[:4] == b"UF2\n"
        assert block[4:8] == bytes.fromhex("57515d9e")
        assert block[508:] == bytes.fromhex("306fb10a")
        flags, address, size, index, count, family = struct.unpack_from("<6I", block, 8)
        assert flags == 0x2000
        assert size <= 476
        assert (index, count) == (number, len(data) // 512)
        families.add(family)
        for offset in range(size):
            assert address + offset not in held
            held[address + offset] = block[32 + offset]
    return held, families


def node_environment() -> dict[str, str]:
    """Node finds packages that are installed globally, as CI installs them, or in NODE_PATH."""
    npm = shutil.which("npm")
    if shutil.which("node") is None or npm is None:
        pytest.skip("no Node.js")
    done = subprocess.run([npm, "root", "-g"], capture_output=True, text=True, check=True)
    paths = [path for path in (os.environ.get("NODE_PATH"), done.stdout.strip()) if path]
    return {**os.environ, "NODE_PATH": os.pathsep.join(paths)}


@settings(max_examples=30, deadline=None)
@given(segments())
def test_any_segments_become_one_piece(parts: list[tuple[int, bytes]]) -> None:
    flat = flatten(elf(*parts), FLASH, FLASH_BYTES)
    assert flat.data == expected(parts)
    assert write_binary(flat) == flat.data


@settings(max_examples=20, deadline=None)
@given(segments())
def test_intelhex_reads_what_was_written(parts: list[tuple[int, bytes]]) -> None:
    flat = flatten(elf(*parts), FLASH, FLASH_BYTES)
    read = IntelHex(io.StringIO(write_hex(flat).decode("ascii")))
    assert read.minaddr() == FLASH
    assert read.tobinstr() == flat.data


@pytest.mark.parametrize("origin", (0, 0xFFF0, 0x0800FFFC, 0x10000000))
@pytest.mark.parametrize("size", (1, 15, 16, 17, 0x10000, 0x10001, 0x20011))
def test_hex_records_at_64_kib_borders(origin: int, size: int) -> None:
    data = random.Random(size).randbytes(size)
    text = write_hex(FlatImage(origin, data)).decode("ascii")
    read = IntelHex(io.StringIO(text))
    assert (read.minaddr(), read.tobinstr()) == (origin, data)
    assert text.endswith(":00000001FF\n")
    assert max(map(len, text.splitlines())) <= 43  # 16 bytes a record


@settings(max_examples=15, deadline=None)
@given(segments(), st.sampled_from((RP2040, RP2350)))
def test_a_reader_of_the_specification_finds_the_bytes(
    parts: list[tuple[int, bytes]], family: int
) -> None:
    flat = flatten(elf(*parts), FLASH, FLASH_BYTES)
    held, families = read_uf2(write_uf2(flat, family))
    assert families == {family}
    assert min(held) == FLASH
    assert len(held) % 4096 == 0
    assert bytes(held[FLASH + number] for number in range(len(held))) == flat.data.ljust(
        len(held), b"\xff"
    )


@pytest.mark.parametrize(("family", "name"), ((RP2040, "RP2040"), (RP2350, "RP2350")))
def test_the_uf2_package_of_npm_finds_the_bytes(family: int, name: str) -> None:
    data = random.Random(1).randbytes(9001)
    flat = FlatImage(0x10000000, data)
    done = subprocess.run(
        ["node", "-e", READER],
        input=write_uf2(flat, family),
        capture_output=True,
        env=node_environment(),
        check=False,
    )
    if b"Cannot find module 'uf2'" in done.stderr:
        pytest.skip("no npm package uf2")
    assert done.returncode == 0, done.stderr
    blocks = json.loads(done.stdout)
    assert b"".join(bytes.fromhex(block["payload"]) for block in blocks)[:9001] == data
    assert [block["flashAddress"] for block in blocks] == [
        0x10000000 + 256 * number for number in range(48)
    ]
    assert {block["boardFamily"] for block in blocks} == {family}
    assert {(block["totalBlocks"], block["flags"]) for block in blocks} == {(48, 0x2000)}
    if blocks[0]["family"]:  # the package's table of families may be older than the chip
        assert name in blocks[0]["family"].upper()


@pytest.mark.parametrize("compiler", long_but_for(TOOLCHAINS, "zig"))
@pytest.mark.parametrize("core", ("cortex-m0plus", "rv32imc"))
def test_a_linked_image_as_pyelftools_sees_it(core: str, compiler: str) -> None:
    """Program headers by pyelftools; the segments' bytes lie in the flat image at their place."""
    from elftools.elf.elffile import ELFFile

    raw = image(core, "uint32_t x = 77; int main(void) { return (int)x; }", compiler=compiler)
    memory = load_board(core).memory
    flat = flatten(read_elf(raw), memory.flash_origin, memory.flash_bytes)
    ends = []
    for segment in ELFFile(io.BytesIO(raw)).iter_segments("PT_LOAD"):
        if segment["p_filesz"]:
            start = segment["p_paddr"] - memory.flash_origin
            ends.append(start + segment["p_filesz"])
            assert flat.data[start : ends[-1]] == segment.data()
    assert len(flat.data) == max(ends)


def test_a_flat_image_has_the_hash_of_its_bytes() -> None:
    import hashlib

    flat = flatten(elf((FLASH + 4, b"abc")), FLASH, FLASH_BYTES)
    assert flat.sha256 == hashlib.sha256(b"\xff\xff\xff\xffabc").hexdigest()


@pytest.mark.parametrize(
    ("parts", "words"),
    (
        ([], "no bytes for flash"),
        ([(FLASH, b"")], "no bytes for flash"),
        ([(FLASH - 1, b"a")], "0x07ffffff to 0x08000000 lies outside the board's flash"),
        ([(FLASH + FLASH_BYTES - 1, b"ab")], "outside the board's flash"),
        ([(0x20000000, b"a")], "0x20000000"),
        ([(FLASH, b"abcd"), (FLASH + 3, b"e")], "overlaps the one before"),
    ),
)
def test_images_that_do_not_fit_flash_are_refused(
    parts: list[tuple[int, bytes]], words: str
) -> None:
    with pytest.raises(TargetError, match=words) as caught:
        flatten(elf(*parts), FLASH, FLASH_BYTES)
    assert caught.value.hint


def test_an_image_may_fill_flash_to_its_last_byte() -> None:
    flat = flatten(elf((FLASH + FLASH_BYTES - 1, b"z")), FLASH, FLASH_BYTES)
    assert len(flat.data) == FLASH_BYTES


def test_uf2_needs_a_sector_and_a_family() -> None:
    with pytest.raises(TargetError, match="multiple of 4096"):
        write_uf2(FlatImage(0x10000100, b"a"), RP2040)
    for family in (0, -1, 1 << 32):
        with pytest.raises(TargetError, match="UF2 family"):
            write_uf2(FlatImage(0x10000000, b"a"), family)
