"""What a camera cell measures, in a process of its own; prints one JSON line, the last.

python -m benchmarks.camera_child loop CLIP MODEL FRAMES SKIPPED [cameras=N] [realtime] [record=F]
    [video=F]
python -m benchmarks.camera_child parts CLIP MODEL FRAMES SKIPPED
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from benchmarks.peers.measure import peak_kib
from benchmarks.peers.stamps import Stamps
from edgecnn.camera.loop import LoopConfig
from edgecnn.camera.recording.config import RecordingConfig
from edgecnn.camera.sources.options import SourceOptions
from edgecnn.camera.sources.several import named_sources
from edgecnn.core.imaging import Preprocessor
from edgecnn.core.runtime import LiteRTPredictor
from edgecnn.core.tflite.metadata import specs
from edgecnn.core.tflite.reader import read_model
from edgecnn.jobs.cascade_file import NetworkStage
from edgecnn.jobs.detect import DetectRequest, run
from edgecnn.jobs.reference import resolve

#: Frames that the model is shown in turn while it is timed alone.
_PICTURES = 4
_MOST_LOOKS = 100
_MOST_PACED = 70


class StampedLines:
    """A stream for the JSON Lines that notes when each came."""

    def __init__(self) -> None:
        self.stamps = Stamps()
        self.lines: list[str] = []

    def write(self, text: str) -> int:
        """Takes a line; the summary is no frame."""
        if not text.startswith('{"schema"'):
            self.stamps.add()
        self.lines.append(text)
        return len(text)

    def flush(self) -> None:
        """Nothing is held back."""


def loop(clip: str, model: str, frames: int, skipped: int, options: list[str]) -> dict[str, Any]:
    """``edgecnn detect --json``, by its own function; with several cameras, each so many frames.

    Returns:
        Rate and CPU time for one frame, ages (ms, in order), what was dropped, the summary.
    """
    given = dict(option.partition("=")[::2] for option in options)
    out = StampedLines()
    request = DetectRequest(
        (NetworkStage(resolve(Path(model))),),
        named_sources([clip] * int(given.get("cameras", 1))),
        LoopConfig(max_frames=frames),
        video=Path(given["video"]) if "video" in given else None,
        lines=out,  # type: ignore[arg-type]
        source_options=SourceOptions(realtime="realtime" in given),
        recording=RecordingConfig(Path(given["record"]) if "record" in given else None),
    )
    summary = run(request)
    texts = [json.loads(line) for line in out.lines]
    found = {len(item["detections"]) for item in texts[:-1]}
    if found != {5}:
        raise RuntimeError(f"{found} boxes, expected 5")
    return {
        **out.stamps.figures(skipped),
        "ages_ms": [item["age_ms"] for item in texts[skipped:-1]],
        "dropped": summary.counts.dropped,
        "summary": summary.to_json(),
        "peak_mib": round(peak_kib() / 1024, 1),
    }


def parts(clip: str, model: str, frames: int, skipped: int) -> dict[str, Any]:
    """Decoding alone, as anybody would; preprocessing with inference alone; invoke alone.

    ``paced`` is decoding with as long a sleep behind each frame as inference takes: a core that
    slept, or did something else meanwhile, is slower at first.
    """
    decoding = _decoded(clip, frames)
    capture = cv2.VideoCapture(clip)
    pictures = [capture.read()[1] for _ in range(_PICTURES)]
    capture.release()
    data = Path(model).read_bytes()
    spec = specs(read_model(data))[0]
    if spec is None:
        raise RuntimeError(f"{model} carries no specs")
    predictor = LiteRTPredictor(data)
    info = predictor.inputs[0]
    prepare = Preprocessor(spec.image, info)

    def look(number: int) -> None:
        tensor, _ = prepare(pictures[number % _PICTURES])
        predictor.predict({info.name: tensor})

    looks = min(frames, _MOST_LOOKS)
    inputs = {info.name: np.zeros(info.shape, info.dtype)}
    inference = _timed(look, looks).figures(skipped)
    paced = _decoded(clip, min(frames, _MOST_PACED), inference["wall_ms"] / 1e3)
    return {
        "decoding": decoding.figures(skipped),
        "paced": paced.figures(skipped),
        "inference": inference,
        "invoke": _timed(lambda _: predictor.predict(inputs), looks).figures(skipped),
    }


def _decoded(clip: str, frames: int, sleep_s: float = 0.0) -> Stamps:
    capture, stamps = cv2.VideoCapture(clip), Stamps()
    for _ in range(frames):
        read, _frame = capture.read()
        if not read:
            break
        stamps.add()
        if sleep_s:
            time.sleep(sleep_s)
    capture.release()
    return stamps


def _timed(function: Callable[[int], object], runs: int) -> Stamps:
    stamps = Stamps()
    for number in range(runs):
        function(number)
        stamps.add()
    return stamps


def main(arguments: list[str]) -> None:
    """Prints what was measured."""
    kind, clip, model, frames, skipped, *options = arguments
    given = (clip, model, int(frames), int(skipped))
    figures = loop(*given, options) if kind == "loop" else parts(*given)
    print("\n" + json.dumps(figures), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
