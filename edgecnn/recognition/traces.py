"""Where an output's values come from: the ops behind those that only move them about."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from edgecnn.core.tflite.model import TfModel, TfOperator
from edgecnn.recognition.facts import Facts

# Ops that leave values as they are, or nearly so; all but the joining ones read input 0.
_JOINING = ("CONCATENATION", "PACK")
_MOVING = (
    *_JOINING, "RESHAPE", "SQUEEZE", "EXPAND_DIMS", "TRANSPOSE", "CAST", "QUANTIZE", "DEQUANTIZE",
    "SLICE", "STRIDED_SLICE", "SPLIT", "UNPACK", "PAD", "IDENTITY",
)  # fmt: skip
_ACTIVATIONS = ("LOGISTIC", "SOFTMAX")
_MOST_STEPS = 4096
_SLACK = 0.02
# Fewer values in [0, 1] may be there by chance.
_ENOUGH = 64


def tensor_of(facts: Facts, output: str) -> int | None:
    """The tensor of an output, by its number in the main graph; None without a graph."""
    names = [info.name for info in facts.outputs]
    if facts.graph is None or output not in names:
        return None
    place = names.index(output)
    there = facts.graph.main.outputs
    return there[place] if place < len(there) else None


def behind(graph: TfModel, tensor: int) -> Iterator[tuple[int, TfOperator | None]]:
    """The tensor and all that it is moved from, each with the op that writes it, nearest first."""
    writers = {index: op for op in graph.main.operators for index in op.outputs}
    queue, seen = [tensor], {tensor}
    while queue and len(seen) < _MOST_STEPS:
        index = queue.pop(0)
        op = writers.get(index)
        yield index, op
        if op is None or op.code not in _MOVING:
            continue
        read = op.inputs if op.code in _JOINING else op.inputs[:1]
        fresh = [item for item in dict.fromkeys(read) if item >= 0 and item not in seen]
        seen.update(fresh)
        queue.extend(fresh)


def activated(facts: Facts, output: str) -> str:
    """Why the values of an output are probabilities already; empty: nothing says so.

    A sigmoid or softmax that writes them says so, quantization from 0 to 1, or the values on the
    photo.
    """
    tensor = tensor_of(facts, output)
    if facts.graph is not None and tensor is not None:
        ops = [op for _, op in behind(facts.graph, tensor) if op and op.code not in _MOVING]
        if ops and all(op.code in _ACTIVATIONS for op in ops):
            return f"the op {ops[0].code} makes '{output}' probabilities"
    info = next(item for item in facts.outputs if item.name == output)
    if info.scale is not None and info.dtype in ("int8", "uint8"):
        limits = np.iinfo(info.dtype)
        low, high = (
            (end - (info.zero_point or 0)) * info.scale for end in (limits.min, limits.max)
        )
        if abs(low) <= _SLACK and abs(high - 1) <= _SLACK:
            return f"the codes of '{output}' reach from 0 to 1"
    values = facts.values(output)
    if (
        values is not None
        and values.size >= _ENOUGH
        and bool(((values >= 0) & (values <= 1)).all())
    ):
        return f"all values of '{output}' on a photo are between 0 and 1"
    return ""
