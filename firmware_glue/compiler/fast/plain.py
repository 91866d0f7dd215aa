"""What the generic kernels execute: an estimate on the low side, so that no offer is slower.

Fitted from below to hundreds of counted layers of every shape, compiled for speed; where layers
share kernels, they take more. A compiler makes more of some sizes than of others, so that the
figures are up to a third below what is counted, and hardly ever above.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from edgecnn.core.tflite.model import DType
from firmware_glue.compiler.fast.candidate import KernelSet
from firmware_glue.compiler.ir import Graph, Op
from firmware_glue.compiler.ops import broadcast, conv_2d, depthwise_conv_2d
from firmware_glue.compiler.ops.window import Geometry


@dataclass(frozen=True)
class _Window:
    """Instructions of a convolution. Pairs: of four channels at once, of one of those left over.

    Attributes:
        call, pixel: once, and per output pixel.
        outputs: per pixel, to begin and to finish sums.
        runs: per row of a window that is inside the image.
        taps: per product; of four, or of one.
    """

    call: float
    pixel: float
    outputs: tuple[float, float]
    runs: tuple[float, float]
    taps: tuple[float, float]

    def total(self, work: _Work) -> float:
        """Of a whole layer."""
        each = zip(work.blocks, self.outputs, self.runs, self.taps, strict=True)
        sums = sum(
            count * (output * work.pixels + run * work.runs + tap * work.taps)
            for count, output, run, tap in each
        )
        return self.call + self.pixel * work.pixels + sums


@dataclass(frozen=True)
class _Work:
    """Sizes of a layer.

    Attributes:
        blocks: groups of four output channels, and channels beside them.
        pixels: of the output.
        runs, taps: of all windows, inside the image.
    """

    blocks: tuple[int, int]
    pixels: int
    runs: int
    taps: int


@dataclass(frozen=True)
class _Core:
    """Figures of a kind of core; pairs: of layers no window of which leaves the image, of others.

    Attributes:
        sums, products: of ADD and SUB, and of MUL: per call, run of elements, element.
        dilated: factor of depthwise layers whose windows have gaps and leave the image.
    """

    convolution: tuple[_Window, _Window]
    depthwise: tuple[_Window, _Window]
    dense: _Window
    sums: tuple[float, float, float]
    products: tuple[float, float, float]
    dilated: float = 1.0


_NONE = (0, 0)
_ARMV6M = _Core(
    (
        _Window(51, 0, (185, 52), (0, 5), (26, 6.3)),
        _Window(40, 35, (180, 23), (36, 8), (22.3, 6.5)),
    ),
    (
        _Window(50, 0, (196, 52), _NONE, (37, 7)),
        _Window(0, 0, (242, 45), _NONE, (36.8, 12.7)),
    ),
    _Window(55, 0, (260, 70), _NONE, (27.6, 6.2)),
    (35, 6, 103),
    (45, 1, 56),
)
_ARMV7M = _Core(
    (
        _Window(37, 0, (74, 12), (0.5, 2), (10.6, 3.5)),
        _Window(23, 11, (80, 0), (3.9, 8), (10.9, 4)),
    ),
    (
        _Window(40, 0, (76, 12), _NONE, (17.3, 4.7)),
        _Window(50, 1, (80, 3), _NONE, (21.6, 9.6)),
    ),
    _Window(48, 0, (114, 23), _NONE, (10.4, 4.3)),
    (28, 0.5, 34),
    (28, 0, 22),
)
_HELIUM = _Core(
    (
        _Window(51, 0, (60, 7.5), (8, 7), (2.3, 0.7)),
        _Window(35, 2, (8, 21), (41, 4), (2.2, 1.2)),
    ),
    (
        _Window(29, 0, (68, 14), (10, 0), (5.2, 4.3)),
        _Window(60, 0, (78, 10), (0, 2.3), (9.3, 4.5)),
    ),
    _Window(45, 2, (74, 21), _NONE, (2.8, 0.8)),
    (13, 6, 26),
    (17, 3, 18),
    dilated=1.5,
)
_RV32IM = _Core(
    (
        _Window(14, 0, (80, 15), (1, 3), (16.4, 5.8)),
        _Window(67, 0, (71, 61), (3.8, 0), (17.6, 6.2)),
    ),
    (
        _Window(171, 0, (75, 35), (0, 1.3), (24.1, 4.2)),
        _Window(126, 0, (88, 31), (7.3, 0), (24.3, 6.3)),
    ),
    _Window(7, 0, (111, 26), _NONE, (16.8, 7.1)),
    (20, 0, 34),
    (18, 0, 22),
)
_CORES: Mapping[KernelSet, _Core] = MappingProxyType(
    {
        KernelSet.V6M: _ARMV6M,
        KernelSet.V7M: _ARMV7M,
        KernelSet.DSP: _ARMV7M,
        KernelSet.MVE: _HELIUM,
        KernelSet.RV32: _RV32IM,
    }
)


def least(kernels: KernelSet, graph: Graph, op: Op) -> int | None:
    """What the op's generic kernel executes at the least; None where nobody has counted it."""
    core, estimate = _CORES.get(kernels), _ESTIMATES.get(op.code)
    if core is None or estimate is None or graph.input(op, 0).dtype is not DType.INT8:
        return None
    return int(estimate(core, graph, op))


def _convolution(core: _Core, graph: Graph, op: Op) -> float:
    g, depth = conv_2d.geometry(graph, op), graph.input(op, 1).shape[3]
    per_tap = g.dilation[1] > 1 and g.kernel[1] > 1
    work = _work(g, divmod(g.out_c, 4), depth, per_tap=per_tap)
    return core.convolution[any(g.clipped)].total(work)


def _depthwise(core: _Core, graph: Graph, op: Op) -> float:
    g = depthwise_conv_2d.geometry(graph, op)
    blocks = divmod(g.out_c, 4) if g.in_c == g.out_c else (0, g.out_c)
    factor = core.dilated if any(g.clipped) and g.dilation[1] > 1 else 1.0
    return factor * core.depthwise[any(g.clipped)].total(_work(g, blocks, 1, per_tap=False))


def _work(g: Geometry, blocks: tuple[int, int], depth: int, *, per_tap: bool) -> _Work:
    starts = np.arange(g.out_size[0]) * g.stride[0] - g.pad[0]
    rows = starts[:, None] + np.arange(g.kernel[0]) * g.dilation[0]
    inside = int(np.count_nonzero((rows >= 0) & (rows < g.in_size[0])))
    taps = g.batches * int(g.counts().sum())
    runs = taps if per_tap else g.batches * g.out_size[1] * inside
    return _Work(blocks, g.batches * g.out_size[0] * g.out_size[1], runs, taps * depth)


def _dense(core: _Core, graph: Graph, op: Op) -> float:
    units, depth = graph.input(op, 1).shape
    rows = graph.input(op, 0).elements // max(depth, 1)
    return core.dense.total(_Work(divmod(units, 4), rows, rows, rows * depth))


def _elementwise(core: _Core, graph: Graph, op: Op) -> float:
    call, run, element = core.products if op.code == "MUL" else core.sums
    shapes = (graph.input(op, position).shape for position in (0, 1))
    elements = graph.output(op).elements
    dims, _ = broadcast.loops(graph.output(op).shape, *shapes)
    return call + run * (elements // max(dims[-1], 1)) + element * elements


_ESTIMATES: Mapping[str, Callable[[_Core, Graph, Op], float]] = MappingProxyType(
    {
        "CONV_2D": _convolution,
        "DEPTHWISE_CONV_2D": _depthwise,
        "FULLY_CONNECTED": _dense,
        **dict.fromkeys(("ADD", "SUB", "MUL"), _elementwise),
    }
)
