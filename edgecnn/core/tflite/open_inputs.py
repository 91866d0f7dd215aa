"""Inputs whose size a file leaves open, given a size: the file says it from then on.

Ops decide the sizes of all other tensors anew when an interpreter prepares the model, so the
inputs' are all that has to change.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping

from edgecnn.core.errors import DataError, ModelError
from edgecnn.core.tensor_info import open_shapes, tensor_infos
from edgecnn.core.tflite.model import TfModel
from edgecnn.core.tflite.reader import read_model
from edgecnn.core.tflite.walker import Walker

_SUBGRAPHS, _TENSORS = 2, 0
_SHAPE, _SIGNATURE = 0, 7


def with_input_shapes(
    data: bytes, read: TfModel, shapes: Mapping[str, tuple[int, ...]]
) -> tuple[bytes, TfModel]:
    """The same file with sizes for inputs that have none.

    Args:
        data: a .tflite file that the reader takes.
        read: what it holds.
        shapes: an input's name → its shape, batch 1 included.

    Raises:
        DataError: no such input, or a size that the file fixes is another.
        ModelError: the file keeps shapes where they cannot be changed one by one.
    """
    open_ = open_shapes(read)
    names = [info.name for info in tensor_infos(read)[0]]
    for name, shape in shapes.items():
        _check(name, shape, open_, names)
    walker = Walker(data, "model")
    graphs = walker.root().tables(_SUBGRAPHS, "subgraph", len(read.subgraphs))
    tensors = graphs[0].tables(_TENSORS, "tensor", len(read.main.tensors))
    out = bytearray(data)
    for name, index in zip(names, read.main.inputs, strict=True):
        for slot in (_SHAPE, _SIGNATURE) if name in shapes else ():
            place = tensors[index].field(slot, 4)
            if place:
                start, count = walker.vector(walker.follow(place, "a shape"), 4, "a shape")
                struct.pack_into(f"<{count}i", out, start, *shapes[name])
    changed = bytes(out)
    again = read_model(changed)
    kept = (tensor.index for tensor in read.main.tensors if tensor.data is not None)
    if any(again.main.tensors[k].shape != read.main.tensors[k].shape for k in kept):
        raise ModelError(
            "the sizes of the model's inputs cannot be set: constants share their shapes",
            hint="export the model with a fixed input size",
        )
    return changed, again


def _check(
    name: str, shape: tuple[int, ...], open_: Mapping[str, tuple[int, ...]], names: list[str]
) -> None:
    fixed = open_.get(name)
    good = fixed is not None and len(fixed) == len(shape)
    good = good and all(
        size > 0 and allowed in (-1, size) for size, allowed in zip(shape, fixed or (), strict=True)
    )
    if not good:
        allowed_text = f"{list(fixed)} (-1 is open)" if fixed else "not open"
        raise DataError(
            f"the input '{name}' cannot take the shape {list(shape)}: it is {allowed_text}",
            hint=f"the model's inputs: {', '.join(names)}",
        )
