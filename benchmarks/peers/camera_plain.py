"""The loop that everybody writes first: OpenCV reads, LiteRT looks, one after the other.

Usage: python camera_plain.py CLIP MODEL FRAMES SKIPPED

The model takes bytes of RGB, as benchmarks/camera_models.py makes it, so that nothing is converted.
"""

import json
import sys

import cv2
import numpy as np
from ai_edge_litert.interpreter import Interpreter
from measure import peak_kib
from stamps import Stamps

THRESHOLD = 128  # of 255: the model's 0.5


def loop(clip: str, model: str, frames: int) -> Stamps:
    """Reads, resizes, infers and picks the boxes of so many frames."""
    interpreter = Interpreter(model_path=model)
    interpreter.allocate_tensors()
    picture = interpreter.get_input_details()[0]
    height, width = picture["shape"][1:3]
    scores, boxes = sorted(interpreter.get_output_details(), key=lambda item: item["shape"][-1])
    capture, stamps = cv2.VideoCapture(clip), Stamps()
    for _ in range(frames):
        read, frame = capture.read()
        if not read:
            break
        small = cv2.cvtColor(cv2.resize(frame, (width, height)), cv2.COLOR_BGR2RGB)
        interpreter.set_tensor(picture["index"], small[np.newaxis])
        interpreter.invoke()
        seen = interpreter.get_tensor(scores["index"])[0]
        chosen = seen.max(axis=1) >= THRESHOLD
        found = interpreter.get_tensor(boxes["index"])[0][chosen]
        if len(found) != 5:
            raise RuntimeError(f"{len(found)} boxes, expected 5")
        stamps.add()
    capture.release()
    return stamps


if __name__ == "__main__":
    done = loop(sys.argv[1], sys.argv[2], int(sys.argv[3]))
    said = {**done.figures(int(sys.argv[4])), "peak_mib": round(peak_kib() / 1024, 1)}
    print("\n" + json.dumps({**said, "versions": {"opencv": cv2.__version__}}), flush=True)
