"""The user's own layers: Python files that are run because the user named them (``--import``).

What they define is made known to Keras, by the names under which model files ask for it. Only the
files' names and hashes are kept anywhere.
"""

from __future__ import annotations

import contextlib
import importlib.util
import inspect
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from edgecnn.core.errors import ModelError, UsageError
from edgecnn.core.files import sha256_file
from quantization.tensorflow_import import import_keras

#: What these packages define is not the user's, also where the user's file imports it.
_FOREIGN = {"keras", "tensorflow", "tf_keras", "numpy", "builtins", "typing", "functools"}
_SHOWN = 12  # digits of a hash in messages


@dataclass(frozen=True)
class ImportedFile:
    """A file that was run, by name and SHA-256."""

    name: str
    sha256: str

    def to_json(self) -> dict[str, str]:
        """Plain JSON values."""
        return {"name": self.name, "sha256": self.sha256}


def import_files(
    paths: Sequence[Path], importer: Callable[[], Any] = import_keras
) -> tuple[ImportedFile, ...]:
    """Runs the files, in this order, and makes their classes and functions known to Keras.

    A class that its file registers (``keras.saving.register_keras_serializable``) is known by that
    name too. What the files print goes to stderr.

    Args:
        paths: Python files.
        importer: imports Keras, before the files do.

    Returns:
        What was run.

    Raises:
        UsageError: no such file, or no Python file.
        ModelError: the file's code raised; the message says where.
        MissingExtraError: Keras is not installed.
    """
    for path in paths:
        _require_python(path)
    if not paths:
        return ()
    keras = importer()
    found = []
    for path in paths:
        digest = sha256_file(path)
        keras.saving.get_custom_objects().update(_own(_run(path)))
        found.append(ImportedFile(path.name, digest))
    return tuple(found)


def require_imports(
    recorded: Sequence[Mapping[str, str]], given: Sequence[ImportedFile], source: str
) -> None:
    """Checks that the files that a bundle's model needs were given.

    Args:
        recorded: the bundle's, each ``{"name", "sha256"}``.
        given: those that were run.
        source: what messages call the bundle.

    Raises:
        ModelError: one was not given.
    """
    names = {file.name for file in given}
    missing = [row for row in recorded if row["name"] not in names]
    if missing:
        shown = [f"{row['name']} (sha256 {row['sha256'][:_SHOWN]}…)" for row in missing]
        raise ModelError(
            f"the Keras model of the bundle '{source}' needs {' and '.join(shown)}",
            hint="add " + " ".join(f"--import {row['name']}" for row in missing),
        )


def changed_imports(
    recorded: Sequence[Mapping[str, str]], given: Sequence[ImportedFile]
) -> tuple[str, ...]:
    """A warning for each file whose bytes are not those that the bundle's model was made with.

    Args:
        recorded: the bundle's, each ``{"name", "sha256"}``.
        given: those that were run.
    """
    hashes = {file.name: file.sha256 for file in given}
    return tuple(
        f"'{row['name']}' is not the file that the bundle's model was made with: sha256"
        f" {hashes[row['name']][:_SHOWN]}…, the bundle has {row['sha256'][:_SHOWN]}…"
        for row in recorded
        if row["name"] in hashes and hashes[row["name"]] != row["sha256"]
    )


def _require_python(path: Path) -> None:
    hint = "give the Python file that defines the layers: --import my_layers.py"
    if path.is_dir() or path.suffix != ".py":
        kind = "a folder" if path.is_dir() else "no .py file"
        raise UsageError(f"--import '{path}' is {kind}", hint=hint)
    if not path.is_file():
        raise UsageError(f"--import '{path}': there is no such file", hint=hint)


def _run(path: Path) -> ModuleType:
    """The file as a module of its own name, or of another where a module has that name already."""
    name = path.stem
    if name in sys.modules or importlib.util.find_spec(name) is not None:
        name = f"edgecnn_import_{name}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise UsageError(f"--import '{path}' cannot be read as Python", hint="give a .py file")
    module = importlib.util.module_from_spec(spec)
    # Files that are given later may import this one by its name.
    sys.modules[name] = module
    try:
        with contextlib.redirect_stdout(sys.stderr):
            spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise _failed(path, error) from error
    return module


def _failed(path: Path, error: BaseException) -> ModelError:
    frames = traceback.extract_tb(error.__traceback__)
    line = next((f.lineno for f in reversed(frames) if Path(f.filename) == path), None)
    if isinstance(error, SyntaxError):
        line = error.lineno
    text = error.msg if isinstance(error, SyntaxError) else " ".join(str(error).split())
    what = type(error).__name__ + (f": {text}" if text else "")
    hint = "mend the file; it is run to find the model's own layers, --debug shows the traceback"
    if isinstance(error, ModuleNotFoundError) and error.name:
        near = path.with_name(f"{error.name}.py")
        hint = f"install {error.name}"
        if near.is_file():
            hint = f"give that file too, before this one: --import {near}"
    if isinstance(error, SystemExit):
        hint = "keep what is to run only as a program below if __name__ == '__main__'"
    return ModelError(f"--import {path}{f':{line}' if line else ''}: {what}", hint=hint)


def _own(module: ModuleType) -> dict[str, Any]:
    """What the file defines, or has from other files of the user, by its name in the file."""
    return {
        name: item
        for name, item in vars(module).items()
        if (inspect.isclass(item) or inspect.isfunction(item))
        and item.__module__.split(".")[0] not in _FOREIGN
        and not name.startswith("__")
    }
