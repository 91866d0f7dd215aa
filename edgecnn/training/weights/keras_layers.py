"""The layers of a Keras model, with what reads what, through nested models too."""

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
    if _graph_of(model) is None:
        raise UsageError(
            f"the model '{getattr(model, 'name', model)}' has no graph to follow",
            hint="build it with keras.Model(inputs, outputs)",
        )
    steps = _steps(model, list(model.inputs))[0]
    readers: dict[int, list[_Step]] = {}
    for step in steps:
        for tensor in step.inputs:
            readers.setdefault(id(tensor), []).append(step)
    reads: dict[int, int] = {id(tensor): 1 for tensor in model.inputs}
    zeros: dict[int, _Step] = {}
    found: list[ModelLayer] = []
    for step in steps:
        mask = union(reads.get(id(tensor), 0) for tensor in step.inputs)
        kind = type(step.layer).__name__
        if kind in _KINDS and getattr(step.layer, "kernel", None) is not None:
            found.append(_model_layer(step, mask, zeros, readers))
            mask = 1 << len(found)
        elif kind == "ZeroPadding2D":
            zeros[id(step.outputs[0])] = step
        reads.update((id(tensor), mask) for tensor in step.outputs)
    return tuple(found)


def is_readable(model: Any) -> bool:
    """Whether :func:`model_layers` sees every weight that counts: kernels and batch norms."""
    if _graph_of(model) is None:
        return False
    known = {*_KINDS, "BatchNormalization", "Normalization"}
    steps = _steps(model, list(model.inputs))[0]
    return all(
        type(step.layer).__name__ in known or not getattr(step.layer, "weights", ())
        for step in steps
    )


def norms(model: Any) -> int:
    """How many batch norms the model has, in nested models too."""
    steps = _steps(model, list(model.inputs))[0]
    return sum(type(step.layer).__name__ == "BatchNormalization" for step in steps)


@dataclass(frozen=True)
class _Step:
    """One call of a layer: the layer, the tensors that it reads and those that it makes."""

    layer: Any
    inputs: tuple[Any, ...]
    outputs: tuple[Any, ...]


def _graph_of(model: Any) -> Any:
    """What holds a model's nodes: the model itself, or what a Sequential keeps inside."""
    for holder in (model, getattr(model, "_functional", None)):
        if getattr(holder, "_nodes_by_depth", None):
            return holder
    return None


def _steps(model: Any, fed: list[Any]) -> tuple[list[_Step], list[Any]]:
    """The calls in a model that is given ``fed``, in order, and the tensors that it ends in."""
    holder = _graph_of(model)
    # A nested model's own tensors stand for those of the model around it, and the other way round.
    alias = {id(own): given for own, given in zip(holder.inputs, fed, strict=False)}
    steps: list[_Step] = []
    for depth in sorted(holder._nodes_by_depth, reverse=True):
        for node in holder._nodes_by_depth[depth]:
            layer = node.operation
            inputs = tuple(alias.get(id(tensor), tensor) for tensor in node.input_tensors)
            if not inputs:
                continue
            if _graph_of(layer) is None:
                steps.append(_Step(layer, inputs, tuple(node.outputs)))
                continue
            inner, ends = _steps(layer, list(inputs))
            steps += inner
            alias.update((id(outer), end) for outer, end in zip(node.outputs, ends, strict=False))
    return steps, [alias.get(id(tensor), tensor) for tensor in holder.outputs]


def _model_layer(
    step: _Step, mask: int, zeros: dict[int, _Step], readers: dict[int, list[_Step]]
) -> ModelLayer:
    layer = step.layer
    kind = _KINDS[type(layer).__name__]
    norm = _only_reader(step, readers, "BatchNormalization")
    last = norm if norm is not None else step
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
        padding="same" if kind == "dense" else _padding(step, zeros),
        activation=_NAMES.get(activation, activation),
        reads=positions(mask),
    )
    return ModelLayer(form, layer, None if norm is None else norm.layer)


def _padding(step: _Step, zeros: dict[int, _Step]) -> Padding:
    layer, tensor = step.layer, step.inputs[0]
    if layer.padding == "same":
        return "same"
    pads = ((0, 0), (0, 0))
    before = zeros.get(id(tensor))
    if before is not None:
        (top, bottom), (left, right) = before.layer.padding
        pads = ((int(top), int(bottom)), (int(left), int(right)))
        tensor = before.inputs[0]
    kernel = _pair(layer.kernel_size)
    sizes = (tensor.shape[1], tensor.shape[2])
    return padding_kind(pads, sizes, kernel, _pair(layer.strides), _pair(layer.dilation_rate))


def _following(step: _Step, readers: dict[int, list[_Step]]) -> str:
    """The activation that is a layer of its own."""
    relu = _only_reader(step, readers, "ReLU")
    if relu is not None:
        if relu.layer.negative_slope:
            return "leaky_relu"
        most = relu.layer.max_value
        return "relu" if most is None else f"relu{float(most):g}"
    other = _only_reader(step, readers, "Activation")
    return str(other.layer.activation.__name__) if other is not None else "linear"


def _only_reader(step: _Step, readers: dict[int, list[_Step]], kind: str) -> _Step | None:
    while True:
        found = readers.get(id(step.outputs[0]), [])
        if len(found) != 1:
            return None
        step = found[0]
        name = type(step.layer).__name__
        if name == kind or name not in _PASSING:
            return step if name == kind else None


def _pair(value: Any) -> tuple[int, int]:
    vertical, horizontal = value if isinstance(value, tuple | list) else (value, value)
    return int(vertical), int(horizontal)
