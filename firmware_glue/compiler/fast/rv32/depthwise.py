"""DEPTHWISE_CONV_2D on RV32IM: the rings of Armv6-M, in C, where they are clearly fewer."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from types import MappingProxyType

from firmware_glue.compiler.fast.candidate import Offer
from firmware_glue.compiler.fast.v6m import depthwise

_SHARE = 0.55
"""The generic kernel is nearly twice as fast here as on Armv6-M, these are as fast as there."""

OFFERS: Mapping[str, tuple[Offer, ...]] = MappingProxyType(
    {"DEPTHWISE_CONV_2D": (partial(depthwise.offer, share=_SHARE),)}
)
"""Depthwise kernels of RV32."""
