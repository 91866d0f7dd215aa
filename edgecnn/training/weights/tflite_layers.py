"""The layers of a .tflite, float or quantized in any way, with their weights as real values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.errors import ModelError
from edgecnn.core.tflite.model import NO_TENSOR, DType, TfModel, TfOperator, TfTensor
from edgecnn.core.tflite.values import real_values
from edgecnn.training.weights.net import (
    MAX_LAYERS,
    MAX_PARAMETERS,
    Kind,
    LayerForm,
    Padding,
    SourceLayer,
    padding_kind,
    positions,
    same_pads,
    union,
)
from quantization.graph.edit import consumers, producers

_KINDS: dict[str, Kind] = {
    "CONV_2D": "conv",
    "DEPTHWISE_CONV_2D": "depthwise",
    "FULLY_CONNECTED": "dense",
}
_ACTIVATIONS = {
    "RELU": "relu", "RELU6": "relu6", "RELU_N1_TO_1": "relu_n1_to_1", "RELU_0_TO_1": "relu_0_to_1",
    "HARD_SWISH": "hard_swish", "LOGISTIC": "sigmoid", "TANH": "tanh", "LEAKY_RELU": "leaky_relu",
    "PRELU": "prelu", "ELU": "elu", "GELU": "gelu", "SOFTMAX": "softmax",
}  # fmt: skip
_AFFINE = ("MUL", "ADD", "SUB")
_SIX = (5.9, 6.1)
_MAX_FOLDS = 4

Floats = NDArray[np.float32]


def tflite_layers(model: TfModel, source: str) -> tuple[tuple[SourceLayer, ...], tuple[str, ...]]:
    """The layers with constant kernels, in the order of the graph, and notes.

    Weights of 8, 4 and 2 bits become ``scale · (code − zero point)``, per tensor or per channel;
    multiplications and additions of constants right behind a layer (a batch norm that was not
    folded) go into its kernel and bias.

    Args:
        model: the file, read.
        source: what messages call it.

    Raises:
        ModelError: it has no such layer, too many, or weights that are not finite.
    """
    return _Layers(model, source).read()


@dataclass
class _Tail:
    """What follows a layer: factors and summands of its outputs, then an activation."""

    scale: NDArray[np.float64]
    shift: NDArray[np.float64]
    output: int
    activation: str
    folded: bool = False


class _Layers:
    """One walk over the operators."""

    def __init__(self, model: TfModel, source: str) -> None:
        self._graph = model.main
        self._source = source
        self._readers = consumers(model.main)
        self._writers = producers(model.main)
        self._reads: dict[int, int] = dict.fromkeys(model.main.inputs, 1)
        self._layers: list[SourceLayer] = []
        self._skipped: list[str] = []
        self._folded = 0
        self._count = 0

    def read(self) -> tuple[tuple[SourceLayer, ...], tuple[str, ...]]:
        for op in self._graph.operators:
            mask = union(self._reads.get(index, 0) for index in op.inputs)
            layer = self._layer(op, mask) if op.code in _KINDS else None
            if layer is not None:
                self._layers.append(layer)
                mask = 1 << len(self._layers)
                self._count += layer.parameters
                if len(self._layers) > MAX_LAYERS or self._count > MAX_PARAMETERS:
                    raise self._unusable(
                        f"has more than {MAX_LAYERS:,} layers or {MAX_PARAMETERS:,} weights"
                    )
            self._reads.update(dict.fromkeys(op.outputs, mask))
        if not self._layers:
            raise self._unusable("has no convolution with weights of its own")
        notes = []
        if self._skipped:
            names = ", ".join(self._skipped[:3])
            notes.append(f"{len(self._skipped)} layers without readable weights: {names}")
        if self._folded:
            notes.append(f"batch norms folded into {self._folded} layers")
        return tuple(self._layers), tuple(notes)

    def _layer(self, op: TfOperator, mask: int) -> SourceLayer | None:
        kernel = self._constant(op.inputs[1]) if len(op.inputs) > 1 else None
        if kernel is None or kernel.ndim != (2 if op.code == "FULLY_CONNECTED" else 4):
            self._skipped.append(self._name(op))
            return None
        kernel = _in_keras_layout(op, kernel)
        filters = kernel.shape[-1] * (kernel.shape[-2] if _KINDS[op.code] == "depthwise" else 1)
        bias = self._bias(op, kernel, filters)
        tail = self._tail(op, filters)
        if tail.folded:
            kernel = (kernel * tail.scale.reshape(_factor_shape(op, kernel))).astype(np.float32)
            bias = (bias * tail.scale + tail.shift).astype(np.float32)
            self._folded += 1
        if not (np.isfinite(kernel).all() and np.isfinite(bias).all()):
            raise self._unusable(f"has weights that are not finite in '{self._name(op)}'")
        options = op.options
        form = LayerForm(
            self._name(op),
            _KINDS[op.code],
            kernel.shape,
            (int(options.get("stride_h") or 1), int(options.get("stride_w") or 1)),
            (
                int(options.get("dilation_h_factor") or 1),
                int(options.get("dilation_w_factor") or 1),
            ),
            self._padding(op, kernel),
            tail.activation,
            positions(mask),
        )
        return SourceLayer(form, kernel, bias)

    def _constant(self, index: int) -> Floats | None:
        """A constant's real values, also where the file widens it first."""
        if index == NO_TENSOR:
            return None
        writer = self._writers.get(index)
        if writer is not None and writer.code == "DEQUANTIZE" and len(writer.inputs) == 1:
            index = writer.inputs[0]
        return real_values(self._graph.tensors[index])

    def _bias(self, op: TfOperator, kernel: Floats, filters: int) -> Floats:
        index = op.inputs[2] if len(op.inputs) > 2 else NO_TENSOR
        if index == NO_TENSOR:
            return np.zeros(filters, np.float32)
        values = self._constant(index)
        tensor = self._graph.tensors[index]
        if values is None and tensor.data is not None and tensor.data.dtype.kind == "i":
            values = self._unscaled_bias(op, tensor)
        if values is None or values.size != filters:
            raise self._unusable(f"has a bias that cannot be read in '{self._name(op)}'")
        return values.reshape(filters)

    def _unscaled_bias(self, op: TfOperator, bias: TfTensor) -> Floats | None:
        """A bias whose scale the file leaves out: input's scale times the kernel's."""
        before = self._graph.tensors[op.inputs[0]].quantization
        weights = self._graph.tensors[op.inputs[1]].quantization
        if before is None or weights is None or bias.data is None:
            return None
        scale = np.asarray(weights.scale, np.float64) * before.scale[0]
        if scale.size not in (1, bias.data.size):
            return None
        return (bias.data.reshape(-1).astype(np.float64) * scale).astype(np.float32)

    def _tail(self, op: TfOperator, filters: int) -> _Tail:
        """Follows the output through a batch norm in parts to the activation."""
        tail = _Tail(np.ones(filters), np.zeros(filters), op.outputs[0], "none")
        fused = str(op.options.get("fused_activation_function") or "NONE")
        for _ in range(_MAX_FOLDS):
            reader = self._only_reader(tail.output)
            if fused != "NONE" or reader is None or reader.code not in _AFFINE:
                break
            other = next((k for k in reader.inputs if k != tail.output), NO_TENSOR)
            value = self._constant(other)
            first = reader.inputs[0] == tail.output
            if (
                value is None
                or value.size not in (1, filters)
                or not (first or reader.code != "SUB")
            ):
                break
            constant = value.reshape(-1).astype(np.float64)
            if value.size > 1 and value.shape[-1] != filters:
                break
            if reader.code == "MUL":
                tail.scale, tail.shift = tail.scale * constant, tail.shift * constant
            else:
                tail.shift = tail.shift + (constant if reader.code == "ADD" else -constant)
            tail.output, tail.folded = reader.outputs[0], True
            fused = str(reader.options.get("fused_activation_function") or "NONE")
        tail.activation = _ACTIVATIONS.get(fused, "none") if fused != "NONE" else self._next(tail)
        return tail

    def _next(self, tail: _Tail) -> str:
        """The activation that stands as an operator of its own, or in the output's range."""
        codes = {reader.code for reader in self._readers.get(tail.output, ())}
        if codes == {"LOGISTIC", "MUL"}:
            return "silu"
        if len(codes) == 1 and (code := codes.pop()) in _ACTIVATIONS:
            return _ACTIVATIONS[code]
        return _clamped(self._graph.tensors[tail.output])

    def _only_reader(self, index: int) -> TfOperator | None:
        readers = self._readers.get(index, [])
        if index in self._graph.outputs or len(readers) != 1:
            return None
        return readers[0]

    def _padding(self, op: TfOperator, kernel: Floats) -> Padding:
        if op.code == "FULLY_CONNECTED":
            return "same"
        options = op.options
        shape = self._graph.tensors[op.inputs[0]].shape
        strides = (int(options.get("stride_h") or 1), int(options.get("stride_w") or 1))
        dilation = (
            int(options.get("dilation_h_factor") or 1), int(options.get("dilation_w_factor") or 1),
        )  # fmt: skip
        extent = (kernel.shape[0], kernel.shape[1])
        if len(shape) != 4 or min(*strides, *dilation) < 1:
            raise self._unusable(f"has strides or shapes that cannot be in '{self._name(op)}'")
        zeros = self._zeros_before(op)
        if zeros is None:
            zeros = ((0, 0), (0, 0))
        sizes = (shape[1] - sum(zeros[0]), shape[2] - sum(zeros[1]))
        if options.get("padding") == "SAME":
            added = [
                same_pads(size, k, stride, step)
                for size, k, stride, step in zip(shape[1:3], extent, strides, dilation, strict=True)
            ]
            zeros = (
                (zeros[0][0] + added[0][0], zeros[0][1] + added[0][1]),
                (zeros[1][0] + added[1][0], zeros[1][1] + added[1][1]),
            )
        return padding_kind(zeros, sizes, extent, strides, dilation)

    def _zeros_before(self, op: TfOperator) -> tuple[tuple[int, int], tuple[int, int]] | None:
        """The rows and columns of zeros that an operator of its own puts around the input."""
        writer = self._writers.get(op.inputs[0])
        if writer is None or writer.code != "PAD" or len(writer.inputs) < 2:
            return None
        data = self._graph.tensors[writer.inputs[1]].data
        if data is None or data.shape != (4, 2) or data[0].any() or data[3].any():
            return None
        rows, columns = data[1].tolist(), data[2].tolist()
        return (rows[0], rows[1]), (columns[0], columns[1])

    def _name(self, op: TfOperator) -> str:
        """The telling part of the output's name, which converters join from several."""
        return layer_name(self._graph.op_name(op))

    def _unusable(self, what: str) -> ModelError:
        return ModelError(
            f"'{self._source}' {what}, so that no weights can be taken from it",
            hint="give a convolutional network as .keras, .h5 or .tflite",
        )


def layer_name(tensor: str) -> str:
    """A short name of what an output tensor is called.

    >>> layer_name("MobilenetV2/Conv/Relu6;MobilenetV2/Conv/add_fold;x")
    'MobilenetV2/Conv/Relu6'
    """
    first = tensor.split(";")[0]
    return first if len(first) <= 80 else f"{first[:79]}…"


def _in_keras_layout(op: TfOperator, kernel: Floats) -> Floats:
    if op.code == "FULLY_CONNECTED":
        return np.ascontiguousarray(kernel.T)
    if op.code == "CONV_2D":
        return np.ascontiguousarray(kernel.transpose(1, 2, 3, 0))
    _, height, width, filters = kernel.shape
    multiplier = int(op.options.get("depth_multiplier") or 1)
    if multiplier < 1 or filters % multiplier or kernel.shape[0] != 1:
        multiplier = 1
    return np.ascontiguousarray(kernel[0].reshape(height, width, filters // multiplier, multiplier))


def _factor_shape(op: TfOperator, kernel: Floats) -> tuple[int, ...]:
    """How one factor per output channel is laid out to multiply a kernel."""
    if _KINDS[op.code] == "depthwise":
        return (1, 1, kernel.shape[2], kernel.shape[3])
    return (1,) * (kernel.ndim - 1) + (kernel.shape[-1],)


def _clamped(tensor: Any) -> str:
    """An activation that older converters leave to the range of a quantized output."""
    quantization = tensor.quantization
    if quantization is None or not quantization.per_tensor:
        return "none"
    limits = {DType.UINT8: (0, 255), DType.INT8: (-128, 127)}.get(tensor.dtype)
    if limits is None or quantization.zero_point[0] != limits[0]:
        return "none"
    most = quantization.scale[0] * (limits[1] - limits[0])
    return "relu6" if _SIX[0] <= most <= _SIX[1] else "relu"
