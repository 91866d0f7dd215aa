"""Does a quantized file hold what its recipe promises?

Ops without an integer kernel stay float, between DEQUANTIZE and QUANTIZE; other converters say
nothing about it. Here each op is looked at.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType

from edgecnn.core.errors import QuantizationError
from edgecnn.core.tflite.hazards import SOFTMAX_FACTOR, softmax_aborts
from edgecnn.core.tflite.model import NO_TENSOR, DType, TfModel, TfOperator, TfSubgraph
from quantization.recipe import Recipe
from quantization.types import Finding

FLOATS = frozenset({DType.FLOAT32, DType.FLOAT16, DType.FLOAT64, DType.BFLOAT16})
# Shape arithmetic, indices and masks are integers of other kinds in a full int8 model too.
_PLAIN = frozenset({DType.INT32, DType.INT64, DType.BOOL, DType.UINT32})
_INTEGERS = _PLAIN | {DType.INT8, DType.UINT8, DType.INT16}
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
_DEFAULT_CURE = (
    "Replace this layer by one with an integer kernel, or let it stay float (--allow-float)."
)


def audit(model: TfModel, recipe: Recipe) -> tuple[Finding, ...]:
    """Everything in ``model`` that is not as ``recipe`` promises, in op order.

    Builtin ops only; with integer activations also: inputs and outputs of the recipe's dtype, no
    float op (unless the recipe allows it), one filter scale per output channel where it says so,
    and a softmax that LiteRT can run.

    Args:
        model: a parsed .tflite.
        recipe: what it was made by.
    """
    rules = [_builtin_only]
    if recipe.quantized:
        rules += [_interface, _no_float_islands, _filters_per_channel, _softmax_is_alive]
    return tuple(finding for rule in rules for finding in rule(model, recipe))


def require(model: TfModel, recipe: Recipe) -> None:
    """Raises unless :func:`audit` finds nothing.

    Raises:
        QuantizationError: listing the layers and what to change.
    """
    findings = audit(model, recipe)
    if findings:
        ops = {finding.index for finding in findings if finding.index is not None}
        raise QuantizationError(
            f"{len(ops)} of {len(model.main.operators)} ops of the quantized model are not as the"
            f" recipe {recipe.name} promises",
            hint="change the layers named above, or let them stay float with --allow-float",
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


def _softmax_is_alive(model: TfModel, recipe: Recipe) -> Iterator[Finding]:
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


def _interface(model: TfModel, recipe: Recipe) -> Iterator[Finding]:
    for side, indices in (("input", model.main.inputs), ("output", model.main.outputs)):
        for index in indices:
            tensor = model.main.tensors[index]
            # Counts, indices and masks are no real values.
            if tensor.dtype.value != recipe.io and tensor.dtype not in _PLAIN:
                yield Finding(
                    None, side, tensor.name, f"the model's {side}s are {recipe.io}",
                    tensor.dtype.value, recipe.io,
                    f"Quantize with {recipe.io} inputs and outputs.",
                )  # fmt: skip


def _builtin_only(model: TfModel, recipe: Recipe) -> Iterator[Finding]:
    for graph in model.subgraphs:
        for op in graph.operators:
            if op.code == "CUSTOM":
                yield Finding(
                    op.index, op.display_code, graph.op_name(op), "only builtin ops", "custom op",
                    "TFLITE_BUILTINS", "Replace this layer by one that TFLite has.",
                )  # fmt: skip


def _no_float_islands(model: TfModel, recipe: Recipe) -> Iterator[Finding]:
    if recipe.allow_float:
        return
    for graph in model.subgraphs:
        islands = [op for op in graph.operators if _dtype_outside(graph, op) is not None]
        inner = [op for op in islands if op.code not in _CROSSINGS]
        # The crossings belong to the island between them; alone they are an island themselves,
        # but for those at the border of a model with float inputs and outputs.
        for op in inner or [op for op in islands if not _at_border(graph, op, recipe)]:
            dtype = _dtype_outside(graph, op)
            if recipe.precision_of(graph.op_name(op)) == "float32":
                continue
            yield Finding(
                op.index, op.display_code, graph.op_name(op), "every op computes in integers",
                dtype.value if dtype else "", recipe.activations, cure_for(op.code),
            )  # fmt: skip


def cure_for(code: str) -> str:
    """What to use instead of an op that has no integer kernel: one sentence."""
    return _CURES.get(code, _DEFAULT_CURE)


def _at_border(graph: TfSubgraph, op: TfOperator, recipe: Recipe) -> bool:
    border = {*graph.inputs, *graph.outputs}
    return recipe.io == "float32" and bool(border & {*op.inputs, *op.outputs})


def _dtype_outside(graph: TfSubgraph, op: TfOperator) -> DType | None:
    """The first dtype of the op's outputs or computed inputs that no full int8 model has."""
    computed = [
        graph.tensors[index]
        for index in (*op.outputs, *op.inputs)
        if index != NO_TENSOR and graph.tensors[index].data is None
    ]
    return next((t.dtype for t in computed if t.dtype not in _INTEGERS), None)


def _filters_per_channel(model: TfModel, recipe: Recipe) -> Iterator[Finding]:
    for graph in model.subgraphs:
        for op in graph.operators:
            axis = _FILTER_AXIS.get(op.code)
            if axis is None or len(op.inputs) < 2 or op.inputs[1] == NO_TENSOR:
                continue
            if recipe.granularity_of(graph.op_name(op), dense=False) != "per-channel":
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
