"""Op versions that LiteRT's reference kernels run, but do not list.

The table of the reference kernels (BUILTIN_REF) stops at older versions than that of the optimised
ones, though the code behind it knows the newer dtypes: TILE 3, for example, is TILE 2 with int8,
and what a Keras ``UpSampling2D`` becomes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from edgecnn.core.tflite.model import TfModel, TfOperator
from edgecnn.core.tflite.writer import write_model

LISTED: Mapping[str, int] = MappingProxyType(
    {
        "ABS": 3, "ARG_MAX": 2, "ARG_MIN": 2, "DEPTH_TO_SPACE": 1, "GELU": 2, "SQUEEZE": 1,
        "STRIDED_SLICE": 4, "TILE": 2, "TRANSPOSE": 8,
    }
)  # fmt: skip
"""The newest versions in the table of ai-edge-litert 2.3, of ops whose kernels do more than that.
"""


def with_listed_versions(model: bytes, read: TfModel) -> bytes:
    """The same model with versions that the reference kernels list; the same bytes if it has them.

    Args:
        model: the file.
        read: what it holds.

    Raises:
        ModelError: the model cannot be written again (sparse tensors).
    """
    operators = (op for graph in read.subgraphs for op in graph.operators)
    if all(op.version == _version(op) for op in operators):
        return model
    graphs = (
        replace(graph, operators=tuple(replace(op, version=_version(op)) for op in graph.operators))
        for graph in read.subgraphs
    )
    return write_model(replace(read, subgraphs=tuple(graphs)))


def _version(op: TfOperator) -> int:
    return min(op.version, LISTED.get(op.code, op.version))
