"""Kernels taken wherever they are offered: exactness must not hang on what the costs favour."""

from __future__ import annotations

import zlib

import pytest

from firmware_glue.compiler import api
from firmware_glue.compiler.fast.candidate import KernelSet
from firmware_glue.compiler.fast.choose import Choice, own
from firmware_glue.compiler.fast.table import OFFERS
from firmware_glue.compiler.fast.v6m import depthwise_layer
from firmware_glue.compiler.ir import Graph, Op
from firmware_glue.compiler.ops.spec import Lowered
from firmware_glue.compiler.ops.table import OPS

_NO_CODE = (KernelSet.GENERIC, KernelSet.V7M)
SETS = tuple(kind.value for kind in KernelSet if kind not in _NO_CODE)
"""The sets of kernels that are made for some cores; V7M has those of V6M."""
_FIRST = {
    (code, offers): (kernels, code)
    for kernels in reversed(SETS)
    for code, offers in OFFERS[KernelSet(kernels)].items()
}
OFFERED = tuple(sorted(_FIRST.values()))
"""Sets, and the ops that they have kernels for; of sets that share those, one."""


class AnyOffer(Choice):
    """Not the cheapest of an op's kernels, but any: chosen by its shapes."""

    def __call__(self, graph: Graph, op: Op) -> Lowered:
        """The op's kernel calls."""
        offers = OFFERS[self.kernels].get(op.code, ())
        found = [made.lowered for offer in offers if (made := offer(graph, op)) is not None]
        shapes = repr([graph.tensors[i].shape for i in (*op.inputs[:1], *op.outputs)])
        return found[zlib.crc32(shapes.encode()) % len(found)] if found else own(graph, op)


def take_any(patch: pytest.MonkeyPatch) -> None:
    """Offers are made for layers that are too small to gain from them, and are taken."""
    patch.setattr(api, "Choice", AnyOffer)
    patch.setattr(depthwise_layer, "_MAC", 10**6)


def plain_kernel(code: str) -> str:
    """The name of an int8 op's generic kernel."""
    return OPS[code].variants["int8"].kernel
