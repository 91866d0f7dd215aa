"""Contract 3: the bundle, a folder that flows through the rooms.

::

    bundle.json  model.keras  preprocess.json  postprocess.json  labels.txt
    variants/<recipe>/{model.tflite, recipe.json, golden.npz, metrics.json}
    targets/<name>/<recipe>/{check.json, compiled files, bench.json}
    report.html  MODEL_CARD.md

Edits are transactions (:meth:`Bundle.edit`): files are staged as ``<name>.new`` and synced, then
``bundle.json`` (which holds every hash) is replaced: that rename is the commit. Staged files are
renamed afterwards; a crash in between is rolled forward on the next load, one before it leaves the
old bundle. Hashes are checked on load.
"""

from __future__ import annotations

import io
import json
import os
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecnn.core import postprocess as post
from edgecnn.core.errors import BundleError, UsageError
from edgecnn.core.files import dump_json, make_folder, sha256_file, write_atomic
from edgecnn.core.preprocess import PreprocessSpec

SCHEMA = "edgecnn.bundle/1"
MANIFEST = "bundle.json"
KERAS_MODEL = "model.keras"
_STAGED = ".new"
_MAX_PATH = 200
_HINT_REMAKE = "run the edgecnn command that makes it again"
# What numpy and zipfile raise on bytes that are no such archive.
_NO_ARCHIVE = (ValueError, TypeError, LookupError, OSError, EOFError, RuntimeError, MemoryError,
               zipfile.BadZipFile, zlib.error)  # fmt: skip


@dataclass(frozen=True)
class Golden:
    """Recorded inputs and outputs of a variant, made with the reference kernels.

    Attributes:
        inputs, outputs: name → array (n, …) of n samples, raw tensor dtypes; names and order as
            :class:`edgecnn.core.runtime.TensorInfo` has them.
    """

    inputs: Mapping[str, NDArray[Any]]
    outputs: Mapping[str, NDArray[Any]]

    @property
    def samples(self) -> int:
        """How many samples it holds."""
        return len(next(iter(self.inputs.values())))

    def to_bytes(self) -> bytes:
        """As .npz; keys are ``i<k>:<name>`` and ``o<k>:<name>`` so that order survives."""
        stream = io.BytesIO()
        arrays = {f"i{k}:{name}": value for k, (name, value) in enumerate(self.inputs.items())}
        arrays |= {f"o{k}:{name}": value for k, (name, value) in enumerate(self.outputs.items())}
        # Fixed dates, so that the same vectors give the same bytes.
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
            for key, value in arrays.items():
                item = io.BytesIO()
                np.save(item, np.ascontiguousarray(value), allow_pickle=False)
                archive.writestr(zipfile.ZipInfo(f"{key}.npy"), item.getvalue())
        return stream.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> Golden:
        """Reads :meth:`to_bytes`'s form; never unpickles.

        Raises:
            BundleError: not such a file.
        """
        hint = "run edgecnn quantize again"
        sides: dict[str, dict[int, tuple[str, NDArray[Any]]]] = {"i": {}, "o": {}}
        try:
            with np.load(io.BytesIO(data), allow_pickle=False) as archive:
                for key in archive.files:
                    place, _, name = key.partition(":")
                    sides[place[:1]][int(place[1:])] = name, archive[key]
        except _NO_ARCHIVE as error:
            raise BundleError(f"the golden vector cannot be read: {error}", hint=hint) from error
        if not all(sides.values()):
            raise BundleError("the golden vector has no inputs or no outputs", hint=hint)
        inputs, outputs = (dict(side[k] for k in sorted(side)) for side in sides.values())
        return cls(inputs, outputs)


@dataclass(frozen=True)
class Manifest:
    """bundle.json. ``files`` maps POSIX paths inside the bundle to SHA-256.

    ``data["path"]`` is where the data were, seen from the bundle's folder.

    ``imports`` are the user's own Python files that ``model.keras`` needs, each
    ``{"name", "sha256"}``; their code is not in the bundle.
    """

    name: str
    task: str
    labels: tuple[str, ...]
    seed: int
    default_variant: str = "float32"
    versions: Mapping[str, str] = field(default_factory=dict)
    data: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    imports: tuple[Mapping[str, str], ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "schema": SCHEMA,
            "name": self.name,
            "task": self.task,
            "labels": list(self.labels),
            "seed": self.seed,
            "default_variant": self.default_variant,
            "versions": dict(self.versions),
            "data": dict(self.data),
            "training": dict(self.training),
            "files": dict(sorted(self.files.items())),
            **({"imports": [dict(row) for row in self.imports]} if self.imports else {}),
        }


class BundleEdit:
    """A transaction on a bundle; see :meth:`Bundle.edit`."""

    def __init__(self, bundle: Bundle) -> None:
        self._root = bundle.root
        self.manifest = bundle.manifest
        self._before = set(bundle.manifest.files)
        self._staged: dict[str, str] = {}

    def write(self, path: str, data: bytes | str) -> None:
        """Stages a file; ``path`` is relative to the bundle, POSIX."""
        _safe(path)
        staged = self._root / (path + _STAGED)
        write_atomic(staged, data)
        self._staged[path] = sha256_file(staged)

    def write_json(self, path: str, data: Any) -> None:
        """Stages a JSON file."""
        self.write(path, dump_json(data))

    def add(self, path: str, source: Path) -> None:
        """Stages a copy of ``source``."""
        self.write(path, source.read_bytes())

    def remove(self, prefix: str) -> None:
        """Drops every file at or below ``prefix`` from the manifest (and the disk, on commit)."""
        kept = {
            key: value
            for key, value in self.manifest.files.items()
            if key != prefix and not key.startswith(prefix.rstrip("/") + "/")
        }
        self.manifest = replace(self.manifest, files=kept)

    def change(self, **fields: Any) -> None:
        """Changes manifest fields (``default_variant``, ``data``, ``training`` …)."""
        self.manifest = replace(self.manifest, **fields)

    def commit(self) -> Manifest:
        """Replaces bundle.json, then renames the staged files into place."""
        files = {**self.manifest.files, **self._staged}
        manifest = replace(self.manifest, files=files)
        write_atomic(self._root / MANIFEST, dump_json(manifest.to_json()))
        _roll_forward(self._root, manifest)
        for path in self._before - set(files):
            (self._root / path).unlink(missing_ok=True)
        return manifest

    def abandon(self) -> None:
        """Removes what was staged, unless bundle.json already vouches for it."""
        try:
            data = json.loads((self._root / MANIFEST).read_text(encoding="utf-8"))
            vouched = data["files"]
        except (OSError, ValueError, LookupError, TypeError):
            vouched = {}
        for path, digest in self._staged.items():
            if vouched.get(path) != digest:
                (self._root / (path + _STAGED)).unlink(missing_ok=True)


@dataclass(frozen=True)
class Bundle:
    """A bundle on disk."""

    root: Path
    manifest: Manifest

    @classmethod
    def create(cls, root: Path, manifest: Manifest, *, force: bool = False) -> Bundle:
        """Makes an empty bundle in a new or empty folder, or over an old bundle with ``force``.

        Raises:
            UsageError: the folder holds something, or cannot be written to.
        """
        make_folder(root)
        if (root / MANIFEST).exists():
            if not force:
                raise UsageError(
                    f"'{root}' already holds a bundle",
                    hint="choose another folder with -o/--output-dir, or pass --force",
                )
            old = cls.load(root, verify=False)
            with old.edit() as edit:
                for path in old.manifest.files:
                    edit.remove(path)
        elif any(root.iterdir()):
            raise UsageError(
                f"'{root}' is not empty and holds no bundle",
                hint="choose a new or empty folder with -o/--output-dir",
            )
        write_atomic(root / MANIFEST, dump_json(manifest.to_json()))
        return cls(root, manifest)

    @classmethod
    def load(cls, root: Path, *, verify: bool = True) -> Bundle:
        """Reads a bundle and checks every hash (after finishing an interrupted commit).

        Raises:
            BundleError: no bundle there, unreadable, or a file is missing or changed.
        """
        path = root / MANIFEST
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise BundleError(
                f"'{root}' is no bundle: {MANIFEST} cannot be read ({error.strerror or error})",
                hint="give a folder made by edgecnn train",
            ) from error
        except (ValueError, RecursionError) as error:
            raise BundleError(f"'{path}' is not valid JSON", hint=_HINT_REMAKE) from error
        manifest = _manifest_from_json(path, data)
        _roll_forward(root, manifest)
        bundle = cls(root, manifest)
        if verify:
            bundle.verify()
        return bundle

    def verify(self) -> None:
        """Compares every file's hash with the manifest.

        Raises:
            BundleError: a file is missing or was changed.
        """
        for name, digest in self.manifest.files.items():
            path = self.root / name
            if not path.is_file():
                raise BundleError(f"the bundle '{self.root}' lacks '{name}'", hint=_HINT_REMAKE)
            if sha256_file(path) != digest:
                raise BundleError(
                    f"'{path}' was changed after the bundle was written (SHA-256 differs)",
                    hint=_HINT_REMAKE,
                )

    @contextmanager
    def edit(self) -> Iterator[BundleEdit]:
        """All of the block's writes, or none; :meth:`reload` gives the new state."""
        # From the disk: an earlier edit may have gone ahead of this object.
        transaction = BundleEdit(self.reload())
        try:
            yield transaction
            transaction.commit()
        except BaseException:
            transaction.abandon()
            raise

    def reload(self) -> Bundle:
        """The bundle as it now stands on disk."""
        return Bundle.load(self.root, verify=False)

    def path(self, name: str) -> Path:
        """The path of a file that must be in the bundle.

        Raises:
            BundleError: it is not.
        """
        if name not in self.manifest.files:
            raise BundleError(f"the bundle '{self.root}' has no '{name}'", hint=_missing_hint(name))
        return self.root / name

    def has(self, name: str) -> bool:
        """Whether the manifest names this file."""
        return name in self.manifest.files

    def read_json(self, name: str) -> Any:
        """A JSON file of the bundle.

        Raises:
            BundleError: missing or unreadable.
        """
        try:
            return json.loads(self.path(name).read_text(encoding="utf-8"))
        except (ValueError, RecursionError) as error:
            raise BundleError(
                f"'{self.root / name}' is not valid JSON", hint=_HINT_REMAKE
            ) from error

    @property
    def data_source(self) -> str:
        """What it was trained on: a built-in source's name or a path; "" where it does not say."""
        path = self.manifest.data.get("path")
        if isinstance(path, str):
            found = Path(os.path.normpath(Path(os.path.realpath(self.root), path)))
            if found.exists():
                return str(found)
        return str(self.manifest.data.get("source", ""))

    @property
    def variants(self) -> tuple[str, ...]:
        """Names of the variants, sorted."""
        parts = (PurePosixPath(name).parts for name in self.manifest.files)
        return tuple(sorted({p[1] for p in parts if len(p) == 3 and p[0] == "variants"}))

    @property
    def only_trained(self) -> bool:
        """Whether its Keras model is all there is: not quantized yet."""
        return not self.variants and self.has(KERAS_MODEL)

    def variant_model(self, recipe: str | None = None) -> Path:
        """The path of a variant's model.tflite; None: the default variant.

        Raises:
            BundleError: there is no such variant.
        """
        name = recipe or self.manifest.default_variant
        if not self.variants:
            raise BundleError(
                f"the bundle '{self.root}' is trained, but not quantized: it holds no .tflite yet",
                hint=f"run edgecnn quantize {self.root} first",
            )
        if name not in self.variants:
            raise BundleError(
                f"the bundle '{self.root}' has no variant '{name}', expected one of"
                f" {', '.join(self.variants)}",
                hint=f"give one of these, or make it: edgecnn quantize {self.root} --recipe {name}",
            )
        return self.path(f"variants/{name}/model.tflite")

    def golden(self, recipe: str) -> Golden | None:
        """The golden vector of a variant, or None."""
        name = f"variants/{recipe}/golden.npz"
        return Golden.from_bytes(self.path(name).read_bytes()) if self.has(name) else None

    @property
    def preprocess(self) -> PreprocessSpec:
        """Contract 1's spec."""
        return PreprocessSpec.from_json(self.read_json("preprocess.json"))

    @property
    def postprocess(self) -> post.PostprocessSpec:
        """Contract 2's spec."""
        return post.from_json(self.read_json("postprocess.json"))


def _missing_hint(name: str) -> str:
    if name.startswith("variants/"):
        return "run edgecnn quantize first"
    return "run edgecnn train first" if name == KERAS_MODEL else _HINT_REMAKE


def _safe(path: str) -> None:
    pure = PurePosixPath(path)
    odd = ".." in pure.parts or any(char in path for char in "\\\0:") or len(path) > _MAX_PATH
    if pure.is_absolute() or odd or path in ("", MANIFEST):
        raise BundleError(f"'{path}' is no path inside a bundle", hint=_HINT_REMAKE)


def _manifest_from_json(path: Path, data: Any) -> Manifest:
    if not isinstance(data, dict) or data.get("schema") != SCHEMA:
        got = data.get("schema") if isinstance(data, dict) else type(data).__name__
        raise BundleError(f"'{path}': schema {got!r}, expected '{SCHEMA}'", hint=_HINT_REMAKE)
    kinds = {"name": str, "task": str, "labels": list, "seed": int, "default_variant": str,
             "versions": dict, "data": dict, "training": dict, "files": dict}  # fmt: skip
    for key, kind in kinds.items():
        if not isinstance(data.get(key), kind):
            raise BundleError(
                f"'{path}': key '{key}' must be a JSON {kind.__name__}", hint=_HINT_REMAKE
            )
    for name, digest in data["files"].items():
        _safe(name)
        if not isinstance(digest, str):
            raise BundleError(f"'{path}': files['{name}'] must be a string", hint=_HINT_REMAKE)
    imports = data.get("imports", [])
    if not isinstance(imports, list) or not all(_is_import(row) for row in imports):
        raise BundleError(
            f"'{path}': key 'imports' must be a list of names with their sha256", hint=_HINT_REMAKE
        )
    fields = {key: data[key] for key in kinds}
    labels = tuple(str(label) for label in data["labels"])
    return Manifest(**{**fields, "labels": labels, "imports": tuple(imports)})


def _is_import(row: Any) -> bool:
    return isinstance(row, dict) and all(isinstance(row.get(k), str) for k in ("name", "sha256"))


def _roll_forward(root: Path, manifest: Manifest) -> None:
    """Renames staged files that the manifest already vouches for."""
    for name, digest in manifest.files.items():
        staged = root / (name + _STAGED)
        if staged.is_file() and sha256_file(staged) == digest:
            staged.replace(root / name)
