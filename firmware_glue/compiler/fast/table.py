"""Which kernels are offered for which op, by set of kernels."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from firmware_glue.compiler.fast import linear
from firmware_glue.compiler.fast.candidate import KernelSet, Offer, PairOffer
from firmware_glue.compiler.fast.dsp import depthwise as dsp_depthwise
from firmware_glue.compiler.fast.dsp import gemm as dsp_gemm
from firmware_glue.compiler.fast.dsp import linear as dsp_linear
from firmware_glue.compiler.fast.dsp import pair as dsp_pair
from firmware_glue.compiler.fast.dsp import pool as dsp_pool
from firmware_glue.compiler.fast.mve import offers as mve
from firmware_glue.compiler.fast.mve import pair as mve_pair
from firmware_glue.compiler.fast.rv32 import depthwise as rv32_depthwise
from firmware_glue.compiler.fast.rv32 import gemm as rv32_gemm
from firmware_glue.compiler.fast.v6m import dense as v6m_dense
from firmware_glue.compiler.fast.v6m import depthwise as v6m_depthwise
from firmware_glue.compiler.fast.v6m import gemm as v6m_gemm
from firmware_glue.compiler.fast.v7m import offers as v7m

OFFERS: Mapping[KernelSet, Mapping[str, tuple[Offer, ...]]] = MappingProxyType(
    {
        KernelSet.GENERIC: {},
        KernelSet.V6M: {
            **linear.OFFERS, **v6m_gemm.OFFERS, **v6m_dense.OFFERS, **v6m_depthwise.OFFERS,
        },
        KernelSet.V7M: v7m.OFFERS,
        KernelSet.DSP: {
            **dsp_linear.OFFERS, **dsp_depthwise.OFFERS, **dsp_gemm.OFFERS, **dsp_pool.OFFERS,
        },
        KernelSet.MVE: {**linear.OFFERS, **mve.OFFERS},
        KernelSet.RV32: {**linear.OFFERS, **rv32_gemm.OFFERS, **rv32_depthwise.OFFERS},
    }
)  # fmt: skip

PAIRS: Mapping[KernelSet, PairOffer] = MappingProxyType(
    {KernelSet.DSP: dsp_pair.offer, KernelSet.MVE: mve_pair.offer}
)
"""Sets with kernels for a convolution and the depthwise convolution that reads it."""

THRIFTY: Mapping[KernelSet, Mapping[str, tuple[Offer, ...]]] = MappingProxyType(
    {
        KernelSet.V6M: v6m_gemm.THRIFTY,
        KernelSet.V7M: v7m.THRIFTY,
        KernelSet.RV32: rv32_gemm.THRIFTY,
    }
)
"""Slower ones with less scratch memory, for where memory is short."""
