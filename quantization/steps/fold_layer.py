"""A convolution or matrix of the graph as float64 weights that can be scaled at either end."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from edgecnn.core.tflite.model import NO_TENSOR, DType, TfOperator
from quantization.steps.fold_affine import ACTIVATION, Float64
from quantization.steps.fold_draft import Draft

LAYERS = frozenset({"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV"})


@dataclass(frozen=True)
class Layer:
    """One layer with constant float32 weights.

    Attributes:
        op: the operator.
        weights: float64, in the file's layout: (out, h, w, in), depthwise (1, h, w, out), matrix
            (out, in).
        bias: float64 (out,), zeros where the op has none.
        pads: whether it reads padding (then a constant added to its input is not a constant
            added to its output).
        slot: which input holds the data.
    """

    op: TfOperator
    weights: Float64
    bias: Float64
    pads: bool
    slot: int

    @property
    def clip(self) -> str:
        """Its fused activation."""
        return str(self.op.options.get(ACTIVATION, "NONE"))

    @property
    def _depthwise(self) -> bool:
        return self.op.code == "DEPTHWISE_CONV_2D"

    def input_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The data as this layer sees it: a matrix takes rows of its own width."""
        if self.op.code != "FULLY_CONNECTED":
            return shape
        width = self.weights.shape[-1]
        return (math.prod(shape) // width, width)

    def scaled_outputs(self, scale: Float64) -> Float64:
        """Weights whose outputs are ``scale`` (out,) times as large."""
        axis = 3 if self._depthwise else 0
        shape = [1] * self.weights.ndim
        shape[axis] = -1
        return self.weights * scale.reshape(shape)

    def scaled_inputs(self, scale: Float64) -> Float64:
        """Weights for inputs that are not yet scaled by ``scale`` (in,)."""
        return self.weights * self._per_weight(scale)

    def constant_input(self, values: Float64) -> Float64:
        """The output (out,), without bias, for an input of ``values`` (in,) everywhere."""
        product = self.weights * self._per_weight(values)
        return product.sum((0, 1, 2) if self._depthwise else tuple(range(1, product.ndim)))

    def _per_weight(self, values: Float64) -> Float64:
        if self._depthwise:
            return np.repeat(values, self.weights.shape[3] // len(values))
        inner = self.weights.shape[-1]
        if self.weights.ndim == 2 or len(values) == inner:
            return values
        groups = len(values) // inner  # output o reads the channels of group o // (out / groups)
        rows = np.repeat(values.reshape(groups, inner), len(self.weights) // groups, axis=0)
        return rows[:, None, None, :]

    def fits(self, weights: Float64, bias: Float64) -> bool:
        """Whether float32 holds them."""
        limit = float(np.finfo(np.float32).max)
        return all(bool((np.abs(v) <= limit).all()) for v in (weights, bias))

    def rewrite(self, draft: Draft, weights: Float64, bias: Float64, clip: str) -> None:
        """Puts other weights, bias and activation into the draft; see :meth:`fits`."""
        op = draft.operators[self.op.index]
        inputs = list(op.inputs) + [NO_TENSOR] * (self._bias_slot + 1 - len(op.inputs))
        name = draft.tensors[inputs[1]].name
        inputs[1] = draft.add_constant(name, weights.astype(np.float32))
        if inputs[self._bias_slot] != NO_TENSOR or bias.any():
            old = inputs[self._bias_slot]
            name = f"{name}/bias" if old == NO_TENSOR else draft.tensors[old].name
            inputs[self._bias_slot] = draft.add_constant(name, bias.astype(np.float32))
        elif len(op.inputs) <= self._bias_slot:
            inputs = inputs[: len(op.inputs)]
        options = op.options
        if clip != self.clip:
            options = {**options, ACTIVATION: clip}
        least = (4 if clip != "NONE" else 3) if op.code == "TRANSPOSE_CONV" else 1
        draft.replace(
            replace(op, inputs=tuple(inputs), options=options, version=max(op.version, least))
        )

    @property
    def _bias_slot(self) -> int:
        return 3 if self.op.code == "TRANSPOSE_CONV" else 2


def layer_of(draft: Draft, op: TfOperator) -> Layer | None:
    """``op`` as a layer; None where it is none, or its weights are not plain float32 constants."""
    if op.code not in LAYERS or len(op.inputs) < 2:
        return None
    weights = draft.constant(op.inputs[1])
    if weights is None or draft.tensors[op.outputs[0]].dtype != DType.FLOAT32:
        return None
    if op.options.get("weights_format", "DEFAULT") != "DEFAULT":
        return None
    slot = 3 if op.code == "TRANSPOSE_CONV" else 2
    raw = op.inputs[slot] if len(op.inputs) > slot else NO_TENSOR
    bias = draft.constant(raw)
    if raw != NO_TENSOR and bias is None:
        return None
    outputs = weights.shape[3] if op.code == "DEPTHWISE_CONV_2D" else weights.shape[0]
    return Layer(
        op,
        weights.astype(np.float64),
        np.zeros(outputs) if bias is None else bias.astype(np.float64),
        _pads(draft, op),
        2 if op.code == "TRANSPOSE_CONV" else 0,
    )


def _pads(draft: Draft, op: TfOperator) -> bool:
    """Whether the layer reads zeros beyond its input's border."""
    if op.code == "FULLY_CONNECTED":
        return False
    if op.code == "TRANSPOSE_CONV":
        return True  # border outputs have fewer terms than inner ones
    if op.options.get("padding") == "VALID":
        return False
    source, kernel = draft.tensors[op.inputs[0]].shape, draft.tensors[op.inputs[1]].shape
    for size, taps, side in ((source[1], kernel[1], "h"), (source[2], kernel[2], "w")):
        stride = int(op.options.get(f"stride_{side}", 1))
        dilation = int(op.options.get(f"dilation_{side}_factor", 1))
        reach = (-(-size // stride) - 1) * stride + (taps - 1) * dilation + 1
        if reach > size:
            return True
    return False
