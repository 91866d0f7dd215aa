"""Loading Keras models from files: .keras, and the .h5 of Keras 2 and 3, without running code."""

from __future__ import annotations

import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from edgecnn.core.errors import ModelError
from quantization.keras_model import one_line
from quantization.keras_safety import read_zip_config, refuse_code
from quantization.legacy_h5 import load_h5
from quantization.tensorflow_import import import_keras, quiet

H5_SUFFIXES = (".h5", ".hdf5")
KERAS_SUFFIXES = (".keras", *H5_SUFFIXES)
_HINT = "save it with model.save('model.keras')"
# What Keras, h5py and zipfile raise on files that are damaged or made by something else.
_BROKEN = (
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    AttributeError,
    OSError,
    RuntimeError,
    ImportError,
    EOFError,
    MemoryError,
    zipfile.BadZipFile,
)


def load_keras(
    path: Path, *, unsafe: bool = False, importer: Callable[[], Any] = import_keras
) -> Any:
    """The model in a .keras, .h5 or .hdf5 file, uncompiled.

    Lambda layers and classes that are not Keras' own stay out: they would run code from the file.

    Args:
        path: the file.
        unsafe: let them in; their code runs.
        importer: imports Keras.

    Raises:
        ModelError: missing, not such a file, damaged, or with code in it.
        MissingExtraError: Keras is not installed.
    """
    _require_file(path)
    legacy = path.suffix.lower() in H5_SUFFIXES
    if not legacy and not unsafe:
        # Before Keras is imported: what is refused costs nothing.
        config = read_zip_config(path)
        refuse_code(path, config, _registered())
    keras = importer()
    try:
        with quiet():
            if legacy:
                return load_h5(keras, path, unsafe=unsafe)
            return keras.saving.load_model(path, compile=False, safe_mode=not unsafe)
    except RecursionError as error:
        raise _load_error(path, "it is nested too deeply") from error
    except _BROKEN as error:
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


def _load_error(path: Path, text: str) -> ModelError:
    if "Lambda" in text or "lambda" in text:
        return ModelError(
            f"the Keras model '{path}' holds a Lambda layer, whose code would run on loading",
            hint="write it with Keras layers or keras.ops and save it again, or add --unsafe",
        )
    unknown = ("Could not locate", "register_keras_serializable", "custom_object_scope")
    if any(words in text for words in unknown):
        return ModelError(
            f"the Keras model '{path}' holds a class that Keras does not know: {one_line(text)}",
            hint="pass the keras.Model itself instead of its path, or use Keras' own layers",
        )
    return ModelError(f"the Keras model '{path}' cannot be loaded: {one_line(text)}", hint=_HINT)
