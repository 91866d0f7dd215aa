"""The anchors of published detectors, computed from the input's size.

Sources: tensorflow/models ``object_detection/anchor_generators`` (``create_ssd_anchors``,
``MultiscaleGridAnchorGenerator``, ``tile_anchors``) with the numbers of its published configs,
google/automl ``efficientdet`` (``Anchors``, ``hparams_config``), pytorch/vision
(``DefaultBoxGenerator``, ``ssdlite320_mobilenet_v3_large``), qfgaohao/pytorch-ssd
(``generate_ssd_priors``, ``mobilenetv1_ssd_config``) and
Linzaer/Ultra-Light-Fast-Generic-Face-Detector-1MB (``define_img_size``). What TFLite's
``TFLite_Detection_PostProcess`` reads as its third input are these anchors too.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from edgecnn.core.postprocess import GridLevel

Size = tuple[float, float]
AnchorBox = tuple[float, float, float, float]
Variances = tuple[float, float, float, float]
# Ratios of width to height, in the order of the published configs.
_SSD_RATIOS = (1.0, 2.0, 0.5, 3.0, 0.3333)
_FPN_RATIOS = (1.0, 2.0, 0.5)
_SSD_SCALES = tuple(0.2 + (0.95 - 0.2) * k / 5 for k in range(6))
_FPN_LEVELS = range(3, 8)
# EfficientDet-Lite0 to 2 have smaller anchors than all others; they are told by their size.
_LITE_SIZE, _LITE_SCALE, _SCALE = 448, 3.0, 4.0
_EQUAL = 1e-6
# Of bytes less 127, over 128.
_BY_128 = "-0.9921875..1"
_FACES = ((8, (10, 16, 24)), (16, (32, 48)), (32, (64, 96)), (64, (128, 192, 256)))
# Cells, step and the sides of the two squares, pixels of 300.
_PYTORCH_SIDE = 300
_PYTORCH = (
    (19, 16, 60, 105), (10, 32, 105, 150), (5, 64, 150, 195), (3, 100, 195, 240),
    (2, 150, 240, 285), (1, 300, 285, 330),
)  # fmt: skip
_LEAST = 32
_FASTER_RCNN: Variances = (0.1, 0.1, 0.2, 0.2)
_PLAIN: Variances = (1.0, 1.0, 1.0, 1.0)


@dataclass(frozen=True)
class AnchorGrid:
    """One feature map: where its cells lie and what anchors each has.

    Attributes:
        rows, cols: cells.
        step: input pixels (x, y) from cell to cell.
        first: centre x, y of the first cell.
        sizes: width and height of each anchor of a cell, input pixels.
    """

    rows: int
    cols: int
    step: Size
    first: Size
    sizes: tuple[Size, ...]

    @property
    def count(self) -> int:
        """How many anchors."""
        return self.rows * self.cols * len(self.sizes)

    @property
    def regular(self) -> bool:
        """Whether a :class:`GridLevel` says the same: square cells, anchors in their centres."""
        x, y = self.step
        ends = (x - y, self.first[0] - x / 2, self.first[1] - x / 2)
        return all(abs(end) <= _EQUAL * x for end in ends)

    def boxes(self) -> Iterator[AnchorBox]:
        """Centre x, y, width, height of each anchor; cell-major."""
        for row in range(self.rows):
            for col in range(self.cols):
                x, y = self.first[0] + col * self.step[0], self.first[1] + row * self.step[1]
                for width, height in self.sizes:
                    yield x, y, width, height


@dataclass(frozen=True)
class AnchorFamily:
    """The anchors of one family of detectors at one input size.

    Attributes:
        name: of the family.
        grids: in the order of the candidates.
        variances: of y, x, height and width, or x first for ``center-exp``.
        background: whether the scores' first column stands for no class.
        convention: of the input, as published.
        coding: of the boxes.
        activation: of scores that are no probabilities yet.
    """

    name: str
    grids: tuple[AnchorGrid, ...]
    variances: Variances
    background: bool
    convention: str
    coding: Literal["center-size", "center-exp"] = "center-size"
    activation: Literal["sigmoid", "softmax"] = "sigmoid"

    @property
    def counts(self) -> tuple[int, ...]:
        """Anchors per feature map."""
        return tuple(grid.count for grid in self.grids)

    @property
    def levels(self) -> tuple[GridLevel, ...]:
        """The same as levels of a spec; none where one of them is not regular."""
        if not all(grid.regular for grid in self.grids):
            return ()
        return tuple(
            GridLevel(grid.rows, grid.cols, grid.step[0], grid.sizes) for grid in self.grids
        )

    def boxes(self) -> tuple[AnchorBox, ...]:
        """All anchors."""
        return tuple(box for grid in self.grids for box in grid.boxes())

    def described(self) -> str:
        """The counts, for the user."""
        parts = [f"{grid.rows}×{grid.cols}·{len(grid.sizes)}" for grid in self.grids]
        return f"{sum(self.counts)} anchors = {' + '.join(parts)}"


def families(width: int, height: int) -> tuple[AnchorFamily, ...]:
    """All known families at an input size; none below 32 pixels.

    >>> [sum(item.counts) for item in families(320, 320)]
    [2034, 12804, 19206, 19206, 5875, 3234]
    >>> {item.name: sum(item.counts) for item in families(300, 300)}["SSD of pytorch-ssd"]
    3000
    """
    if min(width, height) < _LEAST:
        return ()
    scale = _LITE_SCALE if max(width, height) <= _LITE_SIZE else _SCALE
    return (
        AnchorFamily(
            "SSD of TensorFlow's object detection models",
            _ssd(width, height), _FASTER_RCNN, True, "-1..1",
        ),
        AnchorFamily(
            "SSD with a feature pyramid of TensorFlow's object detection models",
            _pyramid(width, height, 2), _FASTER_RCNN, True, "-1..1",
        ),
        AnchorFamily(
            "EfficientDet", _efficientdet(width, height, scale), _PLAIN, False,
            _BY_128,
        ),
        AnchorFamily(
            "EfficientDet of TensorFlow's object detection models",
            _pyramid(width, height, 3), _PLAIN, True, "imagenet",
        ),
        AnchorFamily(
            "UltraFace", _ultraface(width, height), _FASTER_RCNN, True, _BY_128, "center-exp",
            "softmax",
        ),
        _of_pytorch(width, height),
    )  # fmt: skip


def _halvings(width: int, height: int, first: int, count: int) -> list[tuple[int, int]]:
    """(rows, cols) of feature maps, each half of the one before, rounded up."""
    rows, cols = math.ceil(height / first), math.ceil(width / first)
    sizes = []
    for _ in range(count):
        sizes.append((rows, cols))
        rows, cols = math.ceil(rows / 2), math.ceil(cols / 2)
    return sizes


def _ssd(width: int, height: int) -> tuple[AnchorGrid, ...]:
    """Six maps from stride 16 on; three anchors in the first, six in each other one."""
    unit = min(width, height)
    scales = (*_SSD_SCALES, 1.0)
    grids = []
    for layer, (rows, cols) in enumerate(_halvings(width, height, 16, 6)):
        scale = scales[layer]
        if layer:
            shapes = [(scale, ratio) for ratio in _SSD_RATIOS]
            shapes.append((math.sqrt(scale * scales[layer + 1]), 1.0))
        else:
            shapes = [(0.1, 1.0), (scale, 2.0), (scale, 0.5)]
        step = (width / cols, height / rows)
        grids.append(
            AnchorGrid(
                rows, cols, step, (step[0] / 2, step[1] / 2),
                tuple((s * math.sqrt(r) * unit, s / math.sqrt(r) * unit) for s, r in shapes),
            )
        )  # fmt: skip
    return tuple(grids)


def _pyramid(width: int, height: int, octaves: int) -> tuple[AnchorGrid, ...]:
    """Strides 8 to 128: ratios, then scales; a side that is no multiple starts at 0."""
    grids = []
    for level, (rows, cols) in zip(_FPN_LEVELS, _halvings(width, height, 8, 5), strict=True):
        stride = float(2**level)
        first = tuple(stride / 2 if side % stride == 0 else 0.0 for side in (width, height))
        sizes = tuple(
            (_SCALE * stride * scale * math.sqrt(ratio), _SCALE * stride * scale / math.sqrt(ratio))
            for ratio in _FPN_RATIOS
            for scale in (2 ** (k / octaves) for k in range(octaves))
        )
        grids.append(AnchorGrid(rows, cols, (stride, stride), (first[0], first[1]), sizes))
    return tuple(grids)


def _efficientdet(width: int, height: int, scale: float) -> tuple[AnchorGrid, ...]:
    """Strides of about 8 to 128 that cover the whole input: scales, then ratios."""
    grids = []
    for rows, cols in _halvings(width, height, 8, 5):
        step = (width / cols, height / rows)
        sizes = tuple(
            (scale * step[0] * 2 ** (k / 3) * math.sqrt(r),
             scale * step[1] * 2 ** (k / 3) / math.sqrt(r))
            for k in range(3)
            for r in _FPN_RATIOS
        )  # fmt: skip
        grids.append(AnchorGrid(rows, cols, step, (step[0] / 2, step[1] / 2), sizes))
    return tuple(grids)


def _torchvision(width: int, height: int) -> tuple[AnchorGrid, ...]:
    """Six maps from stride 16 on, six anchors each, clipped to the input's size."""
    scales = (*_SSD_SCALES, 1.0)
    grids = []
    for layer, (rows, cols) in enumerate(_halvings(width, height, 16, 6)):
        scale, between = scales[layer], math.sqrt(scales[layer] * scales[layer + 1])
        shapes = [(scale, scale), (between, between)]
        for ratio in (math.sqrt(2), math.sqrt(3)):
            shapes += [(scale * ratio, scale / ratio), (scale / ratio, scale * ratio)]
        sizes = tuple((min(w, 1.0) * width, min(h, 1.0) * height) for w, h in shapes)
        step = (width / cols, height / rows)
        grids.append(AnchorGrid(rows, cols, step, (step[0] / 2, step[1] / 2), sizes))
    return tuple(grids)


def _ultraface(width: int, height: int) -> tuple[AnchorGrid, ...]:
    """Strides 8 to 64, two or three squares each, clipped to the input's size."""
    grids = []
    for stride, sides in _FACES:
        rows, cols = math.ceil(height / stride), math.ceil(width / stride)
        sizes = tuple((float(min(s, width)), float(min(s, height))) for s in sides)
        step = (float(stride), float(stride))
        grids.append(AnchorGrid(rows, cols, step, (stride / 2, stride / 2), sizes))
    return tuple(grids)


def _of_pytorch(width: int, height: int) -> AnchorFamily:
    """torchvision's, or pytorch-ssd's at the one size that it has: both have as many anchors."""
    own = width == height == _PYTORCH_SIDE
    return AnchorFamily(
        "SSD of pytorch-ssd" if own else "SSDLite of torchvision",
        _pytorch_ssd(width, height) if own else _torchvision(width, height),
        _FASTER_RCNN,
        True,
        _BY_128 if own else "-1..1",
        "center-exp",
        "softmax",
    )


def _pytorch_ssd(width: int, height: int) -> tuple[AnchorGrid, ...]:
    """Two squares and four oblongs a cell, clipped to the input's size."""
    grids = []
    for cells, step, small, large in _PYTORCH:
        between = math.sqrt(small * large)
        shapes = [(float(small), float(small)), (between, between)]
        for ratio in (math.sqrt(2), math.sqrt(3)):
            shapes += [(small * ratio, small / ratio), (small / ratio, small * ratio)]
        sizes = tuple((min(w, float(width)), min(h, float(height))) for w, h in shapes)
        at = (float(step), float(step))
        grids.append(AnchorGrid(cells, cells, at, (step / 2, step / 2), sizes))
    return tuple(grids)
