"""TensorFlow functions that Keras 2 wrote as layers (``TFOpLambda``), as Keras 3 layers.

``x * relu6(x + 3) / 6`` in a Keras 2 model was stored as calls of ``math.multiply`` and
``__operators__.add`` by name. Only what has an exact twin among Keras' own layers is translated.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any


@dataclass(frozen=True)
class Call:
    """A layer and what it is called on.

    Attributes:
        kind: class name in ``keras.layers``.
        config: its settings, without the name.
        operands: tensors, as they were given to :func:`translate`.
    """

    kind: str
    config: Mapping[str, Any]
    operands: tuple[Any, ...]


@dataclass(frozen=True)
class Tensor:
    """A reference to a layer's output: name, node, position."""

    layer: str
    node: int
    position: int


def translate(function: str, arguments: Sequence[Any], named: Mapping[str, Any]) -> Call | None:
    """The layer that does the same.

    Args:
        function: name below ``tf.``, such as ``math.multiply``.
        arguments: :class:`Tensor` or constants.
        named: keyword arguments, the same; those that are None left out.

    Returns:
        None where there is none.
    """
    rule = _RULES.get(function.removeprefix("tf."))
    return rule(list(arguments), dict(named)) if rule is not None else None


Rule = Callable[[list[Any], dict[str, Any]], Call | None]


def _binary(pair: str | None, by_scalar: Callable[[float], dict[str, float]],
            of_scalar: Callable[[float], dict[str, float] | None]) -> Rule:  # fmt: skip
    """A rule for ``f(x, y)``: ``pair`` for two tensors, Rescaling where one is a number."""

    def rule(arguments: list[Any], named: dict[str, Any]) -> Call | None:
        values = [*arguments, *(named.pop(key) for key in ("x", "y") if key in named)]
        if len(values) != 2 or named:
            return None
        first, second = values
        if isinstance(first, Tensor) and isinstance(second, Tensor):
            return Call(pair, {}, (first, second)) if pair else None
        if isinstance(first, Tensor) and _number(second):
            return Call("Rescaling", by_scalar(float(second)), (first,))
        if isinstance(second, Tensor) and _number(first):
            settings = of_scalar(float(first))
            return Call("Rescaling", settings, (second,)) if settings else None
        return None

    return rule


def _unary(
    kind: str, config: Mapping[str, Any], *, renamed: Mapping[str, str] | None = None
) -> Rule:
    """A rule for ``f(x, key=number …)``; ``renamed`` maps the function's keys to the layer's."""

    def rule(arguments: list[Any], named: dict[str, Any]) -> Call | None:
        values = [*arguments]
        for key in ("x", "input", "features", "logits", "input_tensor"):
            if isinstance(named.get(key), Tensor):
                values.append(named.pop(key))
        if len(values) != 1 or not isinstance(values[0], Tensor):
            return None
        keys = renamed or {}
        if not set(named) <= set(keys):
            return None
        extra = {keys[key]: value for key, value in named.items()}
        return Call(kind, {**config, **extra}, (values[0],))

    return rule


def _mean(arguments: list[Any], named: dict[str, Any]) -> Call | None:
    values = [*arguments, *(named.pop(key) for key in ("input_tensor",) if key in named)]
    axis, keep = named.pop("axis", None), bool(named.pop("keepdims", False))
    if len(values) == 2:
        axis = values.pop()
    kind = {(1, 2): "GlobalAveragePooling2D", (1,): "GlobalAveragePooling1D"}.get(
        tuple(axis) if isinstance(axis, list) else (axis,)
    )
    if kind is None or named or len(values) != 1:
        return None
    return Call(kind, {"keepdims": keep, "data_format": "channels_last"}, tuple(values))


def _concat(arguments: list[Any], named: dict[str, Any]) -> Call | None:
    values = [*arguments]
    if "values" in named:
        values.insert(0, named.pop("values"))
    axis = named.pop("axis", values.pop() if len(values) == 2 else None)
    if named or not isinstance(axis, int) or len(values) != 1 or not isinstance(values[0], list):
        return None
    return Call("Concatenate", {"axis": axis}, tuple(values[0]))


def _reshape(arguments: list[Any], named: dict[str, Any]) -> Call | None:
    values = [*arguments, *(named.pop(key) for key in ("tensor", "shape") if key in named)]
    if len(values) != 2 or named or not isinstance(values[1], list):
        return None
    shape = values[1]
    whole = all(isinstance(size, int) for size in shape)
    if not whole or not shape or shape[0] not in (-1, 1) or shape.count(-1) > 2:
        return None
    return Call("Reshape", {"target_shape": shape[1:]}, (values[0],))


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _line(scale: float, offset: float) -> dict[str, float]:
    return {"scale": scale, "offset": offset}


_ADD = _binary("Add", lambda c: _line(1.0, c), lambda c: _line(1.0, c))
_SUB = _binary("Subtract", lambda c: _line(1.0, -c), lambda c: _line(-1.0, c))
_MUL = _binary("Multiply", lambda c: _line(c, 0.0), lambda c: _line(c, 0.0))
_DIV = _binary(None, lambda c: _line(1.0 / c if c else float("inf"), 0.0), lambda c: None)
_SIGMOID = _unary("Activation", {"activation": "sigmoid"})
_TANH = _unary("Activation", {"activation": "tanh"})
_SILU = _unary("Activation", {"activation": "silu"})

_RULES: Mapping[str, Rule] = MappingProxyType(
    {
        "__operators__.add": _ADD,
        "math.add": _ADD,
        "add": _ADD,
        "math.subtract": _SUB,
        "subtract": _SUB,
        "math.multiply": _MUL,
        "multiply": _MUL,
        "math.truediv": _DIV,
        "math.divide": _DIV,
        "divide": _DIV,
        "math.negative": _unary("Rescaling", _line(-1.0, 0.0)),
        "nn.relu": _unary("ReLU", {}),
        "nn.relu6": _unary("ReLU", {"max_value": 6.0}),
        "nn.leaky_relu": _unary(
            "LeakyReLU", {"negative_slope": 0.2}, renamed={"alpha": "negative_slope"}
        ),
        "nn.elu": _unary("Activation", {"activation": "elu"}),
        "nn.selu": _unary("Activation", {"activation": "selu"}),
        "nn.silu": _SILU,
        "nn.swish": _SILU,
        "math.sigmoid": _SIGMOID,
        "nn.sigmoid": _SIGMOID,
        "sigmoid": _SIGMOID,
        "math.tanh": _TANH,
        "nn.tanh": _TANH,
        "tanh": _TANH,
        "math.softplus": _unary("Activation", {"activation": "softplus"}),
        "nn.softmax": _unary("Softmax", {"axis": -1}, renamed={"axis": "axis"}),
        "identity": _unary("Activation", {"activation": "linear"}),
        "math.reduce_mean": _mean,
        "reduce_mean": _mean,
        "concat": _concat,
        "reshape": _reshape,
    }
)
