"""Puts another network's weights into a model, layer by layer, where structure and shape agree."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.errors import UsageError
from edgecnn.training.transfer import copy_matching, matching_layers
from edgecnn.training.weights.keras_layers import ModelLayer, model_layers
from edgecnn.training.weights.net import IMAGE, LayerForm, SourceLayer, SourceNet, as_conv

_GRAY, _COLOUR = 1, 3


@dataclass(frozen=True)
class TakenLayer:
    """One layer of the model that starts from the source.

    Attributes:
        name: in the model.
        source: in the source.
        parameters: how many weights.
    """

    name: str
    source: str
    parameters: int


@dataclass(frozen=True)
class Grafted:
    """What came from where.

    Attributes:
        way: ``name``: every layer of the same name and shapes, or ``structure``.
        taken: layers that start from the source, in the model's order.
        left: names of the model's layers with kernels that do not.
        unused: names of the source's layers that nothing took.
        notes: what differs or was adapted, one line each.
    """

    way: Literal["name", "structure"]
    taken: tuple[TakenLayer, ...]
    left: tuple[str, ...]
    unused: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def parameters(self) -> int:
        """Weights that came from the source."""
        return sum(layer.parameters for layer in self.taken)


def graft(model: Any, source: SourceNet) -> Grafted:
    """Sets the weights of every layer that has its like in ``source``.

    Two layers are alike where kind, kernel, strides and dilation agree and what they read is
    alike too, from the picture on; names and the order of branches do not matter. Batch norms
    come along where both have them, and go into kernel and bias where the model has none. A Keras
    model gives all layers of the same name and shapes instead, where those are as many weights.

    Args:
        model: a functional Keras model.
        source: where the weights come from.

    Raises:
        UsageError: not even the first layers are alike, or the model has batch norms where the
            source has them folded.
    """
    mine = model_layers(model)
    pairs = _matched(mine, source.layers)
    lacking = [k for k, j in pairs.items() if mine[k].norm and not source.layers[j].norm]
    weights = 0 if lacking else sum(_size(mine[k], source.layers[j]) for k, j in pairs.items())
    if source.keras_model is not None:
        names = matching_layers(model, source.keras_model)
        named = sum(int(model.get_layer(name).count_params()) for name in names)
        if names and named >= weights:
            return _by_name(model, source, names, len(pairs))
    if not pairs:
        raise _nothing_fits(model, mine, source)
    if lacking:
        raise UsageError(
            f"'{source.text}' has its batch norms folded into the weights, and '{model.name}' has"
            f" {len(lacking)} of its own where they would go"
            f" ('{mine[lacking[0]].form.name}' first)",
            hint="give the .keras or .h5 that it came from, or take a model without batch norms",
        )
    for k, giving in pairs.items():
        _set(mine[k], source.layers[giving])
    taken = tuple(
        TakenLayer(
            mine[k].form.name,
            source.layers[j].form.name,
            _size(mine[k], source.layers[j]),
        )
        for k, j in sorted(pairs.items())
    )
    used = set(pairs.values())
    return Grafted(
        "structure",
        taken,
        tuple(item.form.name for k, item in enumerate(mine) if k not in pairs),
        tuple(item.form.name for j, item in enumerate(source.layers) if j not in used),
        _notes(mine, source, pairs),
    )


def _by_name(model: Any, source: SourceNet, names: tuple[str, ...], alike: int) -> Grafted:
    copy_matching(model, source.keras_model)
    given = {layer.name for layer in source.keras_model.layers if layer.weights}
    taken = tuple(
        TakenLayer(name, name, int(model.get_layer(name).count_params())) for name in names
    )
    notes = () if alike else ("the layers agree in name and shape, not in what they read",)
    return Grafted(
        "name",
        taken,
        tuple(layer.name for layer in model.layers if layer.weights and layer.name not in names),
        tuple(sorted(given - set(names))),
        notes,
    )


def _size(mine: ModelLayer, giving: SourceLayer) -> int:
    """How many of the model's weights come from there."""
    norm = 0 if mine.norm is None else int(mine.norm.count_params())
    return int(mine.layer.count_params()) + norm


def _matched(mine: Sequence[ModelLayer], theirs: Sequence[SourceLayer]) -> dict[int, int]:
    """Position in the model → position in the source."""
    pairs: dict[int, int] = {}
    place = {IMAGE: IMAGE}  # source → model
    waiting: dict[tuple[int, ...], list[int]] = {}
    for k, item in enumerate(mine):
        waiting.setdefault(item.form.reads, []).append(k)
    for j, layer in enumerate(theirs):
        form = layer.form
        if any(k not in place for k in form.reads):
            continue
        wanted = tuple(sorted(place[k] for k in form.reads))
        for k in waiting.get(wanted, ()):
            if k not in pairs and _alike(mine[k].form, form):
                pairs[k], place[j] = j, k
                break
    return pairs


def _alike(mine: LayerForm, theirs: LayerForm) -> bool:
    if as_conv(mine) == as_conv(theirs):
        return True
    return _recoloured(mine, theirs) and (mine.kind, *as_conv(mine)[2:]) == (
        theirs.kind,
        *as_conv(theirs)[2:],
    )


def _recoloured(mine: LayerForm, theirs: LayerForm) -> bool:
    """Whether both read the picture, one in colour and one in gray."""
    if mine.kind != "conv" or theirs.kind != "conv" or theirs.reads != (IMAGE,):
        return False
    height, width, channels, filters = mine.shape
    other = theirs.shape[2]
    same = theirs.shape == (height, width, other, filters)
    return same and {channels, other} == {_GRAY, _COLOUR}


def _set(target: ModelLayer, giving: SourceLayer) -> None:
    layer, norm = target.layer, target.norm
    before = giving.norm if norm is not None else None
    kernel = giving.kernel if before is None else before.kernel
    if kernel.shape != target.form.shape:
        kernel = _other_colours(kernel, target.form.shape[2])
    layer.kernel.assign(kernel)
    if layer.use_bias:
        layer.bias.assign(giving.bias if before is None else np.zeros_like(giving.bias))
    if before is not None:
        # The same function with the model's own epsilon.
        ratio = np.sqrt((before.variance + norm.epsilon) / (before.variance + before.epsilon))
        norm.gamma.assign(before.gamma * ratio)
        norm.beta.assign(before.beta)
        norm.moving_mean.assign(before.mean)
        norm.moving_variance.assign(before.variance)


def _other_colours(kernel: NDArray[np.float32], channels: int) -> NDArray[np.float32]:
    """A first kernel for gray pictures, or for coloured ones: the same on pictures without colour.

    A gray picture is one with three equal channels; so kernels add up, or are shared out.
    """
    if channels == _GRAY:
        return np.asarray(kernel.sum(axis=2, keepdims=True), np.float32)
    return np.asarray(np.repeat(kernel / channels, channels, axis=2), np.float32)


def _notes(mine: Sequence[ModelLayer], source: SourceNet, pairs: dict[int, int]) -> tuple[str, ...]:
    notes = []
    activations: Counter[tuple[str, str]] = Counter()
    paddings: Counter[tuple[str, str]] = Counter()
    biases = 0
    for k, j in pairs.items():
        own, other = mine[k].form, source.layers[j].form
        if own.shape[2:3] != other.shape[2:3] and own.kind == other.kind == "conv":
            notes.append(
                f"{own.name}: kernels for {other.shape[2]} channels became ones for"
                f" {own.shape[2]}, the same for pictures without colour"
            )
        if own.activation != other.activation:
            activations[own.activation, other.activation] += 1
        if own.padding != other.padding:
            paddings[own.padding, other.padding] += 1
        unbiased = not mine[k].layer.use_bias and mine[k].norm is None
        biases += unbiased and bool(source.layers[j].bias.any())
    for (own_kind, other_kind), count in activations.items():
        notes.append(f"{count} layers end in {own_kind} here, in {other_kind} in the source")
    for (own_kind, other_kind), count in paddings.items():
        notes.append(f"{count} layers are padded '{own_kind}' here, '{other_kind}' in the source")
    if biases:
        notes.append(f"{biases} layers have no bias here: the source's were dropped")
    return tuple(notes)


def _nothing_fits(model: Any, mine: Sequence[ModelLayer], source: SourceNet) -> UsageError:
    first = next((item.form for item in mine if item.form.reads == (IMAGE,)), None)
    other = next(
        (item.form for item in source.layers if item.form.reads == (IMAGE,)), source.layers[0].form
    )
    return UsageError(
        f"no layer of '{source.text}' fits '{model.name}': it begins with {other},"
        f" expected {first}",
        hint="give a network of the same family; --width, --colour and --input-size set this"
        " model's channels and strides",
    )
