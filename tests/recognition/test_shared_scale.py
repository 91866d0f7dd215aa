"""Boxes and scores in one tensor: what int8 does to it is said."""

import numpy as np
import pytest

from edgecnn.core.postprocess import DetectSpec
from edgecnn.core.tensor_info import TensorInfo
from edgecnn.core.tflite.file_metadata import FileMetadata
from edgecnn.recognition.facts import Facts
from edgecnn.recognition.shared_scale import shared_scale_warnings


class Predictor:
    inputs = (TensorInfo("image", (1, 64, 64, 3), "float32"),)

    def __init__(self, info: TensorInfo) -> None:
        self.outputs = (info,)

    def predict(self, inputs):
        return {info.name: np.zeros(info.shape, info.dtype) for info in self.outputs}


def warnings(units: float, dtype: str = "float32", scale: float | None = None) -> tuple[str, ...]:
    info = TensorInfo("out", (1, 84, 84), dtype, scale, None if scale is None else -128)
    spec = DetectSpec("out", "out", ("a",) * 80, (), "cxcywh", decoded_boxes=84, score_column=4,
                      box_units=(units, units))  # fmt: skip
    return shared_scale_warnings(Facts(Predictor(info), None, FileMetadata()), spec)


def test_float_boxes_in_pixels_would_not_survive_int8() -> None:
    assert "export them as two outputs" in warnings(1.0)[0]
    assert warnings(64.0) == ()


@pytest.mark.parametrize(
    ("scale", "words"),
    [(640 / 255, "only 1 code and"), (0.3, "only 4 codes"), (1 / 255, "255 codes")],
)
def test_how_many_codes_a_score_has(scale: float, words: str) -> None:
    (said,) = warnings(1.0, "int8", scale)
    assert words in said


def test_outputs_with_scales_of_their_own_are_fine() -> None:
    spec = DetectSpec("s", "b", ("a",), (), "xyxy", decoded_boxes=3)
    info = TensorInfo("s", (1, 3, 1), "int8", 1 / 255, -128)
    assert shared_scale_warnings(Facts(Predictor(info), None, FileMetadata()), spec) == ()
