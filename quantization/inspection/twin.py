"""The float model with the channels scaled as the quantized file has them.

Equalization multiplies channels inside a net and divides by the same factors behind: the net's
function stays, its inner tensors do not. Held against the float model as it was, every layer of an
equalized file looks broken. The factors can be read back from the weights: each output channel of a
layer is the float model's times its factor, once the factors of its inputs are known.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.tflite.model import TfModel, TfOperator
from edgecnn.core.tflite.writer import write_model
from quantization.inspection.pairing import match_layers
from quantization.inspection.weights import real_weights, weight_tensor, weighted_op
from quantization.steps.equalize import rescaled
from quantization.steps.equalize_channels import Channels, Link, channels_of
from quantization.steps.fold_draft import Draft
from quantization.steps.fold_layer import layer_of

Float64 = NDArray[np.float64]
#: Rounded weights of one channel still point the way of the float ones.
_ALIKE = 0.9
#: A factor from which on a file counts as equalized; rounding alone stays below.
_MOVED = 1.25


@dataclass(frozen=True)
class Twin:
    """A float model whose tensors can be compared with a quantized file's.

    Attributes:
        data: the .tflite.
        layers: how many layers' channels were scaled.
    """

    data: bytes
    layers: int


def rescaled_twin(reference: TfModel, model: TfModel) -> Twin | None:
    """The float model scaled like the quantized one; None where that is not scaled.

    Args:
        reference: the float model.
        model: the quantized one.
    """
    channels = channels_of(reference.main)
    scales = _scales(reference, model, channels)
    moved = [link for link in channels.links if _far(scales[link.outputs])]
    if not moved:
        return None
    return Twin(write_model(rescaled(reference, channels, scales).model), len(moved))


def _far(scales: Float64) -> bool:
    return bool((np.abs(np.log(scales)) > np.log(_MOVED)).any())


def _scales(reference: TfModel, model: TfModel, channels: Channels) -> Float64:
    """The factor of each group of channels, from the first layer on."""
    stored = {
        op.index: found
        for pair in match_layers(reference, model)
        if (op := weighted_op(reference.main, pair.reference, pair.op.code)) is not None
        and (found := _stored(model, pair.op)) is not None
    }
    scales = np.ones(channels.count)
    known = ~channels.free
    draft = Draft(reference)
    for link in channels.links:
        if link.op.index not in stored:
            continue
        factor = _factors(draft, link, stored[link.op.index], scales[link.inputs])
        if factor is None:
            continue
        fresh = ~known[link.outputs]
        scales[link.outputs[fresh]] = factor[fresh]
        known[link.outputs] = True
    return scales


def _stored(model: TfModel, op: TfOperator) -> tuple[Float64, Float64 | None] | None:
    """Real weights and bias of a quantized layer."""
    tensor = weight_tensor(model.main, op)
    weights = None if tensor is None else real_weights(tensor)
    if weights is None:
        return None
    bias = model.main.tensors[op.inputs[2]] if len(op.inputs) > 2 and op.inputs[2] >= 0 else None
    if bias is None or bias.data is None or bias.quantization is None:
        return weights, None
    scale = np.asarray(bias.quantization.scale, np.float64)
    return weights, bias.data.astype(np.float64).reshape(-1) * scale


def _factors(
    draft: Draft, link: Link, stored: tuple[Float64, Float64 | None], inputs: Float64
) -> Float64 | None:
    """By least squares over the weights, one factor per output channel.

    Weights that a scale for the whole tensor rounds to next to nothing do not tell; their bias,
    which has 32 bits, does. 1 where neither does.
    """
    layer, (weights, bias) = layer_of(draft, link.op), stored
    if layer is None or layer.weights.shape != weights.shape:
        return None
    axis = 3 if link.op.code == "DEPTHWISE_CONV_2D" else 0
    plain = layer.scaled_inputs(1 / inputs)
    a = np.moveaxis(plain, axis, 0).reshape(plain.shape[axis], -1)
    b = np.moveaxis(weights, axis, 0).reshape(len(a), -1)
    power, both = (a * a).sum(axis=1), (a * b).sum(axis=1)
    good = (both > _ALIKE * np.sqrt(power * (b * b).sum(axis=1))) & (power > 0)
    factor = np.where(good, both / np.where(good, power, 1.0), 1.0)
    if bias is None or bias.shape != layer.bias.shape:
        return factor
    with np.errstate(divide="ignore", invalid="ignore"):
        told = bias / layer.bias
    return np.where(~good & np.isfinite(told) & (told > 0), told, factor)
