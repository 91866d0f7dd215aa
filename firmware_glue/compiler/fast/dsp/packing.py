"""Weights in the order in which ``edgecnn_dsp_gemm_micro.h`` reads them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from firmware_glue.compiler.fast.requant import Form, Requant
from firmware_glue.compiler.fast.sums import Ints, Layer
from firmware_glue.compiler.ops.spec import Array

FORMS = {Form.AFFINE: 0, Form.TWICE: 1, Form.ONCE: 2}
"""The FORM of the C macros."""
_NONE = -1
_RAW_LIMIT = 1 << 23


@dataclass(frozen=True)
class Packed:
    """A layer's weights for these kernels.

    Attributes:
        words: the stream, int32.
        raw: whether its halfwords are read as they are (RAW of the C macros).
        pairs: pairs of values per patch.
        four_words: words of four channels.
    """

    words: Array
    raw: bool
    pairs: int
    four_words: int


def run_pairs(count: int) -> list[tuple[int, int]]:
    """The bytes of a run that share a word, in the order of ``ec_dsp_gather``; −1: none."""
    whole = count // 4 * 4
    pairs = [pair for k in range(0, whole, 4) for pair in ((k, k + 2), (k + 1, k + 3))]
    rest = range(whole, count, 2)
    return pairs + [(k, k + 1 if k + 1 < count else _NONE) for k in rest]


def pack(layer: Layer, requant: Requant, runs: int) -> Packed:
    """The stream of a layer.

    Args:
        layer: its filters have (output channels, runs · bytes of a run) values.
        requant: how its sums are rounded.
        runs: runs of bytes that a patch is gathered from.
    """
    channels, depth = layer.filters.shape
    order = np.array(run_pairs(depth // runs)) if depth else np.zeros((0, 2), np.int64)
    padded = np.zeros((-(-channels // 4) * 4, runs, depth // runs + 1), np.int64)
    padded[:channels, :, :-1] = layer.filters.reshape(channels, runs, -1)
    # Index −1 is the column of zeros.
    values = padded[:, :, order].reshape(len(padded) // 2, 2, runs * len(order), 2)
    even, odd = values[:, 0], values[:, 1]
    raw = _raw(layer, requant, 256 * odd + even)
    halves = (256 * odd + even if raw else (odd & 255) << 8 | even & 255) & 0xFFFF
    words = halves[..., 0] | halves[..., 1] << 16
    fours = words.reshape(len(padded) // 4, 2, -1).transpose(0, 2, 1).reshape(len(padded) // 4, -1)
    starts = _filled(layer.folded_bias + requant.betas)
    if raw:
        starts[:, 1::2] = 256 * starts[:, 1::2] + starts[:, ::2]
    stream = np.concatenate([starts, fours, _constants(requant, raw)], axis=1)
    flat = (stream & 0xFFFFFFFF).astype(np.uint32).view(np.int32).ravel()
    return Packed(flat, raw, runs * len(order), stream.shape[1])


def _raw(layer: Layer, requant: Requant, halves: Ints) -> bool:
    """Whether 256·w1 + w0 fits a halfword and 256·A1 a word, everywhere."""
    if halves.size and (halves.min() < -(1 << 15) or halves.max() >= 1 << 15):
        return False
    most = np.maximum(np.abs(layer.low + requant.betas), np.abs(layer.high + requant.betas))
    affine = requant.form is Form.AFFINE
    return bool(np.all(most < _RAW_LIMIT)) and (not affine or requant.fits_scaled(256))


def _constants(requant: Requant, raw: bool) -> Ints:
    affine = requant.form is Form.AFFINE
    addends = _filled(requant.addends)
    if affine and raw:
        addends[:, 1::2] *= 256
    parts = [_filled(requant.multipliers), addends]
    if not affine:
        # Channels that fill up a four have a shift of 0.
        parts.append(_filled(requant.shifts))
    return np.stack(parts, axis=2).reshape(len(addends), -1)


def _filled(values: Ints) -> Ints:
    """(channels / 4, 4), filled up with zeros."""
    return np.pad(values, (0, -len(values) % 4)).reshape(-1, 4)
