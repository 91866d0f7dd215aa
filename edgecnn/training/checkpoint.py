"""The state of a training run in one file, written atomically after each epoch.

One ``.npz`` without pickles: a JSON header and the variables of model, optimizer and best epoch.
It is our own format, not ``.keras``, since it must hold the optimizer whatever the loss is, and
since one file is either the old epoch or the new one.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.errors import UsageError
from edgecnn.core.files import write_atomic

SCHEMA = "edgecnn.checkpoint/2"
FILE_NAME = "checkpoint.npz"
_SHOWN = 40
Row = dict[str, Any]
Weights = tuple[NDArray[Any], ...]


@dataclass(frozen=True)
class RunState:
    """What is known after a whole number of epochs.

    Attributes:
        facts: everything that must not change between runs, by name.
        epoch: epochs done.
        seconds: spent in them, validation included.
        history: one row per epoch.
        best_epoch: the epoch (from 1) with the best validation figure; 0 before the first.
        best_value: that figure.
        best_weights: the model's weights then.
        done: nothing is left to train.
    """

    facts: Mapping[str, Any]
    epoch: int = 0
    seconds: float = 0.0
    history: tuple[Row, ...] = ()
    best_epoch: int = 0
    best_value: float | None = None
    best_weights: Weights = ()
    done: bool = False


@dataclass(frozen=True)
class Saved:
    """What a checkpoint says of its run, read without its arrays.

    Attributes:
        path: the file.
        facts: settings and data by name; {} where an earlier version wrote the file.
        epoch: epochs done.
    """

    path: Path
    facts: Mapping[str, Any]
    epoch: int

    def check(self, facts: Mapping[str, Any]) -> None:
        """Raises UsageError where a run of ``facts`` cannot go on from here, naming what differs.

        Call it before anything long.
        """
        given = json.loads(json.dumps(facts, default=str))
        keys = [key for key in {**self.facts, **given} if self.facts.get(key) != given.get(key)]
        if not keys:
            return
        told = [_difference(key, self.facts.get(key), given.get(key)) for key in keys]
        raise UsageError(
            f"the checkpoint '{self.path}' is of another run: {', '.join(told)}",
            hint="use the settings and data of that run; --force without --resume starts anew",
        )


def has_checkpoint(folder: Path) -> bool:
    """Whether there is a checkpoint in ``folder``, readable or not."""
    return (folder / FILE_NAME).is_file()


def peek(folder: Path) -> Saved | None:
    """The checkpoint in ``folder``; None where there is none.

    Raises:
        UsageError: it cannot be read.
    """
    path = folder / FILE_NAME
    if not has_checkpoint(folder):
        return None
    _, header = _read(path, only_header=True)
    return Saved(path, header["facts"], header["epoch"])


def save(folder: Path, model: Any, state: RunState) -> None:
    """Writes ``state`` with the variables of ``model`` and of its (built) optimizer.

    Raises:
        UsageError: the folder cannot be written to.
    """
    header = {
        "schema": SCHEMA,
        "facts": dict(state.facts),
        **{key: getattr(state, key) for key in ("epoch", "seconds", "history")},
        **{key: getattr(state, key) for key in ("best_epoch", "best_value", "done")},
    }
    text = json.dumps(header, default=str)
    arrays = {"header": np.frombuffer(text.encode(), np.uint8)}
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


def restore(folder: Path, model: Any, facts: Mapping[str, Any]) -> RunState | None:
    """Puts the saved variables into ``model`` and its (built) optimizer.

    Returns:
        The saved state, or None where the folder holds none.

    Raises:
        UsageError: the file is damaged, or belongs to other settings, data or another model.
    """
    saved = peek(folder)
    if saved is None:
        return None
    saved.check(facts)
    arrays, header = _read(saved.path)
    _assign(model.variables, _group(arrays, "model"))
    _assign(model.optimizer.variables, _group(arrays, "optimizer"))
    state = RunState(**{**header, "facts": facts, "history": tuple(header["history"])})
    return replace(state, best_weights=tuple(_group(arrays, "best")))


def _read(
    path: Path, *, only_header: bool = False
) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """Arrays by name, and the header's values, checked for what this version reads."""
    try:
        with np.load(path, allow_pickle=False) as file:
            names = ["header"] if only_header else file.files
            arrays = {name: file[name] for name in names}
        header = json.loads(arrays.pop("header").tobytes())
        schema = header.pop("schema")
        whole = {field.name for field in fields(RunState)} - {"best_weights"} == set(header)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, EOFError,
            zipfile.BadZipFile) as error:  # fmt: skip
        raise UsageError(
            f"the checkpoint '{path}' cannot be read: {error}",
            hint="--force without --resume starts anew",
        ) from error
    if schema != SCHEMA or not whole:
        raise UsageError(
            f"the checkpoint '{path}' was written by another version of edgecnn ({schema})",
            hint="go on with that version; --force without --resume starts anew",
        )
    return arrays, header


def _difference(key: str, was: Any, now: Any) -> str:
    """``epochs 30 (now 60)``; long values are only named."""
    plain = all(value is None or isinstance(value, (bool, int, float, str)) for value in (was, now))
    if plain and max(len(str(was)), len(str(now))) <= _SHOWN:
        return f"{key.replace('_', ' ')} {was} (now {now})"
    return f"{key.replace('_', ' ')}"


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
