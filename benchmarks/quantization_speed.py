"""How long quantizing takes against TensorFlow's converter, and how much memory."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.peers.venvs import python_of, run_script
from benchmarks.record import Record, conditions
from edgecnn.data.scenes import open_scenes
from edgecnn.models.table import build_model

SIDE = 96
SAMPLES = 500
MANY = 10 * SAMPLES
RUNS = 3
METHODS = ("minmax", "moving-average", "percentile", "mse", "entropy")
COLUMNS = ("what", "seconds", "against the converter", "CPU seconds", "CPU ratio", "peak MiB")
NOTE = (
    f"MobileNetV2 ×1.0, {SIDE}×{SIDE}×3, {SAMPLES} images, .keras file to int8 .tflite; medians of"
    f" {RUNS} processes, taken in turn, imports and the reading of files left out. CPU seconds, of"
    " all threads, hardly depend on what else the machine does. Ours calibrates by mse, unless said"
    " otherwise, records golden vectors, inspects layers and audits the file. 'calibration' is the"
    " pass over the samples and the search of the ranges alone, on the float .tflite. The converter"
    " is TensorFlow's, int8 per channel, its own min-max."
    f" The last two rows draw {SAMPLES:,} and {MANY:,} images as they are asked for."
)
_STOCK = "TFLite converter"


def run() -> Record:
    """Times all in turn."""
    with tempfile.TemporaryDirectory(prefix="edgecnn-") as scratch:
        return _table(Path(scratch))


def _table(folder: Path) -> Record:
    model, data, float32 = (folder / name for name in ("model.keras", "data.npz", "float.tflite"))
    build_model("mobilenet_v2", input_shape=(SIDE, SIDE, 3), classes=10).save(model)
    np.savez(data, image=_images())
    run_script(python_of(None, folder), "stock", model, data, float32, "float")
    out = folder / "out.tflite"
    commands: dict[str, tuple[str, Sequence[Any]]] = {
        _STOCK: ("stock", (model, data, out)),
        "ours int8": ("ours", (model, data, out, "int8")),
        "ours int8, minmax": ("ours", (model, data, out, "int8", "calibrator=minmax")),
        **{f"calibration, {name}": ("ours_calibrate", (float32, data, name)) for name in METHODS},
    }
    rows = _timed(commands, RUNS)
    streams = {
        f"ours int8, {count:,} images": (
            "ours", (model, f"scenes:{count}", out, "int8")
        )
        for count in (SAMPLES, MANY)
    }  # fmt: skip
    rows += [(name, *values[:1], None, None, None, values[-1])
             for name, *values in _timed({_STOCK: commands[_STOCK], **streams}, 1)[1:]]  # fmt: skip
    return Record("quantization_speed", COLUMNS, tuple(rows), NOTE, conditions())


def _timed(commands: dict[str, tuple[str, Sequence[Any]]], runs: int) -> list[tuple[Any, ...]]:
    """Medians per command; ratios against the converter's in the same run."""
    said: dict[str, list[tuple[float, float, float]]] = {name: [] for name in commands}
    python = python_of(None, Path())
    for _ in range(runs):
        for name, (script, arguments) in commands.items():
            told = run_script(python, script, *arguments)
            said[name].append((told["seconds"], told["cpu_seconds"], told["peak_mib"]))
            print(f"{name}: {told['seconds']:.2f} s, CPU {told['cpu_seconds']:.2f} s", flush=True)
    medians = {
        name: [statistics.median(column) for column in zip(*kept, strict=True)]
        for name, kept in said.items()
    }
    seconds, cpu, _ = medians[_STOCK]
    return [
        (name, round(own, 2), round(own / seconds, 2), round(busy, 2), round(busy / cpu, 2),
         round(peak))
        for name, (own, busy, peak) in medians.items()
    ]  # fmt: skip


def _images() -> np.ndarray[Any, Any]:
    scenes = open_scenes("train", 1, count=SAMPLES)
    images = [np.resize(scenes[index].image, (SIDE, SIDE, 3)) for index in range(SAMPLES)]
    return (np.stack(images) / 127.5 - 1).astype(np.float32)
