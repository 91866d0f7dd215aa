"""Random convolutions with a depthwise convolution behind them; pairs taken wherever offered."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from firmware_glue.compiler.fast import plain
from firmware_glue.compiler.planner import pairs
from tests.firmware_glue.compiler.fast.layer_cases import (
    ACTIVATIONS,
    Layers,
    fitted,
    lively_weights,
)

ROOM = 1 << 22
"""Bytes of an arena in which every pair has its place."""


def take_pairs(patch: pytest.MonkeyPatch) -> None:
    """Not the best of a pair's bands, but any: chosen by its name; also where it does not pay.

    Models have to be compiled with ``max_ram=ROOM``.
    """
    patch.setattr(plain, "least", lambda *_: None)
    patch.setattr(pairs, "_WORTH", 10**6)
    patch.setattr(pairs, "_fastest", _any)


def _any(ways: Sequence[Any]) -> Any:
    seed = repr([(way.candidate.instructions, way.held) for way in ways])
    return ways[zlib.crc32(seed.encode()) % len(ways)]


def paired(layers: Layers) -> None:
    """A random one: half of them pointwise, then 3×3."""
    pick, number = layers.pick, layers.number
    usual = layers.rng.random() < 0.5
    kernel = (1, 1) if usual else (number(1, 4), number(1, 4))
    stride = (1, 1) if usual else (number(1, 2), number(1, 2))
    size, padding = [number(1, 15), number(1, 15)], str(pick("SAME", "VALID"))
    size = [max(n, k) for n, k in zip(size, kernel, strict=True)]
    x, scale = layers.data((1, *size, int(pick(1, 3, 8, number(1, 40)))))
    middle = _convolution(layers, x, scale, kernel, stride, padding)
    window = (3, 3) if usual else (number(1, 3), number(1, 3))
    same = int(pick(1, 1, 2))
    padding = "SAME" if any(n < k for n, k in zip(middle[2], window, strict=True)) else padding
    _depthwise(layers, middle, window, same, padding)


def usual_pair(
    layers: Layers, size: tuple[int, int], in_c: int, channels: int, stride: int
) -> None:
    """A pointwise convolution, then 3×3."""
    x, scale = layers.data((1, *size, in_c))
    middle = _convolution(layers, x, scale, (1, 1), (1, 1), "SAME", channels)
    _depthwise(layers, middle, (3, 3), stride, "SAME")


_Middle = tuple[int, float, Sequence[int], int]
"""Tensor, scale, height and width, channels."""


def _convolution(
    layers: Layers, x: int, scale: float, kernel: tuple[int, int], stride: tuple[int, int],
    padding: str, channels: int = 0,
) -> _Middle:  # fmt: skip
    build = layers.build
    _, *size, in_c = build.tensors[x].shape
    out = [fitted(n, k, s, 1, padding) for n, k, s in zip(size, kernel, stride, strict=True)]
    out_c = channels or int(layers.pick(4, 8, 16, layers.number(4, 21)))
    activation = layers.pick("NONE", "NONE", "NONE", *ACTIVATIONS)
    filters, bias, product = _weights(layers, (out_c, *kernel, in_c), 0, scale)
    y = layers.output((1, *out, out_c), product, in_c * kernel[0] * kernel[1])
    layers.outputs.remove(y)
    build.op(
        "CONV_2D", [x, filters, bias], [y], padding=padding, stride_h=stride[0],
        stride_w=stride[1], fused_activation_function=activation,
    )  # fmt: skip
    return y, float(np.ravel(build.tensors[y].scale)[0]), out, out_c


def _weights(
    layers: Layers, shape: tuple[int, ...], axis: int, scale: float
) -> tuple[int, int, float]:
    """Some of them without constant channels, which leave no pair."""
    lively = layers.rng.random() < 0.6
    return (
        lively_weights(layers, shape, axis, scale) if lively else layers.weights(shape, axis, scale)
    )


def _depthwise(
    layers: Layers, middle: _Middle, kernel: tuple[int, int], stride: int, padding: str
) -> None:
    x, scale, size, channels = middle
    multiplier = int(layers.pick(1, 1, 1, 2, 3))
    out = [fitted(n, k, stride, 1, padding) for n, k in zip(size, kernel, strict=True)]
    count = channels * multiplier
    filters, bias, product = _weights(layers, (1, *kernel, count), 3, scale)
    y = layers.output((1, *out, count), product, kernel[0] * kernel[1])
    layers.build.op(
        "DEPTHWISE_CONV_2D", [x, filters, bias], [y], padding=padding, stride_h=stride,
        stride_w=stride, depth_multiplier=multiplier,
        fused_activation_function=layers.pick(*ACTIVATIONS),
    )  # fmt: skip
