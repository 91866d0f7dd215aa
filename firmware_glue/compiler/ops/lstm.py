"""UNIDIRECTIONAL_SEQUENCE_LSTM: 8-bit with 16-bit cells ("8x8_16" in TFLite), and float32.

Gates stand in the order of the C kernels: forget, cell, output, input.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from edgecnn.core.tflite.model import Quantization
from firmware_glue.compiler.fixed_point import quantize_multiplier, wrap_int32
from firmware_glue.compiler.ir import Graph, Op, Shape, Tensor
from firmware_glue.compiler.ops import lstm_rules as limits
from firmware_glue.compiler.ops.lstm_rules import (
    BIASES,
    CELLS,
    INPUT_WEIGHTS,
    NORMS,
    PEEPHOLES,
    PROJECTION,
    PROJECTION_BIAS,
    RECURRENT_WEIGHTS,
    STATE,
    Options,
    gates,
)
from firmware_glue.compiler.ops.rules import rank
from firmware_glue.compiler.ops.spec import (
    NULL,
    Arg,
    Array,
    Call,
    ConstArg,
    Lowered,
    OpSpec,
    Params,
    ScratchArg,
    TensorArg,
    Value,
    Variant,
    out_args,
    tensor_args,
)
from firmware_glue.compiler.ops.state import are_variables, no_reference

_HEADER = "edgecnn_lstm.h"
_GATES = 4
_Pairs = list[tuple[int, int]]


def parse(options: Mapping[str, Any]) -> Options:
    """Reads UnidirectionalSequenceLSTMOptions."""
    return Options(
        str(options["fused_activation_function"]),
        float(options["cell_clip"]),
        float(options["proj_clip"]),
        bool(options["time_major"]),
        tuple(options.get("intermediates", ())),
    )


def infer(graph: Graph, op: Op) -> tuple[Shape, ...]:
    """The input's shape, with as many values as the output state."""
    return ((*graph.input(op, 0).shape[:2], graph.input(op, RECURRENT_WEIGHTS[0]).shape[1]),)


def _sizes(graph: Graph, op: Op) -> Params:
    first, second, inputs = graph.input(op, 0).shape
    major = op.options.time_major
    cells, outputs = graph.input(op, RECURRENT_WEIGHTS[0]).shape
    return Params(
        "ec_lstm_sizes",
        (
            ("batches", second if major else first), ("times", first if major else second),
            ("time_major", int(major)), ("inputs", inputs), ("cells", cells),
            ("outputs", outputs), ("cifg", int(limits.is_coupled(op))),
        ),
    )  # fmt: skip


def _joined(graph: Graph, op: Op, role: str, positions: tuple[int, ...]) -> Arg:
    """The constants of all gates, one after the other; zeros where a gate has none."""
    found = [graph.constant(op, position) for position in positions]
    shape = next((data.shape for data in found if data is not None), None)
    if shape is None:
        return NULL
    like = next(data for data in found if data is not None)
    rows = [np.zeros_like(like) if data is None else data for data in found]
    return ConstArg(role, np.concatenate(rows).astype(like.dtype), from_file=True)


def _optional(graph: Graph, op: Op, position: int) -> Arg:
    return NULL if graph.optional(op, position) is None else TensorArg(op.inputs[position])


def _scale(tensor: Tensor | None) -> np.float32:
    return np.float32(1.0 if tensor is None else tensor.scale)


def _multipliers(pairs: _Pairs, name: str) -> tuple[tuple[str, Value], ...]:
    full = [*pairs, *[(0, 0)] * (_GATES - len(pairs))]
    return (
        (f"{name}_multipliers", tuple(m for m, _ in full)),
        (f"{name}_shifts", tuple(s for _, s in full)),
    )


def _products(graph: Graph, op: Op, weights: tuple[int, ...], value: Tensor) -> _Pairs:
    """Weights · values as units of each gate, in float32 as TFLite computes it."""
    units = limits.gate_scales(graph, op)
    return [
        quantize_multiplier(float(_scale(graph.input(op, position)) * _scale(value) / unit))
        for position, unit in zip(gates(op, weights), units, strict=False)
    ]


def _peepholes(graph: Graph, op: Op) -> _Pairs:
    if graph.optional(op, PEEPHOLES[0]) is None:
        return []
    units, cell = limits.gate_scales(graph, op), 2.0 ** limits.cell_exponent(graph, op)
    scales = [_scale(graph.optional(op, position)) for position in gates(op, PEEPHOLES)]
    return [
        quantize_multiplier(float(np.float32(cell * float(scale) / float(unit))))
        for scale, unit in zip(scales, units, strict=False)
    ]


def _norms(graph: Graph, op: Op) -> tuple[tuple[str, Value], ...]:
    used = graph.optional(op, NORMS[0]) is not None
    scales = [graph.input(op, position).scale for position in gates(op, NORMS)] if used else []
    # Twelve more bits: the kernel normalizes to Q3.12.
    pairs = [(m, s + 12) for m, s in map(quantize_multiplier, scales)]
    guards = [max(1, int(np.float32(10000) * np.float32(scale))) for scale in scales]
    filled = (*guards, *[1] * (_GATES - len(guards)))
    return (*_multipliers(pairs, "norm"), ("norm_guards", filled))


def _hidden(op: Op) -> Quantization:
    hidden: Quantization | None = op.options.intermediates[4]
    if hidden is None:
        raise ValueError("the hidden state has no scale")
    return hidden


def _clip(clip: float, scale: float, highest: int) -> int:
    return int(min(np.float32(clip) / np.float32(scale), np.float32(highest))) if clip > 0 else 0


def _scalars(graph: Graph, op: Op) -> tuple[tuple[str, Value], ...]:
    options, hidden, state = op.options, _hidden(op), graph.input(op, STATE)
    real = np.float32(2.0**-15 / hidden.scale[0] * 2.0**-15)
    multiplier, shift = quantize_multiplier(float(real))
    projected = graph.optional(op, PROJECTION) is not None
    # With a projection TFLite subtracts the zero point here, and adds it in the bias.
    offset = -hidden.zero_point[0] if projected else hidden.zero_point[0]
    scale = _scale(graph.optional(op, PROJECTION)) * np.float32(hidden.scale[0])
    projection = quantize_multiplier(float(scale / _scale(state))) if projected else (0, 0)
    return (
        ("hidden_multiplier", multiplier), ("hidden_shift", shift), ("hidden_offset", offset),
        ("projection_multiplier", projection[0]), ("projection_shift", projection[1]),
        ("projection_clip", _clip(options.projection_clip, graph.output(op).scale, 127)),
        ("out_offset", state.zero_point),
        ("bits", 15 + limits.cell_exponent(graph, op)),
        ("cell_clip", _clip(options.cell_clip, graph.input(op, CELLS).scale, 32767)),
    )  # fmt: skip


def _biases(
    graph: Graph, op: Op, weights: tuple[int, ...], point: int, biases: tuple[int, ...] = ()
) -> Array:
    """Zero point times the sums of the weights, and the bias, as one constant per row."""
    rows = []
    for number, position in enumerate(gates(op, weights)):
        data = graph.constant(op, position)
        if data is None:
            raise ValueError("weights are not constant")
        row = point * data.astype(np.int64).sum(axis=1)
        bias = graph.constant(op, biases[number]) if biases else None
        rows.append(row if bias is None else row + bias)
    return wrap_int32(np.concatenate(rows)).astype(np.int32)


def _weights(graph: Graph, op: Op) -> tuple[Arg, ...]:
    normalized = graph.optional(op, NORMS[0]) is not None
    from_input = _biases(
        graph, op, INPUT_WEIGHTS, -graph.input(op, 0).zero_point, () if normalized else BIASES
    )
    from_state = _biases(graph, op, RECURRENT_WEIGHTS, -graph.input(op, STATE).zero_point)
    projection, projection_bias = graph.optional(op, PROJECTION), NULL
    if projection is not None:
        point = _hidden(op).zero_point[0]
        data = _biases(graph, op, (PROJECTION,), point, (PROJECTION_BIAS,))
        projection_bias = ConstArg("projection_bias", data)
    return (
        _joined(graph, op, "input_weights", gates(op, INPUT_WEIGHTS)),
        _joined(graph, op, "recurrent_weights", gates(op, RECURRENT_WEIGHTS)),
        ConstArg("input_bias", from_input, from_file=True), ConstArg("recurrent_bias", from_state),
        _joined(graph, op, "peepholes", gates(op, PEEPHOLES)),
        _joined(graph, op, "norm_weights", gates(op, NORMS)),
        _joined(graph, op, "norm_bias", gates(op, BIASES)) if normalized else NULL,
        _optional(graph, op, PROJECTION), projection_bias,
    )  # fmt: skip


def _memory(
    graph: Graph, op: Op, kind: str, hidden: str, width: int
) -> tuple[tuple[Arg, ...], int]:
    """State, cells and scratch as arguments, and the scratch's bytes; ``width``: of a gate."""
    cells = graph.input(op, RECURRENT_WEIGHTS[0]).shape[0]
    gate_bytes = -(-_GATES * cells * width // 4) * 4
    states = (TensorArg(op.inputs[STATE]), TensorArg(op.inputs[CELLS]))
    scratch = (ScratchArg(kind), ScratchArg(hidden, gate_bytes))
    return (*states, *scratch), gate_bytes + -(-cells * width // 4) * 4


def lower(graph: Graph, op: Op) -> Lowered:
    """One call of ``ec_lstm_s8``."""
    params = Params(
        "ec_lstm_s8_params",
        (
            ("sizes", _sizes(graph, op)),
            *_multipliers(_products(graph, op, INPUT_WEIGHTS, graph.input(op, 0)), "input"),
            *_multipliers(
                _products(graph, op, RECURRENT_WEIGHTS, graph.input(op, STATE)), "recurrent"
            ),
            *_multipliers(_peepholes(graph, op), "peephole"),
            *_norms(graph, op),
            *_scalars(graph, op),
        ),
    )
    memory, scratch = _memory(graph, op, "int16_t", "int8_t", 2)
    args = (*tensor_args(op, 1), *_weights(graph, op), *memory, *out_args(op))
    return Lowered("lstm_s8", (Call("ec_lstm_s8", _HEADER, params, args),), scratch)


def lower_f32(graph: Graph, op: Op) -> Lowered:
    """One call of ``ec_lstm_f32``."""
    params = Params(
        "ec_lstm_f32_params",
        (
            ("sizes", _sizes(graph, op)), ("cell_clip", op.options.cell_clip),
            ("projection_clip", op.options.projection_clip),
        ),
    )  # fmt: skip
    roles = {"input_weights": INPUT_WEIGHTS, "recurrent_weights": RECURRENT_WEIGHTS}
    roles |= {"bias": BIASES, "peepholes": PEEPHOLES, "norm_weights": NORMS}
    weights = (_joined(graph, op, role, gates(op, at)) for role, at in roles.items())
    memory, scratch = _memory(graph, op, "float", "float", 4)
    args = (
        *tensor_args(op, 1), *weights, _optional(graph, op, PROJECTION),
        _optional(graph, op, PROJECTION_BIAS), *memory, *out_args(op),
    )  # fmt: skip
    return Lowered("lstm_f32", (Call("ec_lstm_f32", _HEADER, params, args),), scratch)


SPEC = OpSpec(
    parse,
    infer,
    {
        "int8": Variant("lstm_s8", no_reference, lower, limits.INTEGER),
        "float32": Variant("lstm_f32", no_reference, lower_f32, limits.FLOAT),
    },
    (rank(0, 3, 3), are_variables(STATE, CELLS), *limits.COMMON),
    mutates=(STATE, CELLS),
)
