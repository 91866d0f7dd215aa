"""Loading a Keras model safely, and what its inputs and outputs are called."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edgecnn.core.errors import ModelError, QuantizationError
from edgecnn.core.runtime import TensorInfo
from quantization.tensorflow_import import import_keras, quiet

_HINT_FUNCTIONAL = "build it as keras.Sequential or keras.Model(inputs, outputs)"


def load_keras(path: Path) -> Any:
    """The model in a .keras file, uncompiled.

    Lambda layers and classes that Keras does not know stay out: they would run code from the file.

    Raises:
        ModelError: no such file, not a .keras file, or it holds code or unknown layers.
        MissingExtraError: Keras is not installed.
    """
    if path.suffix != ".keras" or not path.is_file():
        raise ModelError(
            f"'{path}' is no .keras file", hint="save the model with model.save('model.keras')"
        )
    keras = import_keras()
    try:
        with quiet():
            return keras.saving.load_model(path, compile=False, safe_mode=True)
    except (ValueError, TypeError, KeyError, OSError, ImportError, AttributeError) as error:
        raise _load_error(path, str(error)) from error
    except (RuntimeError, zipfile.BadZipFile, RecursionError, UnicodeDecodeError) as error:
        raise _load_error(path, str(error)) from error


def _load_error(path: Path, text: str) -> ModelError:
    if "Lambda" in text or "lambda" in text:
        return ModelError(
            f"'{path}' holds a Lambda layer, whose code would run on loading",
            hint="write it with Keras layers or keras.ops, then save the model again",
        )
    if "Could not locate" in text or "register_keras_serializable" in text:
        return ModelError(
            f"'{path}' holds a class that Keras does not know: {one_line(text)}",
            hint="pass the keras.Model itself instead of its path, or use Keras' own layers",
        )
    return ModelError(
        f"'{path}' cannot be read as a Keras model: {one_line(text)}",
        hint="save it again with this Keras version: model.save('model.keras')",
    )


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
