"""Kernels of which one function for all layers is smaller than a copy in each of them.

A copy knows its layer's sizes as constants: it has no branch that the layer does not take, and no
loop that runs once. So one function takes several times a copy's bytes, and a kernel that a model
calls once or twice is smaller where it is copied.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from types import MappingProxyType

from firmware_glue.compiler.ops.spec import Call
from firmware_glue.compiler.planner.program import Program

_COPIES: Mapping[str, int] = MappingProxyType(
    {
        "ec_conv2d_": 7, "ec_depthwise_conv2d_": 4, "ec_fully_connected_": 7,
        "ec_softmax_": 3, "ec_average_pool2d_": 11, "ec_max_pool2d_": 11,
        "ec_dsp_conv2d_depthwise3": 7, "ec_dsp_linear_": 7, "ec_dsp_product_": 7,
        "ec_mve_conv2d_depthwise": 5, "ec_mve_gemm": 5, "ec_mve_linear": 8,
    }
)  # fmt: skip
"""Start of a kernel's name → copies that take more than one function does, by both compilers, at
-O2 and at -Os. Counted on the layers of seven models on five cores."""
_ELSE = 9
"""Of the others: most of them hand constants to a function that is shared anyway."""


def shared_kernels(program: Program) -> list[str]:
    """The kernels that a program should not copy into their layers, by name."""
    calls: Counter[str] = Counter()
    for step in program.steps:
        parts = (step,) if step.chain is None else step.chain.stages
        made = (call for part in parts for call in part.calls)
        calls.update(call.kernel for call in made if not _small(call))
    return sorted(kernel for kernel, copies in calls.items() if copies >= _least(kernel))


def _least(kernel: str) -> int:
    """Copies from which on one function is smaller."""
    return next((n for start, n in _COPIES.items() if kernel.startswith(start)), _ELSE)


def _small(call: Call) -> bool:
    """Whether most of the kernel is left out of this layer's copy."""
    return call.kernel.startswith("ec_mve_gemm") and bool(dict(call.params.fields)["direct"])
