"""What a detector's outputs cost to decode: by the slow rule, as it is, and with OpenCV's NMS.

The outputs are synthetic: objects that thirty candidates each have found, noise elsewhere.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.cpu_time import cpu_milliseconds
from benchmarks.decoding_forms import DecodingCase, form_cases
from benchmarks.record import Record, conditions
from edgecnn.core.decode import decode
from edgecnn.core.detections import Detections
from edgecnn.core.postprocess import DetectSpec, GridLevel
from edgecnn.core.runtime import TensorInfo
from tests.core.slow_decode import slow_decode

RUNS = 31
SLOW_RUNS = 5
OBJECTS, PER_OBJECT = 40, 30
COLUMNS = ("outputs", "threshold", "boxes", "slow rule", "now", "numpy + cv2", "cv2's boxes")
NOTE = (
    f"Milliseconds of CPU time (one thread), median of {RUNS} ({SLOW_RUNS} of the slow rule and of"
    " cv2). Slow rule: everything is dequantized, activated and laid out, one kept box at a time"
    " goes against the rest; its boxes are the same to the bit. numpy + cv2: every candidate's"
    " score, a threshold in numpy, cv2.dnn.NMSBoxesBatched, boxes without a bound; it keeps"
    " a box at exactly the IoU, and its boxes are not asked to be the same."
    " 25,200 × 80 classes, IoU 0.45, at most 300 boxes; 'all pass': every"
    " candidate reaches 0.001. The grid is today's detector at 96 × 96, three digits in sight."
    " Below it: published detectors' forms, YOLO at 640 × 640; the slow rule makes no masks."
)


def run() -> Record:
    """Times every case in turn."""
    rows = []
    for case in _cases():
        args = (case.spec, case.outputs, case.infos)
        found, slow = decode(*args, None), slow_decode(*args)
        if not isinstance(found, Detections) or not np.array_equal(found.boxes, slow.boxes):
            raise RuntimeError(f"{case.name}: not the slow rule's boxes")
        peer = _with_cv2(case) if case.spec.decoded_boxes == 25200 else None
        rows.append(
            (
                case.name,
                case.spec.score_threshold,
                len(found),
                cpu_milliseconds(lambda args=args: slow_decode(*args), SLOW_RUNS),
                cpu_milliseconds(lambda args=args: decode(*args, None), RUNS),
                None if peer is None else cpu_milliseconds(lambda c=case: _with_cv2(c), SLOW_RUNS),
                peer,
            )
        )
    return Record("decoding", COLUMNS, tuple(rows), NOTE, conditions())


def _with_cv2(case: DecodingCase) -> int:
    """How decoders in numpy are often written, with OpenCV's NMS."""
    spec, infos = case.spec, {info.name: info for info in case.infos}
    real = {name: infos[name].dequantize(raw)[0] for name, raw in case.outputs.items()}
    if spec.objectness:
        whole = real["output"]
        scores, codes = whole[:, 5:] * whole[:, 4:5], whole[:, :4]
    else:
        scores, codes = 1 / (1 + np.exp(-real["scores"])), real["boxes"]
    label, best = scores.argmax(axis=1), scores.max(axis=1)
    chosen = best >= spec.score_threshold
    boxes = codes[chosen] * np.float32(spec.box_units * 2)
    boxes[:, :2] -= boxes[:, 2:] / 2
    return len(
        cv2.dnn.NMSBoxesBatched(
            boxes.astype(np.float64), best[chosen], label[chosen].astype(np.int32),
            spec.score_threshold, spec.nms_iou,
        )
    )  # fmt: skip


def _cases() -> list[DecodingCase]:
    sparse, dense = _outputs(False), _outputs(True)
    cases = []
    for threshold in (0.25, 0.001):
        for dtype in ("int8", "float32"):
            cases.append(_joint(f"one tensor × 85, {dtype}", sparse, dtype, threshold))
            cases.append(_apart(f"scores and boxes, {dtype}", sparse, dtype, threshold))
    for dtype in ("int8", "float32"):
        cases.append(_joint(f"one tensor × 85, {dtype}, all pass", dense, dtype, 0.001))
        cases.append(_apart(f"scores and boxes, {dtype}, all pass", dense, dtype, 0.001))
    return [*cases, _grid(), *form_cases()]


def _outputs(dense: bool) -> NDArray[np.float32]:
    """(25200, 85) of centre, size, objectness and 80 classes, all from 0 to 1."""
    rng = np.random.default_rng(7)
    count, classes = 25200, 80
    out = rng.random((count, 5 + classes), np.float32)
    out[:, 2:4] = rng.uniform(0.02, 0.3, (count, 2))
    if dense:
        return out
    out[:, 4] = 1 / (1 + np.exp(-rng.normal(-9, 2, count)))
    out[:, 5:] = 1 / (1 + np.exp(-rng.normal(-5, 1.5, (count, classes))))
    for _ in range(OBJECTS):
        who, label = rng.integers(0, count, PER_OBJECT), rng.integers(0, classes)
        out[who, :2] = rng.random(2) + rng.normal(0, 0.01, (PER_OBJECT, 2))
        out[who, 2:4] = rng.uniform(0.05, 0.4, 2) * rng.uniform(0.9, 1.1, (PER_OBJECT, 2))
        out[who, 4] = rng.uniform(0.3, 0.95, PER_OBJECT)
        out[who, 5 + label] = rng.uniform(0.5, 1, PER_OBJECT)
    return out


def _spec(threshold: float, **fields: Any) -> DetectSpec:
    return DetectSpec(
        labels=tuple(f"class {k}" for k in range(80)), levels=(), coding="cxcywh",
        score_threshold=threshold, nms_iou=0.45, max_detections=300, decoded_boxes=25200,
        box_units=(640.0, 640.0), **fields,
    )  # fmt: skip


def _info(name: str, values: NDArray[Any], dtype: str, scale: float, zero: int) -> TensorInfo:
    shape = (1, *values.shape)
    return TensorInfo(name, shape, dtype, *((scale, zero) if dtype == "int8" else (None, None)))


def _case(
    name: str, spec: DetectSpec, parts: dict[str, tuple[NDArray[Any], float, int]], dtype: str
) -> DecodingCase:
    infos = [_info(key, values, dtype, *codes) for key, (values, *codes) in parts.items()]
    outputs = {info.name: info.quantize(parts[info.name][0])[None] for info in infos}
    return DecodingCase(name, spec, outputs, infos)


def _joint(name: str, whole: NDArray[Any], dtype: str, threshold: float) -> DecodingCase:
    spec = _spec(
        threshold, scores="output", boxes="output", objectness="output", score_column=5,
        objectness_column=4, activation="none",
    )  # fmt: skip
    return _case(name, spec, {"output": (whole, 1 / 255, -128)}, dtype)


def _apart(name: str, whole: NDArray[Any], dtype: str, threshold: float) -> DecodingCase:
    spec = _spec(threshold, scores="scores", boxes="boxes")
    real = np.clip(whole[:, 5:] * whole[:, 4:5], 1e-5, 1 - 1e-5)
    logits = (np.log(real) - np.log1p(-real)).astype(np.float32)
    parts = {"scores": (logits, 0.08, 60), "boxes": (whole[:, :4], 1 / 255, -128)}
    return _case(name, spec, parts, dtype)


def _grid() -> DecodingCase:
    rng = np.random.default_rng(1)
    labels = tuple("0123456789")
    spec = DetectSpec("scores", "boxes", labels, (GridLevel(12, 12, 8),), score_threshold=0.45)
    scores = rng.normal(-6, 1, (12, 12, 10))
    scores[[2, 6, 9], [3, 8, 1], [7, 0, 4]] = 2
    boxes = rng.uniform(0.5, 3, (12, 12, 4))
    parts = {"scores": (scores, 0.08, 60), "boxes": (boxes, 0.03, -100)}
    return _case("grid 12 × 12, int8", spec, parts, "int8")
