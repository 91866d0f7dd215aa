"""Models of other projects: int8 by us, by the peers and by their makers, against their float."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.cells import (
    Cell,
    Selection,
    Subject,
    cells_of,
    lost,
    named,
    read_selection,
    versions,
)
from benchmarks.evaluator import outputs_of
from benchmarks.nets import SPOKEN_DIGITS, net
from benchmarks.record import Record, conditions, shared
from benchmarks.scoring import score_agreement
from benchmarks.speech_features import features
from benchmarks.spoken_digits import load
from benchmarks.tasks import CALIBRATION, Task, task_of
from benchmarks.tools import FLOAT, TOOLS, Files, Tool
from edgecnn.core.files import write_atomic
from edgecnn.core.runtime import tensor_infos
from edgecnn.core.tflite.naming import with_signature
from edgecnn.core.tflite.reader import read_model

COLUMNS = (
    "model", "tool", "agreement", "n", "lost_points", "low", "high", "mean_difference",
    "max_difference", "bytes", "seconds", "versions",
)  # fmt: skip
NOTE = (
    "Agreement: how often the best class is that of the makers' float .tflite; differences are of"
    " class probabilities. The sets that the makers judged with are not at hand. Visual wake words:"
    f" calibrated with {CALIBRATION} inputs, half crops of photographs, half CIFAR-10 training"
    " images; judged on 1,000 crops of other photographs and 2,000 CIFAR-10 test images, all 96×96"
    " and 0 to 1. Keyword spotting: MFCC features of the spoken digits."
    " 'makers' is the int8 file that they published. ai-edge-quantizer calibrates no model without"
    " a signature, and these have none: it was given a copy to which we added one."
)
TINY = "models/mlperf_tiny"
SIDE = 96
CROPS = 1000
IMAGES = 2000
_PHOTOS = (
    "bird.bmp", "cat_720p.jpg", "dragonfly.bmp", "face.jpg", "grace_hopper.bmp", "hot_dog.jpg",
    "owl.jpg", "parrot.jpg", "pets.jpg", "squat.bmp", "sunflower.bmp",
)  # fmt: skip
_SKIPPED = ("float", "stock", "stock-per-tensor")


def run(selection: Selection | None = None) -> Record | None:
    """Makes the table; None where the shared models are not at hand."""
    selection = selection or Selection()
    folder = shared()
    if folder is None:
        return None
    rows: list[tuple[Any, ...]] = []
    wanted = 0
    for subject in _subjects(folder, selection.folder):
        cells = cells_of(subject, selection)
        wanted += len(subject.tools)
        rows += [_line(subject.title, cell, cells) for cell in cells]
    whole = selection.limit is None and len(rows) == wanted
    return Record("quantization_foreign", COLUMNS, tuple(rows), NOTE, conditions(), whole=whole)


def selection_of(arguments: Sequence[str]) -> Selection:
    """Reads the command line's options."""
    tools = ["float", "makers", *(tool.name for tool in TOOLS if tool.name not in _SKIPPED)]
    return read_selection(arguments, "quantization_foreign", ["vww", "vww_h5", "kws"], tools)


def _subjects(folder: Path, cache: Path) -> list[Subject]:
    tiny = folder / TINY
    vww, kws = tiny / "vww_96_float.tflite", tiny / "kws_ref_model_float32.tflite"
    photos, speech = partial(_photos, folder, vww), partial(_speech, folder, kws)
    vww_tools = _tools(_signed(vww, cache), tiny / "vww_96_int8.tflite")
    ours = [tool for tool in vww_tools if tool.script in ("given", "ours")]
    return [
        Subject("vww", "visual wake words, .tflite", vww, photos, vww_tools),
        Subject("vww_h5", "visual wake words, .h5 of Keras 2", tiny / "vww_96.h5", photos, ours),
        Subject("kws", "keyword spotting, .tflite", kws, speech,
                _tools(_signed(kws, cache), tiny / "kws_ref_model.tflite")),
    ]  # fmt: skip


def _signed(model: Path, cache: Path) -> Path:
    """A copy with a signature; without one ai-edge-quantizer does not calibrate."""
    read = tensor_infos(read_model(model.read_bytes()))
    inputs, outputs = ([info.name for info in side] for side in read)
    copy = cache / f"signed_{model.name}"
    write_atomic(copy, with_signature(model.read_bytes(), "serving_default", inputs, outputs))
    return copy


def _tools(float32: Path, makers: Path) -> list[Tool]:
    rest = [tool for tool in TOOLS if tool.name not in _SKIPPED]
    return [_given(FLOAT.name, FLOAT.title, float32), _given("makers", "makers", makers), *rest]


def _given(name: str, title: str, path: Path) -> Tool:
    def arguments(files: Files) -> list[str | Path]:
        return [path, files.folder / "model.tflite"]

    return Tool(name, title, "given", arguments)


def _photos(folder: Path, reference: Path, cache: Path) -> Task:
    halves = [
        _crops(folder, names, seed) for seed, names in enumerate((_PHOTOS[::2], _PHOTOS[1::2]))
    ]
    small = task_of(net("resnet8"), cache)
    calibration = [halves[0][: CALIBRATION // 2], _enlarged(small.calibration[: CALIBRATION // 2])]
    test = np.concatenate([halves[1], _enlarged(small.test[:: len(small.test) // IMAGES])])
    return Task("input_1", np.concatenate(calibration), test, _judge(reference, test))


def _speech(folder: Path, reference: Path, cache: Path) -> Task:
    parts = load(folder / SPOKEN_DIGITS)
    test = features(parts["test"])
    calibration = features(parts["train"])[:: len(parts["train"]) // CALIBRATION][:CALIBRATION]
    return Task("input_1", calibration, test, _judge(reference, test))


def _judge(reference: Path, test: NDArray[np.float32]) -> Callable[..., Any]:
    return partial(score_agreement, reference=outputs_of(reference.read_bytes(), test))


def _crops(folder: Path, names: Sequence[str], seed: int) -> NDArray[np.float32]:
    """Square crops of every size from the photos: (1000, 96, 96, 3), RGB, 0 to 1."""
    import cv2

    rng = np.random.default_rng(seed)
    photos = [cv2.imread(str(folder / "data" / "images" / name)) for name in names]
    rows = []
    for index in range(CROPS):
        photo = photos[index % len(photos)]
        height, width = photo.shape[:2]
        side = int(min(height, width) * rng.uniform(0.3, 1.0))
        top, left = rng.integers(height - side + 1), rng.integers(width - side + 1)
        crop = photo[top : top + side, left : left + side, ::-1]
        rows.append(cv2.resize(crop, (SIDE, SIDE), interpolation=cv2.INTER_AREA))
    return (np.stack(rows) / 255).astype(np.float32)


def _enlarged(images: NDArray[np.float32]) -> NDArray[np.float32]:
    """(n, 32, 32, 3) in −1 to 1 → (n, 96, 96, 3) in 0 to 1."""
    import cv2

    wide = [cv2.resize(image, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR) for image in images]
    return ((np.stack(wide) + 1) / 2).astype(np.float32)


def _line(title: str, cell: Cell, cells: Sequence[Cell]) -> tuple[Any, ...]:
    if cell.made is None or cell.scored is None:
        return (title, cell.tool.title, *([None] * (len(COLUMNS) - 3)), versions(cell))
    metric = cell.scored
    return (
        title,
        cell.tool.title,
        round(metric.value, 5),
        metric.n,
        *lost(named(cells, FLOAT.name), cell),
        round(metric.extra["mean_difference"], 5),
        round(metric.extra["max_difference"], 4),
        cell.made.size,
        cell.made.seconds,
        versions(cell),
    )
