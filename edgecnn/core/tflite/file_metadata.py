"""What a .tflite says about itself, beyond its graph: TFLite's metadata and the files behind it.

Nothing here is needed to run a model, so nothing here refuses one: what is damaged is left out,
and a note says so.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from edgecnn.core.errors import ModelError
from edgecnn.core.tflite.appended import appended_texts
from edgecnn.core.tflite.metadata_tables import (
    ENTRY,
    DetectorNote,
    ModelNote,
    TensorNote,
    left_out,
    read_note,
)
from edgecnn.core.tflite.model import TfModel
from edgecnn.core.tflite.ultralytics import Ultralytics, read_ultralytics
from edgecnn.core.tflite.walker import printable

_MAX_LABELS = 1 << 16
_MAX_LABEL = 200
_LABEL_WORDS = ("label", "class", "names", "categories")


@dataclass(frozen=True)
class FileMetadata:
    """All that a file says of its model.

    Attributes:
        name, description: of TFLite's metadata; empty where there is none.
        inputs, outputs: one note per input and output of the main graph, in its order; empty notes
            where the file has none.
        labels: the classes, from the first of these that has some: an output's label file, a file
            of the archive that is called so, ultralytics' names.
        groups: (name, names of outputs) that belong together.
        ultralytics: what ultralytics or YOLOv5 wrote; None for all other files.
        detector: MediaPipe's anchors and decoding options; None for all other files.
        activation: MediaPipe's, of a segmenter's output: ``none``, ``sigmoid``, ``softmax``, or
            empty.
        files: names in the archive behind the model.
        custom: names of custom metadata (``FACE_DETECTOR_METADATA`` and the like).
        notes: what was left out and why, one line each.
    """

    name: str = ""
    description: str = ""
    inputs: tuple[TensorNote, ...] = ()
    outputs: tuple[TensorNote, ...] = ()
    labels: tuple[str, ...] = ()
    groups: tuple[tuple[str, tuple[str, ...]], ...] = ()
    ultralytics: Ultralytics | None = None
    detector: DetectorNote | None = None
    activation: str = ""
    files: tuple[str, ...] = ()
    custom: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def read_file_metadata(data: bytes, model: TfModel) -> FileMetadata:
    """Reads what the file says of its model; never refuses one.

    Args:
        data: the whole file; never trusted.
        model: what the reader made of it.
    """
    texts, notes = appended_texts(data)
    note, faults = _note(model)
    sides = []
    for side, found, there in (
        ("inputs", note.inputs, model.main.inputs),
        ("outputs", note.outputs, model.main.outputs),
    ):
        if found and len(found) != len(there):
            faults += (
                f"the metadata's {side} are left out: it has {len(found)}, the model {len(there)}",
            )
        sides.append(found if len(found) == len(there) else (TensorNote(),) * len(there))
    maker, labels, more = _texts(texts)
    inputs, outputs = (_with_labels(side, labels) for side in sides)
    return FileMetadata(
        name=note.name,
        description=note.description,
        inputs=inputs,
        outputs=outputs,
        labels=_best(outputs, labels, note.files, maker),
        groups=note.groups,
        ultralytics=maker,
        detector=note.detector,
        activation=note.activation,
        files=tuple(printable(name) for name in texts),
        custom=note.custom,
        notes=(*notes, *faults, *more),
    )


def _note(model: TfModel) -> tuple[ModelNote, tuple[str, ...]]:
    raw = model.metadata.get(ENTRY)
    if not raw:
        return ModelNote(), ()
    try:
        note = read_note(raw)
    except ModelError as error:
        return ModelNote(), (left_out(ENTRY, error),)
    return note, note.notes


def _texts(
    texts: dict[str, str],
) -> tuple[Ultralytics | None, dict[str, tuple[str, ...]], tuple[str, ...]]:
    """(ultralytics' dictionary, the other files as labels, notes)."""
    found: Ultralytics | None = None
    labels = {}
    notes = []
    for name, text in texts.items():
        if not text.lstrip().startswith("{"):
            labels[name] = _lines(text)
            continue
        try:
            found = found or read_ultralytics(text)
        except ValueError as error:
            notes.append(f"'{printable(name[:80])}' of the archive is left out: {error}")
    return found, labels, tuple(notes)


def _lines(text: str) -> tuple[str, ...]:
    """One label a line; blank lines at the end are none."""
    lines = text.lstrip("\ufeff").rstrip().splitlines()
    if not lines or len(lines) > _MAX_LABELS:
        return ()
    return tuple(printable(line.strip()[:_MAX_LABEL]) for line in lines)


def _with_labels(
    tensors: tuple[TensorNote, ...], labels: dict[str, tuple[str, ...]]
) -> tuple[TensorNote, ...]:
    return tuple(
        replace(tensor, labels=next((labels[n] for n in tensor.label_files if n in labels), ()))
        for tensor in tensors
    )


def _best(
    outputs: tuple[TensorNote, ...],
    labels: dict[str, tuple[str, ...]],
    files: tuple[str, ...],
    found: Ultralytics | None,
) -> tuple[str, ...]:
    for tensor in outputs:
        if tensor.labels:
            return tensor.labels
    named = [
        name
        for name in labels
        if any(word in PurePosixPath(name).stem.lower() for word in _LABEL_WORDS)
    ]
    for name in (*named, *(name for name in files if name.endswith(".txt"))):
        if labels.get(name):
            return labels[name]
    return found.names if found is not None else ()
