"""Sliding windows: geometry, padding and memory lead, shared by convolutions and pools."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from firmware_glue.compiler.ir import Shape


@dataclass(frozen=True)
class Window:
    """Options of a window: kernel size, stride and dilation as (height, width); padding."""

    stride: tuple[int, int]
    same: bool
    dilation: tuple[int, int] = (1, 1)


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
        stride, size = self.stride[axis], self.in_size[axis]
        start = k * self.dilation[axis] - self.pad[axis]
        first = max(0, -(start // stride))
        last = min(self.out_size[axis] - 1, (size - 1 - start) // stride)
        if last < first:
            return None
        begin = start + first * stride
        return slice(first, last + 1), slice(begin, begin + (last - first) * stride + 1, stride)

    def counts(self) -> NDArray[np.int64]:
        """In-bounds taps of each window: (out_h, out_w)."""
        counts = np.zeros(self.out_size, np.int64)
        for _, _, rows, columns, _, _ in self.taps():
            counts[rows, columns] += 1
        return counts

    def lead(self) -> int:
        """By how many bytes the output must start before the input, to be written over it.

        The kernels go pixel by pixel in row-major order and read a whole window before the
        first byte of its output pixel is written, or read it again for further channels. So the
        bytes of pixel p may cover only input that no pixel ≥ p reads.
        """
        y = np.arange(self.out_size[0]) * self.stride[0] - self.pad[0]
        x = np.arange(self.out_size[1]) * self.stride[1] - self.pad[1]
        n = np.arange(self.batches)
        row = n[:, None] * self.in_size[0] + np.clip(y, 0, self.in_size[0] - 1)[None, :]
        pixel = row[:, :, None] * self.in_size[1] + np.clip(x, 0, self.in_size[1] - 1)
        first_read = np.minimum.accumulate((pixel * self.in_c).ravel()[::-1])[::-1]
        written = (np.arange(first_read.size) + 1) * self.out_c
        return int(np.max(written - first_read, initial=0))


def geometry(in_shape: Shape, kernel: tuple[int, int], out_c: int, window: Window) -> Geometry:
    """The geometry of a window over an NHWC input, padded as TFLite pads.

    Raises:
        ValueError: the window does not fit the input.
    """
    batches, in_h, in_w, in_c = in_shape
    out: list[int] = []
    pad: list[int] = []
    for size, k, stride, dilation in zip(
        (in_h, in_w), kernel, window.stride, window.dilation, strict=True
    ):
        span = (k - 1) * dilation + 1
        count = -(-size // stride) if window.same else (size + stride - span) // stride
        if count < 1:
            raise ValueError(f"a window of {span} does not fit an input of {size}")
        out.append(count)
        pad.append(max(0, (count - 1) * stride + span - size) // 2)
    return Geometry(
        batches, (in_h, in_w), in_c, (out[0], out[1]), out_c, kernel,
        window.stride, window.dilation, (pad[0], pad[1]),
    )  # fmt: skip
