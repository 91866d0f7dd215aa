"""Saving and loading Keras models; a file from elsewhere runs no code of its own."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from edgecnn.core.files import write_atomic
from edgecnn.models.keras_setup import import_keras
from quantization import keras_file


def save_keras(path: Path, model: Any) -> None:
    """Writes ``model`` as ``.keras``, atomically.

    Raises:
        UsageError: the folder cannot be written to.
    """
    with tempfile.TemporaryDirectory(prefix="edgecnn-") as scratch:
        saved = Path(scratch) / "model.keras"
        model.save(saved)
        write_atomic(path, saved.read_bytes())


def load_keras(path: Path, *, unsafe: bool = False) -> Any:
    """Loads a ``.keras`` file or a ``.h5`` of Keras 2 or 3, uncompiled.

    Args:
        path: the file.
        unsafe: load Lambda layers and custom objects too, which runs code from the file.

    Raises:
        ModelError: missing, not such a file, damaged, or with code in it (Lambda layers, layers
            that are not Keras' own).
        MissingExtraError: Keras is not installed.
    """
    return keras_file.load_keras(path, unsafe=unsafe, importer=import_keras)
