"""Why ops run on the generic kernels where the core has faster ones, and what to do about it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from edgecnn.core.tflite.model import DType
from firmware_glue.compiler.fast.choose import Choice
from firmware_glue.compiler.fast.table import OFFERS
from firmware_glue.compiler.ir import Graph, Op
from firmware_glue.compiler.ops.rules import QUANTIZE_HINT

_WEIGHTED: Mapping[str, int] = MappingProxyType(
    {
        "CONV_2D": 1, "DEPTHWISE_CONV_2D": 1, "FULLY_CONNECTED": 1, "TRANSPOSE_CONV": 1,
        "CONV_3D": 1, "BATCH_MATMUL": 1,
    }
)  # fmt: skip
"""Ops that nearly all time goes to, and which input holds their weights."""
_WORTH = 0.02
"""Of the multiply-accumulates: what a reason must stand for to be told."""


@dataclass(frozen=True)
class Reason:
    """Why some ops have no kernel of the core's own.

    Attributes:
        what: the reason, in words.
        cure: what to change, or "" where nothing is known to help.
        ops: how many have it.
        share: of the model's multiply-accumulates, 0 to 1.
    """

    what: str
    cure: str
    ops: int
    share: float


def generic_reasons(graph: Graph, choice: Choice) -> tuple[Reason, ...]:
    """The reasons worth telling, the weightiest first; none for a core without kernels of its own.

    Ops count whose multiply-accumulates no kernel of the set takes; not those where the generic one
    is estimated to be as fast, or smaller where that was asked for.
    """
    if not OFFERS[choice.kernels]:
        return ()
    work = {id(op): _macs(graph, op) for op in graph.ops}
    total = sum(work.values())
    found: dict[tuple[str, str], list[int]] = {}
    for op in graph.ops:
        if op.code in _WEIGHTED and work[id(op)] and not choice.offers(graph, op):
            found.setdefault(_reason(graph, op, choice), []).append(work[id(op)])
    rows = [Reason(*key, len(macs), sum(macs) / total) for key, macs in found.items()]
    worth = (row for row in rows if row.share >= _WORTH)
    return tuple(sorted(worth, key=lambda row: -row.share))


def generic_notes(graph: Graph, choice: Choice) -> tuple[str, ...]:
    """:func:`generic_reasons` as sentences."""
    layers = sum(op.code in _WEIGHTED for op in graph.ops)
    return tuple(_sentence(row, layers) for row in generic_reasons(graph, choice))


def _sentence(reason: Reason, layers: int) -> str:
    share = f"{100 * reason.share:.0f} % of the multiply-accumulates"
    cure = f"; {reason.cure}" if reason.cure else ""
    return (
        f"{reason.ops} of {layers} weighted layers ({share}) run on generic kernels, which take"
        f" several times the instructions: {reason.what}{cure}"
    )


def _reason(graph: Graph, op: Op, choice: Choice) -> tuple[str, str]:
    """(why no offer takes the op, what to change)."""
    data, weights = graph.input(op, 0).dtype, graph.input(op, _WEIGHTED[op.code])
    kernels = choice.kernels.value
    if data is not DType.INT8 and op.code in OFFERS[choice.kernels]:
        kind = f"there are no '{kernels}' kernels for {data.value}"
        if data is DType.INT16:
            return kind, "int8 is faster, where its accuracy will do (--recipe int8)"
        return kind, QUANTIZE_HINT
    if op.code not in OFFERS[choice.kernels]:
        return f"there are no '{kernels}' kernels for {op.code}", _INSTEAD.get(op.code, "")
    if not weights.is_constant:
        return "their weights are computed at run time", "make them constants"
    if any(weights.quantization.zero_point if weights.quantization else ()):
        return "their weights have a zero point", QUANTIZE_HINT
    if op.code == "CONV_2D" and weights.shape[3] != graph.input(op, 0).shape[3]:
        return "they are grouped convolutions", "use groups=1, or depthwise and 1×1 convolutions"
    return f"their sizes or sums are beyond what '{kernels}' kernels are proven exact for", ""


_INSTEAD: Mapping[str, str] = MappingProxyType(
    {"TRANSPOSE_CONV": "UpSampling2D and Conv2D are faster, trained anew"}
)


def _macs(graph: Graph, op: Op) -> int:
    """Products of one inference; borders count like the inside."""
    if op.code not in _WEIGHTED:
        return 0
    shape, out = graph.input(op, _WEIGHTED[op.code]).shape, graph.output(op)
    if op.code == "TRANSPOSE_CONV":
        return math.prod(shape[:3]) * graph.input(op, 2).elements
    if op.code == "DEPTHWISE_CONV_2D":
        return shape[1] * shape[2] * out.elements
    if op.code == "BATCH_MATMUL":
        return graph.input(op, 0).shape[-2 if _flipped(op) else -1] * out.elements
    filters = shape[-1] if op.code == "CONV_3D" else shape[0]
    return math.prod(shape) // max(filters, 1) * out.elements


def _flipped(op: Op) -> bool:
    return bool(getattr(op.options, "adj_x", False))
