"""A Keras 2 model's architecture (the JSON in its .h5 file) → Keras 3's form of the same.

Keras 3 reads Keras 2's JSON in part. What it does not: settings that it dropped
(:mod:`quantization.legacy_layers`), TensorFlow functions as layers
(:mod:`quantization.legacy_ops`), tensors as keyword arguments, node numbers of nested models that
begin at 1, names with a slash, and activations that mean something else today.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edgecnn.core.errors import ModelError
from quantization.legacy_layers import NESTED, Piece, adapt_layer
from quantization.legacy_ops import Tensor, translate

_HINT = "load it in the Keras version that wrote it and export it as a SavedModel"
_FUNCTIONS = ("TFOpLambda", "ClassMethod", "InstanceMethod")


def adapt_model(keras: Any, config: Any, *, source: str, unsafe: bool = False) -> dict[str, Any]:
    """The architecture in Keras 3's form.

    Args:
        keras: the module.
        config: ``{"class_name", "config"}`` as the file has it.
        source: for messages.
        unsafe: leave Lambda layers as they are.

    Raises:
        ModelError: not a Sequential or functional model, or it holds what Keras 3 lacks.
    """
    try:
        return _model(keras, config, unsafe)
    except ModelError as error:
        raise ModelError(f"'{source}': {error.message}", hint=error.hint) from error
    except (KeyError, TypeError, IndexError, AttributeError, ValueError) as error:
        raise ModelError(
            f"'{source}' has a damaged architecture: {type(error).__name__}: {error}", hint=_HINT
        ) from error


def _model(keras: Any, config: Any, unsafe: bool) -> dict[str, Any]:
    kind, inner = config["class_name"], config["config"]
    if kind == "Sequential":
        return {"class_name": "Sequential", "config": _sequential(keras, inner, unsafe)}
    if kind not in ("Functional", "Model"):
        raise ModelError(f"the model is of the class '{kind}', which is not Keras' own", hint=_HINT)
    if not isinstance(inner, dict) or not {"layers", "input_layers", "output_layers"} <= set(inner):
        raise ModelError("the model is a subclass: its graph is not in the file", hint=_HINT)
    return {"class_name": "Functional", "config": _Graph(keras, inner, unsafe).config()}


def _sequential(keras: Any, inner: Any, unsafe: bool) -> dict[str, Any]:
    settings = {"layers": inner} if isinstance(inner, list) else inner
    layers, found = settings["layers"], []
    shape = _first_shape(layers[0]) if layers else None
    if layers and layers[0]["class_name"] != "InputLayer" and shape is not None:
        first = layers[0]["config"]
        name = first.get("name", "x") if isinstance(first, dict) else "x"
        dtype = "int32" if layers[0]["class_name"] == "Embedding" else "float32"
        start = {"name": f"{_plain(name)}_input", "batch_shape": shape, "dtype": dtype}
        found.append(Piece("InputLayer", start).to_json())
    for number, layer in enumerate(layers):
        found += _pieces(keras, layer, _name(layer, number), unsafe)
    config = {"name": str(settings.get("name", "sequential")), "layers": found}
    if shape is None and isinstance(settings.get("build_input_shape"), list):
        config["build_input_shape"] = settings["build_input_shape"]
    return config


def _first_shape(layer: Mapping[str, Any]) -> Any:
    """The input shape that a Sequential's first layer brings; a nested model's too."""
    config = layer["config"]
    if layer["class_name"] in NESTED:
        layers = config if isinstance(config, list) else config["layers"]
        return _first_shape(layers[0]) if layers else None
    if "batch_input_shape" in config or "batch_shape" in config:
        return config.get("batch_input_shape", config.get("batch_shape"))
    length = config.get("input_length")
    return [None, length] if layer["class_name"] == "Embedding" else None


def _name(layer: Mapping[str, Any], number: int) -> str:
    config = layer["config"]
    name = layer.get("name") or (config.get("name") if isinstance(config, dict) else None)
    return _plain(str(name or f"layer_{number}"))


def _plain(name: str) -> str:
    return name.replace("/", "_")


def _pieces(keras: Any, layer: Mapping[str, Any], name: str, unsafe: bool) -> list[dict[str, Any]]:
    kind, config = layer["class_name"], layer["config"]
    if kind in NESTED:
        nested = _model(keras, layer, unsafe)
        nested["config"]["name"] = name
        return [{"name": name, **nested}]
    if kind == "Lambda" and unsafe:
        return [{"class_name": kind, "config": {**config, "name": name}, "name": name}]
    if kind in _FUNCTIONS or kind.endswith("OpLambda") or kind == "TensorFlowOpLayer":
        function = config.get("function", config.get("node_def", ""))
        raise ModelError(
            f"the layer '{name}' is the TensorFlow function '{str(function)[:60]}', which has no"
            " twin among Keras' layers", hint=_HINT,
        )  # fmt: skip
    return [piece.to_json() for piece in adapt_layer(keras, kind, config, name)]


@dataclass(frozen=True)
class _Target:
    """Where references to an old layer's output go: the new layer, and the nodes before."""

    name: str
    shift: int
    kind: str


class _Graph:
    """One functional model; nested ones are graphs of their own."""

    def __init__(self, keras: Any, inner: Mapping[str, Any], unsafe: bool) -> None:
        self._keras = keras
        self._inner = inner
        self._unsafe = unsafe
        self._names = {str(layer["name"]) for layer in inner["layers"]}
        self._new = _unique_names([str(layer["name"]) for layer in inner["layers"]])
        self._targets: dict[str, _Target] = {}
        self._pieces: dict[str, list[dict[str, Any]]] = {}

    def config(self) -> dict[str, Any]:
        """The graph's new configuration."""
        layers = self._inner["layers"]
        lowest = self._lowest_nodes()
        for layer in layers:
            old = str(layer["name"])
            if layer["class_name"] in _FUNCTIONS:
                self._targets[old] = _Target(self._new[old], 0, "")
                continue
            pieces = _pieces(self._keras, layer, self._new[old], self._unsafe)
            nested = layer["class_name"] in NESTED
            shift = min(1, lowest.get(old, 0)) if nested else 0
            self._pieces[old] = pieces
            self._targets[old] = _Target(pieces[-1]["name"], shift, pieces[0]["class_name"])
        found = [piece for layer in layers for piece in self._with_nodes(layer)]
        return {
            "name": str(self._inner.get("name", "model")),
            "layers": found,
            "input_layers": self._ends(self._inner["input_layers"]),
            "output_layers": self._ends(self._inner["output_layers"]),
        }

    def _with_nodes(self, layer: Mapping[str, Any]) -> list[dict[str, Any]]:
        old, nodes = str(layer["name"]), layer.get("inbound_nodes", [])
        if layer["class_name"] in _FUNCTIONS:
            return [self._function(layer, nodes)]
        pieces = self._pieces[old]
        pieces[0]["inbound_nodes"] = [self._node(node) for node in nodes]
        for before, piece in zip(pieces, pieces[1:], strict=False):
            piece["inbound_nodes"] = [
                {"args": [_tensor(before["name"], k, 0)], "kwargs": {}} for k in range(len(nodes))
            ]
        return pieces

    def _node(self, node: Any) -> dict[str, Any]:
        if isinstance(node, dict):  # inputs by name, as a dict
            mapped = {key: self._refer(value) for key, value in node.items()}
            return {"args": [mapped], "kwargs": {}}
        items = [node] if node and isinstance(node[0], str) else node
        named: dict[str, Any] = {}
        for item in items:
            named |= item[3] if len(item) > 3 and isinstance(item[3], dict) else {}
        tensors = [self._refer(item[:3]) for item in items]
        argument = tensors[0] if len(tensors) == 1 else tensors
        kept = {key: self._refer(value) for key, value in named.items() if value is not None}
        return {"args": [argument], "kwargs": kept}

    def _function(self, layer: Mapping[str, Any], nodes: Any) -> dict[str, Any]:
        """A TensorFlow function's call as the layer that does the same."""
        name, function = self._new[str(layer["name"])], str(layer["config"].get("function"))
        call = None
        if len(nodes) == 1 and nodes[0]:
            node = nodes[0]
            items = [node] if isinstance(node[0], str) else node
            named = items[-1][3] if len(items[-1]) > 3 else {}
            given: list[Any] = [self._operand(item[:3]) for item in items]
            if function.removeprefix("tf.") == "concat":
                given = [given]
            keys = {k: self._operand(v) for k, v in named.items() if v is not None and k != "name"}
            call = translate(function, given, keys)
        if call is None:
            raise ModelError(
                f"the layer '{name}' is the TensorFlow function '{function}', which has no twin"
                " among Keras' layers", hint=_HINT,
            )  # fmt: skip
        tensors = [_tensor(item.layer, item.node, item.position) for item in call.operands]
        piece = Piece(call.kind, {**call.config, "name": name}).to_json()
        argument = tensors[0] if len(tensors) == 1 else tensors
        return {**piece, "inbound_nodes": [{"args": [argument], "kwargs": {}}]}

    def _operand(self, value: Any) -> Any:
        """A :class:`Tensor` for a reference, else the constant."""
        if isinstance(value, list) and value and value[0] == "_CONSTANT_VALUE":
            return value[2]
        if self._is_reference(value):
            return self._resolve(value)
        return [self._operand(item) for item in value] if isinstance(value, list) else value

    def _refer(self, value: Any) -> Any:
        """The same with references in Keras 3's form."""
        if self._is_reference(value):
            tensor = self._resolve(value)
            return _tensor(tensor.layer, tensor.node, tensor.position)
        return [self._refer(item) for item in value] if isinstance(value, list) else value

    def _resolve(self, value: Any) -> Tensor:
        target = self._targets[value[0]]
        return Tensor(target.name, value[1] - target.shift, value[2])

    def _is_reference(self, value: Any) -> bool:
        return (
            isinstance(value, list)
            and len(value) in (3, 4)
            and isinstance(value[0], str)
            and value[0] in self._names
            and isinstance(value[1], int)
            and isinstance(value[2], int)
        )

    def _ends(self, value: Any) -> Any:
        if self._is_reference(value):
            target = self._targets[value[0]]
            # Here, and only here, Keras 3 too counts from 1 for nested functional models.
            shift = 0 if target.kind == "Functional" else target.shift
            return [target.name, value[1] - shift, value[2]]
        if isinstance(value, dict):
            return {key: self._ends(item) for key, item in value.items()}
        if not isinstance(value, list) or not value or isinstance(value[0], str):
            raise ValueError(f"{value!r} is no layer's output")
        # One input alone is called with a tensor, not with a list of one.
        return self._ends(value[0]) if len(value) == 1 else [self._ends(item) for item in value]

    def _lowest_nodes(self) -> dict[str, int]:
        lowest: dict[str, int] = {}
        pending: list[Any] = [self._inner["output_layers"]]
        pending += [layer.get("inbound_nodes", []) for layer in self._inner["layers"]]
        while pending:
            item = pending.pop()
            if isinstance(item, dict):
                pending += item.values()
            elif isinstance(item, list):
                pending += item
                if self._is_reference(item):
                    lowest[item[0]] = min(lowest.get(item[0], item[1]), item[1])
        return lowest


def _tensor(layer: str, node: int, position: int) -> dict[str, Any]:
    """A reference as Keras 3 writes it; shape and dtype are not looked at on loading."""
    history = [layer, node, position]
    return {
        "class_name": "__keras_tensor__",
        "config": {"shape": [None], "dtype": "float32", "keras_history": history},
    }


def _unique_names(names: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name in names:
        number, candidate = 0, _plain(name)
        while candidate in found.values():
            number += 1
            candidate = f"{_plain(name)}_{number}"
        found[name] = candidate
    return found
