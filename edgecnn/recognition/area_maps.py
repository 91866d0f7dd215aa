"""Outputs of a model as maps of cells: what segmentations and FOMO's grids share."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from edgecnn.core.runtime import TensorInfo
from edgecnn.core.tflite.model import TfModel, TfOperator
from edgecnn.recognition.facts import Facts, Real

#: What the values of a map are: numbers of classes, probabilities by softmax or sigmoid, real
#: numbers that still need one of them, or nothing that a class is told by.
State = Literal["numbers", "softmax", "sigmoid", "logits", "other"]

_PASSING = (
    "RESHAPE", "SQUEEZE", "EXPAND_DIMS", "TRANSPOSE", "CAST", "QUANTIZE", "DEQUANTIZE",
    "RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR", "SLICE", "STRIDED_SLICE",
)  # fmt: skip
_SLICING = ("SLICE", "STRIDED_SLICE")
_RESIZING = ("RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR")
_ENLARGING = (*_RESIZING, "TRANSPOSE_CONV", "DEPTH_TO_SPACE")
_CUSTOM_ENLARGING = ("transpose", "unpool")
_REDUCING = ("CONV_2D", "DEPTHWISE_CONV_2D", "MAX_POOL_2D", "AVERAGE_POOL_2D")
_MOST_STEPS = 64
# Input pixels per cell; a little less where a net's own padding adds a cell (513 pixels, 33 cells).
_STRIDES = (1, 2, 4, 8, 16, 32)
_FEWER = 0.07
_WHOLE_STRIDES = (1, 2, 4, 8)
# Probabilities as codes: their ends, and how far a cell's may be from a sum of 1.
_SLACK, _SUM_SLACK = 0.02, 0.06
# Real numbers before softmax or sigmoid go well below and above 0.
_LOGIT = 1.0
# Values that a sigmoid has told apart: so many of them are near 0 or 1.
_NEAR, _DECIDED = 0.05, 0.6


@dataclass(frozen=True)
class AreaMap:
    """An output (1, rows, cols, columns), or with the columns first, over the whole input.

    Attributes:
        info: the output.
        rows, cols, columns: of the map; one column for class numbers.
        stride: input pixels (x, y) per cell.
        enlarged: whether the map has been made larger on its way: an op does so, or an earlier map
            was smaller; None: unknown.
        ending: ops from the output back that only move, convert, cut or resize values, by code.
        op: the op behind those; None: unknown.
        first: the columns come first.
        values: (cells, columns) on a picture; None: unknown, or some are no finite numbers.
    """

    info: TensorInfo
    rows: int
    cols: int
    columns: int
    stride: tuple[float, float]
    enlarged: bool | None
    ending: tuple[str, ...] = ()
    op: TfOperator | None = None
    first: bool = False
    values: Real | None = None

    @property
    def resized(self) -> bool:
        """Whether the last thing that happens to values is that their map is enlarged."""
        return any(code in _RESIZING for code in self.ending)

    @property
    def whole_stride(self) -> int:
        """Input pixels per cell, the same along both axes; 0: they are not, or no whole number."""
        x, y = self.stride
        return int(x) if x == y and x == int(x) else 0

    @property
    def shown(self) -> str:
        """Its size for people."""
        stride = f"{self.stride[0]:.4g}"
        return f"{self.rows}×{self.cols} cells at a stride of {stride} pixel{'s' * (stride != '1')}"


def area_maps(facts: Facts) -> tuple[AreaMap, ...]:
    """All outputs that can be maps over the image, in the file's order."""
    if facts.image is None:
        return ()
    found = (_area_map(facts, info) for info in facts.outputs)
    return tuple(item for item in found if item is not None)


def _area_map(facts: Facts, info: TensorInfo) -> AreaMap | None:
    size = _size(info.shape, facts.size)
    if size is None:
        return None
    rows, cols, columns, first = size
    width, height = facts.size
    ending, op = _ending(facts, info.name)
    values = facts.values(info.name)
    if values is not None:
        fits = values.size == rows * cols * columns and np.isfinite(values).all()
        shape = (columns, -1) if first else (-1, columns)
        values = values.reshape(shape) if fits else None
        values = values.T if values is not None and first else values
    return AreaMap(
        info,
        rows,
        cols,
        columns,
        (width / cols, height / rows),
        None if facts.graph is None else _enlarged(facts.graph, rows * cols),
        ending,
        op,
        first,
        values,
    )


def _size(shape: tuple[int, ...], image: tuple[int, int]) -> tuple[int, int, int, bool] | None:
    """Rows and columns of cells, values a cell, and whether those come first; None: no such map."""
    if len(shape) == 2:
        shape = (1, *shape)
    if len(shape) not in (3, 4) or shape[0] != 1 or 0 in shape:
        return None
    if len(shape) == 4:
        if _over(shape[1], shape[2], image):
            return shape[1], shape[2], shape[3], False
        return (shape[2], shape[3], shape[1], True) if _over(*shape[2:], image) else None
    if _over(shape[1], shape[2], image):
        return shape[1], shape[2], 1, False
    # All cells in one axis, as Keras' older nets reshape them before their softmax.
    for k in _WHOLE_STRIDES:
        cols, rows = image[0] // k, image[1] // k
        if shape[1] == rows * cols and (cols * k, rows * k) == image and _over(rows, cols, image):
            return rows, cols, shape[2], False
    return None


def _over(rows: int, cols: int, image: tuple[int, int]) -> bool:
    """Whether so many cells lie over the whole image, at a stride that nets have."""
    if min(rows, cols) < 2:
        return False
    x, y = image[0] / cols, image[1] / rows
    return any(all(1 - _FEWER <= k / stride <= 1.001 for k in (x, y)) for stride in _STRIDES)


def _ending(facts: Facts, output: str) -> tuple[tuple[str, ...], TfOperator | None]:
    """Codes of the ops at the end that compute nothing, last first, and the op before them."""
    op = facts.producer(output)
    codes: list[str] = []
    if facts.graph is None or op is None:
        return (), None
    writers = {index: item for item in facts.graph.main.operators for index in item.outputs}
    while op is not None and op.code in _PASSING and len(codes) < _MOST_STEPS:
        codes.append(op.code)
        op = writers.get(op.inputs[0]) if op.inputs else None
    return tuple(codes), op


def _enlarged(graph: TfModel, cells: int) -> bool:
    """Whether maps are made larger; Keras' UpSampling2D may be TILE and RESHAPE."""
    for op in graph.main.operators:
        custom = op.custom_code.lower()
        if op.code in _ENLARGING or any(word in custom for word in _CUSTOM_ENLARGING):
            return True
        shape = graph.main.tensors[op.outputs[0]].shape if op.code in _REDUCING else ()
        # 1×1 is what attention to channels weighs them by.
        if len(shape) == 4 and 1 < shape[1] * shape[2] < cells:
            return True
    return False


def class_count(graph: TfModel, op: TfOperator) -> int:
    """Over how many classes an ARG_MAX goes; 0: unknown."""
    shape = graph.main.tensors[op.inputs[0]].shape
    data = graph.main.tensors[op.inputs[1]].data if len(op.inputs) > 1 else None
    axis = int(data.reshape(-1)[0]) if data is not None and data.size else -1
    return shape[axis] if -len(shape) <= axis < len(shape) else 0


def state_of(found: AreaMap, activation: str = "") -> tuple[State, str]:
    """What the values are, and why, in a sentence.

    Args:
        found: the map.
        activation: what the file's metadata says that its values still need.
    """
    info, values = found.info, found.values
    name, code = f"'{info.name}'", found.op.code if found.op else ""
    if code == "ARG_MAX":
        return "numbers", f"the op ARG_MAX makes {name} numbers of classes"
    if found.columns == 1 and _whole_numbers(info, values):
        return "numbers", f"{name} holds whole numbers ({info.dtype}): those of classes"
    whole = not any(item in _SLICING for item in found.ending)
    if code == "SOFTMAX" and found.columns > 1 and whole:
        return "softmax", f"the op SOFTMAX makes {name} probabilities"
    if code == "LOGISTIC" or (code == "SOFTMAX" and found.columns == 1):
        return "sigmoid", f"the op {code} makes {name} probabilities"
    if found.columns > 1 and values is not None and _sums_to_one(values):
        return "softmax", f"the {found.columns} values of each cell of {name} sum to 1"
    if activation in ("softmax", "sigmoid") and not (values is not None and _in_unit(values)):
        return "logits", f"the metadata says that {name} needs a {activation}"
    if code == "TANH":
        return "other", ""
    # Of several columns, heat maps of key points look like it too.
    one = found.columns == 1
    if one and (_coded_unit(info) or (values is not None and _decided(values))):
        return "sigmoid", f"the values of {name} are between 0 and 1"
    low, high = _reach(info, values)
    if low < -_LOGIT and high > _LOGIT:
        return "logits", f"{name} reaches from {low:.3g} to {high:.3g}: no probabilities yet"
    if found.resized and found.columns > 3:
        return "logits", f"{name} are {found.columns} maps, enlarged to {found.shown}"
    return "other", ""


def _whole_numbers(info: TensorInfo, values: Real | None) -> bool:
    if info.scale is None and info.dtype in ("int32", "int64", "uint8", "int8", "bool"):
        return True
    if values is None or info.dtype not in ("float32", "float16"):
        return False
    low, high = float(values.min()), float(values.max())
    return bool((values == np.rint(values)).all()) and low >= 0 and 2 <= high <= 255


def _sums_to_one(values: Real) -> bool:
    sums = values.sum(axis=1, dtype=np.float64)
    return bool(values.min() >= -_SLACK) and bool((np.abs(sums - 1) <= _SUM_SLACK).all())


def _in_unit(values: Real) -> bool:
    return bool(values.min() >= -_SLACK) and bool(values.max() <= 1 + _SLACK)


def _decided(values: Real) -> bool:
    """Whether values from 0 to 1 lie near the ends, as those of a mask do and depths do not."""
    near = np.minimum(np.abs(values), np.abs(values - 1)) <= _NEAR
    return _in_unit(values) and float(near.mean()) >= _DECIDED


def _coded_unit(info: TensorInfo) -> bool:
    """Whether the codes reach from 0 to 1."""
    low, high = _coded(info)
    return math.isclose(low, 0, abs_tol=_SLACK) and math.isclose(high, 1, abs_tol=_SLACK)


def _reach(info: TensorInfo, values: Real | None) -> tuple[float, float]:
    """The lowest and highest value, by the codes or on a picture; (0, 0): unknown."""
    low, high = _coded(info)
    if low == high and values is not None and values.size:
        return float(values.min()), float(values.max())
    return low, high


def _coded(info: TensorInfo) -> tuple[float, float]:
    """What the lowest and the highest code stand for; (0, 0): they are no codes of 8 bits."""
    if info.scale is None or info.dtype not in ("int8", "uint8"):
        return 0.0, 0.0
    limits = np.iinfo(info.dtype)
    low, high = ((end - (info.zero_point or 0)) * info.scale for end in (limits.min, limits.max))
    return low, high
