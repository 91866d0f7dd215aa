"""ultralytics' predict on a clip, frame after frame, with a .tflite in the form of its exports.

Usage: python camera_ultralytics.py CLIP MODEL FRAMES SKIPPED SIZE SCRATCH

AGPL-3.0: run as a program of its own, in a Python of its own.
"""

import json
import os
import sys
from importlib.metadata import version

# Set before the import: nothing is fetched, and nothing is written to the user's settings.
os.environ["YOLO_AUTOINSTALL"] = "false"
os.environ["YOLO_OFFLINE"] = "true"
os.environ["YOLO_CONFIG_DIR"] = sys.argv[6]

from measure import peak_kib
from stamps import Stamps
from ultralytics import YOLO


def loop(clip: str, model: str, frames: int, size: int) -> Stamps:
    """Predicts so many frames, as its documentation does it for long videos."""
    stamps = Stamps()
    results = YOLO(model, task="detect").predict(
        source=clip, stream=True, imgsz=size, conf=0.5, iou=0.5, device="cpu", verbose=False
    )
    for number, result in enumerate(results, 1):
        if len(result.boxes) != 5:
            raise RuntimeError(f"{len(result.boxes)} boxes, expected 5")
        stamps.add()
        if number == frames:
            break
    return stamps


if __name__ == "__main__":
    done = loop(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[5]))
    said = {**done.figures(int(sys.argv[4])), "peak_mib": round(peak_kib() / 1024, 1)}
    packages = {name: version(name) for name in ("ultralytics", "torch", "ai-edge-litert")}
    print("\n" + json.dumps({**said, "versions": packages}), flush=True)
