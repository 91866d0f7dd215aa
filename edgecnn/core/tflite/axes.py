"""Quantized dimensions that a tensor's shape lacks, corrected for LiteRT.

A bias has one dimension, and its ``quantized_dimension`` is never used. Files in the field carry 3
there (that of the depthwise filter beside it): TensorFlow Lite Micro runs them, LiteRT refuses
them. Our reader takes such a dimension as 0 and leaves a note; LiteRT gets the file so corrected.
"""

from __future__ import annotations

import struct

from edgecnn.core.tflite.model import TfModel
from edgecnn.core.tflite.walker import Walker

_SUBGRAPHS, _TENSORS = 2, 0
_QUANTIZATION, _AXIS = 4, 6


def with_valid_axes(data: bytes, read: TfModel) -> bytes:
    """The same file with 0 for every quantized dimension that its tensor's shape lacks.

    Args:
        data: a .tflite file that the reader takes.
        read: what it holds.

    Returns:
        The given bytes where nothing had to be corrected.
    """
    if not read.notes:
        return data
    walker = Walker(data, "model")
    graphs = walker.root().tables(_SUBGRAPHS, "subgraph", len(read.subgraphs))
    out = bytearray(data)
    for number, graph in enumerate(read.subgraphs):
        tensors = graphs[number].tables(_TENSORS, "tensor", len(graph.tensors))
        for index in range(len(tensors)):
            table = tensors[index].table(_QUANTIZATION, "the quantization")
            place = table.field(_AXIS, 4) if table is not None else 0
            if place and not 0 <= walker.scalar(place, "i4", "the axis") < max(
                1, len(graph.tensors[index].shape)
            ):
                struct.pack_into("<i", out, place, 0)
    return bytes(out)
