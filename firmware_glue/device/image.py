"""A compiled model linked into the measuring program, ready for an emulator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from edgecnn.core.errors import TargetError
from firmware_glue.compiler.api import CompiledModel, IoInfo
from firmware_glue.device.board import Board
from firmware_glue.device.elf import Elf, read_elf
from firmware_glue.device.emulate.base import Program, Span
from firmware_glue.device.size import ModelSize, model_size
from firmware_glue.device.toolchain import (
    APP_FOLDER,
    SIZE_FLAGS,
    Toolchain,
    app_file,
    start_up_sources,
)


@dataclass(frozen=True)
class BuiltModel:
    """A compiled model linked into the measuring program.

    Attributes:
        compiled: the compiler's result.
        image: the ELF file's bytes.
        elf: the same, read.
        size: what the model takes in flash and RAM, weights and arena apart.
    """

    compiled: CompiledModel
    image: bytes = field(repr=False)
    elf: Elf = field(repr=False)
    size: ModelSize

    @property
    def program(self) -> Program:
        """How an emulator drives it."""
        model = self.compiled
        return Program(
            elf=self.elf,
            inputs=tuple(_span(model, io) for io in model.inputs),
            outputs=tuple(_span(model, io) for io in model.outputs),
            invoke=f"{model.name}_invoke",
            steps=len(model.steps),
        )


def build_model(compiled: CompiledModel, board: Board, toolchain: Toolchain) -> BuiltModel:
    """Builds the measuring program with ``compiled`` in it.

    Raises:
        ToolError: the compiler failed.
    """
    name = compiled.name
    flags = [f"-DEDGECNN_MODEL={name}", f'-DEDGECNN_MODEL_HEADER="{name}.h"']
    flags += SIZE_FLAGS if compiled.optimize == "size" else ()
    image = build_image(
        [compiled],
        app_file("bench.c"),
        board,
        toolchain,
        flags=flags,
        extra={f"{APP_FOLDER}/model_memory.h": memory_header(compiled)},
    )
    elf = read_elf(image)
    return BuiltModel(
        compiled, image, elf, model_size(elf, toolchain, board, compiled.weight_bytes)
    )


def region_symbol(model: CompiledModel, name: str) -> str:
    """The array that holds a memory region of the measured model."""
    number = model.plan.region_names.index(name)
    return f"edgecnn_region{number}" if number else "edgecnn_arena"


def _span(model: CompiledModel, io: IoInfo) -> Span:
    return Span(io.offset, io.nbytes, region_symbol(model, io.region))


def memory_header(model: CompiledModel) -> str:
    """Arrays for the model's regions, and its blob: what a program hands to its init."""
    lines, given = [], []
    for name in model.plan.region_names:
        symbol = region_symbol(model, name)
        lines.append(
            f"uint8_t {symbol}[{model.name}_{name.upper()}_BYTES]\n    __attribute__("
            f'(section(".edgecnn.arena"), aligned({model.name}_ARENA_ALIGN)));'
        )
        given.append(symbol)
    if model.blob:
        body = ",".join(map(str, model.blob))
        align = f"__attribute__((aligned({model.name}_ARENA_ALIGN)))"
        lines.append(f"static const uint8_t edgecnn_blob[] {align} = {{{body}}};")
        given += ["edgecnn_blob", "sizeof edgecnn_blob"]
    return "\n".join([*lines, f"#define EDGECNN_MEMORY {', '.join(given)}", ""])


def build_image(
    models: Sequence[CompiledModel],
    main: str,
    board: Board,
    toolchain: Toolchain,
    *,
    flags: Sequence[str] = (),
    extra: Mapping[str, str] = MappingProxyType({}),
) -> bytes:
    """Builds a program of one's own with any number of models in it.

    Args:
        models: with different names; the kernels that they share are there once.
        main: C with ``main``; for an emulator it gives the symbols that
            :class:`firmware_glue.device.emulate.base.Program` names.
        board: gives the core and the memory.
        toolchain: the compiler.
        flags: further flags for it.
        extra: further files, by their path in the build folder.

    Returns:
        The ELF image.

    Raises:
        ToolError: the compiler failed.
        TargetError: two models have the same name.
    """
    names = [model.name for model in models]
    if len(set(names)) < len(names):
        raise TargetError(
            f"several models of one program are called {', '.join(sorted(names))}",
            hint="compile each with a name of its own",
        )
    sources = {**start_up_sources(board), f"{APP_FOLDER}/main.c": main}
    for model in models:
        sources.update(model.files)
    return toolchain.build(board, sources | dict(extra), flags=flags)
