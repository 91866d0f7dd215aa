"""The RP2040's boot ROM checks a checksum; here it is computed in two further ways."""

import io
import random
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecnn.core.errors import TargetError
from firmware_glue.device.elf import read_elf
from firmware_glue.device.flash.boot2 import boot2_checksum, finish_boot2
from tests.firmware_glue.device.flash.images import elf_file

FLASH = 0x10000000


def bit_by_bit(data: bytes) -> int:
    """A shift register, as the datasheet describes it."""
    register = 0xFFFFFFFF
    for byte in data:
        for bit in range(7, -1, -1):
            carry = register >> 31 ^ byte >> bit & 1
            register = register << 1 & 0xFFFFFFFF
            if carry:
                register ^= 0x04C11DB7
    return register


def mirrored(value: int, bits: int) -> int:
    return int(f"{value:0{bits}b}"[::-1], 2)


def by_zlib(data: bytes) -> int:
    """zlib's CRC-32 has the same polynomial, least significant bit first and inverted."""
    return mirrored(zlib.crc32(bytes(mirrored(byte, 8) for byte in data)) ^ 0xFFFFFFFF, 32)


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=252))
def test_the_checksum_in_three_ways(code: bytes) -> None:
    assert boot2_checksum(code) == bit_by_bit(code) == by_zlib(code)


def test_the_published_check_value() -> None:
    """CRC-32/MPEG-2 in the catalogue of parametrised CRC algorithms: the same parameters."""
    assert boot2_checksum(b"123456789") == 0x0376E6E7


@pytest.mark.parametrize("fill", (0x00, 0xFF, 0xD4))
@pytest.mark.parametrize("split", (256, 100, 252))
def test_the_image_is_finished_in_place(fill: int, split: int) -> None:
    from elftools.elf.elffile import ELFFile

    first = random.Random(fill).randbytes(252) + bytes((fill,)) * 4 + b"vectors"
    raw = elf_file([(FLASH, first[:split]), (FLASH + split, first[split:])])
    done = finish_boot2(raw)
    assert len(done) == len(raw)
    assert sum(a != b for a, b in zip(raw, done, strict=True)) <= 4
    parts = ELFFile(io.BytesIO(done)).iter_segments("PT_LOAD")
    flash = b"".join(part.data() for part in parts)
    assert int.from_bytes(flash[252:256], "little") == bit_by_bit(flash[:252])
    assert flash[:252] + flash[256:] == first[:252] + first[256:]
    assert finish_boot2(done) == done
    assert read_elf(done).segments[0].address == FLASH


def test_code_in_the_checksums_place_is_refused() -> None:
    with pytest.raises(TargetError, match="01020304 in bytes 252 to 255"):
        finish_boot2(elf_file([(FLASH, bytes(252) + bytes((1, 2, 3, 4)))]))


@pytest.mark.parametrize(
    "parts",
    ([], [(FLASH, bytes(255))], [(FLASH + 256, bytes(300))], [(FLASH, b"a"), (FLASH + 2, b"b")]),
)
def test_an_image_without_a_boot_loader_is_refused(parts: list[tuple[int, bytes]]) -> None:
    with pytest.raises(TargetError, match="expected the 256 bytes"):
        finish_boot2(elf_file(parts))


def test_a_checksum_may_not_fall_between_segments() -> None:
    raw = elf_file([(FLASH, bytes(254)), (FLASH + 254, bytes(2))])
    with pytest.raises(TargetError, match="stores no 4 bytes"):
        finish_boot2(raw)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_damaged_images_are_refused_and_never_crash(data: st.DataObject) -> None:
    whole = elf_file([(FLASH, bytes(256)), (FLASH + 256, b"vectors")])
    raw = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(4, 115))] = data.draw(st.integers(0, 255))
    del raw[data.draw(st.integers(0, len(raw))) :]
    try:
        done = finish_boot2(bytes(raw))
    except TargetError:
        return
    assert len(done) == len(raw)
