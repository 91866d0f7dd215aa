"""All constant data of a model: one array per distinct content."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from firmware_glue.compiler.emit import text
from firmware_glue.compiler.ops.spec import Array, ConstArg, TensorArg
from firmware_glue.compiler.planner.program import Program
from firmware_glue.kernels import same_version

_Key = tuple[str, bytes]
BLOB_HEADER_BYTES = 16
BLOB_MAGIC = b"ECNW"
BLOB_VERSION = 1


@dataclass(frozen=True)
class Constants:
    """The arrays.

    Attributes:
        symbols: (dtype, contents) → symbol.
        arrays: symbol → data, in order of first use.
        offsets: symbol → bytes from the start of a blob that holds them all.
        weight_bytes: those that come from the file: filters, biases, constant operands.
    """

    symbols: Mapping[_Key, str]
    arrays: Mapping[str, Array]
    offsets: Mapping[str, int]
    weight_bytes: int

    def symbol(self, data: Array) -> str:
        """The symbol that holds this content."""
        return self.symbols[_key(data)]

    def offset(self, symbol: str) -> int:
        """Where the blob holds it."""
        return self.offsets[symbol]


def _key(data: Array) -> _Key:
    return data.dtype.name, np.ascontiguousarray(data).tobytes()


def collect(program: Program, name: str) -> Constants:
    """Arrays of all steps, named after their layer; equal contents are stored once."""
    symbols: dict[_Key, str] = {}
    arrays: dict[str, Array] = {}
    weight_bytes = 0
    for number, step in enumerate(program.steps):
        for call in step.calls:
            for position, arg in enumerate(call.args):
                found = _constant(program, arg, position)
                if found is None:
                    continue
                data, role, from_file = found
                if _key(data) in symbols:
                    continue
                parts = (name, f"step{number}", text.label(step.name), role)
                symbol = _unique("_".join(part for part in parts if part), arrays)
                symbols[_key(data)] = symbol
                arrays[symbol] = data
                weight_bytes += data.nbytes if from_file else 0
    for tensor_id, data in sorted(program.graph.initial.items()):
        if tensor_id in program.variables and _key(data) not in symbols:
            label = text.label(program.graph.tensors[tensor_id].name)
            symbol = _unique("_".join(part for part in (name, "initial", label) if part), arrays)
            symbols[_key(data)], arrays[symbol] = symbol, data
            weight_bytes += data.nbytes
    return Constants(
        MappingProxyType(symbols), MappingProxyType(arrays),
        MappingProxyType(_blob_offsets(arrays)), weight_bytes,
    )  # fmt: skip


def _blob_offsets(arrays: Mapping[str, Array]) -> dict[str, int]:
    offsets: dict[str, int] = {}
    end = BLOB_HEADER_BYTES
    for symbol, data in arrays.items():
        align = max(4, data.dtype.itemsize)
        offsets[symbol] = -(-end // align) * align
        end = offsets[symbol] + data.nbytes
    return offsets


def _unique(symbol: str, taken: Mapping[str, Array]) -> str:
    count = 1
    result = symbol
    while result in taken:
        count += 1
        result = f"{symbol}{count}"
    return result


def _constant(program: Program, arg: object, position: int) -> tuple[Array, str, bool] | None:
    if isinstance(arg, ConstArg):
        return arg.data, arg.role, arg.from_file
    if isinstance(arg, TensorArg) and arg.tensor in program.constants:
        data = program.graph.tensors[program.constants[arg.tensor]].data
        if data is not None:
            role = {1: "filters", 2: "bias"}.get(position, f"input{position}")
            return data, role, True
    return None


def weight_blob(constants: Constants) -> bytes:
    """``<name>_weights.bin``: header and arrays, little-endian.

    The header's four words are a magic number, the format's version, the bytes that follow, and
    their CRC-32 (that of zlib).
    """
    body = bytearray()
    for symbol, data in constants.arrays.items():
        at = constants.offsets[symbol] - BLOB_HEADER_BYTES
        body += bytes(at - len(body))
        body += np.ascontiguousarray(data).astype(data.dtype.newbyteorder("<")).tobytes()
    body += bytes(-len(body) % 4)
    return struct.pack("<4sIII", BLOB_MAGIC, BLOB_VERSION, len(body), zlib.crc32(body)) + body


def blob_crc(data: bytes) -> int:
    """The CRC-32 in a blob's header; 0 for an empty one."""
    return int(struct.unpack_from("<I", data, 12)[0]) if data else 0


def weights_h(constants: Constants, name: str) -> str:
    """``<name>_weights.h``."""
    guard = f"{name.upper()}_WEIGHTS_H"
    rows = [
        f"extern const {text.CTYPES[data.dtype.name]} {symbol}[{data.size}];"
        for symbol, data in constants.arrays.items()
    ]
    return "\n".join(
        [
            f"/* Constant data of {name}. */",
            f"#ifndef {guard}", f"#define {guard}", "", "#include <stdint.h>", "",
            "#ifdef __cplusplus", 'extern "C" {', "#endif", "",
            *rows, "",
            "#ifdef __cplusplus", "}", "#endif", "", "#endif", "",
        ]
    )  # fmt: skip


def weights_c(constants: Constants, name: str) -> str:
    """``<name>_weights.c``."""
    parts = [
        f"/* Constant data of {name}. */",
        f'#include "{name}_weights.h"',
        "",
        '#include "edgecnn_common.h"',
        "",
        same_version(),
        "",
    ]
    for symbol, data in constants.arrays.items():
        shape = "x".join(map(str, data.shape)) or "scalar"
        kind = text.CTYPES[data.dtype.name]
        parts += [
            f"/* {shape}, {data.nbytes} bytes */",
            f"const {kind} {symbol}[{data.size}] EC_WEIGHTS = {{",
            text.array_body(data),
            "};",
            "",
        ]
    return "\n".join(parts)
