"""A board's whole program: start-up, drivers, protocol and one compiled model, linked.

It is linked in memory without limits, so that what it takes is counted and not guessed; an image
that fits the board is the very image that a linker with the board's limits would make.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from edgecnn.core.errors import TargetError, ToolError
from firmware_glue.compiler.api import CompiledModel
from firmware_glue.device.board import Board
from firmware_glue.device.elf import Elf, read_elf
from firmware_glue.device.families import CHIP_HEADERS, FAMILIES, chip_files, config_header
from firmware_glue.device.flash.boot2 import finish_boot2
from firmware_glue.device.image import memory_header
from firmware_glue.device.link_map import map_rows
from firmware_glue.device.model_config import ModelIdentity, model_config
from firmware_glue.device.toolchain import (
    APP_FOLDER,
    SIZE_FLAGS,
    SMALL_OBJECT,
    LinkedImage,
    Toolchain,
    app_file,
    start_up_sources,
)

FIRMWARE_FILES = (
    "clock64.c", "clock64.h", "crc32.c", "crc32.h", "frames.c", "frames.h", "identity.c", "main.c",
    "memory_use.c", "memory_use.h", "model_io.c", "model_io.h", "number.c", "number.h",
    "print.c", "print.h", "requests.c", "requests.h", "ring.c", "ring.h", "run.c", "run.h",
    "serve.c", "serve.h", "sha256.c", "sha256.h", "stream.c", "stream.h", "text.c", "text.h",
    "whole.h",
)  # fmt: skip
"""C files of the program beside the chip's and the model's, and their headers."""


_DRIVER_ERROR = re.compile(r'error: (?:#error )?"([^"]+)"')


@dataclass(frozen=True)
class FirmwareUse:
    """Bytes of flash and RAM, by who takes them.

    Attributes:
        program_bytes: the firmware's own code, constants and start values in flash.
        model_code_bytes: the model's code and the constants that are no weights.
        weight_bytes: filters, biases and constant operands as stored.
        flash_bytes: all of flash, gaps included, from the start of flash.
        text_bytes, data_bytes, bss_bytes: the image's sections, as linkers name them.
        arena_bytes: the model's arena, all regions together.
        static_bytes: the firmware's and the model's variables.
        stack_bytes: kept for the stack.
        ram_bytes: all of RAM, gaps included, from the start of RAM.
    """

    program_bytes: int
    model_code_bytes: int
    weight_bytes: int
    flash_bytes: int
    text_bytes: int
    data_bytes: int
    bss_bytes: int
    arena_bytes: int
    static_bytes: int
    stack_bytes: int
    ram_bytes: int


@dataclass(frozen=True)
class Firmware:
    """A linked program for a board.

    Attributes:
        image: the ELF file.
        map_text: the linker's map.
        identity: what the program says of itself.
    """

    compiled: CompiledModel
    board: Board
    identity: ModelIdentity
    image: bytes = field(repr=False)
    elf: Elf = field(repr=False)
    map_text: str = field(repr=False)
    use: FirmwareUse


def link_firmware(
    compiled: CompiledModel,
    board: Board,
    toolchain: Toolchain,
    identity: ModelIdentity,
    *,
    limited: bool = False,
) -> Firmware:
    """Compiles and links the program; whether it fits is for the caller to see (``use``).

    Args:
        compiled: the model.
        board: where it is to run.
        toolchain: the C compiler.
        identity: what the program says of itself.
        limited: let the linker refuse what does not fit; else it is linked all the same.

    Raises:
        ToolError: the compiler failed.
        TargetError: the board is a bare core, which has no line to answer on.
    """
    if board.line is None:
        raise TargetError(
            f"'{board.name}' is no board: nothing says how a host reaches it",
            hint="choose a board (edgecnn targets), or describe yours with --board-file",
        )
    sources: dict[str, str | bytes] = dict(start_up_sources(board))
    folders = (("firmware", FIRMWARE_FILES), ("chips", (*CHIP_HEADERS, *chip_files(board))))
    for folder, names in folders:
        sources |= {f"{APP_FOLDER}/{name}": app_file(f"{folder}/{name}") for name in names}
    sources[f"{APP_FOLDER}/board_config.h"] = config_header(board)
    sources[f"{APP_FOLDER}/model_config.h"] = model_config(compiled, board, identity)
    sources[f"{APP_FOLDER}/model_memory.h"] = memory_header(compiled)
    sources |= compiled.files
    flags = ["-DEDGECNN_FIRMWARE=1"]
    flags += SIZE_FLAGS if compiled.optimize == "size" else ()
    try:
        linked = toolchain.link(
            board, sources, flags=flags, small=APP_FOLDER, unlimited=not limited
        )  # fmt: skip
    except ToolError as error:
        raise _refused_by_a_driver(error, board) from error
    image = linked.image
    if FAMILIES[board.family].checksummed_boot:
        image = finish_boot2(image, board.memory.flash_origin)
    elf = read_elf(image)
    return Firmware(
        compiled, board, identity, image, elf, linked.map_text, _use(elf, linked, compiled, board)
    )


def _refused_by_a_driver(error: ToolError, board: Board) -> TargetError | ToolError:
    """A driver's own #error is about the board's figures; other errors stay what they are."""
    for line in error.details:
        found = _DRIVER_ERROR.search(line)
        if found:
            return TargetError(
                f"board '{board.name}': {found[1]}",
                hint="correct [clock] and [line] in the board's TOML",
            )
    return error


def _use(elf: Elf, linked: LinkedImage, compiled: CompiledModel, board: Board) -> FirmwareUse:
    memory = board.memory
    stored = {s.name: s.size for s in elf.sections if s.allocated and s.stored}
    data, bss = stored.pop(".data", 0), elf.section_bytes(".bss") + elf.section_bytes(".noinit")
    flash = elf.address("edgecnn_image_end") - memory.flash_origin
    end = max(
        (s.address + s.size for s in elf.sections if s.allocated and _in_ram(s.address, board)),
        default=memory.ram_origin,
    )
    program = _program_bytes(linked, board, flash)
    weights = min(compiled.weight_bytes, flash - program)
    return FirmwareUse(
        program_bytes=program,
        model_code_bytes=flash - program - weights,
        weight_bytes=weights,
        flash_bytes=flash,
        text_bytes=sum(stored.values()),
        data_bytes=data,
        bss_bytes=bss,
        arena_bytes=elf.section_bytes(".arena"),
        static_bytes=data + bss,
        stack_bytes=memory.stack_bytes,
        ram_bytes=end - memory.ram_origin,
    )


def _in_ram(address: int, board: Board) -> bool:
    flash, ram = board.memory.flash_origin, board.memory.ram_origin
    return address >= ram if ram > flash else ram <= address < flash


def _program_bytes(linked: LinkedImage, board: Board, flash_bytes: int) -> int:
    """Flash that the firmware's own object and the compiler's library take.

    What the map puts down to no file (gaps, merged texts) is counted as the firmware's too.
    """
    memory = board.memory
    end = memory.flash_origin + flash_bytes
    model = sum(
        row.size
        for row in map_rows(linked.map_text)
        if memory.flash_origin <= row.address < end and row.file.endswith((".o", ".obj"))
        if row.file != SMALL_OBJECT
    )
    return max(0, flash_bytes - model)
