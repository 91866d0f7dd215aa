"""A network as weights are taken from it: its layers with kernels, in the order of the graph."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.preprocess import Colour

Kind = Literal["conv", "depthwise", "dense"]
Padding = Literal["same", "valid", "other"]
#: Stands for the picture among what a layer reads.
IMAGE = -1
MAX_LAYERS = 2048
MAX_PARAMETERS = 1 << 28


@dataclass(frozen=True)
class LayerForm:
    """What two layers must share for the weights of one to serve in the other, and what they may.

    Attributes:
        name: in its file.
        kind: ``conv`` (also grouped), ``depthwise`` or ``dense``.
        shape: of the kernel as Keras has it: (height, width, inputs, filters), for ``depthwise``
            (height, width, channels, multiplier), for ``dense`` (inputs, units).
        strides: vertical, horizontal.
        dilation: vertical, horizontal.
        padding: ``same`` also where it is written as explicit zeros; ``other``: explicit zeros
            that are not those of ``same``.
        activation: ``relu6``, ``relu``, ``none`` or another one's lower-case name.
        reads: which layers' outputs reach it through operations without weights, as positions in
            the order of the graph; :data:`IMAGE` is the picture.
    """

    name: str
    kind: Kind
    shape: tuple[int, ...]
    strides: tuple[int, int] = (1, 1)
    dilation: tuple[int, int] = (1, 1)
    padding: Padding = "same"
    activation: str = "none"
    reads: tuple[int, ...] = ()

    def __str__(self) -> str:
        """For messages: ``block1_dw (depthwise 3×3, 32 channels, stride 2)``."""
        if self.kind == "dense":
            return f"{self.name} (dense {self.shape[0]} → {self.shape[1]})"
        size = f"{self.kind} {self.shape[0]}×{self.shape[1]}"
        counts = (
            f"{self.shape[2] * self.shape[3]} channels"
            if self.kind == "depthwise"
            else f"{self.shape[2]} → {self.shape[3]}"
        )
        stride = "×".join(map(str, dict.fromkeys(self.strides)))
        return f"{self.name} ({size}, {counts}, stride {stride})"


@dataclass(frozen=True)
class SourceNorm:
    """A layer as it was before its batch norm was folded in.

    Attributes:
        kernel: of the layer alone.
        gamma, beta, mean, variance: of the batch norm; the layer's bias is in ``mean``.
        epsilon: of the batch norm.
    """

    kernel: NDArray[np.float32] = field(compare=False, repr=False)
    gamma: NDArray[np.float32] = field(compare=False, repr=False)
    beta: NDArray[np.float32] = field(compare=False, repr=False)
    mean: NDArray[np.float32] = field(compare=False, repr=False)
    variance: NDArray[np.float32] = field(compare=False, repr=False)
    epsilon: float = 1e-3


@dataclass(frozen=True)
class SourceLayer:
    """A layer that gives its weights, batch norm folded in.

    Attributes:
        form: what it is.
        kernel: float32, in Keras' layout.
        bias: float32, one per output channel; zeros where the file has none.
        norm: the same in two parts, where the file has a batch norm of its own.
    """

    form: LayerForm
    kernel: NDArray[np.float32] = field(compare=False, repr=False)
    bias: NDArray[np.float32] = field(compare=False, repr=False)
    norm: SourceNorm | None = None

    @property
    def parameters(self) -> int:
        """Weights in the kernel and the bias."""
        return int(self.kernel.size + self.bias.size)


@dataclass(frozen=True)
class ByteMeaning:
    """What reaches the first layer for a byte of the picture: scale · byte + offset.

    Attributes:
        scale, offset: one number or one per channel, as in a preprocess spec.
        colour: order of the channels; None where nothing tells it (RGB is usual).
        evidence: what tells it, a noun phrase for messages.
    """

    scale: tuple[float, ...]
    offset: tuple[float, ...]
    colour: Colour | None
    evidence: str

    def __str__(self) -> str:
        """For messages: ``bytes 0..255 are -1..1, by the codes of its quantized input``."""
        ends = [
            tuple(
                a * byte + b
                for a, b in zip(*np.broadcast_arrays(self.scale, self.offset), strict=True)
            )
            for byte in (0, 255)
        ]
        low, high = (
            f"{end[0]:.4g}" if len(set(end)) == 1 else f"({', '.join(f'{x:.4g}' for x in end)})"
            for end in ends
        )
        return f"bytes 0..255 are {low}..{high}, by {self.evidence}"


@dataclass(frozen=True)
class SourceNet:
    """A model file as a source of weights.

    Attributes:
        text: the file as given.
        form: ``tflite``, ``keras`` or ``bundle``.
        layers: those with a kernel, each behind all that it reads.
        input_shape: (height, width, channels) of the picture that it takes; None: it takes none.
        meaning: what a byte of the picture is to it; None: unknown.
        notes: what was met on reading, one line each.
        digest: SHA-256 over the layers' weights.
        keras_model: the Keras model in the file; None: it holds none.
    """

    text: str
    form: str
    layers: tuple[SourceLayer, ...]
    input_shape: tuple[int, int, int] | None
    meaning: ByteMeaning | None
    notes: tuple[str, ...] = ()
    digest: str = ""
    keras_model: Any = field(default=None, compare=False, repr=False)


def layers_digest(layers: tuple[SourceLayer, ...]) -> str:
    """SHA-256 over kernels and biases, in order."""
    digest = hashlib.sha256()
    for layer in layers:
        digest.update(layer.kernel.tobytes())
        digest.update(layer.bias.tobytes())
    return digest.hexdigest()


def positions(mask: int) -> tuple[int, ...]:
    """The positions in a set kept as bits, bit 0 for the picture.

    >>> positions(0b1011)
    (-1, 0, 2)
    """
    return tuple(k - 1 for k in range(mask.bit_length()) if mask >> k & 1)


def union(masks: Iterable[int]) -> int:
    """All positions of several such sets."""
    result = 0
    for mask in masks:
        result |= mask
    return result


def padding_kind(
    pads: tuple[tuple[int, int], tuple[int, int]],
    sizes: tuple[int | None, int | None],
    kernel: tuple[int, int],
    strides: tuple[int, int],
    dilation: tuple[int, int] = (1, 1),
) -> Padding:
    """What explicit zeros amount to.

    Args:
        pads: (top, bottom), (left, right).
        sizes: height and width before them; None: open, taken as a multiple of the stride.
        kernel: the layer's height and width.
        strides: vertical, horizontal.
        dilation: vertical, horizontal.

    >>> padding_kind(((0, 1), (0, 1)), (224, 224), (3, 3), (2, 2))
    'same'
    >>> padding_kind(((1, 1), (1, 1)), (224, 224), (3, 3), (2, 2))
    'other'
    """
    wanted = tuple(
        same_pads(size if size is not None else stride * extent, extent, stride, step)
        for size, extent, stride, step in zip(sizes, kernel, strides, dilation, strict=True)
    )
    if pads == wanted:
        return "same"
    return "valid" if not any(sum(pads, ())) else "other"


def same_pads(size: int, kernel: int, stride: int, dilation: int = 1) -> tuple[int, int]:
    """The zeros that SAME adds before and behind, as TensorFlow does.

    >>> same_pads(224, 3, 2), same_pads(225, 3, 2), same_pads(7, 3, 1)
    ((0, 1), (1, 1), (1, 1))
    """
    extent = (kernel - 1) * dilation + 1
    total = max((-(-size // stride) - 1) * stride + extent - size, 0)
    return total // 2, total - total // 2


def as_conv(form: LayerForm) -> tuple[Any, ...]:
    """Kind, kernel's shape, strides and dilation; a depthwise layer of one channel is a ``conv``.

    TensorFlow's converter writes the one as the other.
    """
    kind = "conv" if form.kind == "depthwise" and form.shape[2] == 1 else form.kind
    return kind, form.shape, form.strides, form.dilation
