"""ADD, SUB and MUL of int8 as linear forms, four elements at a time.

The proof is ``fast/linear.py``'s, with the bits that these instructions drop: SMLAWx multiplies
256·x by a factor and drops 16 bits, SMMLA multiplies 2¹⁴·p and drops 32.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from firmware_glue.compiler.fast import linear
from firmware_glue.compiler.fast.candidate import Candidate, Offer
from firmware_glue.compiler.fast.linear import Form
from firmware_glue.compiler.fast.linear_fit import Arithmetic
from firmware_glue.compiler.ir import Graph, Op
from firmware_glue.compiler.ops.spec import Instance, Lowered, Params, Value

_PER_SUM, _PER_PRODUCT, _PER_SIGN = 5.9, 6.9, 2
_RUN = {"linear": 60, "product": 75}
"""Instructions per run of elements side by side, where layers share kernels."""
_SUM_DROP, _PRODUCT_DROP = 8, 18
_HEADER = "edgecnn_dsp_linear.h"


def sums(graph: Graph, op: Op) -> Candidate | None:
    """ADD and SUB: two SMLAWx and one SSAT per element."""
    form = linear.sum_form(graph, op, _SUM_DROP)
    if form is None:
        return linear.sums(graph, op)
    one, two = form.linear.factors
    fields = (("factor1", one), ("factor2", two), ("flip2", -int(form.flipped)))
    return _candidate(graph, op, form, "linear", fields, _PER_SUM)


def products(graph: Graph, op: Op) -> Candidate | None:
    """MUL: SMULxy, SMMLA and SSAT per element, and half an SHSUB16 per operand."""
    form = linear.product_form(graph, op, Arithmetic(_PRODUCT_DROP))
    if form is None:
        return linear.products(graph, op)
    zeros = (graph.input(op, 0).zero_point, graph.input(op, 1).zero_point)
    fields = (
        ("zero1", zeros[0]), ("zero2", zeros[1]), ("factor", form.linear.factors[0]),
        ("below", form.below),
    )  # fmt: skip
    cost = _PER_PRODUCT + (_PER_SIGN if form.below else 0)
    return _candidate(graph, op, form, "product", fields, cost)


def _candidate(
    graph: Graph, op: Op, form: Form, what: str, fields: tuple[tuple[str, Value], ...], cost: float
) -> Candidate:
    """A kernel made by ``EC_DSP_<WHAT>`` for the form's shift."""
    ends = (("offset", form.linear.offset), ("act_min", form.low), ("act_max", form.high))
    params = Params(f"ec_dsp_{what}_params", (*fields, *ends))
    name = f"dsp_{what}_{form.linear.shift}"
    made = linear.lowered(graph, op, name, _HEADER, params)
    instance = Instance(f"EC_DSP_{what.upper()}", f"ec_{name}", (form.linear.shift,))
    tight = (form.low, form.high) != (-128, 127)
    each = cost + (2.5 if tight else 0)
    return Candidate(_named(made, instance), linear.instructions(graph, op, each, _RUN[what]))


def _named(made: Lowered, instance: Instance) -> Lowered:
    return replace(made, calls=tuple(replace(c, instances=(instance,)) for c in made.calls))


OFFERS: Mapping[str, tuple[Offer, ...]] = MappingProxyType(
    {"ADD": (sums,), "SUB": (sums,), "MUL": (products,)}
)
"""The offers by op; where no form suits these instructions, the plain ones serve."""
