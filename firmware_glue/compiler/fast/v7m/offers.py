"""The kernels of Armv6-M on Armv7-M.

Their C parts are shorter there, with more registers and instructions at hand; the assembly is not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from firmware_glue.compiler.fast import linear
from firmware_glue.compiler.fast.candidate import Candidate, Offer
from firmware_glue.compiler.fast.v6m import dense, depthwise, gemm
from firmware_glue.compiler.ir import Graph, Op

_SHARES = MappingProxyType(
    {"v6m_depthwise3": 0.9, "v6m_depthwise_any": 0.77, "linear_s8": 0.8, "linear_product_s8": 0.8}
)
"""Of the instructions on Armv6-M, at the most."""


def _here(offer: Offer) -> Offer:
    """The offer with its instructions on Armv7-M."""

    def offered(graph: Graph, op: Op) -> Candidate | None:
        made = offer(graph, op)
        if made is None:
            return None
        share = _SHARES.get(made.lowered.kernel, 1.0)
        return replace(made, instructions=int(share * made.instructions))

    return offered


OFFERS: Mapping[str, tuple[Offer, ...]] = MappingProxyType(
    {
        code: tuple(map(_here, offers))
        for code, offers in (
            *linear.OFFERS.items(), *gemm.OFFERS.items(), *dense.OFFERS.items(),
            *depthwise.OFFERS.items(),
        )
    }
)  # fmt: skip
"""The offers by op."""
THRIFTY: Mapping[str, tuple[Offer, ...]] = MappingProxyType(
    {code: tuple(map(_here, offers)) for code, offers in gemm.THRIFTY.items()}
)
