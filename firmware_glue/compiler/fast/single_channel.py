"""DEPTHWISE_CONV_2D of a single input channel: a CONV_2D, whose kernels are the better ones."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from firmware_glue.compiler.fast.candidate import Candidate, Offer
from firmware_glue.compiler.ir import Graph, Op


def convolved(offer: Offer) -> Offer:
    """An offer for such ops, from one for CONV_2D that packs its filters anew.

    Both ops make each output channel of all inputs; only the order of the filters differs.
    """

    def offered(graph: Graph, op: Op) -> Candidate | None:
        filters = graph.constant(op, 1)
        if filters is None or graph.input(op, 0).shape[3] != 1:
            return None
        old = graph.input(op, 1)
        turned = np.ascontiguousarray(filters.transpose(3, 1, 2, 0))
        scales = old.quantization
        if scales is not None and not scales.per_tensor:
            scales = replace(scales, axis=0)
        filters_id = max(graph.tensors) + 1
        tensor = replace(old, shape=turned.shape, data=turned, quantization=scales)
        other = replace(graph, tensors={**graph.tensors, filters_id: tensor})
        inputs = (op.inputs[0], filters_id, *op.inputs[2:])
        return offer(other, replace(op, code="CONV_2D", inputs=inputs))

    return offered
