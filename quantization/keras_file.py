"""Loading Keras models from files: .keras, and the .h5 of Keras 2 and 3, without running code."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from edgecnn.core.errors import ModelError
from quantization.keras_model import one_line, with_inputs
from quantization.keras_safety import (
    foreign_parts,
    read_zip_config,
    refuse_code,
    unknown_classes,
)
from quantization.legacy_h5 import load_h5
from quantization.tensorflow_import import import_keras, quiet

H5_SUFFIXES = (".h5", ".hdf5")
KERAS_SUFFIXES = (".keras", *H5_SUFFIXES)
_HINT = "save it with model.save('model.keras')"
_UNKNOWN = re.compile(
    r"(?:Could not (?:locate|deserialize)|Unknown) (?:class|function|layer|object)[: ]+'?([\w>.$]+)"
)
_CLASS = re.compile(r"<class '([\w.<>]+)'>")


def load_keras(
    path: Path, *, unsafe: bool = False, importer: Callable[[], Any] = import_keras
) -> Any:
    """The model in a .keras, .h5 or .hdf5 file, uncompiled.

    Lambda layers stay out: they would run code from the file. Classes that are not Keras' own have
    to be known to Keras already (:func:`quantization.own_code.import_files`).

    Args:
        path: the file.
        unsafe: let Lambda layers in, and classes of modules that can be imported; their code runs.
        importer: imports Keras.

    Raises:
        ModelError: missing, not such a file, damaged, or with code in it.
        MissingExtraError: Keras is not installed.
    """
    _require_file(path)
    legacy = path.suffix.lower() in H5_SUFFIXES
    config = None if legacy else read_zip_config(path)
    if config is not None:
        # Before Keras is imported: what is refused costs nothing.
        refuse_code(path, config, _registered(), unsafe=unsafe)
    keras = importer()
    try:
        with quiet():
            if legacy:
                return with_inputs(keras, load_h5(keras, path, unsafe=unsafe))
            model = keras.saving.load_model(
                path, custom_objects=_asked(keras, config), compile=False, safe_mode=not unsafe
            )
            return with_inputs(keras, model)
    except ModelError:
        raise
    except RecursionError as error:
        raise _load_error(path, "it is nested too deeply") from error
    except Exception as error:
        raise _load_error(path, str(error) or type(error).__name__) from error


def _require_file(path: Path) -> None:
    suffix = path.suffix.lower()
    if path.is_dir() or suffix not in KERAS_SUFFIXES:
        raise ModelError(
            f"the Keras model '{path}' is not a .keras or .h5 file",
            hint=f"load it in Keras and {_HINT}",
        )
    if not path.is_file():
        raise ModelError(
            f"the Keras model '{path}' is not there", hint="give the path of a .keras or .h5 file"
        )


def _registered() -> frozenset[str]:
    """Names that this process gave to Keras, which it can only have done once Keras is there."""
    keras = sys.modules.get("keras")
    return frozenset(keras.saving.get_custom_objects()) if keras is not None else frozenset()


def _asked(keras: Any, config: Any) -> dict[str, Any]:
    """Own classes under the names that the file asks for, where those are others."""
    known = keras.saving.get_custom_objects()
    return {
        part.registered: known[part.name]
        for part in foreign_parts(config)
        if part.registered and part.registered not in known and part.name in known
    }


def _load_error(path: Path, text: str) -> ModelError:
    if "Lambda" in text or "lambda" in text:
        return ModelError(
            f"the Keras model '{path}' holds a Lambda layer, whose code would run on loading",
            hint="write it with Keras layers or keras.ops and save it again, or add --unsafe",
        )
    unknown = _UNKNOWN.search(text)
    if unknown is not None:
        return unknown_classes(path, [unknown[1]], [unknown[1]], _registered())
    # Keras wraps what went wrong in a message per level, each with the whole configuration.
    head, marker, inner = text.rpartition("Exception encountered:")
    parts = _CLASS.findall(head)
    if marker and parts:
        own = parts[-1].split(".")[0] != "keras"
        return ModelError(
            f"the Keras model '{path}' cannot be loaded: {parts[-1]}: {one_line(inner)}",
            hint="__init__ must take what get_config returns, and **kwargs" if own else _HINT,
        )
    return ModelError(f"the Keras model '{path}' cannot be loaded: {one_line(text)}", hint=_HINT)
