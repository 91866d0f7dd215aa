"""Fuses PAD into the convolutions behind it."""

from __future__ import annotations

from dataclasses import replace

from edgecnn.core.tflite.model import DType
from firmware_glue.compiler.ir import Graph, Op
from firmware_glue.compiler.ops import conv_2d, depthwise_conv_2d
from firmware_glue.compiler.ops.padding import paddings, real_zero
from firmware_glue.compiler.ops.window import Geometry, Pads

_GEOMETRY = {
    "CONV_2D": conv_2d.geometry,
    "DEPTHWISE_CONV_2D": depthwise_conv_2d.geometry,
}


def fuse_pads(graph: Graph) -> Graph:
    """Convolutions read the tensor in front of a PAD, and pad by themselves.

    Applies to CONV_2D and DEPTHWISE_CONV_2D behind a PAD of height and width whose border stands
    for 0, at most as wide as the filter reaches, where the PAD keeps scale and zero point. Exact:
    a border of the zero point adds 0 to each sum, as taps that are left out do; for floats it adds
    a product with 0, which changes no sum of finite numbers.
    """
    replaced: dict[int, Op] = {}
    gone: set[int] = set()
    for pad in graph.ops:
        if pad.code not in ("PAD", "PADV2") or not _is_border(graph, pad):
            continue
        readers = [n for n, op in enumerate(graph.ops) if pad.outputs[0] in op.inputs]
        fused = {n: made for n in readers if (made := _fused(graph, graph.ops[n], pad)) is not None}
        # What stays for others anyway need not be computed again.
        if len(fused) == len(readers) and pad.outputs[0] not in graph.outputs:
            replaced |= fused
            gone.add(pad.outputs[0])
    kept = (replaced.get(n, op) for n, op in enumerate(graph.ops) if op.outputs[0] not in gone)
    return graph.with_ops(kept)


def _fused(graph: Graph, op: Op, pad: Op) -> Op | None:
    """A convolution on the PAD's input, or None if it cannot do what the PAD does."""
    geometry = _GEOMETRY.get(op.code)
    if geometry is None or op.inputs.count(pad.outputs[0]) != 1 or op.inputs[0] != pad.outputs[0]:
        return None
    found = _pads(geometry(graph, op), paddings(graph, pad)[1:3])
    if found is None:
        return None
    given = replace(op.options.window, same=False, pads=found)
    # The usual padding under its usual name.
    usual = replace(given, same=True, pads=None)
    made, same = (
        replace(
            op, inputs=(pad.inputs[0], *op.inputs[1:]), options=replace(op.options, window=window),
            sources=tuple(sorted({*pad.sources, *op.sources})),
        )
        for window in (given, usual)
    )  # fmt: skip
    return same if geometry(graph, same) == geometry(graph, made) else made


def _is_border(graph: Graph, pad: Op) -> bool:
    """Whether a PAD adds zeros around height and width alone."""
    x, y = graph.input(pad, 0), graph.output(pad)
    if len(x.shape) != 4 or x.quantization != y.quantization or x.is_constant or x.is_variable:
        return False
    amounts = paddings(graph, pad)
    if any(amounts[0]) or any(amounts[3]):
        return False
    value = graph.constant(pad, 2)
    zero = real_zero(y, DType.INT8, DType.UINT8, DType.INT16)
    return value is None or value.reshape(-1)[0].item() == zero


def _pads(g: Geometry, border: list[tuple[int, int]]) -> Pads | None:
    """(before, after) of height and width with the border added, or None where it is too wide."""
    made = []
    for axis in (0, 1):
        span = (g.kernel[axis] - 1) * g.dilation[axis] + 1
        last = (g.out_size[axis] - 1) * g.stride[axis] + span
        inner = g.in_size[axis] - sum(border[axis])
        before = g.pad[axis] + border[axis][0]
        after = max(0, last - inner - before)
        whole = (inner + before + after - span) // g.stride[axis] + 1 == g.out_size[axis]
        if max(before, after) >= span or not whole:
            return None
        made.append((before, after))
    return made[0], made[1]
