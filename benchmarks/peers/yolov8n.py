"""ultralytics' YOLOv8n from its .yaml, random weights, for as much CPU time as is given.

Usage: python yolov8n.py DATA.yaml IMAGES PREDICTIONS.npz CPU_SECONDS SIZE SEED SCRATCH [EPOCHS]

Its own defaults but for the size of the images. Two epochs tell what one takes; as many as fit are
trained then, so that its schedules end where the time does. Its own validation picks the epoch, as
it does by default. Loading and that trial do not count; training with validation does. It
computes on as many threads as it chooses (one, of two cores).

AGPL-3.0: run as a program of its own, in a Python of its own.
"""

import os
import sys
import time
from importlib.metadata import version
from pathlib import Path

# Set before the import: nothing is fetched, and nothing is written to the user's settings.
os.environ["YOLO_AUTOINSTALL"] = "false"
os.environ["YOLO_OFFLINE"] = "true"
os.environ["YOLO_CONFIG_DIR"] = sys.argv[7]

import numpy as np
from measure import finish, start
from ultralytics import YOLO

CONFIDENCE, IOU, MOST = 0.001, 0.7, 300
TRIAL_EPOCHS = 2


def settings(data: str, size: int, seed: int, scratch: str, epochs: int, name: str) -> dict:
    """What ``train`` is told."""
    return {
        "data": data, "epochs": epochs, "imgsz": size, "seed": seed, "device": "cpu",
        "workers": 0, "pretrained": False, "amp": False, "plots": False, "verbose": False,
        "project": scratch, "name": name, "exist_ok": True,
    }  # fmt: skip


def seconds_per_epoch(data: str, size: int, seed: int, scratch: str) -> float:
    """CPU seconds of an epoch with its validation, the first one left out."""
    ends: list[float] = []
    model = YOLO("yolov8n.yaml")
    model.add_callback("on_fit_epoch_end", lambda _: ends.append(time.process_time()))
    model.train(**settings(data, size, seed, scratch, TRIAL_EPOCHS, "trial"))
    return ends[1] - ends[0]


def train(data: str, size: int, seed: int, scratch: str, epochs: int) -> YOLO:
    """The model with its best epoch's weights."""
    model = YOLO("yolov8n.yaml")
    model.train(**settings(data, size, seed, scratch, epochs, "whole"))
    return YOLO(Path(scratch) / "whole" / "weights" / "best.pt")


def predict(model: YOLO, images: list[Path], size: int) -> dict[str, np.ndarray]:
    """Every image's boxes in its own pixels, one array for all."""
    rows = []
    for number, image in enumerate(images):
        found = model.predict(
            image, imgsz=size, conf=CONFIDENCE, iou=IOU, max_det=MOST, device="cpu", verbose=False
        )[0].boxes
        count = np.full((len(found), 1), number, np.float32)
        parts = (count, found.xyxy.numpy(), found.conf.numpy()[:, None], found.cls.numpy()[:, None])
        rows.append(np.concatenate(parts, axis=1))
    return {"names": np.array([image.name for image in images]), "rows": np.concatenate(rows)}


def main() -> None:
    """Trains, predicts, and says what it took."""
    data, folder, out, budget, size, seed, scratch = sys.argv[1:8]
    given = (data, int(size), int(seed), scratch)
    if len(sys.argv) > 8:
        epochs = int(sys.argv[8])
    else:
        epochs = max(3, int(float(budget) / seconds_per_epoch(*given)))
    clock = start()
    model = train(*given, epochs)
    spent = (time.perf_counter() - clock[0], time.process_time() - clock[1])
    images = sorted(Path(folder).iterdir())
    found = predict(model, images, int(size))
    parameters = sum(weights.numel() for weights in model.model.parameters())
    np.savez(out, epochs=epochs, parameters=parameters, spent=spent, **found)
    finish(clock, ultralytics=version("ultralytics"), torch=version("torch"))


if __name__ == "__main__":
    main()
