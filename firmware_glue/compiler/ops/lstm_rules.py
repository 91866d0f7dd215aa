"""Operands of UNIDIRECTIONAL_SEQUENCE_LSTM and their limits."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from edgecnn.core.tflite.model import NO_TENSOR, DType, Quantization
from firmware_glue.compiler.ir import Graph, Numerics, Op, Shape
from firmware_glue.compiler.ops.rules import dtypes, per_tensor
from firmware_glue.compiler.ops.spec import Rule, rule

# Of each gate: forget, cell, output, input.
INPUT_WEIGHTS = (2, 3, 4, 1)
RECURRENT_WEIGHTS = (6, 7, 8, 5)
PEEPHOLES = (10, 24, 11, 9)
"""The cell gate has none: position 24 is always absent."""
BIASES = (13, 14, 15, 12)
NORMS = (21, 22, 23, 20)
PROJECTION, PROJECTION_BIAS, STATE, CELLS = 16, 17, 18, 19
_HIDDEN = 4


@dataclass(frozen=True)
class Options:
    """The op's options.

    Attributes:
        cell_clip, projection_clip: 0 is none.
        time_major: whether the first dimension is time, not the batch.
        intermediates: quantization of the gates before their activation, and of the hidden state.
    """

    activation: str
    cell_clip: float
    projection_clip: float
    time_major: bool
    intermediates: tuple[Quantization | None, ...] = ()


def is_coupled(op: Op) -> bool:
    """Whether the input gate is 1 − the forget gate (CIFG)."""
    return op.input_id(INPUT_WEIGHTS[3]) == NO_TENSOR


def gates(op: Op, positions: tuple[int, ...]) -> tuple[int, ...]:
    """The positions of those gates that there are."""
    return positions[:3] if is_coupled(op) else positions


def gate_scales(graph: Graph, op: Op) -> list[np.float32]:
    """Scales of the gates before their activation: 2⁻¹², but with layer normalization."""
    if graph.optional(op, NORMS[0]) is None:
        return [np.float32(2.0**-12)] * 4
    found = op.options.intermediates
    ordered = (found[1], found[2], found[3], found[0])
    return [np.float32(1.0 if q is None else q.scale[0]) for q in ordered]


def cell_exponent(graph: Graph, op: Op) -> int:
    """The scale of the cells as a power of two."""
    return round(math.log2(graph.input(op, CELLS).scale))


def _wanted(graph: Graph, op: Op) -> dict[int, Shape]:
    """Shape that each operand must have, if there is one."""
    inputs = graph.input(op, 0).shape[2]
    cells, outputs = graph.input(op, RECURRENT_WEIGHTS[0]).shape
    vectors = (*PEEPHOLES, *BIASES, *NORMS)
    return {
        **dict.fromkeys(INPUT_WEIGHTS, (cells, inputs)),
        **dict.fromkeys(RECURRENT_WEIGHTS, (cells, outputs)),
        **dict.fromkeys(vectors, (cells,)),
        PROJECTION: (outputs, cells),
        PROJECTION_BIAS: (outputs,),
    }


@rule("20 or 24 inputs, with all weights of a gate, or none of the input gate's")
def operands_present(graph: Graph, op: Op) -> str | None:
    """All gates must have weights and biases; the input gate may have none."""
    if len(op.inputs) not in (20, 24):
        return f"{len(op.inputs)} inputs"
    needed = [p for group in (INPUT_WEIGHTS, RECURRENT_WEIGHTS, BIASES) for p in group[:3]]
    input_gate = [group[3] for group in (INPUT_WEIGHTS, RECURRENT_WEIGHTS, BIASES)]
    given = [op.input_id(position) != NO_TENSOR for position in input_gate]
    if len(set(given)) > 1:
        return "half an input gate"
    for group in (PEEPHOLES[:1] + PEEPHOLES[2:], NORMS):
        used = group[:-1] if is_coupled(op) else group
        present = [op.input_id(position) != NO_TENSOR for position in used]
        if any(present):
            needed += used
    missing = [position for position in needed if op.input_id(position) == NO_TENSOR]
    if is_coupled(op) and any(op.input_id(g[3]) != NO_TENSOR for g in (PEEPHOLES, NORMS)):
        return "an input gate without weights"
    return f"no input {missing[0]}" if missing else None


@rule("constants of the gates' shapes; states of (batch, outputs) and (batch, cells) values")
def operands_fit(graph: Graph, op: Op) -> str | None:
    """Weights must be constants of matching shapes, and states fit them."""
    for position, shape in _wanted(graph, op).items():
        tensor = graph.optional(op, position)
        if tensor is None:
            continue
        if not tensor.is_constant:
            return f"input {position} is computed at run time"
        if tensor.shape != shape:
            return f"input {position} {list(tensor.shape)}, not {list(shape)}"
    batches = graph.input(op, 0).shape[1 if op.options.time_major else 0]
    cells, outputs = graph.input(op, RECURRENT_WEIGHTS[0]).shape
    for position, size in ((STATE, outputs), (CELLS, cells)):
        if graph.input(op, position).elements != batches * size:
            return f"state {list(graph.input(op, position).shape)}"
    projected = graph.optional(op, PROJECTION) is not None
    if cells != outputs and (not projected or graph.optional(op, PEEPHOLES[0]) is not None):
        return f"{cells} cells, {outputs} outputs, without projection or with peepholes"
    return None


@rule("TANH")
def tanh_only(graph: Graph, op: Op) -> str | None:
    """The activation must be TANH."""
    return None if op.options.activation == "TANH" else str(op.options.activation)


@rule("a power of two from 2^-15 to 2^-9, zero point 0")
def cell_scale(graph: Graph, op: Op) -> str | None:
    """The scale of the cells must be a power of two."""
    cells = graph.input(op, CELLS)
    fits = 2.0 ** cell_exponent(graph, op) == cells.scale and not cells.zero_point
    return None if fits and -15 <= cell_exponent(graph, op) <= -9 else f"{cells.scale:g}"


@rule("five intermediates, with a scale of the hidden state")
def intermediates(graph: Graph, op: Op) -> str | None:
    """Quantized LSTMs must carry the scales of their inner results."""
    found = op.options.intermediates
    if len(found) != _HIDDEN + 1:
        return f"{len(found)} intermediates"
    needed = found if graph.optional(op, NORMS[0]) is not None else found[_HIDDEN:]
    return "an intermediate without scale" if None in needed else None


@rule("numerics litert-ref or single", "leave out --numerics tflm")
def not_micro(graph: Graph, op: Op) -> str | None:
    """TFLite Micro computes LSTMs in its own way, which is not covered."""
    return "tflm" if graph.numerics is Numerics.TFLM else None


def _all(positions: tuple[int, ...], dtype: DType) -> tuple[Rule, ...]:
    return tuple(dtypes(position, dtype) for position in positions)


COMMON = (operands_present, operands_fit, tanh_only)
_BYTES = (*INPUT_WEIGHTS, *RECURRENT_WEIGHTS, PROJECTION)
_WORDS = (*PEEPHOLES, *NORMS)
_VECTORS = (*BIASES, PROJECTION_BIAS)
INTEGER: tuple[Rule, ...] = (
    *_all((*_BYTES, STATE), DType.INT8),
    *_all((*_WORDS, CELLS), DType.INT16),
    *_all(_VECTORS, DType.INT32),
    dtypes(0, DType.INT8, output=True),
    per_tensor(0, *_BYTES, *_WORDS, STATE, CELLS),
    cell_scale,
    intermediates,
    not_micro,
)
FLOAT: tuple[Rule, ...] = (
    *_all((*_BYTES, *_WORDS, *_VECTORS, STATE, CELLS), DType.FLOAT32),
    dtypes(0, DType.FLOAT32, output=True),
)
