"""ADD, SUB and MUL of int8 as linear forms, on any core.

Exact: a form is offered only after its arithmetic gave the op's own output for all 65,536 pairs of
operands. Any shapes: operands are repeated as the op repeats them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from edgecnn.core.tflite.model import DType
from firmware_glue.compiler.fast import linear_fit
from firmware_glue.compiler.fast.candidate import Candidate, Offer
from firmware_glue.compiler.fast.linear_fit import Arithmetic, Linear, X
from firmware_glue.compiler.fast.sums import Ints
from firmware_glue.compiler.ir import Graph, Op
from firmware_glue.compiler.ops import broadcast
from firmware_glue.compiler.ops.binary_quantized import limits
from firmware_glue.compiler.ops.spec import Call, Lowered, Params, Value, out_args, tensor_args
from firmware_glue.compiler.ops.table import OPS

_PER_SUM, _PER_FINE, _PER_PRODUCT = 19, 27, 24
_CALL, _PER_LOOP = 25, 30
"""Instructions per element, and per call and run of elements side by side: estimates."""
_FINE_BITS, _LOW_BITS = 9, 13
"""Bits of factors that are multiplied on their own: of sums, and of products."""


@dataclass(frozen=True)
class Form:
    """A proven form of an op.

    Attributes:
        linear: factors (not below 0), offset and shift.
        flipped: a sum whose second operand is −1 − x2 instead of x2: a difference.
        low, high: the clamp.
        below: what a product's offset changes by where the product is below 0.
    """

    linear: Linear
    flipped: bool
    low: int
    high: int
    below: int = 0


def outputs(graph: Graph, op: Op) -> Ints | None:
    """The op's outputs for all pairs, [x1 + 128, x2 + 128]; None if it is not all int8."""
    tensors = (graph.input(op, 0), graph.input(op, 1), graph.output(op))
    if any(tensor.dtype is not DType.INT8 for tensor in tensors):
        return None
    every = X.astype(np.int8)
    reference = OPS[op.code].known_variant(graph, op).reference
    table = reference(graph, op, (every[:, None], every[None, :]))[0]
    return np.asarray(table, np.int64)


def sum_form(graph: Graph, op: Op, drop: int) -> Form | None:
    """ADD or SUB as ((A·x1 >> drop) + (B·x2 >> drop) + C) >> S, clamped; None where none fits."""
    table = outputs(graph, op)
    if table is None:
        return None
    flipped, (low, high) = op.code == "SUB", limits(graph, op)
    wanted = table[:, ::-1] if flipped else table
    one, two, out = (t.scale for t in (graph.input(op, 0), graph.input(op, 1), graph.output(op)))
    stairs = linear_fit.pairs(wanted, low, high, (one / out, two / out))
    found = linear_fit.fit(stairs, Arithmetic(drop))
    if found is None:
        return None
    a, b = (factor * X >> drop for factor in found.factors)
    sums = a[:, None] + b[None, :] + found.offset
    form = Form(found, flipped, low, high)
    return form if _holds(sums, form, wanted) else None


def product_form(graph: Graph, op: Op, kernel: Arithmetic) -> Form | None:
    """MUL as ((M·p >> drop) + C) >> S, clamped, p = (x1 − zero1)·(x2 − zero2), or None."""
    table = outputs(graph, op)
    if table is None:
        return None
    one, two, out = graph.input(op, 0), graph.input(op, 1), graph.output(op)
    every = (X - one.zero_point)[:, None] * (X - two.zero_point)[None, :]
    values, first = np.unique(every, return_index=True)
    low, high = limits(graph, op)
    slope = one.scale * two.scale / out.scale
    for sign in (0, 1 << kernel.drop):
        wanted = table.reshape(-1)[first]
        stairs = linear_fit.products(values, wanted, low, high, slope, sign)
        found = linear_fit.fit(stairs, kernel)
        if found is None:
            continue
        factor, *rest = found.factors
        form = Form(found, False, low, high, -sum(rest))
        sums = (factor * every >> kernel.drop) + found.offset + np.where(every < 0, form.below, 0)
        if _holds(sums, form, table):
            return form
    return None


def _holds(sums: Ints, form: Form, wanted: Ints) -> bool:
    """The proof: whether the form gives the op's output for every pair."""
    within = int(sums.min()) >= -(1 << 31) and int(sums.max()) < 1 << 31
    got = np.clip(sums >> form.linear.shift, form.low, form.high)
    return within and bool(np.array_equal(got, wanted))


def instructions(graph: Graph, op: Op, per_element: float, per_run: int = _PER_LOOP) -> int:
    """An estimate of what a kernel executes that walks over runs of elements."""
    shapes = (graph.input(op, position).shape for position in (0, 1))
    elements = graph.output(op).elements
    dims, _ = broadcast.loops(graph.output(op).shape, *shapes)
    return _CALL + int(per_element * elements) + per_run * (elements // max(dims[-1], 1))


def lowered(graph: Graph, op: Op, kernel: str, header: str, params: Params) -> Lowered:
    """One call of ``ec_<kernel>``; the shape comes first in its params."""
    full = Params(params.struct, (("shape", broadcast.shape_params(graph, op)), *params.fields))
    call = Call(f"ec_{kernel}", header, full, (*tensor_args(op, 2), *out_args(op)))
    return Lowered(kernel, (call,), overlaps=broadcast.in_place(graph, op))


def sums(graph: Graph, op: Op) -> Candidate | None:
    """ADD and SUB by two multiplications of 32 bits; by four where that takes finer factors."""
    form = sum_form(graph, op, 0)
    if form is None:
        return _fine_sums(graph, op)
    one, two = form.linear.factors
    offset = form.linear.offset
    if form.flipped:
        # two·(−1 − x2)
        offset, two = offset - two, -two
    fields = (("factor1", one), ("factor2", two), ("offset", _wrapped(offset)))
    return _candidate(graph, op, form, "linear", fields, _PER_SUM)


def _fine_sums(graph: Graph, op: Op) -> Candidate | None:
    form = sum_form(graph, op, _FINE_BITS)
    if form is None:
        return None
    (high1, low1), (high2, low2) = (divmod(f, 1 << _FINE_BITS) for f in form.linear.factors)
    fields = (
        ("high1", high1), ("low1", low1), ("high2", high2), ("low2", low2),
        ("flip2", -int(form.flipped)), ("offset", form.linear.offset),
    )  # fmt: skip
    return _candidate(graph, op, form, "linear_fine", fields, _PER_FINE)


def products(graph: Graph, op: Op) -> Candidate | None:
    """MUL by three multiplications of 32 bits."""
    form = product_form(graph, op, Arithmetic(_LOW_BITS, 1 << 28))
    if form is None:
        return None
    high, low = divmod(form.linear.factors[0], 1 << _LOW_BITS)
    fields = (
        ("offset1", -graph.input(op, 0).zero_point), ("offset2", -graph.input(op, 1).zero_point),
        ("high", high), ("low", low), ("offset", form.linear.offset), ("below", form.below),
    )  # fmt: skip
    return _candidate(graph, op, form, "linear_product", fields, _PER_PRODUCT)


def _candidate(
    graph: Graph, op: Op, form: Form, what: str, fields: tuple[tuple[str, Value], ...], cost: float
) -> Candidate:
    ends = (("shift", form.linear.shift), ("act_min", form.low), ("act_max", form.high))
    params = Params(f"ec_{what}_params", (*fields, *ends))
    made = lowered(graph, op, f"{what}_s8", "edgecnn_linear.h", params)
    return Candidate(made, instructions(graph, op, cost))


def _wrapped(value: int) -> int:
    """Modulo 2³², as the kernel's sums are."""
    return (value + (1 << 31)) % (1 << 32) - (1 << 31)


OFFERS: Mapping[str, tuple[Offer, ...]] = MappingProxyType(
    {"ADD": (sums,), "SUB": (sums,), "MUL": (products,)}
)
"""The offers by op, the same for every core without its own."""
