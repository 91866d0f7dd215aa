"""What outputs cost to decode that are no dense boxes: lists, heat maps, poses, maps of classes.

The outputs are synthetic; of poses, persons whose points all lie near one cell.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.cpu_time import cpu_milliseconds
from benchmarks.record import Record, conditions
from edgecnn.core.decode import Decoded, decode
from edgecnn.core.detections import Segmentation
from edgecnn.core.imaging import FrameMap
from edgecnn.core.postprocess import (
    CenterSpec,
    GridLevel,
    ListedSpec,
    PointsSpec,
    PosesSpec,
    PostprocessSpec,
    SegmentSpec,
    Skeleton,
)
from edgecnn.core.runtime import TensorInfo

RUNS, PLAIN_RUNS = 41, 5
COLUMNS = ("outputs", "found", "plain numpy", "now")
NOTE = (
    f"Milliseconds of CPU time (one thread), median of {RUNS} ({PLAIN_RUNS} of plain numpy) on a"
    " frame of 1280 × 720. Plain numpy: what samples do, everything dequantized: OpenCV's dilate"
    " of each class's heat map; numpy's argmax over the last axis and a softmax of every cell. It"
    " finds the peaks and classes alone, no boxes or masks."
)
_TREE = tuple((k, k + 1) for k in range(16))
_PERSON = Skeleton(tuple(str(k) for k in range(17)), _TREE)
Arrays = dict[str, NDArray[np.float32]]
Plain = Callable[[Arrays], object]


def run() -> Record:
    """Times every case in turn."""
    rows = []
    for name, spec, real, plain in (*_lists(), *_peaks(), *_poses(), *_areas()):
        for dtype in ("int8", "float32"):
            rows.append(_row(f"{name}, {dtype}", spec, real, dtype, plain))
    return Record("decoding_maps", COLUMNS, tuple(rows), NOTE, conditions())


def _row(
    name: str, spec: PostprocessSpec, real: Arrays, dtype: str, plain: Plain | None
) -> tuple[Any, ...]:
    infos = [_info(key, values, dtype) for key, values in real.items()]
    outputs = {info.name: info.quantize(real[info.name]) for info in infos}
    frame = FrameMap(2.0, 2.0, 0.0, 0.0, 1280, 720)

    def now() -> Decoded:
        return decode(spec, outputs, infos, frame)

    def as_in_samples() -> object:
        real = {info.name: info.dequantize(outputs[info.name]) for info in infos}
        return plain(real) if plain is not None else None

    found = now()
    whole = isinstance(found, Segmentation)
    count = len(np.unique(found.classes)) if whole else len(found)
    slow = cpu_milliseconds(as_in_samples, PLAIN_RUNS) if plain is not None else None
    return name, count, slow, cpu_milliseconds(now, RUNS)


def _info(name: str, values: NDArray[np.float32], dtype: str) -> TensorInfo:
    if dtype == "float32":
        return TensorInfo(name, values.shape, dtype)
    low, high = float(min(values.min(), 0)), float(max(values.max(), 0))
    scale = float(np.float32((high - low) / 255))
    return TensorInfo(name, values.shape, dtype, scale, round(-128 - low / scale))


Case = tuple[str, PostprocessSpec, Arrays, Plain | None]


def _lists() -> list[Case]:
    rng = np.random.default_rng(1)
    low = rng.random((1, 300, 2)) / 2
    boxes = np.concatenate([low, low + 0.3], axis=2)
    whole = np.concatenate([boxes, rng.random((1, 300, 1)), rng.integers(0, 80, (1, 300, 1))], 2)
    labels = tuple(map(str, range(80)))
    spec = ListedSpec("out", "out", labels, 300, "out", "", 4, 0, 5, "xyxy", (640.0, 640.0))
    return [("list of 300 rows of 6", spec, {"out": whole.astype(np.float32)}, None)]


def _peaks() -> list[Case]:
    rng = np.random.default_rng(2)
    heat = rng.normal(-7, 1.2, (1, 128, 128, 80)).astype(np.float32)
    heat[0, rng.integers(0, 128, 60), rng.integers(0, 128, 60), rng.integers(0, 80, 60)] = 2
    real = {"heat": heat, "sizes": rng.uniform(4, 40, (1, 128, 128, 2)).astype(np.float32),
            "offsets": rng.random((1, 128, 128, 2), np.float32)}  # fmt: skip
    spec = CenterSpec("heat", "sizes", tuple(map(str, range(80))), GridLevel(128, 128, 4),
                      "offsets", size_unit=4.0, score_threshold=0.25)  # fmt: skip

    def plain(arrays: Arrays) -> object:
        scores = 1 / (1 + np.exp(-arrays["heat"][0]))
        window = np.ones((3, 3), np.uint8)
        highest = np.stack([cv2.dilate(scores[:, :, k], window) for k in range(80)], axis=2)
        return np.argwhere((scores == highest) & (scores >= 0.25))

    return [("centres 128 × 128 × 80 at 0.25", spec, real, plain)]


def _poses() -> list[Case]:
    rng = np.random.default_rng(3)
    heat = rng.normal(-5, 0.5, (1, 23, 31, 17)).astype(np.float32)
    heat[0, rng.choice(23, 8, replace=False), rng.choice(31, 8, replace=False)] = 3
    real = {"heat": heat, "short": rng.normal(0, 0.3, (1, 23, 31, 34)).astype(np.float32),
            "mid": rng.normal(0, 0.3, (1, 23, 31, 64)).astype(np.float32)}  # fmt: skip
    one = PosesSpec("heat", ("person",), _PERSON, 23, 31, (16.0, 16.0), offsets="short")
    many = PosesSpec("heat", ("person",), _PERSON, 23, 31, (16.0, 16.0), offsets="short",
                     forward="mid", backward="mid", backward_column=32)  # fmt: skip
    points = PointsSpec("out", ("person",), _PERSON, units=(192.0, 192.0))
    return [
        ("PoseNet 23 × 31, one person", one, {k: real[k] for k in ("heat", "short")}, None),
        ("PoseNet 23 × 31, many persons", many, real, None),
        ("MoveNet", points, {"out": rng.random((1, 1, 17, 3), np.float32)}, None),
    ]


def _areas() -> list[Case]:
    rng = np.random.default_rng(4)
    coarse = rng.normal(0, 3, (33, 33, 21)).astype(np.float32)
    scores = cv2.resize(coarse, (513, 513), interpolation=cv2.INTER_LINEAR)[None]
    labels = tuple(map(str, range(21)))
    spec = SegmentSpec("out", labels, 513, 513, background=0, activation="softmax")
    numbers = SegmentSpec("out", labels, 513, 513, class_numbers=True, background=0)

    def plain(arrays: Arrays) -> object:
        powers = np.exp(arrays["out"] - arrays["out"].max(axis=-1, keepdims=True))
        return arrays["out"].argmax(axis=-1), (powers / powers.sum(axis=-1, keepdims=True)).max(-1)

    classes = scores.argmax(axis=-1).astype(np.float32)
    return [
        ("classes 513 × 513 × 21, softmax", spec, {"out": scores}, plain),
        ("class numbers 513 × 513", numbers, {"out": classes}, None),
    ]
