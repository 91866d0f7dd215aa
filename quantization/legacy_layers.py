"""One Keras 2 layer's settings as Keras 3 takes them, or the reason why it cannot be."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from edgecnn.core.errors import ModelError

_HINT = "load it in the Keras version that wrote it and export it as a SavedModel"
NESTED = ("Sequential", "Functional", "Model")
_BASE = frozenset({"name", "trainable", "dtype"})
_RENAMED: Mapping[str, str] = MappingProxyType(
    {
        "BatchNormalizationV1": "BatchNormalization",
        "BatchNormalizationV2": "BatchNormalization",
        "SyncBatchNormalization": "BatchNormalization",
        "LSTMV1": "LSTM",
        "LSTMV2": "LSTM",
        "GRUV1": "GRU",
        "GRUV2": "GRU",
        "FixedDropout": "Dropout",  # EfficientNet files from before Keras had it
    }
)
# Settings without a twin in Keras 3, and the values with which they change nothing.
_HARMLESS: Mapping[str, tuple[Any, ...]] = MappingProxyType(
    {
        "groups": (1,),
        "time_major": (False,),
        "ragged": (False,),
        "sparse": (False,),
        "renorm": (False, True),  # matters to training alone
        "renorm_clipping": (None,),
        "fused": (None, False, True),
        "virtual_batch_size": (None,),
        "dilation_rate": (1, [1, 1], [1]),
        "output_padding": (None,),
    }
)
# Settings that only training, building or the old runtime looked at.
_IGNORED = frozenset(
    {
        "implementation", "input_length", "noise_shape", "seed", "batch_size", "input_dtype",
        "renorm_momentum", "adjustment", "query_shape", "key_shape", "value_shape",
        "softmax_robust_masking", "optional", "synchronized", "force_generator", "rng_type",
        "bias_initializer",
    }
)  # fmt: skip
_RECURRENT = ("LSTM", "GRU", "SimpleRNN", "LSTMCell", "GRUCell", "SimpleRNNCell")
_TRAINING = ("_initializer", "_regularizer", "_constraint")


@dataclass(frozen=True)
class Piece:
    """A layer of the new model.

    Attributes:
        kind: class name in ``keras.layers``.
        config: its settings; ``name`` among them.
    """

    kind: str
    config: dict[str, Any] = field(hash=False)

    def to_json(self) -> dict[str, Any]:
        """As Keras 3 writes it."""
        return {
            "module": "keras.layers",
            "class_name": self.kind,
            "config": self.config,
            "registered_name": None,
            "name": self.config["name"],
        }


def adapt_layer(keras: Any, kind: str, given: Mapping[str, Any], name: str) -> list[Piece]:
    """The layer, and behind it the activation where Keras 3 cannot hold it inside.

    Args:
        keras: the module.
        kind: class name in the file.
        given: the layer's ``config`` in the file.
        name: the layer's name in the new model.

    Raises:
        ModelError: a class or a setting that Keras 3 does not know.
    """
    config = {key: value for key, value in given.items() if not key.endswith(_TRAINING)}
    config["name"] = name
    config.pop("batch_input_shape", None)
    kind = _RENAMED.get(kind, kind)
    if kind == "ThresholdedReLU":
        return [Piece("ReLU", {"name": name, "threshold": float(config.get("theta", 1.0))})]
    if kind == "InputLayer":
        return [_input(given, name)]
    known = getattr(keras.layers, kind, None)
    if kind in keras.saving.get_custom_objects():
        return [Piece(kind, config)]
    if not inspect.isclass(known):
        raise ModelError(
            f"the layer '{name}' is a '{kind}', which is not among Keras' own layers",
            hint=f"add --import FILE.py, the Python file that defines {kind}, or {_HINT}",
        )
    _wrapped(keras, config, name)
    config, behind = _activation(keras, kind, config, name)
    config = _policy(config)
    _axis(config, name)
    if kind == "GRU" and "reset_after" not in given:
        config["reset_after"] = False  # the only way before Keras 2.1.6
    return [Piece(kind, _accepted(known, kind, config)), *behind]


def _input(given: Mapping[str, Any], name: str) -> Piece:
    shape = given.get("batch_input_shape", given.get("batch_shape"))
    if not isinstance(shape, list):
        raise ModelError(f"the input '{name}' has no shape", hint=_HINT)
    dtype = given.get("dtype", "float32")
    return Piece("InputLayer", {"name": name, "batch_shape": shape, "dtype": _dtype(dtype)})


def _wrapped(keras: Any, config: dict[str, Any], name: str) -> None:
    """Layers inside of a layer: TimeDistributed, Bidirectional, RNN."""
    for key in ("layer", "forward_layer", "backward_layer", "cell"):
        inner = config.get(key)
        if not isinstance(inner, dict) or "class_name" not in inner:
            continue
        settings = inner.get("config")
        if not isinstance(settings, dict) or inner["class_name"] in NESTED:
            raise ModelError(
                f"the layer '{name}' wraps a model ({inner['class_name']})", hint=_HINT
            )
        pieces = adapt_layer(keras, inner["class_name"], settings, str(settings.get("name", key)))
        if len(pieces) != 1:
            raise ModelError(
                f"the layer '{name}' wraps one whose activation Keras 3 computes otherwise",
                hint=_HINT,
            )
        config[key] = {k: v for k, v in pieces[0].to_json().items() if k != "name"}


def _activation(
    keras: Any, kind: str, config: dict[str, Any], name: str
) -> tuple[dict[str, Any], list[Piece]]:
    """Activations that are layers, and hard_sigmoid, whose slope Keras 3 changed."""
    config = dict(config)
    behind: list[Piece] = []
    for key in ("activation", "recurrent_activation"):
        if key not in config:
            continue
        value = config[key] = _function_name(config[key])
        if value is None or (isinstance(value, str) and value != "hard_sigmoid"):
            continue
        shown = value if isinstance(value, str) else str(value.get("class_name"))
        if kind in _RECURRENT or key != "activation" or shown == "PReLU":
            raise ModelError(
                f"the layer '{name}' ({kind}) has the {key} '{shown}', which Keras 3 computes or"
                " stores otherwise",
                hint=_HINT,
            )
        config[key] = "linear"
        if isinstance(value, str):  # max(0, min(1, 0.2·x + 0.5))
            line = {"name": f"{name}_slope", "scale": 0.2, "offset": 0.5}
            behind = [
                Piece("Rescaling", line),
                Piece("ReLU", {"name": f"{name}_clip", "max_value": 1.0}),
            ]
            continue
        inner = value.get("config")
        settings = inner if isinstance(inner, dict) else {}
        behind = adapt_layer(keras, shown, settings, f"{name}_activation")
    return config, behind


def _function_name(value: Any) -> Any:
    """The name of an activation function; a layer's dict stays."""
    if isinstance(value, dict) and value.get("class_name") == "function":
        return value.get("config")
    return value


def _policy(config: dict[str, Any]) -> dict[str, Any]:
    if "dtype" in config:
        config["dtype"] = _dtype(config["dtype"])
    return config


def _dtype(value: Any) -> str:
    """A dtype or policy by name; 16-bit ones become float32, in which the weights are stored."""
    if isinstance(value, dict):
        inner = value.get("config")
        value = inner.get("name") if isinstance(inner, dict) else None
    text = str(value) if isinstance(value, str) else "float32"
    return "float32" if "float" in text else text


def _axis(config: dict[str, Any], name: str) -> None:
    axis = config.get("axis")
    if isinstance(axis, dict):  # {"class_name": "ListWrapper", …}
        axis = axis.get("items", axis.get("config"))
    if isinstance(axis, list):
        if len(axis) != 1 or not isinstance(axis[0], int):
            raise ModelError(f"the layer '{name}' works along the axes {axis}", hint=_HINT)
        config["axis"] = axis[0]


def _accepted(known: Any, kind: str, config: dict[str, Any]) -> dict[str, Any]:
    """``config`` without what the class does not take.

    Raises:
        ModelError: that would change what the layer computes.
    """
    names, more = _parameters(known)
    allowed = names | (_BASE if more else frozenset())
    kept = {}
    for key, value in config.items():
        if key in allowed or (more and kind in ("LeakyReLU",) and key == "alpha"):
            kept[key] = value
        elif key in _BASE or key in _IGNORED:
            continue
        elif not any(value == fine for fine in _HARMLESS.get(key, ())):
            raise ModelError(
                f"the layer '{config['name']}' ({kind}) has {key} = {value!r}, which Keras 3 does"
                " not know", hint=_HINT,
            )  # fmt: skip
    if "name" not in kept:
        kept["name"] = config["name"]
    return kept


def _parameters(known: Any) -> tuple[frozenset[str], bool]:
    """Names that ``__init__`` takes, and whether it passes others on to its base."""
    kinds = inspect.signature(known.__init__).parameters.values()
    more = any(item.kind is inspect.Parameter.VAR_KEYWORD for item in kinds)
    return frozenset(item.name for item in kinds) - {"self", "kwargs", "args"}, more
