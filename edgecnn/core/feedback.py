"""States: outputs of one inference that are inputs of the next."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.errors import BundleError
from edgecnn.core.preprocess import ImageInput, StateInput
from edgecnn.core.runtime import Predictor
from edgecnn.core.tensor_info import TensorInfo

Array = NDArray[Any]

# Words of a name that say which side or which moment, not which state.
_SIDE_WORDS = frozenset(
    ("in", "input", "inputs", "out", "output", "outputs", "prev", "previous", "old", "last",
     "next", "new", "cur", "current", "serving", "default", "identity")
)  # fmt: skip
_WORD = re.compile(r"[A-Za-z]+|\d+")
# r1i and r1o, h0 and hn: one letter or digit that says the side.
_SIDE_LETTER = re.compile(r"(?i)^(.*\d)[io]$|^([hc])[0n]$")


class Fed:
    """Runs a model and hands outputs of its last inference back as inputs.

    It takes the same inputs as the predictor but for the states, and gives the same outputs.
    Without states it is the predictor itself, with other words.

    Args:
        predictor: runs the model.
        states: which inputs are fed from which outputs.

    Raises:
        BundleError: a state names no input or output, or the two differ in shape.
    """

    def __init__(self, predictor: Predictor, states: Sequence[StateInput] = ()) -> None:
        self._predictor = predictor
        self._first = first_states(states, predictor.inputs)
        outputs = {info.name: info for info in predictor.outputs}
        self._pairs = []
        for state in states:
            target, source = input_of(state, predictor.inputs), outputs.get(state.source)
            if source is None or source.shape != target.shape:
                what = f"{list(source.shape)}" if source is not None else "no output of the model"
                raise BundleError(
                    f"the state '{state.name}' {list(target.shape)} is fed from '{state.source}',"
                    f" which is {what}",
                    hint=f"the model's outputs: {', '.join(outputs)}",
                )
            self._pairs.append((target, source))
        self._kept = dict(self._first)
        self._inputs = tuple(info for info in predictor.inputs if info.name not in self._first)

    @property
    def inputs(self) -> tuple[TensorInfo, ...]:
        """The inputs that are no states, in the model's order."""
        return self._inputs

    @property
    def outputs(self) -> tuple[TensorInfo, ...]:
        """Outputs in the model's order, states included."""
        return self._predictor.outputs

    def predict(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Runs once, with the states that the last inference left.

        Args:
            inputs: one array per input of :attr:`inputs`.

        Returns:
            One array per output.

        Raises:
            DataError: an input is missing, unknown, or of the wrong shape or dtype.
            ModelError: the interpreter failed.
        """
        outputs = self._predictor.predict({**inputs, **self._kept})
        for target, source in self._pairs:
            self._kept[target.name] = _requantized(outputs[source.name], source, target)
        return outputs

    def reset(self) -> None:
        """Forgets all: the next inference is the first one."""
        self._kept = dict(self._first)


def first_states(
    states: Sequence[StateInput], inputs: Sequence[TensorInfo]
) -> dict[str, NDArray[Any]]:
    """What the states are at first, by input: zeros as real values.

    Raises:
        BundleError: a state names no input, or has another shape.
    """
    found = {}
    for state in states:
        info = input_of(state, inputs)
        if info.shape != state.shape:
            raise BundleError(
                f"the state '{state.name}' is {list(state.shape)} in the preprocess spec,"
                f" {list(info.shape)} in the model",
                hint="use the preprocess spec that was made for this model",
            )
        found[info.name] = info.quantize(np.zeros(info.shape))
    return found


def input_of(spec: ImageInput | StateInput, inputs: Sequence[TensorInfo]) -> TensorInfo:
    """The model's input that a spec is of; the only one, whatever it is called.

    Raises:
        BundleError: the model has several inputs, and none of that name.
    """
    found = next((info for info in inputs if info.name == spec.name), None)
    if found is None and len(inputs) == 1 and isinstance(spec, ImageInput):
        found = inputs[0]
    if found is None:
        raise BundleError(
            f"the preprocess spec names the input '{spec.name}', the model has"
            f" {[info.name for info in inputs]}",
            hint="name the model's inputs in the spec",
        )
    return found


@dataclass(frozen=True)
class StatePair:
    """An input that seems to be fed from an output.

    Attributes:
        state: the spec that says so.
        why: the evidence, for people.
        sure: the names agree; else only shapes and order do.
    """

    state: StateInput
    why: str
    sure: bool


def state_pairs(
    inputs: Sequence[TensorInfo], outputs: Sequence[TensorInfo]
) -> tuple[StatePair, ...]:
    """Pairs inputs with the outputs that they are fed from, as far as shapes and names tell.

    A pair has one shape and one dtype. Names decide first (``h_in`` and ``h_out``, ``r1i`` and
    ``r1o``, ``state`` and ``new_state``); then shapes, where they leave one input and one output,
    or as many inputs as outputs whose names say nothing: those are taken in order.

    Args:
        inputs: those that are not the image.
        outputs: all.
    """
    pairs: dict[str, StatePair] = {}
    left = list(outputs)

    def pair(info: TensorInfo, output: TensorInfo, why: str, sure: bool) -> None:
        state = StateInput(info.name, info.shape, output.name)
        text = f"'{info.name}' is fed from '{output.name}': {why}, both {info.dtype}"
        pairs[info.name] = StatePair(state, f"{text} {list(info.shape)}", sure)
        left.remove(output)

    for info in inputs:
        word = _state_word(info.name)
        alike = [item for item in left if _fits(info, item) and _state_word(item.name) == word]
        rivals = [item for item in inputs if _fits(item, info) and _state_word(item.name) == word]
        if word and len(alike) == 1 == len(rivals):
            pair(info, alike[0], f"both are called {word!r}", True)
    for info in inputs:
        # A single number of the same type is no evidence.
        if info.name in pairs or int(np.prod(info.shape)) < 2:
            continue
        waiting = [item for item in inputs if item.name not in pairs and _fits(item, info)]
        free = [item for item in left if _fits(info, item)]
        if len(waiting) == len(free) == 1:
            pair(info, free[0], "no other output has its shape", False)
        elif len(waiting) == len(free):
            for first, second in zip(waiting, free, strict=True):
                pair(first, second, "as many inputs as outputs of a shape, in order", False)
    return tuple(pairs[info.name] for info in inputs if info.name in pairs)


def _fits(one: TensorInfo, other: TensorInfo) -> bool:
    return one.shape == other.shape and one.dtype == other.dtype


def _state_word(name: str) -> str:
    """What is left of a name without the words and letters that say which side it is."""
    name = name.rpartition("/")[2].partition(":")[0]
    match = _SIDE_LETTER.match(name)
    if match:
        return (match.group(1) or match.group(2)).lower()
    split = re.sub(r"([a-z])([A-Z])", r"\1_\2", name)
    words = [word.lower() for word in _WORD.findall(split)]
    kept = [word for word in words if word not in _SIDE_WORDS]
    # A number alone is the place in a list, and no name.
    return "" if all(word.isdigit() for word in kept) else "_".join(kept)


def _requantized(value: Array, source: TensorInfo, target: TensorInfo) -> Array:
    same = (source.dtype, source.scale, source.zero_point) == (
        target.dtype,
        target.scale,
        target.zero_point,
    )
    return value if same else target.quantize(source.dequantize(value))
