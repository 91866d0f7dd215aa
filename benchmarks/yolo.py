"""ultralytics' YOLOv8n beside our detectors: the same photos, split, CPU time and evaluation.

python -m benchmarks.yolo --cpu-seconds 400 [--size 320] [--seed 0] [--venv FOLDER]
"""

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from benchmarks.peers.venvs import DEFAULT_FOLDER, ULTRALYTICS, python_of, run_script
from benchmarks.record import shared
from edgecnn.core.detections import Detections
from edgecnn.core.progress import SilentProgress
from edgecnn.core.sample import Dataset
from edgecnn.data.table import load_dataset
from edgecnn.evaluation.detection import detection_metric
from edgecnn.evaluation.matching import ImageResult
from edgecnn.jobs.data_convert import DataConvertRequest, convert

CPU_SECONDS, SIZE = 400.0, 320


@dataclass(frozen=True)
class YoloScore:
    """What YOLOv8n reached on the test split.

    Attributes:
        map50, low, high: mAP@0.5 and its 95 % interval over images.
        map5095: mAP@0.5:0.95.
        per_class: AP@0.5 by class.
        parameters, epochs, size: of the model, the training, the images' longer side.
        seconds, cpu_seconds: of the training with its validation.
        versions: of ultralytics and torch.
    """

    map50: float
    low: float
    high: float
    map5095: float
    per_class: dict[str, float]
    parameters: int
    epochs: int
    size: int
    seconds: float
    cpu_seconds: float
    versions: dict[str, str]


def measure_yolo(
    source: Path,
    python: Path,
    *,
    cpu_seconds: float = CPU_SECONDS,
    size: int = SIZE,
    seed: int = 0,
    epochs: int | None = None,
) -> YoloScore:
    """Trains YOLOv8n from random weights on a set's train split, and scores it on test.

    Args:
        source: images with boxes, with splits of their own.
        python: an interpreter that has ultralytics.
        cpu_seconds: what the training may take.
        size: of the longer side of an image.
        seed: of the weights and the order.
        epochs: so many, whatever they take; None: as many as fit.
    """
    with tempfile.TemporaryDirectory(prefix="edgecnn-") as scratch:
        folder, out = Path(scratch) / "data", Path(scratch) / "found.npz"
        convert(DataConvertRequest(str(source), folder, "yolo"), SilentProgress())
        data = folder / "data.yaml"
        text = data.read_text("utf-8").replace("path: .\n", "")
        data.write_text(f"path: {folder}\n{text}", "utf-8")
        more = [] if epochs is None else [str(epochs)]
        said = run_script(
            python, "yolov8n", data, folder / "images" / "test", out, str(cpu_seconds), str(size),
            str(seed), scratch, *more,
        )  # fmt: skip
        test = load_dataset(str(folder), "detect", "test", seed=seed)
        with np.load(out) as found:
            metric = detection_metric(_results(test, found["names"], found["rows"]), test.labels)
            seconds, cpu = map(float, found["spent"])
            counts = (int(found["parameters"]), int(found["epochs"]))
    detail = metric.extra
    return YoloScore(
        metric.value,
        metric.low,
        metric.high,
        float(detail["map5095"]),
        {label: float(value) for label, value in detail["per_class"].items()},
        *counts,
        size,
        round(seconds, 1),
        round(cpu, 1),
        dict(said["versions"]),
    )


def _results(test: Dataset, names: np.ndarray, rows: np.ndarray) -> list[ImageResult]:
    """What was found beside what is there, by the images' names."""
    number = {str(name): k for k, name in enumerate(names)}
    results = []
    for k in range(len(test)):
        sample = test[k]
        mine = rows[rows[:, 0] == number[Path(sample.id).name]]
        mine = mine[np.argsort(-mine[:, 5], kind="stable")]
        found = Detections(
            mine[:, 1:5].astype(np.float32),
            mine[:, 5].astype(np.float32),
            mine[:, 6].astype(np.int64),
        )
        results.append(
            ImageResult(found, sample.boxes, sample.box_labels, sample.ignored, sample.crowd)
        )
    return results


def main() -> int:
    """Prints the score as JSON."""
    parser = argparse.ArgumentParser(description="YOLOv8n on bccd, scored by our evaluation")
    parser.add_argument("--cpu-seconds", type=float, default=CPU_SECONDS)
    parser.add_argument("--size", type=int, default=SIZE)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--python", type=Path, help="an interpreter that has ultralytics")
    parser.add_argument("--venv", type=Path, default=DEFAULT_FOLDER)
    given = parser.parse_args()
    folder = shared()
    if folder is None:
        print("skipped: the shared data are not at hand (set EDGECNN_SHARED)")
        return 0
    score = measure_yolo(
        folder / "data" / "bccd",
        given.python or python_of(ULTRALYTICS, given.venv),
        cpu_seconds=given.cpu_seconds,
        size=given.size,
        seed=given.seed,
        epochs=given.epochs,
    )
    print(json.dumps(asdict(score), indent=1))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
