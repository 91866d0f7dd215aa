"""Samples from a .npy or .npz file: real values, preprocessed already.

A .npy holds one input, (n, …). A .npz holds one array per input, by name, and may hold ``labels``
(n,); or ``x_train``, ``y_train``, ``x_test``, ``y_test`` as Keras' data sets do. A .npy is mapped,
so that it can be larger than memory. Nothing in them is ever unpickled.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.errors import DataError
from edgecnn.core.sample import Sample
from edgecnn.data.images import split_facts
from edgecnn.data.splits import PARTS, check_split, cut

EXTENSIONS = (".npy", ".npz")
MAX_NPZ_BYTES = 4 << 30
MAX_CLASSES = 100_000
_LABELS = ("labels", "label", "y", "targets")
_NAMES = "label_names"
_HINT = "save it with np.save, or np.savez('data.npz', NAME=array, labels=classes)"
_TEST, _VAL = 0.15, 0.1

Array = NDArray[Any]


def is_arrays(path: Path) -> bool:
    """Whether the file's name says that it holds arrays."""
    return path.name.lower().endswith(EXTENSIONS)


@dataclass(frozen=True)
class ArraySet:
    """Rows of arrays; see :class:`edgecnn.core.sample.Dataset`.

    Attributes:
        labels: class names, () where there are none.
        ids: ``file.npz[row]``, the row in the file (with the array's name where Keras' names are
            used).
    """

    labels: tuple[str, ...]
    ids: tuple[str, ...]
    rows: NDArray[np.int64] = field(repr=False)
    columns: Mapping[str, Array] = field(repr=False)
    classes: NDArray[np.int64] | None = field(repr=False, default=None)
    task: str = "classify"
    skipped: tuple[str, ...] = ()
    duplicates: tuple[str, ...] = ()

    def __len__(self) -> int:
        """How many rows."""
        return len(self.rows)

    def __getitem__(self, index: int) -> Sample:
        """Row ``index`` as float32; IndexError past the end.

        Raises:
            DataError: it holds NaN or infinity.
        """
        row, name = int(self.rows[index]), self.ids[index]
        arrays = {}
        for key, column in self.columns.items():
            value = np.asarray(column[row], np.float32)
            if not np.isfinite(value).all():
                raise DataError(
                    f"'{name}' holds NaN or infinity" + (f" (array '{key}')" if key else ""),
                    hint="remove the sample or fix its preprocessing",
                )
            arrays[key] = value
        label = None if self.classes is None else int(self.classes[row])
        return Sample(name, label=label, arrays=arrays)

    @property
    def targets(self) -> list[int]:
        """The class of every row; [] where there are no labels."""
        return [] if self.classes is None else [int(self.classes[row]) for row in self.rows]


@dataclass(frozen=True)
class _Table:
    """Arrays of one length with their labels."""

    name: str
    columns: Mapping[str, Array]
    classes: NDArray[np.int64] | None

    def part(self, rows: NDArray[np.int64], labels: tuple[str, ...]) -> ArraySet:
        ids = tuple(f"{self.name}[{row}]" for row in rows)
        return ArraySet(labels, ids, rows, self.columns, self.classes)

    @property
    def count(self) -> int:
        return len(next(iter(self.columns.values())))


class ArraySplits:
    """The splits of a file; see :class:`edgecnn.data.images.FileSplits`.

    Args:
        path: an existing file.
        seed: of the cuts.

    Raises:
        DataError: no such file, damaged, empty, or of another form.
    """

    def __init__(self, path: Path, seed: int) -> None:
        self._path = path
        tables, names = _tables(path)
        self.own_test = "test" in tables
        self.labelled = tables["train"].classes is not None
        self._labels = _label_names(path, tables, names)
        self._parts = self._cut(tables, seed)

    def get(self, split: str) -> ArraySet:
        """One split; ``all`` are the file's rows (with Keras' names, the training rows).

        Raises:
            DataError: there are no labels to tell splits by.
            UnknownNameError: there is no such split.
        """
        if not self.labelled and check_split(split) != "all":
            raise DataError(
                f"'{self._path}' has no labels", hint=f"add an array 'labels' (n,); {_HINT}"
            )
        return self._parts[check_split(split)]

    def record(self) -> dict[str, Any]:
        """What the manifest keeps about the splits."""
        return {part: split_facts(self.get(part)) for part in PARTS}

    def _cut(self, tables: Mapping[str, _Table], seed: int) -> dict[str, ArraySet]:
        train = tables["train"]
        rows = np.arange(train.count, dtype=np.int64)
        parts = {"all": train.part(rows, self._labels)}
        parts |= {k: t.part(np.arange(t.count), self._labels) for k, t in tables.items()}
        if train.classes is None:
            return parts
        left = rows
        # As for folders: where the data set brings its own test, 10 % of train choose an epoch.
        val = _VAL if self.own_test else _TEST / (1 - _TEST)
        for part, share in (("test", _TEST), ("val", val)):
            if part not in tables:
                chosen = _stratified(train.classes, left, share, seed)
                parts[part] = train.part(chosen, self._labels)
                left = np.setdiff1d(left, chosen)
        parts["train"] = train.part(left, self._labels)
        return parts


def _stratified(
    classes: NDArray[np.int64], rows: NDArray[np.int64], share: float, seed: int
) -> NDArray[np.int64]:
    by_class: dict[str, list[str]] = {}
    for row in rows:
        by_class.setdefault(str(classes[row]), []).append(str(row))
    return np.array(sorted(int(row) for row in cut(by_class, share, seed)), np.int64)


def _tables(path: Path) -> tuple[dict[str, _Table], Array | None]:
    arrays = _loaded(path)
    names = arrays.pop(_NAMES, None)
    if {"x_train", "y_train"} <= set(arrays):
        parts = [part for part in PARTS if {f"x_{part}", f"y_{part}"} <= set(arrays)]
        return {
            part: _table(path, f"{path.name}:{part}", {"x": arrays[f"x_{part}"]},
                         arrays[f"y_{part}"])
            for part in parts
        }, names  # fmt: skip
    key = next((key for key in _LABELS if key in arrays and len(arrays) > 1), None)
    labels = arrays.pop(key) if key else None
    return {"train": _table(path, path.name, arrays, labels)}, names


def _table(path: Path, name: str, columns: Mapping[str, Array], labels: Array | None) -> _Table:
    for key, column in columns.items():
        what = f"the array '{key}' of '{path}'" if key else f"'{path}'"
        if column.dtype.kind not in "fiub":
            _bad(f"{what} is of dtype {column.dtype}, expected numbers")
        if column.ndim < 1 or 0 in column.shape:
            _bad(f"{what} is empty: its shape is {list(column.shape)}")
    lengths = {key: len(column) for key, column in columns.items()}
    if labels is not None:
        labels = _classes(path, labels)
        lengths["labels"] = len(labels)
    if not columns or len(set(lengths.values())) != 1:
        _bad(f"the arrays of '{path}' have {lengths or 'no'} rows, expected the same of each")
    return _Table(name, columns, labels)


def _classes(path: Path, labels: Array) -> NDArray[np.int64]:
    """Class indices of (n,), (n, 1) or one-hot (n, classes)."""
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    elif labels.ndim == 2 and labels.shape[1] > 1 and labels.dtype.kind in "fiub":
        if not np.all((labels == 0) | (labels == 1)) or not np.all(labels.sum(axis=1) == 1):
            _bad(f"the labels of '{path}' are {list(labels.shape)}, but not one-hot")
        labels = labels.argmax(axis=1)
    whole = labels.ndim == 1 and labels.dtype.kind in "iub"
    if not whole or (len(labels) and not 0 <= int(labels.min()) <= int(labels.max()) < MAX_CLASSES):
        _bad(
            f"the labels of '{path}' are {labels.dtype} {list(labels.shape)}, expected whole"
            " numbers from 0 on, one per sample"
        )
    return labels.astype(np.int64)


def _label_names(path: Path, tables: Mapping[str, _Table], names: Array | None) -> tuple[str, ...]:
    every = [table.classes for table in tables.values() if table.classes is not None]
    if not every:
        return ()
    count = max(int(classes.max(initial=0)) for classes in every) + 1
    if names is None:
        return tuple(str(index) for index in range(count))
    if names.ndim != 1 or names.dtype.kind != "U" or len(names) < count:
        _bad(
            f"'{_NAMES}' of '{path}' are {names.dtype} {list(names.shape)}, expected {count} names"
        )
    return tuple(str(name) for name in names)


def _loaded(path: Path) -> dict[str, Array]:
    """The file's arrays by name; the name of a .npy's is ''."""
    try:
        if path.name.lower().endswith(".npy"):
            return {"": np.load(path, mmap_mode="r", allow_pickle=False)}
        with zipfile.ZipFile(path) as archive:
            total = sum(member.file_size for member in archive.infolist())
        if total > MAX_NPZ_BYTES:
            raise DataError(
                f"'{path}' unpacks to {total >> 20} MiB, expected up to {MAX_NPZ_BYTES >> 20}",
                hint="save one array as .npy, which is read piece by piece",
            )
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, MemoryError) as error:
        reason = getattr(error, "strerror", None) or str(error).split("\n")[0]
        if "pickle" in reason or "Object arrays" in reason:
            reason = "it holds Python objects, not numbers"
        raise DataError(f"cannot read the arrays '{path}': {reason}", hint=_HINT) from error


def _bad(message: str) -> NoReturn:
    raise DataError(message, hint=_HINT)
