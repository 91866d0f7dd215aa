"""DEPTHWISE_CONV_2D on RV32IM: the rings of Armv6-M, in C, where they are clearly fewer."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from firmware_glue.compiler.fast.candidate import Candidate, Offer
from firmware_glue.compiler.fast.v6m import depthwise
from firmware_glue.compiler.fast.v6m.depthwise_layer import Depthwise
from firmware_glue.compiler.ir import Graph, Op

_SHARE = 0.55
"""The generic kernel is nearly twice as fast here as on Armv6-M, these are as fast as there."""


def offer(graph: Graph, op: Op) -> Candidate | None:
    """Windows of up to 3×3 on images that are not too small."""
    work = Depthwise.of(graph, op)
    if work is None or not depthwise.fits(work.geometry):
        return None
    return depthwise.small(work, _SHARE)


OFFERS: Mapping[str, tuple[Offer, ...]] = MappingProxyType({"DEPTHWISE_CONV_2D": (offer,)})
"""Depthwise kernels of RV32."""
