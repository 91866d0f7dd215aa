"""What the user named: a bundle, a Keras file, a SavedModel folder, or a .tflite file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from edgecnn.core.bundle import MANIFEST, Bundle
from edgecnn.core.errors import ModelError, UsageError
from edgecnn.jobs.project import FILE_NAME, load_project
from targets.base import ModelFile
from targets.model_file import from_bundle, load_model_file

Kind = Literal["bundle", "keras", "saved-model", "tflite"]
_KERAS = (".keras", ".h5", ".hdf5")


@dataclass(frozen=True)
class ModelRef:
    """A model by what it is.

    Attributes:
        bundle: only for kind ``bundle``, loaded and verified.
    """

    kind: Kind
    path: Path
    bundle: Bundle | None = None

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


def resolve(model: Path | None, project: Path = Path(FILE_NAME)) -> ModelRef:
    """Finds out what ``model`` is; None means the bundle of the project file.

    Raises:
        UsageError: nothing was given and there is no project file.
        ModelError: there is no such file.
        BundleError: a damaged bundle.
    """
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
