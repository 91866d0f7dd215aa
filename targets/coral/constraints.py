"""What the Edge TPU compiler takes: the table of ops and the judgement of one op.

The table follows Coral's list of operations for compiler 16; where compiled files contradict it,
the files are right (``TILE``, a softmax of 16,384, dilation across one tap).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edgecnn.core.tflite.compiled import EDGE_TPU_OP
from edgecnn.core.tflite.model import DType, TfSubgraph
from targets.coral.rules import general, layers, shapes
from targets.coral.rules.view import BAD_TYPE, LIMITATION, NOT_SUPPORTED, OpView, Rule

SUPPORTED: dict[str, tuple[Rule, ...]] = {**layers.RULES, **shapes.RULES}

_ON_HOST = "leave it out of the model and compute it on the host after the Edge TPU"
REWRITES = {
    "ABS": "use MAXIMUM(x, 0 - x)",
    "ARG_MAX": _ON_HOST,
    "ARG_MIN": _ON_HOST,
    "BATCH_MATMUL": "use a dense layer or a 1×1 convolution with constant weights",
    "BATCH_TO_SPACE_ND": "fix the input's size and batch, so that dilation stays in CONV_2D",
    "BIDIRECTIONAL_SEQUENCE_LSTM": "use two unidirectional LSTM layers, one on reversed input",
    "BROADCAST_TO": "let ADD or MUL broadcast, or use tf.tile",
    "CAST": "keep one 8-bit type throughout",
    "DEPTH_TO_SPACE": "use Conv2DTranspose or UpSampling2D",
    "DEQUANTIZE": "convert with int8 outputs (inference_output_type=tf.int8); at the end of the"
    " model it costs little",
    "DIV": "multiply by the reciprocal, as a constant",
    "ELU": "use ReLU or ReLU6 and train again",
    "FLOOR_DIV": _ON_HOST,
    "FLOOR_MOD": _ON_HOST,
    "GATHER": "use SLICE or STRIDED_SLICE with fixed positions",
    "GATHER_ND": "use SLICE or STRIDED_SLICE with fixed positions",
    "GELU": "use ReLU or ReLU6 and train again",
    "HARD_SWISH": "use ReLU6 and train again",
    "LEAKY_RELU": "use ReLU, ReLU6 or PReLU(shared_axes=[1, 2]) and train again",
    "LOG_SOFTMAX": _ON_HOST,
    "MIRROR_PAD": "use zero padding",
    "NEG": "subtract from zero, or fold the sign into the next layer's weights",
    "NON_MAX_SUPPRESSION_V4": _ON_HOST,
    "NON_MAX_SUPPRESSION_V5": _ON_HOST,
    "PADV2": "pad with zeros",
    "POW": "use MUL(x, x) for a square",
    "SHAPE": "give the Keras Input a fixed batch and size",
    "SPACE_TO_BATCH_ND": "fix the input's size and batch, so that dilation stays in CONV_2D",
    "SPLIT_V": "split into equal parts, or use SLICE",
    "SQRT": "use RSQRT and a multiplication",
    "SQUARE": "use MUL(x, x)",
    "TOPK_V2": _ON_HOST,
    "UNPACK": "use SPLIT and RESHAPE",
    "CUSTOM": _ON_HOST,
}


@dataclass(frozen=True)
class Miss:
    """A limit that an op misses.

    Attributes:
        rule: the limit's name.
        status: the compiler's words.
        allowed: the limit in words.
        got: what the op has.
        rewrite: what to change, or None.
    """

    rule: str
    status: str
    allowed: str
    got: str
    rewrite: str | None

    @property
    def text(self) -> str:
        """``allowed (got …)``."""
        return f"{self.allowed.rstrip('.')} (got {self.got})"


def reason(found: Sequence[Miss]) -> str:
    """All misses in words, each status once: ``status: allowed (got …), allowed (got …)``."""
    groups: dict[str, list[str]] = {}
    for miss in found:
        groups.setdefault(miss.status, []).append(miss.text)
    return "; ".join(f"{status}: {', '.join(texts)}" for status, texts in groups.items())


def misses(op: OpView) -> tuple[Miss, ...]:
    """Every limit that the op misses, apart from static shapes; empty: it can be mapped."""
    code = op.op.code
    if op.op.custom_code == EDGE_TPU_OP:
        return ()  # compiled already
    if is_boundary_quantize(op):
        return (
            Miss(
                "float_boundary",
                LIMITATION,
                "Quantizing the float input stays on the CPU; the ops behind it can be mapped.",
                "a float input",
                "convert with int8 or uint8 inputs (inference_input_type=tf.int8)",
            ),
        )
    found = list(_missed(op, general.TYPES))
    if code not in SUPPORTED:
        found.append(
            Miss(
                "supported_op",
                NOT_SUPPORTED,
                "The op must be in the compiler's table of operations.",
                op.op.display_code,
                REWRITES.get(code, "replace it by ops of the table, or move it to the model's end"),
            )
        )
        return tuple(found)
    return (*found, *_missed(op, SUPPORTED[code]), *_missed(op, general.GENERAL))


def static_miss(op: OpView) -> Miss | None:
    """The miss that makes the compiler refuse the whole model: an unknown output shape."""
    return next(iter(_missed(op, (general.STATIC,))), None)


def is_boundary_quantize(op: OpView) -> bool:
    """Whether the op turns a float input of the model, or one cast to float, into 8 bits.

    The compiler leaves it on the CPU and still maps what follows.
    """
    data, output = op.input(0), op.output
    return (
        op.op.code == "QUANTIZE"
        and data is not None
        and output is not None
        and _is_model_input(op.graph, data.index)
        and data.dtype is DType.FLOAT32
        and output.dtype in (DType.INT8, DType.UINT8)
    )


def _is_model_input(graph: TfSubgraph, tensor: int) -> bool:
    """Whether the tensor is an input of the model, or one that only CAST has touched."""
    casts = {op.outputs[0]: op.inputs[0] for op in graph.operators if op.code == "CAST"}
    return tensor in graph.inputs or casts.get(tensor) in graph.inputs


def _missed(op: OpView, rules: tuple[Rule, ...]) -> list[Miss]:
    found = []
    for rule in rules:
        got = rule.check(op)
        if got is not None:
            rewrite = rule.rewrite
            if rule.status == BAD_TYPE:
                rewrite = REWRITES.get(op.op.code, rewrite)
            found.append(Miss(rule.check.__name__, rule.status, rule.message, got, rewrite))
    return found
