"""TFLite_Detection_PostProcess: "fast" suppression against LiteRT, and its untrusted options."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from flatbuffers import flexbuffers

from edgecnn.core.tflite.flexbuffers import FlexError, read_numbers
from edgecnn.core.tflite.reader import read_model
from firmware_glue.compiler.api import check_ops
from tests.firmware_glue.compiler.cases.detection import model, options
from tests.firmware_glue.compiler.exactness import numpy_outputs
from tests.firmware_glue.compiler.harness import Library, Reference

GOOD: dict[str, float] = {
    "max_detections": 6, "max_classes_per_detection": 2, "detections_per_class": 9,
    "use_regular_nms": False, "nms_score_threshold": 0.4, "nms_iou_threshold": 0.3,
    "num_classes": 5, "y_scale": 10.0, "x_scale": 10.0, "h_scale": 5.0, "w_scale": 5.0,
}  # fmt: skip
_MODELS, _BOXES = 12, 40


@pytest.mark.parametrize("dtype", ["float32", "uint8"])
def test_fast_suppression_equals_litert(dtype: str, tmp_path: Path) -> None:
    library, models = Library(tmp_path), []
    for index in range(_MODELS):
        rng = np.random.default_rng([index, len(dtype)])
        packed = options(**{**GOOD, "max_classes_per_detection": 1 + index % 5})
        models.append(model(rng, dtype, _BOXES, 5, index % 2, packed))
        library.add(models[-1], f"m{index}")
    library.build("-DEDGECNN_SHARE_ALL")
    counts = []
    for index, data in enumerate(models):
        rng = np.random.default_rng([7, index])
        shapes = [t.shape for t in read_model(data).main.tensors[:2]]
        inputs = [rng.normal(0, 2, shapes[0]), rng.integers(0, 6, shapes[1]) / 5]
        if dtype == "uint8":  # few values: many ties
            inputs = [rng.integers(90, 160, shapes[0]), rng.integers(0, 6, shapes[1]) * 50]
        inputs = [value.astype(dtype) for value in inputs]
        want = Reference(data)(inputs)
        counts.append(int(want[3][0]))
        # LiteRT leaves rows without a detection as they were.
        rows = counts[-1] * (1 + index % 5)
        found = library.runner(f"m{index}")(inputs), numpy_outputs(f"m{index}", library, inputs)
        for got in found:
            assert got[3] == want[3]
            for a, b in zip(got[:3], want[:3], strict=True):
                np.testing.assert_allclose(a[:, :rows], b[:, :rows], rtol=1e-5, atol=1e-6)
                assert not np.any(a[:, rows:])
    assert min(counts) < 6 <= max(counts)


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"num_classes": 0}, "num_classes is out of range."),
        ({"num_classes": 3}, "Encodings, scores and anchors must be of the same boxes."),
        ({"max_detections": -1}, "max_detections is out of range."),
        ({"max_detections": 1 << 30}, "max_detections * max_classes_per_detection is out"),
        ({"nms_iou_threshold": 0.0}, "nms_iou_threshold is out of range."),
        ({"x_scale": 0.0}, "x_scale is out of range."),
        ({"x_scale": float("nan")}, "The op's options must be finite."),
        ({"detections_per_class": 0, "use_regular_nms": True}, "detections_per_class is out of"),
    ],
)  # fmt: skip
def test_options_out_of_range_are_refused(change: dict[str, float], rule: str) -> None:
    data = model(np.random.default_rng(0), "float32", 4, 5, 0, options(**{**GOOD, **change}))
    problems = check_ops(read_model(data))
    assert [p.op for p in problems] == ["CUSTOM:TFLite_Detection_PostProcess"]
    assert problems[0].rule.startswith(rule)


def test_damaged_options_are_refused_or_read() -> None:
    packed, rng = options(**GOOD), np.random.default_rng(1)
    refused = 0
    for _ in range(2000):
        damaged = bytearray(packed[: int(rng.integers(1, len(packed) + 1))])
        for _ in range(int(rng.integers(1, 4))):
            damaged[int(rng.integers(len(damaged)))] = int(rng.integers(256))
        try:
            read_numbers(bytes(damaged))
        except FlexError:
            refused += 1
    assert refused > 1000


def test_maps_read_as_the_flatbuffers_package_reads_them() -> None:
    rng = np.random.default_rng(2)
    for _ in range(50):
        values: dict[str, float] = {}
        for index in range(int(rng.integers(0, 12))):
            kinds = (bool(rng.integers(2)), int(rng.integers(-(2**40), 2**40)), float(rng.normal()))
            values[f"k{index}"] = kinds[int(rng.integers(3))]
        packed = options(**values)
        assert read_numbers(packed) == flexbuffers.Loads(packed)
