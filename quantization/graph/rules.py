"""What each op asks of a quantizer: one row per op that LiteRT has integer kernels for.

Found by running every op in LiteRT 2.3.0 (``tests/quantization/graph/test_rules.py`` runs each
row); versions are those that TensorFlow's converter writes. An op without a row stays float.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from edgecnn.core.tflite.model import (
    NO_TENSOR,
    DType,
    Quantization,
    TfModel,
    TfOperator,
    TfSubgraph,
)
from quantization.work import Range


@dataclass(frozen=True)
class WeightRule:
    """Where an op keeps its weights.

    Attributes:
        slot: input slot of the weights.
        axis: of the output channels.
        bias: input slot of the bias.
        dense: a fully connected layer, for the recipe's granularity.
    """

    slot: int
    axis: int
    bias: int
    dense: bool = False


@dataclass(frozen=True)
class OpRule:
    """One op.

    Attributes:
        code: BuiltinOperator name.
        versions: ``int8``/``int16`` → op version; a dtype that is absent has no kernel.
        weights: None for ops without weights.
        tie: data operands and outputs must share scale and zero point.
        moves: outputs hold values of the one data operand (or zeros) and nothing else.
        saturates: constants among tied operands may lie outside the others' range.
        fixed: ``int8``/``int16`` → scale and zero point that the output must have.
        real: where ``fixed``: the real range of the output.
        floors: ``int8``/``int16`` → smallest output scale / (largest input scale)ᵖ, p being
            ``power``, times the weights' scale where there are weights; LiteRT stops below.
        power: see ``floors``.
    """

    code: str
    versions: Mapping[str, int]
    weights: WeightRule | None = None
    tie: bool = False
    moves: bool = False
    saturates: bool = False
    fixed: Mapping[str, Quantization] = field(default_factory=lambda: MappingProxyType({}))
    real: Range | None = None
    floors: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    power: int = 1

    @property
    def light(self) -> bool:
        """Whether the op only moves or compares values, so that it may follow its neighbours."""
        return self.tie


@dataclass(frozen=True)
class WeightedOp:
    """An op with constant float32 weights.

    Attributes:
        op: in the main subgraph.
        weights: tensor index.
        bias: tensor index of the constant bias; None without one.
        axis: of the output channels in the weights.
        dense: a fully connected layer.
    """

    op: TfOperator
    weights: int
    bias: int | None
    axis: int
    dense: bool


def rule(code: str) -> OpRule | None:
    """The row of that op; None: it has no integer kernel and stays float."""
    return RULES.get(code)


def data_slots(graph: TfSubgraph, op: TfOperator) -> tuple[int, ...]:
    """Input slots that hold float32 values to be quantized as activations (constants too)."""
    row = RULES.get(op.code)
    skip = (row.weights.slot, row.weights.bias) if row and row.weights else ()
    return tuple(
        slot
        for slot, index in enumerate(op.inputs)
        if index != NO_TENSOR and slot not in skip and graph.tensors[index].dtype is DType.FLOAT32
    )


def weighted_ops(model: TfModel) -> tuple[WeightedOp, ...]:
    """Ops of the main subgraph whose weights are float32 constants, in order."""
    graph = model.main
    found = []
    for op in graph.operators:
        row = RULES.get(op.code)
        if row is None or row.weights is None:
            continue
        place = row.weights
        weights = op.inputs[place.slot] if len(op.inputs) > place.slot else NO_TENSOR
        if weights == NO_TENSOR or not _is_constant(graph, weights):
            continue
        bias = op.inputs[place.bias] if len(op.inputs) > place.bias else NO_TENSOR
        known = bias if bias != NO_TENSOR and _is_constant(graph, bias) else None
        found.append(WeightedOp(op, weights, known, place.axis, place.dense))
    return tuple(found)


def _is_constant(graph: TfSubgraph, index: int) -> bool:
    tensor = graph.tensors[index]
    return tensor.data is not None and tensor.dtype is DType.FLOAT32


# Op, version for int8, version for int16 (0: no kernel, or one that is wrong: LiteRT's int16
# comparisons and PRELU give other results than their float kernels). DIV is not here: it ends
# with an error where a divisor rounds to 0. NEG is not either: its int8 kernel ignores scales;
# both are written as MUL where that can be (lower.py). HARD_SWISH and SQUARED_DIFFERENCE have
# no int16 kernel, but are composed of ops that have one (compose.py).
_FREE = """
ABS 2 3  ADD 2 3  ARG_MAX 2 0  ARG_MIN 2 0  BATCH_MATMUL 2 3  ELU 1 0  EXP 2 2  GELU 2 1
HARD_SWISH 1 1  LEAKY_RELU 1 2  LOG 2 2  MEAN 2 3  MUL 2 4  PRELU 1 0  REDUCE_PROD 2 2
RELU 2 3  RELU6 2 3  RELU_0_TO_1 1 0  RELU_N1_TO_1 1 0  RSQRT 2 3  SQRT 2 2
SQUARED_DIFFERENCE 2 1  SUB 2 5  SUM 2 2
EQUAL 2 0  NOT_EQUAL 2 0  GREATER 2 0  GREATER_EQUAL 2 0  LESS 2 0  LESS_EQUAL 2 0
"""
_MOVING = """
AVERAGE_POOL_2D 2 3  BATCH_TO_SPACE_ND 2 4  BROADCAST_TO 3 3  DEPTH_TO_SPACE 1 0
EXPAND_DIMS 1 1  GATHER 2 4  GATHER_ND 1 3  MAX_POOL_2D 2 3  MIRROR_PAD 2 3  PAD 2 3
REDUCE_MAX 2 3  REDUCE_MIN 2 3  RESHAPE 1 1  RESIZE_BILINEAR 2 4  RESIZE_NEAREST_NEIGHBOR 2 4
REVERSE_V2 3 3  SLICE 2 4  SPACE_TO_BATCH_ND 2 4  SPACE_TO_DEPTH 2 0  SPLIT 2 4  SPLIT_V 2 2
SQUEEZE 1 1  STRIDED_SLICE 2 1  TILE 1 1  TOPK_V2 2 3  TRANSPOSE 2 5  UNPACK 2 4
"""
_JOINING = """
CONCATENATION 2 3  PACK 2 3  SELECT 2 1  SELECT_V2 1 1  FILL 3 3  DYNAMIC_UPDATE_SLICE 1 4
EMBEDDING_LOOKUP 1 1
"""
_SATURATING = "MAXIMUM 2 4  MINIMUM 2 4  PADV2 2 3"
_WEIGHTED = {
    "CONV_2D": ("3 4", WeightRule(1, 0, 2)),
    "DEPTHWISE_CONV_2D": ("3 5", WeightRule(1, 3, 2)),
    "TRANSPOSE_CONV": ("2 3", WeightRule(1, 0, 3)),
    "FULLY_CONNECTED": ("4 7", WeightRule(1, 0, 2, dense=True)),
}
# Op: versions, (scale, zero point) of int8, of int16 (None: no kernel), real range.
_UNIT_16 = (1 / 32768, 0)
_FIXED = {
    "SOFTMAX": ("2 3", (1 / 256, -128), _UNIT_16, Range(0.0, 1.0)),
    "LOGISTIC": ("2 3", (1 / 256, -128), _UNIT_16, Range(0.0, 1.0)),
    "TANH": ("2 3", (1 / 128, 0), _UNIT_16, Range(-1.0, 1.0)),
    "L2_NORMALIZATION": ("2 0", (1 / 128, 0), None, Range(-1.0, 1.0)),
    "LOG_SOFTMAX": ("2 0", (16 / 256, 127), None, Range(-16.0, 0.0)),
}
# Sums are shifted left by so many bits first, and must be shifted back to the right; HARD_SWISH
# must shrink 1/128 of its input's steps; FULLY_CONNECTED compares the bias's scale, a float32,
# with the exact product in steps of the output.
_FLOORS: Mapping[str, tuple[Mapping[str, float], int]] = {
    "ADD": ({"int8": 2.0 / 2**20, "int16": 2.0 / 2**15}, 1),
    "SUB": ({"int8": 2.0 / 2**20, "int16": 2.0 / 2**15}, 1),
    "SQUARED_DIFFERENCE": ({"int8": 4.0 / 2**14}, 2),
    "HARD_SWISH": ({"int8": 1.0 / 128}, 1),
    "FULLY_CONNECTED": ({"int8": 2.0**-18, "int16": 2.0**-18}, 1),
}


def _rows(text: str) -> list[tuple[str, Mapping[str, int]]]:
    words = text.split()
    return [
        (words[k], _versions(f"{words[k + 1]} {words[k + 2]}")) for k in range(0, len(words), 3)
    ]


def _versions(text: str) -> Mapping[str, int]:
    pairs = zip(("int8", "int16"), map(int, text.split()), strict=True)
    return MappingProxyType({dtype: version for dtype, version in pairs if version})


def _fixed_row(
    code: str,
    versions: str,
    int8: tuple[float, int],
    int16: tuple[float, int] | None,
    real: Range,
) -> OpRule:
    fixed = {"int8": Quantization((int8[0],), (int8[1],))}
    if int16 is not None:
        fixed["int16"] = Quantization((int16[0],), (int16[1],))
    return OpRule(code, _versions(versions), fixed=MappingProxyType(fixed), real=real)


def _free_row(code: str, versions: Mapping[str, int]) -> OpRule:
    floors, power = _FLOORS.get(code, ({}, 1))
    return OpRule(code, versions, floors=MappingProxyType(dict(floors)), power=power)


def _weighted_row(code: str, versions: str, weights: WeightRule) -> OpRule:
    row = _free_row(code, _versions(versions))
    return replace(row, weights=weights)


def _table() -> dict[str, OpRule]:
    found = [_free_row(*row) for row in _rows(_FREE)]
    found += [OpRule(code, row, tie=True, moves=True) for code, row in _rows(_MOVING)]
    found += [OpRule(code, row, tie=True) for code, row in _rows(_JOINING)]
    found += [OpRule(code, row, tie=True, saturates=True) for code, row in _rows(_SATURATING)]
    found += [_weighted_row(code, *row) for code, row in _WEIGHTED.items()]
    found += [_fixed_row(code, *row) for code, row in _FIXED.items()]
    return {row.code: row for row in sorted(found, key=lambda row: row.code)}


RULES: Mapping[str, OpRule] = MappingProxyType(_table())
"""BuiltinOperator name → its row."""
