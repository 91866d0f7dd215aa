"""What the user named: a bundle, a Keras file, a SavedModel folder, or a .tflite file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from edgecnn.core.bundle import KERAS_MODEL, MANIFEST, Bundle
from edgecnn.core.errors import ModelError, UsageError
from edgecnn.jobs.project import FILE_NAME, load_project
from quantization.keras_safety import has_own_layers
from quantization.own_code import ImportedFile, changed_imports, import_files, require_imports
from targets.base import ModelFile
from targets.model_file import from_bundle, load_model_file

Kind = Literal["bundle", "keras", "saved-model", "tflite"]
_KERAS = (".keras", ".h5", ".hdf5")


@dataclass(frozen=True)
class ModelRef:
    """A model by what it is.

    Attributes:
        bundle: only for kind ``bundle``, loaded and verified.
        imports: the user's own Python files that were run for it.
        unsafe: whether code that a Keras file brings may run (Lambda layers).
        warnings: what is odd about those files, one line each.
    """

    kind: Kind
    path: Path
    bundle: Bundle | None = None
    imports: tuple[ImportedFile, ...] = ()
    unsafe: bool = False
    warnings: tuple[str, ...] = ()

    def bundle_or_fail(self, verb: str) -> Bundle:
        """The bundle.

        Raises:
            UsageError: it is a bare file.
        """
        if self.bundle is None:
            raise UsageError(
                f"{verb} works on a bundle, '{self.path}' is a bare file",
                hint="give the folder that edgecnn train wrote",
            )
        return self.bundle


def resolve(
    model: Path | None,
    project: Path = Path(FILE_NAME),
    *,
    imports: Sequence[Path] = (),
    unsafe: bool = False,
) -> ModelRef:
    """Finds out what ``model`` is; None means the bundle of the project file.

    Args:
        model: what the user named.
        project: the project file.
        imports: Python files with the model's own layers; they are run once the model was found.
        unsafe: let code that a Keras file brings run (Lambda layers).

    Raises:
        UsageError: nothing was given and there is no project file.
        ModelError: there is no such file.
        BundleError: a damaged bundle.
        ModelError: an imported file's code raised.
    """
    found = replace(_found(model, project), unsafe=unsafe)
    if not imports:
        return found
    files = import_files(imports)
    recorded = found.bundle.manifest.imports if found.bundle is not None else ()
    return replace(found, imports=files, warnings=changed_imports(recorded, files))


def bundle_keras(reference: ModelRef, verb: str) -> Path:
    """The bundle's Keras model, whose own layers are known.

    Raises:
        UsageError: it is a bare file.
        ModelError: it needs a Python file that was not given.
        BundleError: the bundle has no Keras model.
    """
    bundle = reference.bundle_or_fail(verb)
    path = bundle.path(KERAS_MODEL)
    if bundle.manifest.imports and has_own_layers(path):
        require_imports(bundle.manifest.imports, reference.imports, str(bundle.root))
    return path


def own_code(reference: ModelRef) -> tuple[dict[str, str], ...]:
    """What a bundle keeps of the user's files: their names and hashes, where its model needs them.

    Raises:
        ModelError: the bundle's Keras model is damaged.
    """
    if reference.bundle is None or not reference.imports:
        return ()
    if not has_own_layers(reference.bundle.path(KERAS_MODEL)):
        return ()
    return tuple(file.to_json() for file in reference.imports)


def _found(model: Path | None, project: Path) -> ModelRef:
    if model is None:
        if not project.is_file():
            raise UsageError(
                f"no model was given and there is no '{project}' here",
                hint="give a bundle, .keras or .tflite, or run edgecnn new NAME first",
            )
        model = load_project(project).bundle_dir
        if not (model / MANIFEST).is_file():
            raise UsageError(
                f"the project's bundle '{model}' does not exist yet", hint="run edgecnn train first"
            )
    if (model / "saved_model.pb").is_file() and not (model / MANIFEST).is_file():
        return ModelRef("saved-model", model)
    if model.is_dir():
        return ModelRef("bundle", model, Bundle.load(model))
    if not model.exists():
        raise ModelError(
            f"there is no '{model}'",
            hint="give a bundle folder, a .keras, .h5 or .tflite file, or a SavedModel",
        )
    return ModelRef("keras" if model.suffix.lower() in _KERAS else "tflite", model)


def model_file(reference: ModelRef, variant: str | None) -> ModelFile:
    """The .tflite to check, compile or measure, with its golden vector where there is one.

    Raises:
        UsageError: a Keras model or SavedModel, which has to be quantized first.
        BundleError, ModelError.
    """
    if reference.bundle is not None:
        return from_bundle(reference.bundle, variant)
    if reference.kind in ("keras", "saved-model"):
        kind = "Keras model" if reference.kind == "keras" else "SavedModel"
        raise UsageError(
            f"'{reference.path}' is a {kind}; this command needs a .tflite or a bundle",
            hint=f"run edgecnn quantize {reference.path} --calibration PHOTOS -o OUT first",
        )
    if variant is not None:
        raise UsageError(
            f"--variant {variant} goes with a bundle, '{reference.path}' is a bare file",
            hint="leave --variant out",
        )
    return load_model_file(reference.path)
