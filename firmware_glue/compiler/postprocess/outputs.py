"""A model's outputs as the generated decoders read them: where values lie, and what bytes mean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.activation import activate
from edgecnn.core.postprocess import CandidatePoints, CenterPoints
from edgecnn.core.runtime import TensorInfo
from firmware_glue.compiler.ops.spec import Params

Float = NDArray[np.float32]
ELEMENT_BYTES = {"int8": 1, "uint8": 1, "float32": 4}
FLIP = {"int8": 128, "uint8": 0, "float32": 0}
"""What makes a byte's code grow with its value, by an exclusive or."""
_SCORES = ("none", "sigmoid", "softmax", "powers")  # as the enum in edgecnn_scores.h
# Beyond this range of logits, exponentials around their middle would leave float32.
_MAX_LOGIT_RANGE = 150.0


class LeftOut(Exception):
    """Why there is no C for a spec: part of a sentence. Never leaves the compiler."""


@dataclass(frozen=True)
class OutputPlace:
    """Where some values of an output begin.

    Attributes:
        output: the output's position.
        first: elements before the first of them.
    """

    output: int
    first: int = 0


@dataclass(frozen=True)
class OutputValues:
    """Some values of each row of an output: rows are candidates, cells or boxes.

    Attributes:
        info: the output.
        place: where the first value of the first row lies.
        step, stride: elements from one row to the next, and from one value to the next.
    """

    info: TensorInfo
    place: OutputPlace
    step: int
    stride: int

    def columns(self) -> Params:
        """An ``ec_columns``."""
        return columns(self.info.dtype, self.step, self.stride)

    def coding(self) -> tuple[int, float]:
        """Zero point, after the flip, and scale; of float values 0 and 1."""
        if self.info.scale is None:
            return 0, 1.0
        return (self.info.zero_point or 0) + FLIP[self.info.dtype], float(self.info.scale)


class ModelOutputs:
    """The outputs of a model by name.

    Args:
        infos: in the model's order.
    """

    def __init__(self, infos: Sequence[TensorInfo]) -> None:
        self._infos = {info.name: (position, info) for position, info in enumerate(infos)}

    def info(
        self, name: str, dtypes: Sequence[str] = tuple(ELEMENT_BYTES)
    ) -> tuple[int, TensorInfo]:
        """An output's position and what is known of it.

        Args:
            name: of the output.
            dtypes: those that its kernel reads.

        Raises:
            LeftOut: there is none of that name, or of a dtype that the kernels do not read.
        """
        if name not in self._infos:
            raise LeftOut(
                f"the spec names the output '{name}', the model has {sorted(self._infos)}"
            )
        position, info = self._infos[name]
        if info.dtype not in dtypes:
            wanted = f"{', '.join(dtypes[:-1])} or {dtypes[-1]}"
            raise LeftOut(f"the output '{name}' is {info.dtype}, expected {wanted}")
        return position, info

    def values(
        self,
        name: str,
        rows: int,
        width: int,
        start: int = 0,
        *,
        shared: bool = False,
        transposed: bool = False,
        skipped: int = 0,
        dtypes: Sequence[str] = tuple(ELEMENT_BYTES),
    ) -> OutputValues:
        """``width`` values of each row, from column ``start`` of an output on.

        Args:
            name: of the output.
            rows: how many the output has.
            width: how many values.
            start: the first one's column.
            shared: whether a row may hold others as well; where ``start`` is not 0 it always may.
            transposed: all rows' first values lie together, then all second ones.
            skipped: rows before the first that is meant.
            dtypes: those that its kernel reads.

        Raises:
            LeftOut: there is no such output, or it has another size.
        """
        position, info = self.info(name, dtypes)
        size = int(np.prod(info.shape, dtype=np.int64))
        per_row = size // rows
        shared = shared or start > 0
        if per_row * rows != size or per_row < start + width or (per_row > width and not shared):
            wanted = f"{rows} x {start + width} or more" if shared else f"{rows * width}"
            raise LeftOut(f"the output '{name}' is {list(info.shape)}, expected {wanted} elements")
        step, stride = (1, rows) if transposed else (per_row, 1)
        return OutputValues(
            info, OutputPlace(position, start * stride + skipped * step), step, stride
        )


class ScoreTables:
    """Tables of 256 float values, equal ones once; a kernel gets all of them as one array."""

    def __init__(self) -> None:
        self._rows: list[Float] = []

    def add(self, values: Float | None) -> int:
        """Where a table begins in the array; 0 for none."""
        if values is None:
            return 0
        for number, known in enumerate(self._rows):
            if np.array_equal(known, values):
                return number * 256
        self._rows.append(values)
        return 256 * (len(self._rows) - 1)

    def array(self) -> Float | None:
        """All of them; None: there is none."""
        return np.concatenate(self._rows) if self._rows else None


def columns(dtype: str, step: int, stride: int) -> Params:
    """An ``ec_columns``."""
    fields = (
        ("bytes", ELEMENT_BYTES[dtype]),
        ("flip", FLIP[dtype]),
        ("step", step),
        ("stride", stride),
    )
    return Params("ec_columns", fields)


NO_COLUMNS = Params("ec_columns", (("bytes", 0), ("flip", 0), ("step", 0), ("stride", 0)))


def no_scores(flip: int = 0) -> Params:
    """An ``ec_score_params`` of no scores."""
    fields = (("count", 0), ("element_bytes", 4), ("flip", flip), ("activation", 0), ("stride", 0))
    return Params("ec_score_params", fields)


@dataclass(frozen=True)
class Coded:
    """How some values are read; without an output nothing is, and ``bytes`` is 0."""

    columns: Params
    zero: int
    scale: float

    @classmethod
    def of(cls, values: OutputValues | None) -> Coded:
        """The parameters of an output's values, or of none."""
        return (
            cls(NO_COLUMNS, 0, 1.0) if values is None else cls(values.columns(), *values.coding())
        )


def point_params(
    points: CandidatePoints | None, values: OutputValues | None, units: tuple[float, float]
) -> Params:
    """An ``ec_point_params`` of what boxes carry; none of them without key points.

    Args:
        points: their layout.
        values: where they are.
        units: of the boxes.
    """
    if points is None:
        return ordered_points(0, 0, (0, 0, -1), False, None, (0.0, 0.0))
    first = int(points.axes == "yx")
    order = (first, 1 - first, 2 if points.values == 3 else -1)
    sigmoid = points.activation == "sigmoid"
    count, own = len(points.skeleton.names), points.units or units
    return ordered_points(count, points.values, order, sigmoid, values, own)


def landmark_params(points: CenterPoints | None, values: OutputValues | None) -> Params:
    """An ``ec_point_params`` of the key points of a centre heat map."""
    if points is None:
        return point_params(None, None, (0.0, 0.0))
    count = len(points.skeleton.names)
    order = (0, count) if points.planar else (0, 1)
    x, y = order if points.axes == "xy" else order[::-1]
    step = 1 if points.planar else 2
    return ordered_points(count, step, (x, y, -1), False, values, (1.0, 1.0))


def ordered_points(
    count: int,
    step: int,
    order: tuple[int, int, int],
    sigmoid: bool,
    values: OutputValues | None,
    units: Sequence[float],
) -> Params:
    """An ``ec_point_params``.

    Args:
        count: how many points.
        step: values from one to the next.
        order: which of them are x, y and the score; −1: none.
        sigmoid: whether scores take it.
        values: where they are.
        units: tensor pixels (x, y) that 1.0 stands for.
    """
    x, y, score = order
    fields = (
        ("count", count),
        ("step", step),
        ("x", x),
        ("y", y),
        ("score", score),
        ("sigmoid", int(sigmoid)),
        ("columns", Coded.of(values).columns),
        ("unit", tuple(float(unit) for unit in units)),
    )
    return Params("ec_point_params", fields)


def scores(
    info: TensorInfo, activation: str, count: int, stride: int = 1
) -> tuple[Params, Float | None]:
    """An ``ec_score_params``, and for 8-bit outputs the table that its activation works on."""
    values: Float | None = None
    if ELEMENT_BYTES[info.dtype] == 1:
        limits = np.iinfo(info.dtype)
        values = info.dequantize(np.arange(limits.min, limits.max + 1))
        span = float(values[-1]) - float(values[0])
        if activation == "sigmoid":
            values, activation = activate(values, "sigmoid"), "none"
        elif activation == "softmax" and span <= _MAX_LOGIT_RANGE:
            # Around the middle, so that the powers of any subset stay within float32.
            wide = values.astype(np.float64)
            values = np.exp(wide - (wide[0] + wide[-1]) / 2).astype(np.float32)
            activation = "powers"
    fields = (
        ("count", count),
        ("element_bytes", ELEMENT_BYTES[info.dtype]),
        ("flip", FLIP[info.dtype]),
        ("activation", _SCORES.index(activation)),
        ("stride", stride),
    )
    return Params("ec_score_params", fields), values
