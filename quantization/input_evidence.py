"""What a float model itself tells about the values that it takes: its first layers.

A first op that scales bytes says it outright. A batch normalization remembers the mean and the
variance that its input had in training: given data in another range than the model was trained
with, it sees others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.conventions import CONVENTIONS, Convention
from edgecnn.core.tflite.model import TfModel
from quantization.tensorflow_import import import_keras

Array = NDArray[np.float64]

# What an image may be for the layers behind: names of conventions, and symmetric halves.
_USUAL = ((0.0, 1.0), (-1.0, 1.0), (-0.5, 0.5), (0.0, 255.0), (-128.0, 127.0))
_CLOSE = 0.02
#: Mean and standard deviation of a normalized image set: 0 and 1, give or take.
_MEAN_LIMIT, _SPREAD_LIMITS = 0.6, (0.5, 1.7)
# Values from one end to the other that networks are fed; bytes/255² are not among them.
_WIDTHS = (0.4, 16.0)
_PLAIN = ("0..255", "0..1", "-1..1")
_PASSING = ("RESHAPE", "CAST", "REVERSE_V2", "STRIDED_SLICE", "PAD", "RESIZE_BILINEAR")
_AFFINE = ("MUL", "DIV", "SUB", "ADD")
_CLEARLY, _LIKE_TRAINING = 3.0, 1.5
_MOST_STEPS = 12


@dataclass(frozen=True)
class InputScaling:
    """What the model does to its input first: scale · x + offset, per channel."""

    scale: tuple[float, ...]
    offset: tuple[float, ...]

    def __str__(self) -> str:
        """For messages: ``x · 0.00784 − 1``."""
        scale = _spoken(self.scale)
        offset = _spoken(self.offset)
        text = "x" if scale == "1" else f"x · {scale}"
        if offset == "0":
            return text
        return f"{text} − {offset[1:]}" if offset.startswith("-") else f"{text} + {offset}"


@dataclass(frozen=True)
class NormFit:
    """How far the data are from what the first batch normalization saw in training.

    Attributes:
        layer: its name.
        distance: candidate → divergence (median over channels, nats); 0 is equal.
    """

    layer: str
    distance: Mapping[Any, float]

    def clear(self, groups: Mapping[Any, Any]) -> Any | None:
        """The group (``groups[candidate]``) that fits, or None where another one fits as well."""
        best: dict[Any, float] = {}
        for key, value in self.distance.items():
            group = groups[key]
            best[group] = min(value, best.get(group, np.inf))
        ranked = sorted(best, key=lambda group: best[group])
        if not ranked or not best[ranked[0]] <= _LIKE_TRAINING:
            return None
        if len(ranked) > 1 and best[ranked[1]] < _CLEARLY * max(best[ranked[0]], 0.02):
            return None
        return ranked[0]


def graph_affine(model: TfModel) -> InputScaling | None:
    """The scaling that a .tflite begins with; None: there is none."""
    graph = model.main
    if len(graph.inputs) != 1:
        return None
    at, scale, offset = graph.inputs[0], np.ones(1), np.zeros(1)
    for _ in range(_MOST_STEPS):
        readers = [op for op in graph.operators if at in op.inputs]
        if len(readers) != 1:
            break
        op = readers[0]
        if op.code in _AFFINE:
            other = next((k for k in op.inputs if k != at), at)
            value = graph.tensors[other].data if other != at else None
            if value is None or value.size not in (1, 3) or value.dtype.kind != "f":
                break
            constant = np.asarray(value, np.float64).reshape(-1)
            step = _step(op.code, constant, first=op.inputs[0] == at)
            if step is None:
                break
            scale, offset = scale * step[0], offset * step[0] + step[1]
        elif op.code not in _PASSING:
            break
        at = op.outputs[0]
    return _affine(scale, offset)


def keras_affine(model: Any) -> InputScaling | None:
    """The scaling that a Keras model begins with, in layers or in bare operations."""
    prefix = _prefix(model, _learned)
    if prefix is None:
        return None
    shape = (1, *(int(size) for size in model.inputs[0].shape[1:]))
    if len(shape) != 4 or shape[-1] not in (1, 3):
        return None
    images = [np.full(shape, x, np.float32) for x in (0.0, 1.0, 2.0)]
    values = [_at_centre(prefix.run(image), shape[-1]) for image in images]
    if any(value is None or not np.isfinite(value).all() for value in values):
        return None
    zero, one, two = (np.asarray(values[k], np.float64) for k in range(3))
    if not np.allclose(two - one, one - zero, rtol=1e-2, atol=1e-6):
        return None
    return _affine(one - zero, zero)


def admitted(
    affine: InputScaling, conventions: Sequence[Convention], mean: Array, spread: Array
) -> tuple[str, ...]:
    """The conventions that the model's own scaling makes sense of.

    Args:
        affine: that scaling.
        conventions: to choose from.
        mean: of the data's bytes, per channel in the order red, green, blue, or one.
        spread: their standard deviation.

    Returns:
        Names; all of them where nothing can be said.
    """
    exact = [item.name for item in conventions if _becomes_usual(affine, item)]
    if exact:
        return tuple(exact)
    # A model that normalizes by itself is given plain values.
    plain = [item for item in conventions if item.name in _PLAIN]
    normal = [item.name for item in plain if _becomes_normal(affine, item, mean, spread)]
    if len(normal) == 1:
        return tuple(normal)
    wide = [item.name for item in plain if _WIDTHS[0] <= _width(affine, item) <= _WIDTHS[1]]
    return tuple(wide or [item.name for item in conventions])


def norm_fit(model: Any, batches: Mapping[Any, NDArray[np.float32]]) -> NormFit | None:
    """Compares the data with what a Keras model's first batch normalization saw in training.

    Args:
        model: the Keras model.
        batches: candidate → images (n, height, width, channels) as that candidate makes them.

    Returns:
        None where there is no such layer, or it cannot be reached.
    """
    prefix = _prefix(model, _is_norm)
    if prefix is None:
        return None
    layer = prefix.layer
    keras = import_keras()
    moving_mean = np.asarray(keras.ops.convert_to_numpy(layer.moving_mean), np.float64)
    moving = np.asarray(keras.ops.convert_to_numpy(layer.moving_variance), np.float64)
    if (moving_mean == 0).all() and (moving == 1).all():
        return None  # never trained
    epsilon = float(layer.epsilon)
    axis = layer.axis if isinstance(layer.axis, int) else layer.axis[0]
    distance = {}
    for key, batch in batches.items():
        values = np.moveaxis(np.asarray(prefix.run(batch), np.float64), axis, -1)
        rows = values.reshape(-1, values.shape[-1])
        variance = rows.var(axis=0) + epsilon
        wanted = moving + epsilon
        shift = (rows.mean(axis=0) - moving_mean) ** 2
        nats = 0.5 * (np.log(wanted / variance) + (variance + shift) / wanted - 1)
        distance[key] = float(np.median(nats)) if np.isfinite(nats).all() else float("inf")
    return NormFit(str(layer.name), distance)


@dataclass(frozen=True)
class _Prefix:
    """A layer of a Keras model, and the models that lead to its input one after the other."""

    layer: Any
    parts: tuple[Any, ...]

    def run(self, images: NDArray[np.float32]) -> NDArray[Any]:
        """What reaches the layer."""
        value: Any = images
        for part in self.parts:
            value = part(value, training=False)
        return np.asarray(import_keras().ops.convert_to_numpy(value))


def _prefix(model: Any, wanted: Any) -> _Prefix | None:
    """The way to the first layer that is wanted, through nested models; None: there is none."""
    keras = import_keras()
    parts: list[Any] = []
    while True:
        for layer in getattr(model, "layers", ()):
            nested = bool(getattr(layer, "layers", None))
            if wanted(layer) or (nested and _holds(layer, wanted)):
                break
        else:
            return None
        source = _fed(layer, model)
        if source is None:
            return None
        if not any(source is tensor for tensor in model.inputs):
            parts.append(keras.Model(model.inputs[0], source))
        if wanted(layer):
            return _Prefix(layer, tuple(parts))
        model = layer


def _fed(layer: Any, model: Any) -> Any:
    """The tensor of ``model`` that a layer of it reads."""
    if len(getattr(model, "inputs", None) or ()) != 1:
        return None
    inner = getattr(layer, "inputs", None) if getattr(layer, "layers", None) else None
    for node in getattr(layer, "_inbound_nodes", ()):
        tensors = list(getattr(node, "input_tensors", None) or [])
        # A nested model's own inputs are another graph's.
        if len(tensors) == 1 and not any(tensors[0] is own for own in inner or ()):
            return tensors[0]
    return None


def _holds(model: Any, wanted: Any) -> bool:
    return any(
        wanted(layer) or (getattr(layer, "layers", None) and _holds(layer, wanted))
        for layer in model.layers
    )


def _is_norm(layer: Any) -> bool:
    return type(layer).__name__ == "BatchNormalization"


def _learned(layer: Any) -> bool:
    """A layer with weights that is no mere scaling, and no model of layers."""
    plain = type(layer).__name__ == "Normalization" or getattr(layer, "layers", None)
    return bool(getattr(layer, "weights", ())) and not plain


def _at_centre(values: NDArray[Any], channels: int) -> Array | None:
    """What one pixel of an image of one colour became; None: that differs, or it is no pixel."""
    if values.ndim == 4 and values.shape[-1] == channels:
        middle = values[0, values.shape[1] // 2, values.shape[2] // 2]
        return np.asarray(middle, np.float64)
    if values.ndim != 2 or values.size % channels:
        return None
    rows = values.reshape(-1, channels)  # a flattened image
    return np.asarray(rows[0], np.float64) if np.allclose(rows, rows[0]) else None


def _step(code: str, constant: Array, *, first: bool) -> tuple[Array, Array] | None:
    """(factor, summand) of one op on x; ``first``: x is its first operand."""
    zero, one = np.zeros(1), np.ones(1)
    if code == "MUL":
        return constant, zero
    if code == "ADD":
        return one, constant
    if code == "SUB":
        return (one, -constant) if first else (-one, constant)
    return (1 / constant, zero) if first and (constant != 0).all() else None


def _affine(scale: Array, offset: Array) -> InputScaling | None:
    scale, offset = np.broadcast_arrays(scale, offset)
    if np.allclose(scale, 1.0, atol=1e-3) and np.allclose(offset, 0.0, atol=1e-3):
        return None
    if not (np.isfinite(scale).all() and np.isfinite(offset).all() and (scale != 0).all()):
        return None
    return InputScaling(tuple(scale.tolist()), tuple(offset.tolist()))


def _after(affine: InputScaling, convention: Convention) -> list[tuple[float, float]]:
    """What bytes 0 and 255 become behind the model's own scaling, per channel."""
    ends = convention.ends()
    count = max(len(ends), len(affine.scale))
    steps = list(zip(affine.scale, affine.offset, strict=True)) * (count // len(affine.scale))
    return [
        (a * low + b, a * high + b)
        for (low, high), (a, b) in zip(ends * (count // len(ends)), steps, strict=True)
    ]


def _width(affine: InputScaling, convention: Convention) -> float:
    return max(abs(high - low) for low, high in _after(affine, convention))


def _becomes_usual(affine: InputScaling, convention: Convention) -> bool:
    """Whether all channels reach a usual range, or ImageNet's or Caffe's."""
    ends = _after(affine, convention)
    if any(all(_equal(end, usual) for end in ends) for usual in _USUAL):
        return True
    coloured = [item.ends() for item in CONVENTIONS if not item.gray]
    return len(ends) == 3 and any(
        all(_equal(a, b) for a, b in zip(sorted(ends), sorted(wanted), strict=True))
        for wanted in coloured
    )


def _equal(ends: tuple[float, float], wanted: tuple[float, float]) -> bool:
    limit = _CLOSE * (wanted[1] - wanted[0])
    return abs(ends[0] - wanted[0]) <= limit and abs(ends[1] - wanted[1]) <= limit


def _becomes_normal(
    affine: InputScaling, convention: Convention, mean: Array, spread: Array
) -> bool:
    """Whether the data get about mean 0 and standard deviation 1, as a Normalization gives them."""
    scale, offset = np.asarray(convention.scale), np.asarray(convention.offset)
    factor, summand = np.asarray(affine.scale), np.asarray(affine.offset)
    if factor.size == 1 or scale.size == 1 or mean.size == factor.size:
        centre = np.abs(factor * (scale * mean + offset) + summand)
        width = np.abs(factor * scale) * spread
    else:
        return False
    low, high = _SPREAD_LIMITS
    return bool(centre.max() <= _MEAN_LIMIT and low <= width.min() and width.max() <= high)


def _spoken(values: Sequence[float]) -> str:
    """A number, or the three of the channels."""
    if np.allclose(values, values[0], rtol=1e-4):
        return f"{values[0]:.4g}"
    return f"({', '.join(f'{value:.4g}' for value in values)})"
