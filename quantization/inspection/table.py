"""The layer table: what can be said of a .tflite without running it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from edgecnn.core.tflite.model import NO_TENSOR, DType, TfModel, TfOperator, TfSubgraph, TfTensor
from quantization.audit import FLOATS
from quantization.graph.macs import multiply_accumulates
from quantization.inspection.pairing import CROSSINGS, QUANTIZED, is_coded
from quantization.inspection.weights import weight_tensor


@dataclass(frozen=True)
class OpRow:
    """One op of the main subgraph.

    Attributes:
        index, op, name: position, code and layer name.
        shape: of the first output.
        macs: multiplications of one inference; 0 for ops without weights or matrices.
        weight_bytes: all constants that the op reads, as stored; those that several ops share
            count at the first.
        weight_dtype: of the filter or matrix; None without one.
        weight_scale: smallest and largest scale of the filter; None without scales.
        weight_zero_point: the same of its zero points.
        granularity: ``per-channel`` or ``per-tensor`` weights; None without scales.
        scale, zero_point: of the output; None for float.
        precision: ``int8``, ``uint8``, ``int16``, ``float32`` …; ``hybrid`` for float activations
            with integer weights; ``int32`` and the like for shape arithmetic.
        island: a float op in a quantized model.
    """

    index: int
    op: str
    name: str
    shape: tuple[int, ...]
    macs: int
    weight_bytes: int
    weight_dtype: str | None
    weight_scale: tuple[float, float] | None
    weight_zero_point: tuple[int, int] | None
    granularity: str | None
    scale: float | None
    zero_point: int | None
    precision: str
    island: bool = False

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        values = asdict(self)
        for key in ("shape", "weight_scale", "weight_zero_point"):
            values[key] = list(values[key]) if values[key] is not None else None
        return values


@dataclass(frozen=True)
class LayerTable:
    """All ops, and sums over them.

    Attributes:
        rows: in the model's order.
        quantized: whether any op computes with integer activations.
    """

    rows: tuple[OpRow, ...]
    quantized: bool

    @property
    def macs(self) -> int:
        """Of one inference."""
        return sum(row.macs for row in self.rows)

    @property
    def weight_bytes(self) -> int:
        """Of all constants that ops read."""
        return sum(row.weight_bytes for row in self.rows)

    @property
    def islands(self) -> tuple[OpRow, ...]:
        """Float ops in a quantized model."""
        return tuple(row for row in self.rows if row.island)

    @property
    def precisions(self) -> Mapping[str, int]:
        """Precision → number of ops, the commonest first."""
        return dict(Counter(row.precision for row in self.rows).most_common())

    def totals(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "ops": len(self.rows),
            "macs": self.macs,
            "weight_bytes": self.weight_bytes,
            "precisions": dict(self.precisions),
            "float_islands": len(self.islands),
        }


def layer_table(model: TfModel) -> LayerTable:
    """The table of the main subgraph."""
    graph = model.main
    quantized = any(
        is_coded(graph.tensors[op.outputs[0]])
        for op in graph.operators
        if op.outputs and op.code not in CROSSINGS
    )
    counted: set[int] = set()
    rows = []
    for op in graph.operators:
        constants = _constants(graph, op)
        fresh = [tensor for tensor in constants if tensor.index not in counted]
        counted |= {tensor.index for tensor in fresh}
        rows.append(_row(graph, op, sum(tensor.nbytes for tensor in fresh), quantized=quantized))
    return LayerTable(tuple(rows), quantized)


def _row(graph: TfSubgraph, op: TfOperator, nbytes: int, *, quantized: bool) -> OpRow:
    output = graph.tensors[op.outputs[0]] if op.outputs else None
    weights = weight_tensor(graph, op)
    found = weights.quantization if weights is not None else None
    coded = weights is not None and weights.dtype not in FLOATS and found is not None
    own = output.quantization if output is not None and output.dtype in QUANTIZED else None
    return OpRow(
        index=op.index,
        op=op.display_code,
        name=graph.op_name(op),
        shape=output.shape if output is not None else (),
        macs=multiply_accumulates(graph, op),
        weight_bytes=nbytes,
        weight_dtype=weights.dtype.value if weights is not None else None,
        weight_scale=(min(found.scale), max(found.scale)) if coded and found else None,
        weight_zero_point=(
            (min(found.zero_point), max(found.zero_point)) if coded and found else None
        ),
        granularity=_granularity(found.per_tensor) if coded and found else None,
        scale=own.scale[0] if own else None,
        zero_point=own.zero_point[0] if own else None,
        precision=precision(graph, op),
        island=quantized and stays_float(graph, op),
    )


def _granularity(per_tensor: bool) -> str:
    return "per-tensor" if per_tensor else "per-channel"


def precision(graph: TfSubgraph, op: TfOperator) -> str:
    """What an op computes with; see :class:`OpRow`."""
    weights = weight_tensor(graph, op)
    floats = next((t.dtype for t in _computed(graph, op) if t.dtype in FLOATS), None)
    if op.code in CROSSINGS:
        integers = next((t.dtype for t in _computed(graph, op) if t.dtype in QUANTIZED), None)
        return integers.value if integers is not None else "float32"
    if floats is not None:
        integer = weights is not None and weights.dtype not in FLOATS
        return "hybrid" if integer and weights is not None else floats.value
    output = graph.tensors[op.outputs[0]].dtype if op.outputs else DType.INT32
    inner = next((t.dtype for t in _computed(graph, op) if t.dtype in QUANTIZED), output)
    return inner.value


def stays_float(graph: TfSubgraph, op: TfOperator) -> bool:
    """Whether an op computes in float (crossings to and from integers do not count)."""
    return op.code not in CROSSINGS and any(t.dtype in FLOATS for t in _computed(graph, op))


def _computed(graph: TfSubgraph, op: TfOperator) -> list[TfTensor]:
    """Outputs and inputs that are no constants."""
    return [
        graph.tensors[index]
        for index in (*op.outputs, *op.inputs)
        if index != NO_TENSOR and graph.tensors[index].data is None
    ]


def _constants(graph: TfSubgraph, op: TfOperator) -> list[TfTensor]:
    return [
        graph.tensors[index]
        for index in op.inputs
        if index != NO_TENSOR and graph.tensors[index].data is not None
    ]
