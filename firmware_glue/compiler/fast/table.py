"""Which kernels are offered for which op, by set of kernels."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from firmware_glue.compiler.fast.candidate import KernelSet, Offer

OFFERS: Mapping[KernelSet, Mapping[str, tuple[Offer, ...]]] = MappingProxyType(
    {
        KernelSet.GENERIC: {},
        KernelSet.V6M: {},
        KernelSet.DSP: {},
        KernelSet.MVE: {},
        KernelSet.RV32: {},
    }
)
