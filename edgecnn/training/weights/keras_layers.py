"""The layers of a Keras model that is to receive weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from edgecnn.core.errors import UsageError
from edgecnn.training.weights.net import (
    Kind,
    LayerForm,
    Padding,
    padding_kind,
    positions,
    union,
)

_KINDS: dict[str, Kind] = {"Conv2D": "conv", "DepthwiseConv2D": "depthwise", "Dense": "dense"}
# Layers that change nothing when a model infers.
_PASSING = ("Identity", "Dropout", "SpatialDropout2D", "GaussianNoise", "GaussianDropout")
_NAMES = {"linear": "none", "hard_silu": "hard_swish", "swish": "silu"}


@dataclass(frozen=True)
class ModelLayer:
    """A layer of a Keras model.

    Attributes:
        form: what it is.
        layer: the Keras layer.
        norm: the batch norm right behind it; None: there is none.
    """

    form: LayerForm
    layer: Any
    norm: Any = None


def model_layers(model: Any) -> tuple[ModelLayer, ...]:
    """The layers with kernels of a functional model, in the order of the graph.

    Raises:
        UsageError: the model is not functional.
    """
    if not getattr(model, "_nodes_by_depth", None):
        raise UsageError(
            f"the model '{getattr(model, 'name', model)}' has no graph to put weights into",
            hint="build it with keras.Model(inputs, outputs)",
        )
    nodes = [
        node
        for depth in sorted(model._nodes_by_depth, reverse=True)
        for node in model._nodes_by_depth[depth]
    ]
    readers: dict[int, list[Any]] = {}
    for node in nodes:
        for tensor in node.input_tensors:
            readers.setdefault(id(tensor), []).append(node)
    reads: dict[int, int] = {id(tensor): 1 for tensor in model.inputs}
    zeros: dict[int, Any] = {}
    found: list[ModelLayer] = []
    for node in nodes:
        mask = union(reads.get(id(tensor), 0) for tensor in node.input_tensors)
        layer = node.operation
        if type(layer).__name__ in _KINDS and getattr(layer, "kernel", None) is not None:
            found.append(_model_layer(node, mask, zeros, readers))
            mask = 1 << len(found)
        elif type(layer).__name__ == "ZeroPadding2D":
            zeros[id(node.outputs[0])] = node
        if node.input_tensors:
            reads.update((id(tensor), mask) for tensor in node.outputs)
    return tuple(found)


def _model_layer(
    node: Any, mask: int, zeros: dict[int, Any], readers: dict[int, list[Any]]
) -> ModelLayer:
    layer = node.operation
    kind = _KINDS[type(layer).__name__]
    norm = _only_reader(node, readers, "BatchNormalization")
    last = norm if norm is not None else node
    activation = layer.activation.__name__
    if activation == "linear":
        activation = _following(last, readers)
    form = LayerForm(
        str(layer.name),
        kind,
        tuple(int(size) for size in layer.kernel.shape),
        *((1, 1), (1, 1))
        if kind == "dense"
        else (_pair(layer.strides), _pair(layer.dilation_rate)),
        padding="same" if kind == "dense" else _padding(node, zeros),
        activation=_NAMES.get(activation, activation),
        reads=positions(mask),
    )
    return ModelLayer(form, layer, None if norm is None else norm.operation)


def _padding(node: Any, zeros: dict[int, Any]) -> Padding:
    layer, tensor = node.operation, node.input_tensors[0]
    if layer.padding == "same":
        return "same"
    pads = ((0, 0), (0, 0))
    before = zeros.get(id(tensor))
    if before is not None:
        (top, bottom), (left, right) = before.operation.padding
        pads = ((int(top), int(bottom)), (int(left), int(right)))
        tensor = before.input_tensors[0]
    kernel = _pair(layer.kernel_size)
    sizes = (tensor.shape[1], tensor.shape[2])
    return padding_kind(pads, sizes, kernel, _pair(layer.strides), _pair(layer.dilation_rate))


def _following(node: Any, readers: dict[int, list[Any]]) -> str:
    """The activation that is a layer of its own."""
    relu = _only_reader(node, readers, "ReLU")
    if relu is not None:
        layer = relu.operation
        if layer.negative_slope:
            return "leaky_relu"
        return "relu" if layer.max_value is None else f"relu{float(layer.max_value):g}"
    other = _only_reader(node, readers, "Activation")
    return str(other.operation.activation.__name__) if other is not None else "linear"


def _only_reader(node: Any, readers: dict[int, list[Any]], kind: str) -> Any:
    while True:
        found = readers.get(id(node.outputs[0]), [])
        if len(found) != 1:
            return None
        node = found[0]
        name = type(node.operation).__name__
        if name == kind or name not in _PASSING:
            return node if name == kind else None


def _pair(value: Any) -> tuple[int, int]:
    vertical, horizontal = value if isinstance(value, tuple | list) else (value, value)
    return int(vertical), int(horizontal)
