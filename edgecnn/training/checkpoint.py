"""The state of a training run in one file, written atomically after each epoch.

One ``.npz`` without pickles: a JSON header and the variables of model, optimizer and best epoch.
It is our own format, not ``.keras``, since it must hold the optimizer whatever the loss is, and
since one file is either the old epoch or the new one.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.errors import UsageError
from edgecnn.core.files import write_atomic

SCHEMA = "edgecnn.checkpoint/1"
FILE_NAME = "checkpoint.npz"
Row = dict[str, Any]
Weights = tuple[NDArray[Any], ...]


@dataclass(frozen=True)
class RunState:
    """What is known after a whole number of epochs.

    Attributes:
        identity: hash of everything that must not change between runs.
        epoch: epochs done.
        seconds: spent in them, validation included.
        history: one row per epoch.
        best_epoch: the epoch (from 1) with the best validation figure; 0 before the first.
        best_value: that figure.
        best_weights: the model's weights then.
        done: nothing is left to train.
    """

    identity: str
    epoch: int = 0
    seconds: float = 0.0
    history: tuple[Row, ...] = ()
    best_epoch: int = 0
    best_value: float | None = None
    best_weights: Weights = ()
    done: bool = False


def run_identity(model: Any, settings: dict[str, Any]) -> str:
    """A hash of the settings and of the name-free shapes of ``model``'s variables."""
    shapes = [[list(v.shape), str(v.dtype)] for v in model.variables]
    text = json.dumps([settings, shapes], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def save(folder: Path, model: Any, state: RunState) -> None:
    """Writes ``state`` with the variables of ``model`` and of its (built) optimizer.

    Raises:
        UsageError: the folder cannot be written to.
    """
    header = {
        "schema": SCHEMA,
        **{key: getattr(state, key) for key in ("identity", "epoch", "seconds", "history")},
        **{key: getattr(state, key) for key in ("best_epoch", "best_value", "done")},
    }
    arrays = {"header": np.frombuffer(json.dumps(header).encode(), np.uint8)}
    groups = {
        "model": [to_numpy(v) for v in model.variables],
        "optimizer": [to_numpy(v) for v in model.optimizer.variables],
        "best": list(state.best_weights),
    }
    for group, values in groups.items():
        arrays |= {f"{group}/{i}": value for i, value in enumerate(values)}
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)  # type: ignore[arg-type]
    write_atomic(folder / FILE_NAME, buffer.getvalue())


def restore(folder: Path, model: Any, identity: str) -> RunState | None:
    """Puts the saved variables into ``model`` and its (built) optimizer.

    Returns:
        The saved state, or None where the folder holds none.

    Raises:
        UsageError: the file is damaged, or belongs to other settings, data or another model.
    """
    path = folder / FILE_NAME
    if not path.is_file():
        return None
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        header = json.loads(arrays.pop("header").tobytes())
        schema, given = header.pop("schema"), header.pop("identity")
        state = RunState(given, **{**header, "history": tuple(header["history"])})
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise UsageError(
            f"the checkpoint '{path}' cannot be read: {error}",
            hint="delete it, or train without --resume",
        ) from error
    if schema != SCHEMA or given != identity:
        raise UsageError(
            f"the checkpoint '{path}' is of another run (model, data, settings or seed differ)",
            hint="use the settings of that run, or train without --resume",
        )
    _assign(model.variables, _group(arrays, "model"))
    _assign(model.optimizer.variables, _group(arrays, "optimizer"))
    return replace(state, best_weights=tuple(_group(arrays, "best")))


def to_numpy(variable: Any) -> NDArray[Any]:
    """A copy of a Keras variable's value, whatever the backend."""
    from edgecnn.training.keras_setup import import_keras

    return np.array(import_keras().ops.convert_to_numpy(variable))


def _group(arrays: dict[str, NDArray[Any]], group: str) -> list[NDArray[Any]]:
    count = sum(name.startswith(f"{group}/") for name in arrays)
    return [arrays[f"{group}/{i}"] for i in range(count)]


def _assign(variables: Any, values: list[NDArray[Any]]) -> None:
    if len(variables) != len(values):
        raise UsageError(
            f"the checkpoint holds {len(values)} variables, expected {len(variables)}",
            hint="it was written with another Keras version: train without --resume",
        )
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
