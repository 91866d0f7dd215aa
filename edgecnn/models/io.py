"""Saving and loading Keras models; a file from elsewhere runs no code of its own."""

from __future__ import annotations

import json
import tempfile
import zipfile
from pathlib import Path
from typing import Any, NoReturn

from edgecnn.core.errors import ModelError
from edgecnn.core.files import write_atomic
from edgecnn.models.keras_setup import import_keras

_MAX_CONFIG_BYTES = 64 << 20
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
    zipfile.BadZipFile,
)


def save_keras(path: Path, model: Any) -> None:
    """Writes ``model`` as ``.keras``, atomically.

    Raises:
        UsageError: the folder cannot be written to.
    """
    with tempfile.TemporaryDirectory(prefix="edgecnn-") as scratch:
        saved = Path(scratch) / "model.keras"
        model.save(saved)
        write_atomic(path, saved.read_bytes())


def load_keras(path: Path) -> Any:
    """Loads a ``.keras`` file, uncompiled, in Keras' safe mode.

    Raises:
        ModelError: missing, not a ``.keras`` file, damaged, or with code in it (Lambda layers,
            layers that are not Keras' own).
        MissingExtraError: Keras is not installed.
    """
    if path.is_dir() or path.suffix.lower() in (".h5", ".hdf5", ".pb"):
        _refuse(path, "is not a .keras file", "load it in Keras 3 and " + _HINT)
    if not path.is_file():
        _refuse(path, "is not there", "give the path of a .keras file")
    config = _config(path)
    foreign = _foreign_layer(config)
    if foreign is not None:
        _refuse(
            path,
            f"holds {foreign}, which would run code from the file or needs your own module",
            "rebuild that part from Keras' own layers and save the model again",
        )
    keras = import_keras()
    try:
        return keras.saving.load_model(path, compile=False, safe_mode=True)
    except _BROKEN as error:
        raise ModelError(
            f"the Keras model '{path}' cannot be loaded: {_first_line(error)}", hint=_HINT
        ) from error


def _config(path: Path) -> Any:
    """The architecture, read without Keras."""
    try:
        with zipfile.ZipFile(path) as archive, archive.open("config.json") as stream:
            raw = stream.read(_MAX_CONFIG_BYTES + 1)
        if len(raw) > _MAX_CONFIG_BYTES:
            _refuse(path, "has an architecture of over 64 MiB", _HINT)
        return json.loads(raw)
    except (zipfile.BadZipFile, KeyError, OSError, EOFError, ValueError, RuntimeError) as error:
        raise ModelError(
            f"the Keras model '{path}' cannot be loaded: it is damaged or not a .keras file",
            hint=_HINT,
        ) from error


def _foreign_layer(config: Any) -> str | None:
    """Names the first object that is not Keras' own, or is a Lambda; None: all are fine."""
    pending = [config]
    while pending:
        item = pending.pop()
        if isinstance(item, list):
            pending += item
        elif isinstance(item, dict):
            kind, module = item.get("class_name"), item.get("module")
            name = (item.get("config") or {}).get("name") if _is_config(item) else None
            label = f" '{name}'" if isinstance(name, str) else ""
            if kind in ("Lambda", "__lambda__"):
                return f"a Lambda layer{label}"
            if isinstance(kind, str) and isinstance(module, str):
                own = module == "builtins" or module.split(".")[0] == "keras"
                if not own:
                    return f"the custom layer{label} ({module}.{kind})"
            pending += item.values()
    return None


def _is_config(item: dict[str, Any]) -> bool:
    return isinstance(item.get("config"), dict)


def _first_line(error: BaseException) -> str:
    """The first sentence of Keras' often page-long messages."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = lines[0] if lines else type(error).__name__
    return text if len(text) <= 160 else text[:157] + "..."


def _refuse(path: Path, what: str, hint: str) -> NoReturn:
    raise ModelError(f"the Keras model '{path}' {what}", hint=hint)
