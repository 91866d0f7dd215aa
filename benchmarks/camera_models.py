"""Detectors for the camera's benchmark: one input, one look, as many layers as a cost asks for."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.postprocess import DetectSpec, GridLevel, to_json
from edgecnn.core.preprocess import ImageInput, PreprocessSpec
from edgecnn.core.runtime import LiteRTPredictor
from edgecnn.core.tflite.metadata import POSTPROCESS, PREPROCESS, embed
from tests.builders import ModelBuilder

SIDE = 300
#: Of the model in YOLO's form, which another program runs too.
YOLO_SIDE = 320
_STRIDE = 8
_CHANNELS = 32
#: Cells in which the detector always sees something: in the middle rows, which letterboxing keeps.
_SEEN = ((12, 8), (14, 30), (19, 19), (24, 4), (26, 33))
_PROBE_LAYERS = 24
_PROBE_RUNS = 40
#: Zero points, by dtype: 0 of uint8, of which int8 is 128 less; weights have their zero there.
_LESS = {"uint8": 0, "int8": 128}


def detector(layers: int) -> bytes:
    """A uint8 detector, 300 × 300, that finds the same five boxes on every picture.

    Bytes of a picture are what it takes, so that nobody's loop has to convert anything.

    Args:
        layers: 3 × 3 convolutions of 32 channels on 38 × 38 cells, beside three at the front.

    Returns:
        A .tflite with its specs; outputs ``scores`` (1, 1444, 2) and ``boxes`` (1, 1444, 4).
    """
    net = _Net("uint8", SIDE, layers)
    scores, boxes = np.zeros((net.cells, net.cells, 2)), np.full((net.cells, net.cells, 4), 2)
    for number, (row, column) in enumerate(_SEEN):
        scores[row, column, number % 2] = 230
    outputs = {
        "scores": net.head("scores", scores, 1 / 256),
        "boxes": net.head("boxes", boxes, 1.0),
    }
    spec = DetectSpec(
        "scores", "boxes", ("first", "second"), (GridLevel(net.cells, net.cells, _STRIDE),),
        activation="none", score_threshold=0.5,
    )  # fmt: skip
    return net.built(outputs, spec, ImageInput("image", SIDE, SIDE, scale=(1 / 255,)))


def yolo_detector(layers: int) -> bytes:
    """The same in the form of YOLOv8's exports: int8, 320 × 320, letterboxed, one output.

    Returns:
        A .tflite with its specs; output (1, 6, 1600): centre, size (shares of the side), scores.
    """
    net = _Net("int8", YOLO_SIDE, layers)
    candidates = np.zeros((net.cells, net.cells, 6))
    for number, (row, column) in enumerate(_SEEN):
        place = [round((at + 0.5) / net.cells * 256) for at in (column, row)]
        candidates[row, column, :4] = [*place, 26, 26]
        candidates[row, column, 4 + number % 2] = 230
    flat = net.head("candidates", candidates, 1 / 256)
    turned = net.build.tensor((1, 6, net.cells**2), "int8", 1 / 256, -_LESS["int8"], name="output0")
    order = net.build.tensor((3,), "int32", data=[0, 2, 1])
    net.build.op("TRANSPOSE", [flat, order], [turned])
    spec = DetectSpec(
        "output0", "output0", ("first", "second"), (), coding="cxcywh", activation="none",
        score_threshold=0.5, decoded_boxes=net.cells**2, box_units=(YOLO_SIDE, YOLO_SIDE),
        transposed=True, score_column=4, box_column=0,
    )  # fmt: skip
    image = ImageInput("image", YOLO_SIDE, YOLO_SIDE, fit="letterbox", scale=(1 / 255,))
    return net.built({"output0": turned}, spec, image)


class _Net:
    """A network of convolutions up to its heads, quantized with the same scales throughout.

    Args:
        dtype: ``uint8``, or ``int8``.
        side: of the picture, pixels; a multiple of the stride but for the rest of a last cell.
        layers: see :func:`detector`.
    """

    def __init__(self, dtype: str, side: int, layers: int) -> None:
        self.build = ModelBuilder(description="camera benchmark")
        self._dtype, self._less = dtype, _LESS[dtype]
        self._rng = np.random.default_rng(layers)
        self._image = self.build.tensor(
            (1, side, side, 3), dtype, 1 / 255, -self._less, name="image"
        )
        self._last, self.cells, depth = self._image, side, 3
        for channels in (8, 16, _CHANNELS):
            self.cells = (self.cells + 1) // 2
            self._last = self._conv(depth, channels, kernel=3, stride=2)
            depth = channels
        for _ in range(layers):
            self._last = self._conv(depth, depth, kernel=3, stride=1)

    def head(self, name: str, fixed: NDArray[Any], scale: float) -> int:
        """An output (1, cells², columns) that holds the codes ``fixed``, whatever is seen."""
        columns = fixed.shape[-1]
        silent = self._conv(_CHANNELS, columns, kernel=1, stride=1, silent_scale=scale)
        shape, flat = (1, *fixed.shape), (1, self.cells**2, columns)
        constant = self._tensor(shape, scale, data=fixed[None] - self._less)
        summed = self._tensor(shape, scale)
        self.build.op("ADD", [silent, constant], [summed])
        wanted = self.build.tensor((3,), "int32", data=flat)
        output = self.build.tensor(flat, self._dtype, scale, -self._less, name=name)
        self.build.op("RESHAPE", [summed, wanted], [output], new_shape=flat)
        return output

    def built(self, outputs: dict[str, int], spec: DetectSpec, image: ImageInput) -> bytes:
        """The file, with both specs inside."""
        self.build.signature("serving_default", {"image": self._image}, outputs)
        entries = {PREPROCESS: PreprocessSpec((image,)).to_json(), POSTPROCESS: to_json(spec)}
        plain = self.build.build([self._image], list(outputs.values()))
        return embed(plain, {name: json.dumps(value).encode() for name, value in entries.items()})

    def _tensor(self, shape: tuple[int, ...], scale: float, data: Any = None) -> int:
        return self.build.tensor(shape, self._dtype, scale, -self._less, data)

    def _conv(
        self, depth: int, channels: int, *, kernel: int, stride: int, silent_scale: float = 0.0
    ) -> int:
        """A convolution to (cells, cells, channels); with ``silent_scale`` 0 everywhere."""
        shape, zero = (channels, kernel, kernel, depth), 128 - self._less
        codes = np.full(shape, 0) if silent_scale else self._rng.integers(-32, 32, shape)
        w = self.build.tensor(shape, self._dtype, 0.02, zero, data=codes + zero)
        before = self.build.tensors[self._last].scale[0]
        b = self.build.tensor((channels,), "int32", before * 0.02, data=np.zeros(channels))
        y = self._tensor((1, self.cells, self.cells, channels), silent_scale or 0.02)
        self.build.op(
            "CONV_2D", [self._last, w, b], [y], padding="SAME", stride_w=stride, stride_h=stride,
            fused_activation_function="NONE" if silent_scale else "RELU",
        )  # fmt: skip
        return y


def write_detector(folder: Path, cost_ms: float) -> Path:
    """A detector that takes about so much CPU time here, at least that of its first layers."""
    short, long = (_cost_ms(detector(count)) for count in (0, _PROBE_LAYERS))
    layers = max(0, round((cost_ms - short) * _PROBE_LAYERS / max(long - short, 1e-3)))
    path = folder / f"detector-{layers}.tflite"
    path.write_bytes(detector(layers))
    return path


def _cost_ms(model: bytes) -> float:
    predictor = LiteRTPredictor(model)
    inputs = {"image": np.zeros((1, SIDE, SIDE, 3), np.uint8)}
    taken = []
    for _ in range(_PROBE_RUNS):
        started = time.process_time_ns()
        predictor.predict(inputs)
        taken.append((time.process_time_ns() - started) / 1e6)
    return sorted(taken)[len(taken) // 4]
