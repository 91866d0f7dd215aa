"""Depthwise convolutions of any window, pixel by pixel (edgecnn_dsp_depthwise_any.h)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from firmware_glue.compiler.fast.candidate import Candidate
from firmware_glue.compiler.fast.dsp.depthwise_layer import Depthwise
from firmware_glue.compiler.fast.requant import Form
from firmware_glue.compiler.ir import Op
from firmware_glue.compiler.ops.spec import (
    Array,
    Call,
    ConstArg,
    Lowered,
    Params,
    Planned,
    Rows,
    ScratchArg,
    out_args,
    tensor_args,
)
from firmware_glue.compiler.ops.window import Geometry

_FORMS = {Form.AFFINE: 1, Form.TWICE: 0, Form.ONCE: -1}
_SET_UP, _PER_ROW, _PER_TAP, _PER_QUAD, _PER_PIXEL = 150, 100, 10, 50, 100
_LOOK, _PER_LOOK, _PER_STEP = 60, 18, 5
"""Instructions, roughly: to point to a window's pixels takes so many per tap, or to step on."""
_POINTER = 8
"""Bytes on a machine of 64 bits."""


def fits(g: Geometry) -> bool:
    """Whether there are four channels."""
    return g.in_c >= 4


def candidate(op: Op, layer: Depthwise) -> Candidate:
    """The kernel calls of a layer that :func:`fits`."""
    g, records = layer.geometry, _records(layer)
    params = Params(
        "ec_dsp_depthwise_any_params",
        (
            ("window", Params("ec_window", g.fields())), ("multiplier", layer.multiplier),
            ("form", _FORMS[layer.requant.form]), ("taps", _taps(g)),
            ("in_zero", layer.layer.in_zero), *layer.limits, ("reverse", Planned.REVERSE),
        ),
    )  # fmt: skip
    table = ConstArg("records", records, from_file=True)
    call = Call(
        "ec_dsp_depthwise_any", "edgecnn_dsp_depthwise_any.h", params,
        (*tensor_args(op, 1), table, ScratchArg("int8_t"), *out_args(op)),
    )  # fmt: skip
    work, scratch = _row_instructions(layer), _POINTER * (_taps(g) + 1) + g.in_c
    rows = None
    if g.batches == 1:
        by_rows = replace(call, kernel="ec_dsp_depthwise_any_rows")
        rows = Rows(by_rows, (g.row_reach(op),), scratch, _SET_UP, work)
    # The last four channels of a pixel may be read and written twice.
    overlaps = g.overlaps(op, 1, (g.out_c, g.out_c))
    lowered = Lowered("dsp_depthwise_any", (call,), scratch, overlaps, rows)
    old_bytes = g.out_c * (g.kernel[0] * g.kernel[1] + 9)
    instructions = g.batches * (_SET_UP + g.out_size[0] * work)
    return Candidate(lowered, instructions, records.nbytes - old_bytes)


def _taps(g: Geometry) -> int:
    """Of the window, made even."""
    taps = g.kernel[0] * g.kernel[1]
    return taps + taps % 2


def _row_instructions(layer: Depthwise) -> int:
    """Of an output row on average, an estimate."""
    g, taps = layer.geometry, _taps(layer.geometry)
    quads = -(-g.in_c // 4) * layer.multiplier
    windows = g.out_size[0] * g.out_size[1]
    inside = int(np.count_nonzero(g.counts() == g.kernel[0] * g.kernel[1]))
    steps = max(0, inside - g.out_size[0])
    work = windows * (_PER_PIXEL + quads * (_PER_QUAD + _PER_TAP * taps))
    work += steps * _PER_STEP * taps + (windows - steps) * (_LOOK + _PER_LOOK * taps)
    work += 2 * windows * g.out_c if layer.requant.clamp else 0
    return _PER_ROW + work // g.out_size[0]


def _records(layer: Depthwise) -> Array:
    """Per quad of output channels: biases, taps, multipliers, addends, shifts."""
    g, requant = layer.geometry, layer.requant
    shifts = np.full(g.out_c, requant.shift) if requant.form is Form.AFFINE else requant.shifts
    starts = [min(c, g.in_c - 4) for c in range(0, g.in_c, 4)]
    quads = np.array(
        [
            [(c + lane) * layer.multiplier + i for lane in range(4)]
            for c in starts
            for i in range(layer.multiplier)
        ]
    )
    # Channels 0, 2, 1, 3 as 16-bit values are the two words of a tap.
    filters = layer.layer.filters.astype(np.int16)[quads[:, [0, 2, 1, 3]]].transpose(0, 2, 1)
    taps = np.zeros((len(quads), _taps(g), 4), np.int16)
    taps[:, : filters.shape[1]] = filters
    words = taps.view("<i4").reshape(len(quads), -1)
    ends = [values[quads] for values in (requant.multipliers, requant.addends, shifts)]
    table = np.concatenate([layer.bias[quads], words, *ends], axis=1)
    return table.astype(np.int32).reshape(-1)
