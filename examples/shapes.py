"""A small network that finds the shapes of ``--source test``, made by hand and not trained.

    python examples/shapes.py
    edgecnn detect --source test --model shapes.tflite --track --line 50%,0,50%,100%

It is there to try the camera loop, its page, tracking and counting without data, a camera or
training. For each shape it looks for the pixels of its colour, takes the rectangle around them, and
scores how well they fill it: a circle covers 79 % of its rectangle, a triangle 50 %. It finds one
of each, and would take anything of those colours for a shape.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edgecnn.core import postprocess
from edgecnn.core.files import write_atomic
from edgecnn.core.postprocess.listed import ListedSpec
from edgecnn.core.preprocess import ImageInput, PreprocessSpec
from edgecnn.core.tflite.metadata import POSTPROCESS, PREPROCESS, embed
from edgecnn.core.tflite.model import DType, TfModel, TfOperator, TfSubgraph, TfTensor
from edgecnn.core.tflite.writer import write_model

LABELS = ("circle", "square", "triangle")
HEIGHT, WIDTH = 360, 640
#: How much each shape's pixels have more of its colour (red, green, blue) than of the others, at
#: least; the ground is nearly gray. Shares of full brightness.
LEAST_COLOUR = 0.2
#: Of their rectangle, that the shapes cover.
COVERED = (math.pi / 4, 1.0, 0.5)
#: Fewer pixels are no shape.
LEAST_PIXELS = 64.0


class Graph:
    """Collects tensors and ops."""

    def __init__(self) -> None:
        self.tensors: list[TfTensor] = []
        self.ops: list[TfOperator] = []

    def tensor(self, name: str, shape: Sequence[int], data: Any = None) -> int:
        """A float32 tensor, or a constant; returns its number."""
        kind = DType.FLOAT32
        if data is not None:
            data = np.asarray(data)
            kind = DType.INT32 if data.dtype.kind == "i" else DType.FLOAT32
            data = data.astype(kind.value).reshape(shape)
        number, where = len(self.tensors), tuple(shape)
        self.tensors.append(TfTensor(number, name, where, where, kind, data=data))
        return number

    def op(
        self, code: str, inputs: Sequence[int], name: str, shape: Sequence[int], **options: Any
    ) -> int:
        """An op; returns its output."""
        output = self.tensor(name, shape)
        self.ops.append(TfOperator(len(self.ops), code, tuple(inputs), (output,), options=options))
        return output

    def with_number(self, code: str, value: int, number: Any, name: str, shape: Any) -> int:
        """An op of a value and constant numbers."""
        constant = self.tensor(f"{name}_by", np.shape(number), number)
        return self.op(code, (value, constant), name, shape)


def network() -> bytes:
    """The network as a .tflite, with what its input and outputs mean."""
    graph = Graph()
    image = graph.tensor("image", (1, HEIGHT, WIDTH, 3))
    inside = _inside(graph, image)
    ends = {axis: _ends(graph, inside, axis, size) for axis, size in (("x", WIDTH), ("y", HEIGHT))}
    sides = [ends[axis][end] for end in (0, 1) for axis in ("x", "y")]
    boxes = graph.op("PACK", sides, "boxes", (1, 3, 4), values_count=4, axis=2)
    scores = _scores(graph, inside, ends)
    none = graph.with_number("MUL", scores, np.float32(0), "no_class", (1, 3))
    classes = graph.with_number("ADD", none, np.arange(3.0), "classes", (1, 3))
    main = TfSubgraph(
        "main", tuple(graph.tensors), tuple(graph.ops), (image,), (boxes, scores, classes)
    )
    before = PreprocessSpec((ImageInput("image", HEIGHT, WIDTH),))
    after = ListedSpec(
        "scores", "boxes", LABELS, 3, classes="classes", box_order="xyxy", score_threshold=0.5
    )
    return embed(
        write_model(TfModel(3, "shapes of edgecnn's test pattern", (main,))),
        {
            PREPROCESS: json.dumps(before.to_json()).encode(),
            POSTPROCESS: json.dumps(postprocess.to_json(after)).encode(),
        },
    )


def _inside(graph: Graph, image: int) -> int:
    """1 where a pixel has a shape's colour, else 0: (1, height, width, shapes)."""
    red, green, blue = np.eye(3)
    # Of each shape: its colour less the mean of the others.
    weights = np.stack([1.5 * colour - 0.5 for colour in (red, green, blue)])
    steep = 1e4
    colour = graph.tensor("colours", (3, 1, 1, 3), steep * weights)
    least = graph.tensor("least", (3,), np.full(3, -steep * LEAST_COLOUR))
    six = graph.op(
        "CONV_2D", (image, colour, least), "is_coloured", (1, HEIGHT, WIDTH, 3), padding="VALID",
        stride_w=1, stride_h=1, fused_activation_function="RELU6",
    )  # fmt: skip
    return graph.with_number("MINIMUM", six, np.float32(1), "inside", (1, HEIGHT, WIDTH, 3))


def _reduced(graph: Graph, code: str, value: int, axes: Any, name: str, shape: Any) -> int:
    along = graph.tensor(f"{name}_along", np.shape(axes), np.asarray(axes, np.int32))
    return graph.op(code, (value, along), name, shape, keep_dims=False)


def _ends(graph: Graph, inside: int, axis: str, size: int) -> tuple[int, int]:
    """First pixel of each shape along an axis, and the one after its last: (1, shapes) each."""
    other = {"x": (1,), "y": (2,)}[axis]
    there = _reduced(graph, "REDUCE_MAX", inside, other, f"any_{axis}", (1, size, 3))
    places = np.arange(size, dtype=np.float32).reshape(1, size, 1)
    up = graph.with_number("MUL", there, places + 1, f"{axis}_up", (1, size, 3))
    down = graph.with_number("MUL", there, size - places, f"{axis}_down", (1, size, 3))
    last = _reduced(graph, "REDUCE_MAX", up, (1,), f"{axis}2", (1, 3))
    room = _reduced(graph, "REDUCE_MAX", down, (1,), f"{axis}_room", (1, 3))
    back = graph.with_number("MUL", room, np.float32(-1), f"{axis}_back", (1, 3))
    return graph.with_number("ADD", back, np.float32(size), f"{axis}1", (1, 3)), last


def _scores(graph: Graph, inside: int, ends: dict[str, tuple[int, int]]) -> int:
    """How well each shape's pixels fill their rectangle: 1: as they should; 0: there are none."""
    area = _reduced(graph, "SUM", inside, (1, 2), "area", (1, 3))
    sides = [
        graph.op("SUB", (last, first), f"side_{axis}", (1, 3))
        for axis, (first, last) in ends.items()
    ]
    whole = graph.op("MUL", sides, "rectangle", (1, 3))
    # Where there is nothing both sides are negative, and the product is not zero.
    filled = graph.op("DIV", (area, whole), "filled", (1, 3))
    off = graph.with_number("SUB", filled, np.array(COVERED), "off", (1, 3))
    wrong = graph.op("ABS", (off,), "wrong", (1, 3))
    less = graph.with_number("MUL", wrong, np.float32(-1.5), "less", (1, 3))
    form = graph.with_number("ADD", less, np.float32(1), "form", (1, 3))
    share = graph.with_number("MUL", area, np.float32(1 / LEAST_PIXELS), "share", (1, 3))
    enough = graph.with_number("MINIMUM", share, np.float32(1), "enough", (1, 3))
    product = graph.op("MUL", (form, enough), "product", (1, 3))
    return graph.with_number("MAXIMUM", product, np.float32(0), "scores", (1, 3))


def main() -> None:
    """Writes the network."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", nargs="?", type=Path, default=Path("shapes.tflite"))
    file = parser.parse_args().file
    write_atomic(file, network())
    print(f"wrote {file}; next: edgecnn detect --source test --model {file}")


if __name__ == "__main__":
    main()
