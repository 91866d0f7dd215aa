"""Does a converted file hold what its recipe promises? A conversion that succeeds may not.

TensorFlow's converter leaves ops without an int8 kernel in float, between DEQUANTIZE and QUANTIZE,
and says nothing. Here each op is looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType

from edgecnn.core.errors import QuantizationError, UnknownNameError
from edgecnn.core.tflite.hazards import SOFTMAX_FACTOR, softmax_aborts
from edgecnn.core.tflite.model import NO_TENSOR, DType, TfModel, TfOperator, TfSubgraph
from quantization.types import Finding

FLOATS = frozenset({DType.FLOAT32, DType.FLOAT16, DType.FLOAT64, DType.BFLOAT16})
# Shape arithmetic, indices and masks are integers of other kinds in a full int8 model too.
_INTEGERS = frozenset({DType.INT8, DType.INT32, DType.INT64, DType.BOOL, DType.UINT32})
_FILTER_AXIS = MappingProxyType({"CONV_2D": 0, "DEPTHWISE_CONV_2D": 3, "TRANSPOSE_CONV": 0})
_CROSSINGS = frozenset({"QUANTIZE", "DEQUANTIZE"})
# 255 steps of this span 0.000025; the converter itself stops at 0.000002.
_DEAD_SCALE = 1e-7
_CURES: Mapping[str, str] = MappingProxyType(
    {
        "ELU": "Use relu, relu6 or hard_silu instead of elu (selu).",
        "NEG": "LayerNormalization and the like do this: use BatchNormalization.",
        "SQUARED_DIFFERENCE": "LayerNormalization and the like do this: use BatchNormalization.",
        "RSQRT": "LayerNormalization and the like do this: use BatchNormalization.",
        "CONV_3D": "Use Conv2D: there is no int8 kernel for Conv3D.",
        "EXP": "Use sigmoid, softmax or hard_silu instead of exp.",
        "LOG": "Leave the logarithm out of the model; take it in postprocessing.",
        "NON_MAX_SUPPRESSION_V5": "Leave NMS out of the model: edgecnn does it in postprocessing.",
        "NON_MAX_SUPPRESSION_V4": "Leave NMS out of the model: edgecnn does it in postprocessing.",
    }
)
_DEFAULT_CURE = "Replace this layer by one with an int8 kernel, or use the recipe float32."


def audit(model: TfModel, expect: str = "int8") -> tuple[Finding, ...]:
    """Everything in ``model`` that is not as ``expect`` promises, in op order.

    Args:
        model: a parsed .tflite.
        expect: ``int8``: int8 inputs and outputs, no float op, builtin ops only, one filter scale
            per output channel, a softmax that LiteRT can run; ``float32``: builtin ops only.

    Raises:
        UnknownNameError: ``expect`` is neither.
    """
    rules = _RULES.get(expect)
    if rules is None:
        raise UnknownNameError("audit", expect, tuple(_RULES))
    return tuple(finding for rule in rules for finding in rule(model))


def require(model: TfModel, expect: str) -> None:
    """Raises unless :func:`audit` finds nothing.

    Raises:
        QuantizationError: listing the layers and what to change.
    """
    findings = audit(model, expect)
    if findings:
        ops = {finding.index for finding in findings if finding.index is not None}
        raise QuantizationError(
            f"{len(ops)} of {len(model.main.operators)} ops of the converted model are not as the"
            f" recipe promises (full {expect})",
            hint="change the layers named above, or use the recipe float32",
            details=[str(finding) for finding in findings],
        )


def collapsed_ranges(model: TfModel) -> tuple[str, ...]:
    """A warning if ops give next to nothing: the signal dies, in an untrained net or on bad data.

    Returns:
        One line naming the first op, or nothing.
    """
    graph = model.main
    dead = [
        op
        for op in graph.operators
        if op.outputs
        and graph.tensors[op.outputs[0]].dtype is DType.INT8
        and (found := graph.tensors[op.outputs[0]].quantization) is not None
        and found.scale[0] < _DEAD_SCALE
    ]
    if not dead:
        return ()
    more = f" and {len(dead) - 1} more ops" if len(dead) > 1 else ""
    return (
        f"the calibrated outputs of '{graph.op_name(dead[0])}'{more} are (nearly) zero:"
        " is the model trained, and the calibration data preprocessed as in training?",
    )


def _softmax_is_alive(model: TfModel) -> Iterator[Finding]:
    # LiteRT ends the whole process (TFLITE_CHECK) where this factor is not above 1.
    for graph in model.subgraphs:
        for op in graph.operators:
            if softmax_aborts(graph, op):
                quantization = graph.tensors[op.inputs[0]].quantization
                scale = quantization.scale[0] if quantization else 0.0
                yield Finding(
                    op.index, op.code, graph.op_name(op), "logits differ from zero",
                    f"scale {scale:.2g}", f"scale above {1 / SOFTMAX_FACTOR:.2g}",
                    "Train the model first, and calibrate with data preprocessed as in training.",
                )  # fmt: skip


def _int8_io(model: TfModel) -> Iterator[Finding]:
    for side, indices in (("input", model.main.inputs), ("output", model.main.outputs)):
        for index in indices:
            tensor = model.main.tensors[index]
            if tensor.dtype is not DType.INT8:
                yield Finding(
                    None, side, tensor.name, f"the model's {side}s are int8", tensor.dtype.value,
                    "int8", "Convert with int8 inputs and outputs.",
                )  # fmt: skip


def _builtin_only(model: TfModel) -> Iterator[Finding]:
    for graph in model.subgraphs:
        for op in graph.operators:
            if op.code == "CUSTOM":
                yield Finding(
                    op.index, op.display_code, graph.op_name(op), "only builtin ops", "custom op",
                    "TFLITE_BUILTINS", "Replace this layer by one that TFLite has.",
                )  # fmt: skip


def _no_float_islands(model: TfModel) -> Iterator[Finding]:
    for graph in model.subgraphs:
        islands = [op for op in graph.operators if _dtype_outside(graph, op) is not None]
        inner = [op for op in islands if op.code not in _CROSSINGS]
        # The crossings belong to the island between them; alone they are an island themselves.
        for op in inner or islands:
            dtype = _dtype_outside(graph, op)
            yield Finding(
                op.index, op.display_code, graph.op_name(op), "every op computes in int8",
                dtype.value if dtype else "", "int8", _CURES.get(op.code, _DEFAULT_CURE),
            )  # fmt: skip


def _dtype_outside(graph: TfSubgraph, op: TfOperator) -> DType | None:
    """The first dtype of the op's outputs or computed inputs that no full int8 model has."""
    computed = [
        graph.tensors[index]
        for index in (*op.outputs, *op.inputs)
        if index != NO_TENSOR and graph.tensors[index].data is None
    ]
    return next((t.dtype for t in computed if t.dtype not in _INTEGERS), None)


def _filters_per_channel(model: TfModel) -> Iterator[Finding]:
    for graph in model.subgraphs:
        for op in graph.operators:
            axis = _FILTER_AXIS.get(op.code)
            if axis is None or len(op.inputs) < 2 or op.inputs[1] == NO_TENSOR:
                continue
            weights = graph.tensors[op.inputs[1]]
            scales = len(weights.quantization.scale) if weights.quantization else 0
            channels = weights.shape[axis]
            if weights.dtype is DType.INT8 and scales != channels:
                yield Finding(
                    op.index, op.code, graph.op_name(op), "one filter scale per output channel",
                    f"{scales} for {channels} channels", str(channels),
                    "Quantize with per-channel weights.",
                )  # fmt: skip


_RULES: Mapping[str, tuple[Callable[[TfModel], Iterator[Finding]], ...]] = MappingProxyType(
    {
        "int8": (
            _int8_io,
            _builtin_only,
            _no_float_islands,
            _filters_per_channel,
            _softmax_is_alive,
        ),
        "float32": (_builtin_only,),
    }
)
