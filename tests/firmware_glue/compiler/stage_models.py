"""Models with embedded specs, and their generated pre- and postprocessing called from Python."""

from __future__ import annotations

import ctypes
import json
from dataclasses import dataclass

import numpy as np

from edgecnn.core import postprocess as post
from edgecnn.core.preprocess import ImageInput, PreprocessSpec
from edgecnn.core.tflite.metadata import POSTPROCESS, PREPROCESS, embed
from tests.builders import ModelBuilder
from tests.firmware_glue.compiler.harness import Runner

FORMATS = ("rgb888", "bgr888", "gray8", "rgb565", "rgb565_big")


class FrameMapC(ctypes.Structure):
    _fields_ = [
        (key, ctypes.c_int32)
        for key in (
            *("frame_width", "frame_height", "x", "y", "width", "height"),
            *("left", "top", "fit_width", "fit_height"),
        )
    ]


class BoxC(ctypes.Structure):
    _fields_ = [
        *((key, ctypes.c_float) for key in ("x1", "y1", "x2", "y2", "score")),
        ("label", ctypes.c_int16),
    ]


class KeypointC(ctypes.Structure):
    _fields_ = [(key, ctypes.c_float) for key in ("x", "y", "score")]


class PointC(ctypes.Structure):
    _fields_ = [
        *((key, ctypes.c_float) for key in ("x", "y", "x1", "y1", "x2", "y2", "score")),
        ("cell", ctypes.c_int32),
        ("label", ctypes.c_int16),
    ]


class CellC(ctypes.Structure):
    _fields_ = [
        ("score", ctypes.c_float),
        ("best", ctypes.c_float),
        ("first", ctypes.c_int32),
        ("label", ctypes.c_int16),
    ]


class CandidateC(ctypes.Structure):
    _fields_ = [
        ("score", ctypes.c_float),
        ("index", ctypes.c_int32),
        ("label", ctypes.c_int16),
    ]


def with_specs(
    data: bytes, image: ImageInput | None, after: post.PostprocessSpec | None = None
) -> bytes:
    """A model with its specs embedded."""
    entries = {}
    if image is not None:
        spec = PreprocessSpec((image,))
        entries[PREPROCESS] = json.dumps(spec.to_json()).encode()
    if after is not None:
        entries[POSTPROCESS] = json.dumps(post.to_json(after)).encode()
    return embed(data, entries)


def image_model(image: ImageInput, dtype: str, scale: float = 1 / 255, zero: int = 0) -> bytes:
    """A model that only has an image input of the spec's shape, named as in the spec."""
    build = ModelBuilder()
    shape = (1, image.height, image.width, image.channels)
    quantized = dtype != "float32"
    x = build.tensor(shape, dtype, scale if quantized else None, zero, name=image.name)
    if quantized:
        y = build.tensor((1, int(np.prod(shape))), dtype, scale, zero, name="flat")
        size = build.tensor((2,), "int32", data=[1, int(np.prod(shape))])
        build.op("RESHAPE", [x, size], [y], new_shape=[1, int(np.prod(shape))])
    else:
        y = build.tensor(shape, "int8", 0.05, 0, name="quantized")
        build.op("QUANTIZE", [x], [y])
    return with_specs(build.build([x], [y]), image)


@dataclass(frozen=True)
class Head:
    """One output of :func:`head_model`."""

    name: str
    shape: tuple[int, ...]
    dtype: str = "int8"
    scale: float = 0.05
    zero: int = 0


def head_model(image: ImageInput, heads: tuple[Head, ...], after: post.PostprocessSpec) -> bytes:
    """An image model with outputs of any shape; what they hold is of no interest."""
    build = ModelBuilder()
    shape = (1, image.height, image.width, image.channels)
    x = build.tensor(shape, "int8", 1 / 255, -128, name=image.name)
    axes = build.tensor((2,), "int32", data=[1, 2])
    mean = build.tensor((1, image.channels), "int8", 1 / 255, -128)
    build.op("MEAN", [x, axes], [mean])
    outputs = []
    for head in heads:
        count = int(np.prod(head.shape))
        kind = "int8" if head.dtype != "int8" else head.dtype
        flip = 128 if head.dtype == "uint8" else 0
        weights = build.tensor((count, image.channels), "int8", 0.01, data=1)
        flat = build.tensor((1, count), kind, head.scale, head.zero - flip)
        build.op("FULLY_CONNECTED", [mean, weights, -1], [flat])
        name = head.name if head.dtype == "int8" else None
        last = build.tensor(head.shape, kind, head.scale, head.zero - flip, name=name)
        size = build.tensor((len(head.shape),), "int32", data=list(head.shape))
        build.op("RESHAPE", [flat, size], [last], new_shape=list(head.shape))
        if head.dtype == "uint8":
            flat, last = (
                last,
                build.tensor(head.shape, "uint8", head.scale, head.zero, name=head.name),
            )
            build.op("QUANTIZE", [flat], [last])
        elif head.dtype == "float32":
            flat, last = last, build.tensor(head.shape, "float32", name=head.name)
            build.op("DEQUANTIZE", [flat], [last])
        outputs.append(last)
    return with_specs(build.build([x], outputs), image, after)


def frame_bytes(
    rng: np.random.Generator, width: int, height: int, kind: str, extra: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """A random frame: its bytes (rows, stride), and the same as BGR or gray for Python."""
    if kind.startswith("rgb565"):
        words = rng.integers(0, 1 << 16, (height, width), dtype=np.uint16)
        red, green, blue = words >> 11, words >> 5 & 63, words & 31
        planes = (blue << 3 | blue >> 2, green << 2 | green >> 4, red << 3 | red >> 2)
        image = np.stack(planes, axis=-1).astype(np.uint8)
        rows = words.astype(">u2" if kind.endswith("big") else "<u2").view(np.uint8)
    else:
        shape = (height, width) if kind == "gray8" else (height, width, 3)
        image = rng.integers(0, 256, shape, dtype=np.uint8)
        if rng.random() < 0.3:  # values where rounding and clipping matter
            image = np.where(image < 128, np.uint8(0), np.uint8(255))
        rows = image[..., ::-1] if kind == "rgb888" else image
    rows = np.ascontiguousarray(rows).reshape(height, -1)
    return np.pad(rows, ((0, 0), (0, extra)), constant_values=0xEE), image


def preprocess(
    runner: Runner, rows: np.ndarray, width: int, height: int, kind: str
) -> tuple[np.ndarray, FrameMapC]:
    """Calls ``<name>_preprocess``; the input tensor, and the map."""
    map_c = FrameMapC()
    code = runner.call(
        "preprocess", ctypes.c_void_p(rows.ctypes.data), width, height, rows.shape[1],
        FORMATS.index(kind), ctypes.byref(map_c),
    )  # fmt: skip
    assert code == 0
    info = runner.model.inputs[0]
    return runner.tensor(info.offset, info.nbytes, info.dtype, info.shape), map_c
