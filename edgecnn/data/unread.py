"""What files are that edgecnn does not read as data, by the ends of their names, and what to do."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

_QUANTIZE = "edgecnn quantize MODEL --calibration"
_ARRAYS = "or as .npz: np.savez('data.npz', x=samples, labels=classes)"


@dataclass(frozen=True)
class Form:
    """Files of one kind.

    Attributes:
        what: plural, in messages.
        cure: what to do with them.
    """

    what: str
    cure: str


_PICTURES = Form(
    "images of a form that is not read", "save them as PNG or JPEG, in a folder per class"
)
_FORMS: dict[str, Form] = {
    **dict.fromkeys(
        (".flac", ".mp3", ".ogg", ".opus", ".m4a", ".aac", ".wma", ".aif", ".aiff"),
        Form(
            "recordings of a form that is not read",
            f"convert them to .wav, then: {_QUANTIZE} FOLDER (edgecnn does not train on audio)",
        ),
    ),
    **dict.fromkeys(
        (".npy", ".npz"),
        Form("arrays", f"give one file, not a folder: {_QUANTIZE} FILE.npz"),
    ),
    **dict.fromkeys(
        (".tif", ".tiff", ".gif", ".heic", ".heif", ".avif", ".jp2", ".exr", ".dcm", ".svg"),
        _PICTURES,
    ),
    **dict.fromkeys(
        (".mp4", ".avi", ".mov", ".mkv", ".webm"),
        Form("videos", "save their frames as PNG or JPEG, in a folder per class"),
    ),
    **dict.fromkeys(
        (".csv", ".tsv", ".parquet", ".xlsx", ".arff"),
        Form("tables", f"save images in a folder per class, {_ARRAYS}"),
    ),
    **dict.fromkeys(
        (".tfrecord", ".tfrecords", ".record", ".arrow", ".lmdb", ".mdb", ".h5", ".hdf5", ".mat",
         ".pkl", ".pickle", ".pt", ".pth", ".bin"),
        Form("packed samples of a form that is not read",
             f"save them as images in a folder per class, {_ARRAYS}"),
    ),
    **dict.fromkeys(
        (".zip", ".tar", ".gz", ".tgz", ".xz", ".bz2"),
        Form("archives", "give one archive, or unpack it and give its folder"),
    ),
    **dict.fromkeys(
        (".keras", ".tflite", ".onnx"),
        Form("models", "give images, recordings or arrays; the model is an argument of its own"),
    ),
}  # fmt: skip
_IDX = re.compile(r"idx[1-4][-.]ubyte(\.gz)?$", re.IGNORECASE)
_IDX_FORM = Form(
    "IDX files, as MNIST has them", f"save the images in a folder per class, {_ARRAYS}"
)


def described(paths: Sequence[str]) -> tuple[str, str]:
    """What files are, with figures, and the cure of the most frequent kind ("" where unknown).

    >>> described(["a/1.flac", "a/2.flac", "b/README"])
    ('2 .flac and 1 without an ending (recordings of a form that is not read)', 'convert … .wav …')
    """
    endings = Counter(_ending(path) for path in paths)
    shown = [f"{count:,} {end or 'without an ending'}" for end, count in endings.most_common(3)]
    more = len(endings) - len(shown)
    text = " and ".join(filter(None, [", ".join(shown[:-1]), shown[-1]])) if shown else "no files"
    text += f" and {more} more kinds" if more else ""
    form = next((found for end, _ in endings.most_common() if (found := _form(end))), None)
    return (f"{text} ({form.what})" if form else text), (form.cure if form else "")


def _ending(path: str) -> str:
    match = _IDX.search(path)
    return match[0].lower() if match else PurePosixPath(path).suffix.lower()


def _form(ending: str) -> Form | None:
    return _IDX_FORM if _IDX.fullmatch(ending) else _FORMS.get(ending)
