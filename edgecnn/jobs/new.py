"""new: a project folder with edgecnn.toml and sample data."""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from edgecnn.core.errors import UnknownNameError, UsageError
from edgecnn.core.files import make_folder, write_atomic
from edgecnn.data.table import SOURCES, source_kind
from edgecnn.jobs.project import FILE_NAME, default_project, project_text
from edgecnn.jobs.training_data import training_data
from edgecnn.models.table import model_names
from firmware_glue.licenses import OWN_FILES, license_texts

_SAMPLES = 20


@dataclass(frozen=True)
class NewRequest:
    """What to start.

    Attributes:
        folder: of the project; its last part is the project's name.
        data: source written into the file; None: the task's embedded default.
    """

    folder: Path
    task: str
    data: str | None = None
    model: str | None = None
    seed: int | None = None
    force: bool = False


@dataclass(frozen=True)
class NewResult:
    """Files written, and why samples are missing, if they are."""

    folder: Path
    files: tuple[str, ...]
    note: str = ""


def run(request: NewRequest) -> NewResult:
    """Writes the project file, its license, .gitignore and samples (photos of digits, or a video).

    Raises:
        UsageError: the folder holds a project already, or the name cannot be used.
        DataError: the data cannot be trained on.
    """
    name = request.folder.name or request.folder.resolve().name
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_.-]*", name):
        raise UsageError(
            f"'{name}' is no project name, expected letters, digits, '-', '_' and '.'",
            hint="start it with a letter, for example parts-counter",
        )
    goal = request.folder / FILE_NAME
    if goal.exists() and not request.force:
        raise UsageError(f"'{goal}' exists", hint="choose another folder, or pass --force")
    if request.model is not None and request.model not in model_names(request.task):
        raise UnknownNameError(f"{request.task} model", request.model, model_names(request.task))
    project = default_project(request.task, source=_source(request), model=request.model).override(
        name=name, seed=request.seed
    )
    _check_data(request, project.seed)
    existed = request.folder.exists()
    make_folder(request.folder)
    try:
        write_atomic(goal, project_text(project))
        write_atomic(request.folder / ".gitignore", f"/{project.get('', 'bundle')}/\n/build/\n")
        write_atomic(request.folder / OWN_FILES, license_texts()[OWN_FILES])
        files, note = _samples(request)
    except BaseException:
        if not existed:
            shutil.rmtree(request.folder, ignore_errors=True)
        raise
    return NewResult(request.folder, (FILE_NAME, ".gitignore", OWN_FILES, *files), note)


def _source(request: NewRequest) -> str | None:
    """The data source as the project file names it: a relative path counts from its folder.

    Raises:
        UsageError: the path cannot be written into a text file.
    """
    given = request.data
    if given is None or given in SOURCES:
        return given
    try:
        given.encode("utf-8")
    except UnicodeEncodeError as error:
        raise UsageError(
            f"the path {given!r} is no valid Unicode, which the project file needs",
            hint="rename the folder",
        ) from error
    path = Path(given).expanduser()
    if path.is_absolute():
        return path.as_posix()
    # From the real folder: ".." of a link leads out of what it points to.
    return Path(os.path.relpath(path.absolute(), request.folder.resolve())).as_posix()


def _check_data(request: NewRequest, seed: int) -> None:
    """Refuses what train would refuse, before anything is written."""
    if request.data is None:
        return
    if source_kind(request.data, request.task) == "files":
        training_data(request.data, request.task, seed)


def _samples(request: NewRequest) -> tuple[tuple[str, ...], str]:
    """Samples of the embedded data; they need scikit-learn, which [train] brings."""
    if request.data is not None and request.data not in SOURCES:
        return (), ""
    try:
        import sklearn.datasets  # noqa: F401
    except ImportError:
        return (), "no samples: they need scikit-learn (pip install 'edgecnn[train]')"
    if request.task == "detect":
        from edgecnn.data.scenes_video import write_video

        make_folder(request.folder / "samples")
        write_video(request.folder / "samples/scene.mp4", seed=request.seed or 42)
        return ("samples/scene.mp4",), ""
    return _digit_photos(request.folder, request.seed or 42), ""


def _digit_photos(folder: Path, seed: int) -> tuple[str, ...]:
    import cv2

    from edgecnn.data.table import load_dataset

    digits = load_dataset("digits", "classify", "test", seed=seed)
    written = []
    for index in range(_SAMPLES):
        sample = digits[index]
        label = digits.labels[sample.label or 0]
        name = f"samples/{label}/{index:02d}.png"
        good, png = cv2.imencode(".png", sample.image)
        if good:
            write_atomic(folder / name, png.tobytes())
            written.append(name)
    return tuple(written)
