"""ADD and SUB of int8 for Helium, as the linear forms of ``fast/linear.py``."""

from __future__ import annotations

from dataclasses import replace

from firmware_glue.compiler.fast import linear
from firmware_glue.compiler.fast.candidate import Candidate
from firmware_glue.compiler.ir import Graph, Op
from firmware_glue.compiler.ops.spec import Instance, Params

_MOST_SHIFT = 24
"""Literals of VQSHRN: 16 on 32 bits, then 8 on 16."""
_PER_SUM, _PER_CLAMP = 2.0, 0.25
_PER_PRODUCT, _PRODUCT_RUN = 3.6, 66


def sums(graph: Graph, op: Op) -> Candidate | None:
    """VMLAS, VMLA and two VQSHRN per four elements; where no form suits them, the plain kernel."""
    form = linear.sum_form(graph, op, 0)
    if form is None or not 1 <= form.linear.shift <= _MOST_SHIFT:
        return linear.sums(graph, op)
    one, two = form.linear.factors
    offset = form.linear.offset
    if form.flipped:
        # two·(−1 − x2)
        offset, two = offset - two, -two
    wrapped = (offset + (1 << 31)) % (1 << 32) - (1 << 31)
    fields = (
        ("factor1", one), ("factor2", two), ("offset", wrapped), ("act_min", form.low),
        ("act_max", form.high),
    )  # fmt: skip
    made = linear.lowered(
        graph, op, "mve_linear", "edgecnn_mve_linear.h", Params("ec_mve_linear_params", fields)
    )
    clamp = int((form.low, form.high) != (-128, 127))
    name = f"ec_mve_linear_{form.linear.shift}{'c' * clamp}"
    core = Instance("EC_MVE_LINEAR", name, (form.linear.shift, clamp))
    calls = tuple(replace(c, instances=(core,), functions=(name,)) for c in made.calls)
    cost = linear.instructions(graph, op, _PER_SUM + _PER_CLAMP * clamp)
    return Candidate(replace(made, calls=calls), cost)


def products(graph: Graph, op: Op) -> Candidate | None:
    """The plain form: compilers make vectors of its loop, which pay where runs are long."""
    made = linear.products(graph, op)
    if made is None:
        return None
    cost = linear.instructions(graph, op, _PER_PRODUCT, _PRODUCT_RUN)
    return replace(made, instructions=cost)
