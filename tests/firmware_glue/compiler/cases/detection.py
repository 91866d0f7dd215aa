"""Random TFLite_Detection_PostProcess: ties, overlaps, thresholds, with and without background."""

from __future__ import annotations

from functools import partial

from flatbuffers import flexbuffers

from tests.builders import ModelBuilder
from tests.firmware_glue.compiler.cases.common import Maker, Rng

NAME = "TFLite_Detection_PostProcess"


def options(**values: float) -> bytes:
    """The op's FlexBuffers map."""
    builder = flexbuffers.Builder()
    with builder.Map():
        for name, value in values.items():
            add = {bool: builder.Bool, int: builder.Int, float: builder.Float}[type(value)]
            add(name, value)
    return bytes(builder.Finish())


def model(rng: Rng, dtype: str, boxes: int, classes: int, background: int, packed: bytes) -> bytes:
    """A model of this op alone; ``packed``: its options, which fix the rows of the outputs."""
    build = ModelBuilder()
    byte = dtype == "uint8"

    def tensor(shape: tuple[int, ...], scale: float, zero: int, data: object = None) -> int:
        return build.tensor(shape, dtype, scale if byte else None, zero if byte else 0, data)

    codes = tensor((1, boxes, int(rng.integers(4, 6))), float(rng.uniform(0.02, 0.1)), 128)
    scores = tensor(
        (1, boxes, classes + background), float(rng.uniform(0.003, 0.02)), int(rng.integers(0, 50))
    )
    places = rng.integers(0, 256, (boxes, 4)) if byte else rng.uniform(0, 1, (boxes, 4))
    if rng.random() < 0.5:
        places[:] = places[:1]  # all overlap
    anchors = tensor((boxes, 4), float(rng.uniform(0.002, 0.004)), 0, places)
    # As in files: LiteRT works the shapes out.
    outputs = [build.tensor((), "float32") for _ in range(4)]
    build.op("CUSTOM", [codes, scores, anchors], outputs, custom_code=NAME, custom_options=packed)
    return build.build([codes, scores], outputs)


def _case(rng: Rng, dtype: str) -> bytes:
    boxes, classes = int(rng.integers(1, 30)), int(rng.integers(1, 8))
    regular = bool(rng.random() < 0.6)
    categories = 1 if regular else int(rng.integers(1, classes + 1))
    detections = int(rng.integers(1, 12)) if regular else int(rng.integers(1, boxes + 1))
    # LiteRT leaves rows unwritten where "fast" finds too few: here it finds enough.
    score = float(rng.choice([0.0, 0.3, 0.6])) if regular else -1e6
    packed = options(
        max_detections=detections, max_classes_per_detection=categories,
        detections_per_class=int(rng.integers(1, 20)), use_regular_nms=regular,
        nms_score_threshold=score, num_classes=classes,
        nms_iou_threshold=float(rng.uniform(0.1, 0.9)) if regular else 1.0,
        y_scale=10.0, x_scale=float(rng.choice([10.0, 3.0])), h_scale=5.0, w_scale=5.0,
    )  # fmt: skip
    return model(rng, dtype, boxes, classes, int(rng.integers(2)), packed)


CASES: dict[str, Maker] = {
    f"CUSTOM:{NAME}:{dtype}": partial(_case, dtype=dtype) for dtype in ("uint8", "float32")
}
