"""The Helium kernels by op."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from firmware_glue.compiler.fast.candidate import Offer
from firmware_glue.compiler.fast.mve import depthwise, gemm

OFFERS: Mapping[str, tuple[Offer, ...]] = MappingProxyType(
    {"CONV_2D": (gemm.offer,), "DEPTHWISE_CONV_2D": (depthwise.offer,)}
)
