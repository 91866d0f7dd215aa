"""Operators of the file: code, tensors, options."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from edgecnn.core.tflite import schema
from edgecnn.core.tflite.model import TfOperator
from edgecnn.core.tflite.walker import Table, Tables, Walker


@dataclass(frozen=True)
class OperatorCode:
    """One row of the model's list of ops."""

    code: str
    custom_code: str
    version: int


def read_codes(walker: Walker, tables: Tables) -> tuple[OperatorCode, ...]:
    """The model's list of ops."""
    codes = []
    for index in range(len(tables)):
        table = tables[index]
        # Codes above 126 do not fit the first field, older files lack the second.
        code = max(table.scalar(0, "i1"), table.scalar(3, "i4"))
        if code < 0:
            walker.damaged(f"op code {index} is {code}")
        codes.append(OperatorCode(schema.op_name(code), table.text(1), table.scalar(2, "i4", 1)))
    return tuple(codes)


def read_operator(
    walker: Walker, table: Table, index: int, codes: tuple[OperatorCode, ...], tensors: int
) -> TfOperator:
    """One operator; its indices are in range afterwards.

    Args:
        walker: the file.
        table: the operator's table.
        index: position in the subgraph.
        codes: the model's list of ops.
        tensors: how many tensors the subgraph has.
    """
    opcode = table.scalar(0, "u4")
    if opcode >= len(codes):
        walker.damaged(f"op {index} uses op code {opcode}, there are {len(codes)}")
    code = codes[opcode]
    inputs = table.numbers(1, "i4")
    outputs = table.numbers(2, "i4")
    what = f"op {index} ({code.code})"
    if not all(-1 <= value < tensors for value in inputs):
        walker.damaged(f"an input of {what} is not one of the {tensors} tensors")
    if not all(0 <= value < tensors for value in outputs):
        walker.damaged(f"an output of {what} is not one of the {tensors} tensors")
    intermediates = table.numbers(8, "i4")
    if not all(0 <= value < tensors for value in intermediates):
        walker.damaged(f"an intermediate of {what} is not one of the {tensors} tensors")
    return TfOperator(
        index=index,
        code=code.code,
        inputs=inputs,
        outputs=outputs,
        version=code.version,
        custom_code=code.custom_code,
        options=_options(walker, table, code.code, what),
        custom_options=_custom_options(walker, table, what),
        intermediates=intermediates,
    )


def _custom_options(walker: Walker, table: Table, what: str) -> bytes:
    if table.scalar(9, "u8") > 1:  # stored behind the flatbuffer
        offset, size = table.outside(9, 10, f"the options of {what}")
        walker.spend(size)
        return bytes(walker.data[offset : offset + size])
    raw = table.array(5, "u1")
    walker.spend(raw.nbytes)
    return raw.tobytes()


def _options(walker: Walker, table: Table, code: str, what: str) -> Mapping[str, Any]:
    expected = schema.OP_OPTIONS.get(code)
    fields = schema.OPTION_FIELDS[expected] if expected else ()
    if not expected or not fields:
        return MappingProxyType({})
    kind = table.scalar(3, "u1")
    stored = table.table(4, f"the options of {what}") if kind else None
    if stored is not None and schema.OPTION_CLASSES[kind : kind + 1] != (expected,):
        given = schema.OPTION_CLASSES[kind] if kind < len(schema.OPTION_CLASSES) else kind
        walker.unusable(f"{what} has options of kind {given}, expected {expected}")
    return MappingProxyType({field.name: _value(walker, stored, field, what) for field in fields})


def _value(walker: Walker, stored: Table | None, field: schema.Field, what: str) -> Any:
    names = schema.ENUMS.get(field.kind)
    if names is not None:
        code = stored.scalar(field.slot, "i1", field.default) if stored else field.default
        if not 0 <= code < len(names):
            walker.unusable(f"{what}: {field.name} = {code}, expected one of {', '.join(names)}")
        return names[code]
    if field.kind == "str":
        return stored.text(field.slot) if stored else ""
    if field.kind.endswith("[]"):
        return stored.numbers(field.slot, field.kind.removesuffix("[]")) if stored else ()
    default = {"bool": bool(field.default), "f4": float(field.default)}.get(
        field.kind, field.default
    )
    return stored.scalar(field.slot, field.kind, default) if stored else default
