"""The files of a board's program: ELF, the linker's map, and what the board is flashed with."""

from __future__ import annotations

from firmware_glue.device.firmware import Firmware
from firmware_glue.device.flash.formats.binary import write_binary
from firmware_glue.device.flash.formats.flat import FlatImage, flatten
from firmware_glue.device.flash.formats.hex import write_hex
from firmware_glue.device.flash.formats.uf2 import write_uf2


def flat_image(firmware: Firmware) -> FlatImage:
    """What flash holds of a program, from its origin on.

    Raises:
        TargetError: the program does not fit the board's flash.
    """
    memory = firmware.board.memory
    return flatten(firmware.elf, memory.flash_origin, memory.flash_bytes)


def firmware_files(firmware: Firmware) -> dict[str, bytes]:
    """File name → content: ``.elf``, ``.map``, ``.bin``, ``.hex``, and ``.uf2`` where it is used.

    Raises:
        TargetError: the program does not fit the board's flash.
    """
    name, flashing = firmware.compiled.name, firmware.board.flashing
    flat = flat_image(firmware)
    files = {
        f"{name}.elf": firmware.image,
        f"{name}.map": firmware.map_text.encode(),
        f"{name}.bin": write_binary(flat),
        f"{name}.hex": write_hex(flat),
    }
    if flashing is not None and flashing.uf2_family:
        files[f"{name}.uf2"] = write_uf2(flat, flashing.uf2_family)
    return files
