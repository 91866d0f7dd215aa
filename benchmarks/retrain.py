"""``python -m benchmarks.retrain [NAME …]``: trains the benchmark's nets and keeps the logs."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.deflated import deflated_keras
from benchmarks.nets import NETS, WEIGHTS, Net, net
from benchmarks.record import conditions, shared
from edgecnn.core.files import write_atomic, write_json
from edgecnn.core.progress import SilentProgress
from edgecnn.data.augment import Augment
from edgecnn.data.table import load_dataset
from edgecnn.jobs.detect_plan import score_of
from edgecnn.training.classify import ClassifyRequest, default_preprocess, train_classifier
from edgecnn.training.config import TrainConfig
from edgecnn.training.detect import DetectRequest, train_detector

# A dozen epochs are too few to learn from strongly changed images.
LIGHT = Augment(shift=0.1, scale=0.0, rotate_deg=0.0, flip=True, brightness=0.0, contrast=0.0)


class Log(SilentProgress):
    """Prints what is said, so that a log file holds the run."""

    def say(self, text: str) -> None:
        """One line."""
        print(text, flush=True)


def source_of(row: Net) -> str:
    """The data source's path or name."""
    folder = shared()
    if "/" not in row.data:
        return row.data
    if folder is None:
        raise SystemExit("error: the shared data are not at hand\nhint: set EDGECNN_SHARED")
    return str(folder / row.data)


def retrain(row: Net) -> None:
    """Trains one net from scratch and writes its two files."""
    source = source_of(row)
    if row.model == "audio":
        from benchmarks.audio import train_audio

        model, run = train_audio(row, source, Log())
    else:
        model, run = _train_zoo(row, source)
    half_precision(model)
    WEIGHTS.mkdir(exist_ok=True)
    write_atomic(row.file, deflated_keras(model))
    write_json(row.log, _record(row, source, run))
    print(f"{row.name}: best {run.best_value:.4f} in epoch {run.best_epoch}", flush=True)


def half_precision(model: Any) -> None:
    """Rounds the weights to 11 significant bits, so that the file packs to half its size.

    What is benchmarked as the float model is the model with these weights.
    """
    model.set_weights([w.astype(np.float16).astype(np.float32) for w in model.get_weights()])


def _train_zoo(row: Net, source: str) -> tuple[Any, Any]:
    task = "detect" if row.model == "detector" else "classify"
    train, val = (load_dataset(source, task, part, seed=row.seed) for part in ("train", "val"))
    config = TrainConfig(
        epochs=row.epochs,
        batch_size=row.batch_size,
        learning_rate=row.learning_rate,
        seed=row.seed,
        warmup=0.1,
    )
    spec = default_preprocess(row.size)
    if task == "detect":
        request = DetectRequest(
            row.model,
            train,
            val,
            spec,
            score=score_of("val_map50"),
            config=config,
        )
        found = train_detector(request, progress=Log())
        return found.model, found.run
    result = train_classifier(
        ClassifyRequest(row.model, train, val, spec, config, options=row.options, augment=LIGHT),
        progress=Log(),
    )
    return result.model, result.run


def _record(row: Net, source: str, run: Any) -> dict[str, Any]:
    path = Path(source)
    digest = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None
    return {
        "command": f"python -m benchmarks.retrain {row.name}",
        "seed": row.seed,
        "data": {"source": row.data, "sha256": digest},
        "options": dict(row.options),
        "epochs": row.epochs,
        "batch_size": row.batch_size,
        "learning_rate": row.learning_rate,
        "best_epoch": run.best_epoch,
        "best_validation": run.best_value,
        "seconds": run.seconds,
        "device": run.device,
        "log": list(run.history),
        "conditions": conditions(),
    }


def main(names: list[str]) -> int:
    """Trains the named nets, or all."""
    for row in [net(name) for name in names] or NETS:
        retrain(row)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
