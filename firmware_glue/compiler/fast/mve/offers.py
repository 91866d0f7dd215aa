"""The Helium kernels by op."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from firmware_glue.compiler.fast.candidate import Offer
from firmware_glue.compiler.fast.mve import dense, depthwise, gemm, linear, pool

OFFERS: Mapping[str, tuple[Offer, ...]] = MappingProxyType(
    {
        "CONV_2D": (gemm.offer,),
        "DEPTHWISE_CONV_2D": (depthwise.offer,),
        "FULLY_CONNECTED": (dense.offer,),
        "ADD": (linear.sums,),
        "SUB": (linear.sums,),
        "MUL": (linear.products,),
        "AVERAGE_POOL_2D": (pool.average,),
        "MAX_POOL_2D": (pool.maximum,),
    }
)
