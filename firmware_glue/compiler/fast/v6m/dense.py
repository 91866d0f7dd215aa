"""FULLY_CONNECTED for Armv6-M: offers of ``edgecnn_v6m_dense.h``, and of the matrix product."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from firmware_glue.compiler.fast.candidate import Candidate, Offer
from firmware_glue.compiler.fast.dense import dense_layer
from firmware_glue.compiler.fast.sums import Ints, Layer
from firmware_glue.compiler.fast.v6m.finish import Finish, finish
from firmware_glue.compiler.fast.v6m.gemm import Gemm, candidate, pairs_fit
from firmware_glue.compiler.ir import Graph, Op
from firmware_glue.compiler.ops.spec import (
    Call,
    ConstArg,
    Lowered,
    Params,
    ScratchArg,
    TensorArg,
)
from firmware_glue.compiler.ops.window import Geometry

_HEADER = "edgecnn_v6m_dense.h"
_OFFSET = 128
"""Of inputs and weights, so that they load without their sign."""


@dataclass(frozen=True)
class _Dense:
    """A layer as the kernel sees it; ``rows`` of ``depth`` inputs."""

    layer: Layer
    finish: Finish
    rows: int

    @property
    def depth(self) -> int:
        return self.layer.filters.shape[1]

    @property
    def padded(self) -> int:
        return -(-self.depth // 4) * 4

    @property
    def instructions(self) -> int:
        """Executed in one run."""
        fours = -(-len(self.layer.filters) // 4)
        output = self.finish.instructions + (30 if self.finish.shared else 95)
        outputs = len(self.layer.filters) * output + fours * (13 * self.padded + 50)
        return 30 + self.rows * (150 + 8 * self.depth + outputs)


def fully_connected_offer(graph: Graph, op: Op) -> Candidate | None:
    """FULLY_CONNECTED by four outputs of one row at a time."""
    dense = _dense(graph, op)
    if dense is None:
        return None
    layer = dense.layer
    fields = (
        ("rows", dense.rows), ("in_depth", dense.depth),
        ("out_depth", len(layer.filters)), ("shared", dense.finish.shared),
        ("finish", dense.finish.kind), ("out_zero", layer.out_zero),
        ("act_min", layer.act_min), ("act_max", layer.act_max),
    )  # fmt: skip
    filters = packed_filters(layer.filters)
    # The sum over (x + 128)(w + 128), less 128 · Σ(x + 128), is Σ(x + 128) · w.
    bias = layer.bias - (layer.in_zero + _OFFSET) * layer.filters.sum(axis=1)
    numbers = dense.finish.numbers[:1] if dense.finish.shared else dense.finish.numbers
    args = (
        TensorArg(op.inputs[0]),
        ConstArg("filters", filters, from_file=True),
        ConstArg("starts", dense.finish.starts(bias), from_file=True),
        ConstArg("numbers", numbers, from_file=True),
        ScratchArg("uint8_t"),
        TensorArg(op.outputs[0]),
    )
    call = Call("ec_v6m_dense", _HEADER, Params("ec_v6m_dense_params", fields), args)
    overlaps = _geometry(dense).overlaps(op, 1, (0, 0))
    lowered = Lowered("v6m_dense", (call,), dense.padded, overlaps)
    return Candidate(
        lowered, dense.instructions, filters.size - layer.filters.size + numbers.nbytes
    )


def as_pixels_offer(graph: Graph, op: Op) -> Candidate | None:
    """FULLY_CONNECTED of several rows as a 1×1 convolution."""
    dense = _dense(graph, op)
    if dense is None or dense.rows < 2 or len(dense.layer.filters) < 2:
        return None
    if not pairs_fit(dense.layer.filters):
        return None
    return candidate(op, Gemm(_geometry(dense), dense.layer, dense.finish), rows=False)


OFFERS: Mapping[str, tuple[Offer, ...]] = MappingProxyType(
    {"FULLY_CONNECTED": (fully_connected_offer, as_pixels_offer)}
)


def packed_filters(filters: Ints) -> NDArray[np.uint8]:
    """The constant array ``filters`` of the C kernel, (fours of channels, inputs, 4)."""
    channels, depth = filters.shape
    padded = np.zeros((-(-channels // 4) * 4, -(-depth // 4) * 4), np.int64)
    padded[:channels, :depth] = filters
    by_input = padded.reshape(-1, 4, padded.shape[1]).transpose(0, 2, 1)
    return np.ascontiguousarray(by_input + _OFFSET).astype(np.uint8)


def _dense(graph: Graph, op: Op) -> _Dense | None:
    layer = dense_layer(graph, op)
    made = None if layer is None else finish(layer)
    if layer is None or made is None:
        return None
    return _Dense(layer, made, graph.input(op, 0).elements // layer.filters.shape[1])


def _geometry(dense: _Dense) -> Geometry:
    """Rows as the pixels of one image."""
    ones = (1, 1)
    size = (1, dense.rows)
    units = len(dense.layer.filters)
    return Geometry(1, size, dense.depth, size, units, ones, ones, ones, (0, 0))
