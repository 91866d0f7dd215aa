"""What a Keras model's inputs and outputs are called, and how to call it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from edgecnn.core.errors import QuantizationError
from edgecnn.core.runtime import TensorInfo

_HINT_FUNCTIONAL = "build it as keras.Sequential or keras.Model(inputs, outputs)"


def one_line(text: str, limit: int = 200) -> str:
    """The first telling line of a long message, at most ``limit`` characters.

    >>> one_line("  bad op  ")
    'bad op'
    """
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    telling = next((line for line in lines if "error:" in line), lines[0] if lines else "no text")
    return telling if len(telling) <= limit else telling[: limit - 1] + "…"


def input_infos(model: Any) -> tuple[TensorInfo, ...]:
    """The model's inputs, batch 1, named as their input layers.

    Raises:
        QuantizationError: the model has no fixed input shapes.
    """
    tensors = getattr(model, "inputs", None)
    if not tensors or not getattr(model, "outputs", None):
        raise QuantizationError(
            f"the Keras model '{getattr(model, 'name', model)}' has no declared inputs and outputs",
            hint=_HINT_FUNCTIONAL,
        )
    infos = []
    for tensor in tensors:
        shape = tuple(tensor.shape[1:])
        if None in shape:
            raise QuantizationError(
                f"input '{tensor.name}' has shape {tuple(tensor.shape)}; .tflite needs fixed sizes",
                hint="give the input layer a full shape, for example Input((96, 96, 3))",
            )
        infos.append(TensorInfo(tensor.name, (1, *map(int, shape)), str(tensor.dtype)))
    return tuple(infos)


def with_inputs(keras: Any, model: Any) -> Any:
    """A subclass of ``keras.Model`` as a functional model of the shape that it was built for.

    Args:
        keras: the module.
        model: any loaded model; one with inputs and outputs is given back.
    """
    if getattr(model, "inputs", None) or not callable(getattr(model, "get_build_config", None)):
        return model
    shape = (model.get_build_config() or {}).get("input_shape")
    if not isinstance(shape, list | tuple) or not all(
        size is None or isinstance(size, int) for size in shape
    ):
        return model
    start = keras.Input(batch_shape=tuple(shape), name="input")
    return keras.Model(start, model(start), name=model.name)


def output_infos(model: Any) -> tuple[TensorInfo, ...]:
    """The model's outputs in Keras' order, batch 1, named as their output layers."""
    names = getattr(model, "output_names", None) or [model.layers[-1].name] * len(model.outputs)
    return tuple(
        TensorInfo(
            name, (1, *(1 if dim is None else int(dim) for dim in tensor.shape[1:])),
            # Mixed precision ends here: what leaves the model is float32.
            "float32" if "float" in str(tensor.dtype) else str(tensor.dtype),
        )
        for name, tensor in zip(unique(names), model.outputs, strict=True)
    )  # fmt: skip


def unique(names: Sequence[str]) -> tuple[str, ...]:
    """The same names, repeated ones numbered.

    >>> unique(["a", "b", "a"])
    ('a', 'b', 'a_1')
    """
    seen: list[str] = []
    for name in names:
        number, candidate = 0, name
        while candidate in seen:
            number += 1
            candidate = f"{name}_{number}"
        seen.append(candidate)
    return tuple(seen)


def call_flat(keras: Any, model: Any, values: Sequence[Any]) -> tuple[Any, ...]:
    """Calls the model on a flat sequence of inputs; flat outputs in Keras' order."""
    structure = getattr(model, "input", None)
    argument: Any = values[0] if len(values) == 1 else list(values)
    if isinstance(structure, (dict, list, tuple)):
        argument = keras.tree.pack_sequence_as(structure, list(values))
    return tuple(keras.tree.flatten(model(argument, training=False)))
