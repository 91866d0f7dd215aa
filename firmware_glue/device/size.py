"""Sizes of an image, by the definitions that reports use."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from firmware_glue.device.board import Board
from firmware_glue.device.elf import Elf, read_elf
from firmware_glue.device.toolchain import APP_FOLDER, Toolchain, app_file, start_up_sources


@dataclass(frozen=True)
class ImageSize:
    """Bytes of an image.

    Attributes:
        flash_bytes: text + rodata + data: everything that flash holds.
        static_bytes: data + bss, without arena and stack.
        arena_bytes: the arena's section.
    """

    flash_bytes: int
    static_bytes: int
    arena_bytes: int


@dataclass(frozen=True)
class ModelSize:
    """What the model adds to an empty program.

    Attributes:
        code_bytes: text + rodata + data − weights − an empty program.
        static_bytes: data + bss besides the arena, without those of the empty program.
    """

    code_bytes: int
    static_bytes: int


def image_size(elf: Elf) -> ImageSize:
    """Sums an image's sections."""
    stored = sum(section.size for section in elf.sections if section.allocated and section.stored)
    static = elf.section_bytes(".data") + elf.section_bytes(".bss")
    return ImageSize(stored, static, elf.section_bytes(".arena"))


def model_size(elf: Elf, toolchain: Toolchain, board: Board, weight_bytes: int) -> ModelSize:
    """What the model in ``elf`` takes, its weights apart.

    Raises:
        ToolError: the empty program cannot be built.
    """
    image, empty = image_size(elf), empty_size(toolchain, board)
    return ModelSize(
        code_bytes=image.flash_bytes - weight_bytes - empty.flash_bytes,
        static_bytes=image.static_bytes - empty.static_bytes,
    )


@cache
def empty_size(toolchain: Toolchain, board: Board) -> ImageSize:
    """The size of a program that only starts up; built once per process and board.

    Raises:
        ToolError: it cannot be built.
    """
    sources = {**start_up_sources(board), f"{APP_FOLDER}/main.c": app_file("bench.c")}
    return image_size(read_elf(toolchain.build(board, sources)))
