"""Sliding windows: geometry, padding and memory lead, shared by convolutions and pools."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from firmware_glue.compiler.ir import Graph, Op, Shape
from firmware_glue.compiler.ops.spec import Overlap, RowReach, rule

Pads = tuple[tuple[int, int], tuple[int, int]]
"""(before, after) of height and of width."""


@dataclass(frozen=True)
class Window:
    """Options of a window: stride and dilation as (height, width); padding.

    Attributes:
        pads: padding that a pass found, instead of TFLite's own.
    """

    stride: tuple[int, int]
    same: bool
    dilation: tuple[int, int] = (1, 1)
    pads: Pads | None = None


@dataclass(frozen=True)
class Geometry:
    """A window over an input, all sizes known. Pairs are (height, width).

    Attributes:
        pad: rows above and columns left of the input.
    """

    batches: int
    in_size: tuple[int, int]
    in_c: int
    out_size: tuple[int, int]
    out_c: int
    kernel: tuple[int, int]
    stride: tuple[int, int]
    dilation: tuple[int, int]
    pad: tuple[int, int]

    @property
    def out_shape(self) -> Shape:
        """NHWC."""
        return (self.batches, *self.out_size, self.out_c)

    @property
    def clipped(self) -> tuple[int, int]:
        """1 where some window leaves the input along that axis, so that taps must be clipped."""
        last = [
            (self.out_size[i] - 1) * self.stride[i]
            - self.pad[i]
            + (self.kernel[i] - 1) * self.dilation[i]
            for i in (0, 1)
        ]
        flags = [int(self.pad[i] > 0 or last[i] >= self.in_size[i]) for i in (0, 1)]
        return flags[0], flags[1]

    def fields(self) -> tuple[tuple[str, int], ...]:
        """The fields of the C struct ``ec_window``, in order."""
        (in_h, in_w), (out_h, out_w), (k_h, k_w) = self.in_size, self.out_size, self.kernel
        clip_h, clip_w = self.clipped
        return (
            ("batches", self.batches), ("in_h", in_h), ("in_w", in_w), ("in_c", self.in_c),
            ("out_h", out_h), ("out_w", out_w), ("out_c", self.out_c),
            ("k_h", k_h), ("k_w", k_w), ("stride_h", self.stride[0]),
            ("stride_w", self.stride[1]), ("dilation_h", self.dilation[0]),
            ("dilation_w", self.dilation[1]), ("pad_top", self.pad[0]),
            ("pad_left", self.pad[1]), ("clip_h", clip_h), ("clip_w", clip_w),
        )  # fmt: skip

    def taps(self) -> Iterator[tuple[int, int, slice, slice, slice, slice]]:
        """(ky, kx, output rows, output columns, input rows, input columns) of in-bounds taps."""
        for ky in range(self.kernel[0]):
            rows = self._tap(ky, 0)
            for kx in range(self.kernel[1]):
                columns = self._tap(kx, 1)
                if rows is not None and columns is not None:
                    yield ky, kx, rows[0], columns[0], rows[1], columns[1]

    def _tap(self, k: int, axis: int) -> tuple[slice, slice] | None:
        return tap(
            k, self.in_size[axis], self.out_size[axis], self.stride[axis], self.dilation[axis],
            self.pad[axis],
        )  # fmt: skip

    def counts(self) -> NDArray[np.int64]:
        """In-bounds taps of each window: (out_h, out_w)."""
        counts = np.zeros(self.out_size, np.int64)
        for _, _, rows, columns, _, _ in self.taps():
            counts[rows, columns] += 1
        return counts

    def overlaps(self, op: Op, element_bytes: int, pending: tuple[int, int]) -> tuple[Overlap, ...]:
        """How the output may lie over input 0: see :func:`overlaps`; ``pending`` in elements."""
        reaches = tuple(self._reach(axis) for axis in (0, 1))
        pixel = (self.in_c * element_bytes, self.out_c * element_bytes)
        held = (pending[0] * element_bytes, pending[1] * element_bytes)
        return overlaps(op, 0, reaches, self.batches, pixel, held)

    def row_reach(self, op: Op, position: int = 0) -> RowReach:
        """Which rows of the input at ``position`` the output's rows are made of."""
        span = (self.kernel[0] - 1) * self.dilation[0] + 1
        return RowReach(op.inputs[position], self.stride[0], self.pad[0], span)

    def _reach(self, axis: int) -> Reach | None:
        return reach(
            self.in_size[axis], self.out_size[axis], self.kernel[axis], self.stride[axis],
            self.dilation[axis], self.pad[axis],
        )  # fmt: skip


@dataclass(frozen=True)
class Reach:
    """Along one axis: the first and last input position that each output position reads.

    Attributes:
        outputs: output positions that read anything, ascending.
        first, last: one entry per output position in ``outputs``.
    """

    in_size: int
    out_size: int
    outputs: NDArray[np.int64]
    first: NDArray[np.int64]
    last: NDArray[np.int64]


_MAX_AXIS = 1 << 20
"""Longer axes get no overlap: the figures are worked out position by position."""


def reach(
    in_size: int, out_size: int, kernel: int, stride: int, dilation: int, pad: int
) -> Reach | None:
    """What a window reads along one axis; None if the axis is too long to work it out."""
    if out_size > _MAX_AXIS:
        return None
    at = np.arange(out_size, dtype=np.int64)
    start = at * stride - pad
    first = np.maximum(0, -(start // dilation))
    last = np.minimum(kernel - 1, (in_size - 1 - start) // dilation)
    some = first <= last
    start, first, last = start[some], first[some], last[some]
    return Reach(in_size, out_size, at[some], start + first * dilation, start + last * dilation)


def transposed_reach(
    in_size: int, out_size: int, kernel: int, stride: int, pad: int
) -> Reach | None:
    """What a transposed convolution reads along one axis, as :func:`reach`."""
    if out_size > _MAX_AXIS:
        return None
    at = np.arange(out_size, dtype=np.int64)
    first = np.maximum(0, -((kernel - 1 - at - pad) // stride))
    last = np.minimum(in_size - 1, (at + pad) // stride)
    some = first <= last
    return Reach(in_size, out_size, at[some], first[some], last[some])


def rereading(channels: int) -> tuple[int, int]:
    """``pending`` of kernels that read all inputs of a pixel again for each output channel.

    Channels go upwards in both directions, so backwards the second one finds all of the output
    pixel taken.
    """
    return channels - 1, channels if channels > 1 else 0


def overlaps(
    op: Op, position: int, reaches: tuple[Reach | None, ...], batches: int, pixel: tuple[int, int],
    pending: tuple[int, int],
) -> tuple[Overlap, ...]:  # fmt: skip
    """How the output may lie over the input of a kernel that goes pixel by pixel, row-major.

    Going forwards, pixel q is read for the last time when q pixels and ``pending`` bytes of the
    next one are written; none of these bytes may lie at or behind the first byte that q reads.
    That byte's distance from the input's start is a sum over the axes, and so is the number of
    bytes written: the largest difference, the lead, is a sum of one maximum per axis. Going
    backwards the same holds, counted from the ends.

    Args:
        op: the op; its output 0 may lie over the input.
        position: of the input.
        reaches: of the axes, outermost first.
        batches: of input and output.
        pixel: bytes per input and output pixel.
        pending: bytes of an output pixel that are taken before its last input is read: forwards
            from its start, backwards from its end.
    """
    if op.inputs.count(op.inputs[position]) > 1 or any(axis is None for axis in reaches):
        return ()
    step_in, step_out = pixel
    lead, reverse_lead = pending
    for axis in reversed([axis for axis in reaches if axis is not None]):
        if not axis.outputs.size:
            return ()
        done = axis.outputs * step_out - axis.first * step_in
        to_do = (axis.out_size - 1 - axis.outputs) * step_out
        lead += int(np.max(done))
        reverse_lead += int(np.max(to_do - (axis.in_size - 1 - axis.last) * step_in))
        step_in, step_out = step_in * axis.in_size, step_out * axis.out_size
    growth = max(0, (batches - 1) * (step_out - step_in))
    return (Overlap(op.inputs[position], op.outputs[0], lead + growth, reverse_lead + growth),)


def overlaps_by_rows(
    op: Op, in_rows: int, row_bytes: tuple[int, int], needs: NDArray[np.int64]
) -> tuple[Overlap, ...]:
    """How the output may lie over input 0 of a kernel that writes rows one after the other.

    Args:
        op: the op, of one image.
        in_rows: of the input.
        row_bytes: of an input and an output row.
        needs: per output row the first input row that is read when it is written, or after that.
    """
    rows = np.arange(len(needs), dtype=np.int64)
    last = np.full(len(needs), in_rows - 1, np.int64)
    pending = row_bytes[1], row_bytes[1]
    axis = Reach(in_rows, len(needs), rows, needs, last)
    return overlaps(op, 0, (axis,), 1, row_bytes, pending)


def geometry(in_shape: Shape, kernel: tuple[int, int], out_c: int, window: Window) -> Geometry:
    """The geometry of a window over an NHWC input, padded as TFLite pads unless pads are given.

    Raises:
        ValueError: the window does not fit the input.
    """
    batches, in_h, in_w, in_c = in_shape
    out: list[int] = []
    pad: list[int] = []
    for size, k, stride, dilation, border in zip(
        (in_h, in_w), kernel, window.stride, window.dilation, window.pads or (None, None),
        strict=True,
    ):  # fmt: skip
        count, before = fit(size + sum(border or ()), k, stride, dilation, same=window.same)
        out.append(count)
        pad.append(border[0] if border else before)
    return Geometry(
        batches, (in_h, in_w), in_c, (out[0], out[1]), out_c, kernel,
        window.stride, window.dilation, (pad[0], pad[1]),
    )  # fmt: skip


def fit(size: int, kernel: int, stride: int, dilation: int, *, same: bool) -> tuple[int, int]:
    """(output positions, padding before the input) along one axis, as TFLite computes them.

    Raises:
        ValueError: the window does not fit the input.
    """
    span = (kernel - 1) * dilation + 1
    count = -(-size // stride) if same else (size + stride - span) // stride
    if count < 1:
        raise ValueError(f"a window of {span} does not fit an input of {size}")
    return count, max(0, (count - 1) * stride + span - size) // 2


@rule("a span below 2^24")
def spans(graph: Graph, op: Op) -> str | None:
    """Dilated filters must not span more than 2^24 positions along an axis."""
    dilation, axes = op.options.window.dilation, graph.input(op, 1).shape[1:3]
    worst = max((k - 1) * d + 1 for k, d in zip(axes, dilation, strict=True))
    return None if worst < 1 << 24 else f"{worst}"


def tap(
    k: int, in_size: int, out_size: int, stride: int, dilation: int, pad: int
) -> tuple[slice, slice] | None:
    """Where tap ``k`` lies inside the input along one axis: (outputs, inputs), or None."""
    start = k * dilation - pad
    first = max(0, -(start // stride))
    last = min(out_size - 1, (in_size - 1 - start) // stride)
    if last < first:
        return None
    begin = start + first * stride
    return slice(first, last + 1), slice(begin, begin + (last - first) * stride + 1, stride)
