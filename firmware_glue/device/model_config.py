"""``model_config.h``: what the board's program has to know of its model.

MLPerf Tiny's public runner knows four models by id and sends each its own kind of bytes: pixels,
features as they are, or floats. A model of the same shapes is taken for that one, and that is said.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass

from edgecnn import __version__
from firmware_glue.compiler.api import CompiledModel, IoInfo
from firmware_glue.device.board import Board
from firmware_glue.device.image import region_symbol

_ID = re.compile(r"[^A-Za-z0-9._-]+")
_LONGEST_ID = 40
_DTYPES = {
    "int8": "INT8", "uint8": "UINT8", "bool": "UINT8", "int16": "INT16", "uint16": "UINT16",
    "int32": "INT32", "uint32": "UINT32", "int64": "INT64", "uint64": "UINT64",
    "float32": "FLOAT32",
}  # fmt: skip


@dataclass(frozen=True)
class BenchmarkModel:
    """A model of MLPerf Tiny, as its runner knows it.

    Attributes:
        id: what the board answers to ``profile``.
        inputs, outputs: elements of the only input and output.
        db: what the runner sends: ``raw``, ``pixels`` or ``floats``.
        mse: the result is the mean squared error between input and output.
    """

    id: str
    inputs: int
    outputs: int
    db: str
    mse: bool = False


BENCHMARK_MODELS = (
    BenchmarkModel("kws01", 490, 12, "raw"),
    BenchmarkModel("vww01", 96 * 96 * 3, 2, "pixels"),
    BenchmarkModel("ic01", 32 * 32 * 3, 10, "pixels"),
    BenchmarkModel("ad01", 640, 640, "floats", mse=True),
)


@dataclass(frozen=True)
class ModelIdentity:
    """What a program says of its model.

    Attributes:
        name: the model's name.
        sha256: of the .tflite, in hexadecimal.
        id: what the board answers to ``profile``; empty: found by the shapes.
    """

    name: str
    sha256: str
    id: str = ""


def benchmark_model(compiled: CompiledModel) -> BenchmarkModel | None:
    """The model of MLPerf Tiny that has these shapes; None: none has."""
    if len(compiled.inputs) != 1 or len(compiled.outputs) != 1:
        return None
    given, made = compiled.inputs[0], compiled.outputs[0]
    if given.dtype != "int8" or made.dtype != "int8":
        return None
    for row in BENCHMARK_MODELS:
        if (row.inputs, row.outputs) == (given.nbytes, made.nbytes):
            return row
    return None


def model_id(compiled: CompiledModel, identity: ModelIdentity) -> str:
    """The id that the board answers ``profile`` with."""
    row = benchmark_model(compiled)
    chosen = identity.id or (row.id if row else identity.name)
    return _ID.sub("-", chosen)[:_LONGEST_ID].strip("-") or "model"


def model_config(compiled: CompiledModel, board: Board, identity: ModelIdentity) -> str:
    """The header's text; ``app/firmware/model_io.h`` says what each name means."""
    row, name = benchmark_model(compiled), compiled.name
    sha256 = ", ".join(f"0x{byte:02x}" for byte in bytes.fromhex(identity.sha256))
    memory = board.memory
    defines: dict[str, object] = {
        "MODEL": name,
        "MODEL_HEADER": f"<{name}.h>",
        "MODEL_ID": f'"{model_id(compiled, identity)}"',
        "MODEL_SHA256": sha256,
        "BOARD_NAME": f'"{board.name[:_LONGEST_ID]}"',
        "FIRMWARE_VERSION": f'"edgecnn {__version__}"',
        "FLASH_BYTES": f"{memory.flash_bytes}u",
        "INPUTS": _rows(compiled, "INPUT", compiled.inputs),
        "OUTPUTS": _rows(compiled, "OUTPUT", compiled.outputs),
        "INPUT_BYTES": f"{sum(io.nbytes for io in compiled.inputs)}u",
        "MODEL_BYTES": f"{compiled.arena_bytes}u",
        "MODEL_MEMORY": "EDGECNN_MEMORY",
    }
    if row is not None and row.db != "raw":
        defines[f"DB_{row.db.upper()}"] = 1
    if row is not None and row.mse:
        defines["RESULT_MSE"] = 1
    lines = "\n".join(f"#define EDGECNN_{key} {value}" for key, value in defines.items())
    return (
        "/* Made for one model on one board. */\n"
        f"#ifndef EDGECNN_MODEL_CONFIG_H\n#define EDGECNN_MODEL_CONFIG_H\n\n{lines}\n\n#endif\n"
    )


def _rows(compiled: CompiledModel, kind: str, infos: Sequence[IoInfo]) -> str:
    rows = []
    for number, io in enumerate(infos):
        symbol = region_symbol(compiled, io.region)
        place = f"{compiled.name}_{kind}{number}"
        scale, zero = io.scale or 0.0, io.zero_point or 0
        bits = struct.unpack("<I", struct.pack("<f", scale))[0]
        rows.append(
            f"{{{symbol} + {place}_OFFSET, {place}_BYTES, EDGECNN_{_DTYPES[io.dtype]},"
            f" {zero}, 0x{bits:08X}u}}"
        )
    return ", ".join(rows)
