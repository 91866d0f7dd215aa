"""Labelled images or recordings from files: the set and its splits, over a folder or archive."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

from edgecnn.core.errors import DataError
from edgecnn.core.sample import Sample
from edgecnn.data.decode import EXTENSIONS, decode_image, unreadable
from edgecnn.data.layout import Layout, natural_key
from edgecnn.data.splits import PARTS, check_split, digest, drop_duplicates

_NAMED = 20  # dropped files that the record names; the count is always whole


class Files(Protocol):
    """Where encoded images and recordings come from."""

    @property
    def source(self) -> str:
        """For messages: the folder's or archive's path."""

    @property
    def images(self) -> Sequence[str]:
        """Paths of all images, relative, with ``/``."""

    @property
    def recordings(self) -> Sequence[str]:
        """Paths of all recordings, same form."""

    @property
    def others(self) -> Sequence[str]:
        """Paths of all other files that are not hidden, same form."""

    @property
    def folders(self) -> Sequence[str]:
        """All folders, same form."""

    def read(self, path: str) -> bytes:
        """The encoded bytes; OSError when they cannot be read."""

    def head(self, path: str, limit: int) -> bytes:
        """Reads at most ``limit`` bytes of the beginning of a file of :attr:`others`, or b""."""

    def sizes(self) -> dict[str, int]:
        """Bytes of each image and recording."""


@dataclass(frozen=True)
class Medium:
    """What the files hold.

    Attributes:
        noun: one of them, in messages.
        extensions: their names' ends.
        decode: (name, bytes, label) → sample; DataError where they are damaged.
        unreadable: (names, read) → those that cannot be decoded.
    """

    noun: str
    extensions: tuple[str, ...]
    decode: Callable[[str, bytes, int | None], Sample]
    unreadable: Callable[[Sequence[str], Callable[[str], bytes]], tuple[str, ...]]


def _decoded(name: str, data: bytes, label: int | None) -> Sample:
    return Sample(name, decode_image(data, name), label)


IMAGES = Medium("image", EXTENSIONS, _decoded, unreadable)


@dataclass(frozen=True)
class FileSet:
    """Readable files in a fixed order; each is decoded when it is asked for.

    Attributes:
        labels: class names, () where the files carry none.
        ids: relative paths.
        skipped: files that could not be decoded.
        duplicates: files left out since another split holds the same bytes.
        task: always ``classify``.
        notes: what was left out of the source, and why.
    """

    labels: tuple[str, ...]
    ids: tuple[str, ...]
    skipped: tuple[str, ...]
    duplicates: tuple[str, ...]
    files: Files = field(repr=False)
    classes: Mapping[str, int] = field(repr=False)
    task: str = "classify"
    medium: Medium = IMAGES
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        """How many files."""
        return len(self.ids)

    def __getitem__(self, index: int) -> Sample:
        """Decodes file ``index``; IndexError past the end.

        Raises:
            DataError: the file was damaged or removed after the set was opened.
        """
        name = self.ids[index]
        try:
            data = self.files.read(name)
        except OSError as error:
            raise DataError(
                f"cannot read '{name}': {error.strerror or error}",
                hint="the data changed while it was read: start again",
            ) from error
        return self.medium.decode(name, data, self.classes.get(name))

    @property
    def targets(self) -> list[int]:
        """The class of every file, without decoding any; [] where there are no labels."""
        return [self.classes[name] for name in self.ids] if self.labels else []


class FileSplits:
    """The splits of a labelled data set; each is checked when first asked for."""

    def __init__(
        self, files: Files, layout: Layout, medium: Medium = IMAGES, notes: tuple[str, ...] = ()
    ) -> None:
        self._notes = notes
        self._files = files
        self._layout = layout
        self._medium = medium
        self._open: dict[str, FileSet] = {}

    @property
    def own_test(self) -> bool:
        """Whether the data set brings its test split itself."""
        return self._layout.own_test

    @cached_property
    def _parts(self) -> tuple[dict[str, tuple[str, ...]], tuple[str, ...]]:
        return drop_duplicates(self._layout.parts, content_keys(self._files))

    def get(self, split: str) -> FileSet:
        """One split, or ``all`` of them.

        Raises:
            DataError: nothing readable is in it, or a training class has nothing readable.
            UnknownNameError: there is no such split.
        """
        if check_split(split) not in self._open:
            self._open[split] = self._checked(split)
        return self._open[split]

    def record(self) -> dict[str, Any]:
        """What the manifest keeps: per split the count and the hash of the ids, what was left out.

        ``{"train": {"count", "ids_sha256", "skipped", "duplicates"}, "val": …, "test": …}``; the
        last two as count and the first names.
        """
        return {part: split_facts(self.get(part)) for part in PARTS if self._parts[0][part]}

    def _checked(self, split: str) -> FileSet:
        parts, duplicates = self._parts
        if split == "all":
            # As a test set from elsewhere: every file counts, also one that stands there twice.
            names = [name for part in PARTS for name in self._layout.parts[part]]
            duplicates = ()
        else:
            names = list(parts[split])
            duplicates = tuple(d for d in duplicates if d in set(self._layout.parts[split]))
        source, labels, classes = self._files.source, self._layout.labels, self._layout.classes
        noun = self._medium.noun
        bad = set(self._medium.unreadable(names, self._files.read))
        good = tuple(name for name in names if name not in bad)
        if not good:
            raise DataError(
                f"'{source}' has no readable {noun} for the split '{split}'",
                hint=f"add {split}/<class>/ with {noun}s, or give a folder per class",
                details=sorted(bad),
            )
        missing = set(range(len(labels))) - {classes[name] for name in good}
        if missing and split == "train":
            raise DataError(
                f"'{source}': class '{labels[min(missing)]}' has no readable training {noun}",
                hint=f"add {noun}s of it, or remove its folder",
                details=sorted(bad),
            )
        skipped = tuple(sorted(bad, key=natural_key))
        return FileSet(
            labels, good, skipped, duplicates, self._files, classes, medium=self._medium,
            notes=self._notes,
        )  # fmt: skip


def split_facts(dataset: Any) -> dict[str, Any]:
    """The manifest's facts about one split of any :class:`~edgecnn.core.sample.Dataset`."""
    facts: dict[str, Any] = {"count": len(dataset), "ids_sha256": digest(dataset.ids)}
    for key in ("skipped", "duplicates"):
        names = list(getattr(dataset, key, ()))
        facts[key] = {"count": len(names), "first": names[:_NAMED]}
    return facts


def content_keys(files: Files) -> dict[str, str]:
    """A content hash for each image that is as large as another one; others are unlike all."""
    sizes = files.sizes()
    by_size: dict[int, list[str]] = {}
    for name, size in sizes.items():
        by_size.setdefault(size, []).append(name)
    keys: dict[str, str] = {}
    for names in by_size.values():
        if len(names) < 2:
            continue
        for name in names:
            try:
                keys[name] = hashlib.sha256(files.read(name)).hexdigest()
            except OSError:
                continue  # the check of the split names it
    return keys


def unlabelled(
    files: Files, medium: Medium, names: Sequence[str], notes: tuple[str, ...] = ()
) -> FileSet:
    """All readable files of ``names``, without classes: for calibration and for detection by eye.

    Raises:
        DataError: there is none.
    """
    names = sorted(names, key=natural_key)
    bad = set(medium.unreadable(names, files.read))
    good = tuple(name for name in names if name not in bad)
    if not good:
        raise DataError(
            f"'{files.source}' holds no readable {medium.noun}",
            hint=f"give a folder or an archive with {', '.join(medium.extensions)} files",
            details=sorted(bad),
        )
    skipped = tuple(sorted(bad, key=natural_key))
    return FileSet((), good, skipped, (), files, {}, medium=medium, notes=notes)
