"""DEPTHWISE_CONV_2D on cores with DSP: the cheapest of the ways that fit."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from firmware_glue.compiler.fast.candidate import Candidate, Offer
from firmware_glue.compiler.fast.dsp import depthwise_any, depthwise_planes
from firmware_glue.compiler.fast.dsp.depthwise_layer import Depthwise
from firmware_glue.compiler.fast.dsp.gemm import conv_2d_offer
from firmware_glue.compiler.fast.single_channel import convolved
from firmware_glue.compiler.ir import Graph, Op
from firmware_glue.compiler.ops import depthwise_conv_2d


def offer(graph: Graph, op: Op) -> Candidate | None:
    """The op's kernel, or None where none is exact for every channel."""
    g = depthwise_conv_2d.geometry(graph, op)
    ways = [way for way in (depthwise_planes, depthwise_any) if way.fits(g)]
    layer = Depthwise.of(graph, op) if ways else None
    if layer is None:
        return None
    return min((way.candidate(op, layer) for way in ways), key=lambda found: found.instructions)


OFFERS: Mapping[str, tuple[Offer, ...]] = MappingProxyType(
    {"DEPTHWISE_CONV_2D": (offer, convolved(conv_2d_offer))}
)
