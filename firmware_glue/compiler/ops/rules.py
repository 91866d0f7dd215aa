"""Limits that many ops share."""

from __future__ import annotations

from collections.abc import Callable, Collection

from edgecnn.core.tflite.model import DType
from firmware_glue.compiler.fixed_point import ACTIVATIONS, limits
from firmware_glue.compiler.ir import Graph, Op, Tensor
from firmware_glue.compiler.ops.spec import OptionError, Rule, rule

QUANTIZE_HINT = "quantize the float model to full int8 (edgecnn quantize --recipe int8)"
_FLOATS = (DType.FLOAT32, DType.FLOAT16, DType.FLOAT64)


def dtype_cure(got: DType, allowed: Collection[DType]) -> str:
    """What to change where a tensor of one dtype stands and only others will do."""
    if DType.INT8 in allowed and got not in (DType.INT8, DType.INT32, DType.INT64):
        return QUANTIZE_HINT
    if DType.FLOAT32 in allowed and got not in _FLOATS:
        return "leave this op in float32 when you quantize the model"
    names = ", ".join(dtype.value for dtype in allowed)
    return f"convert the model so that this tensor is {names}"


def parse_activation(options: object) -> str:
    """The fused activation's name.

    Raises:
        OptionError: one that has no integer form.
    """
    name = str(options or "NONE")
    if name not in ACTIVATIONS:
        raise OptionError(
            "The fused activation must have an int8 form.", name, ", ".join(ACTIVATIONS)
        )
    return name


def dtypes(position: int, *allowed: DType, output: bool = False) -> Rule:
    """The tensor at ``position`` (of the outputs, or of the inputs) has one of these dtypes."""
    kind = "Output" if output else "Input"
    names = ", ".join(dtype.value for dtype in allowed)

    def check(graph: Graph, op: Op) -> str | None:
        tensor = graph.output(op, position) if output else graph.optional(op, position)
        return None if tensor is None or tensor.dtype in allowed else tensor.dtype.value

    check.__doc__ = f"{kind} {position} must be {names}."
    return Rule(check, names, _cure_of(allowed))


def _cure_of(allowed: Collection[DType]) -> str:
    """What to change where no tensor is at hand to say what it is instead."""
    if DType.INT8 in allowed:
        return QUANTIZE_HINT
    names = ", ".join(dtype.value for dtype in allowed)
    return f"convert or quantize the model again, so that this tensor is {names}"


def per_tensor(*positions: int) -> Rule:
    """These inputs, and all outputs, carry one scale and zero point each, unless float32."""

    @rule("one scale per activation", QUANTIZE_HINT)
    def quantized_per_tensor(graph: Graph, op: Op) -> str | None:
        """Activations must be quantized with one scale and zero point each."""
        tensors = [graph.optional(op, p) for p in positions]
        tensors += [graph.tensors[i] for i in op.outputs]
        for tensor in tensors:
            if tensor is not None and (bad := _bad_scale(tensor)):
                return f"'{tensor.name}' has {bad}"
        return None

    return quantized_per_tensor


_ZERO_POINTS = {
    dtype: limits(dtype) for dtype in (DType.INT8, DType.UINT8, DType.INT16, DType.INT32)
}


def _bad_scale(tensor: Tensor) -> str | None:
    quantization = tensor.quantization
    if tensor.dtype is DType.FLOAT32:
        return None
    if quantization is None or not quantization.scale:
        return "no scale"
    if not quantization.per_tensor:
        return f"{len(quantization.scale)} scales"
    if not 0 < quantization.scale[0] < float("inf"):
        return f"scale {quantization.scale[0]}"
    low, high = _ZERO_POINTS.get(tensor.dtype, (0, 0))
    if tensor.dtype in _ZERO_POINTS and not low <= quantization.zero_point[0] <= high:
        return f"zero point {quantization.zero_point[0]}"
    return None


def constant(position: int, what: str) -> Rule:
    """The input at ``position`` is a constant of the file."""

    def check(graph: Graph, op: Op) -> str | None:
        tensor = graph.optional(op, position)
        return None if tensor is None or tensor.is_constant else "computed at run time"

    check.__doc__ = f"The {what} must be a constant."
    return Rule(check, "a constant", "export with a fixed input shape (batch 1)")


def rank(position: int, low: int, high: int) -> Rule:
    """The input at ``position`` has between ``low`` and ``high`` dimensions."""
    text = str(low) if low == high else f"{low} to {high}"

    def check(graph: Graph, op: Op) -> str | None:
        tensor = graph.optional(op, position)
        if tensor is None:
            return "no such input"
        count = len(tensor.shape)
        return None if low <= count <= high else f"{count} dimensions, shape {list(tensor.shape)}"

    check.__doc__ = f"Input {position} must have {text} dimensions."
    return Rule(check, text)


def same_quantization(inputs: Callable[[Op], tuple[int, ...]]) -> Rule:
    """These input positions share the output's scale and zero point.

    For ops that move bytes as they are, and where LiteRT insists on it (it does not everywhere).
    """

    @rule("the output's scale and zero point", "quantize the float model again (edgecnn quantize)")
    def quantization_kept(graph: Graph, op: Op) -> str | None:
        """Scale and zero point of inputs and output must be the same."""
        out = graph.output(op)
        for position in inputs(op):
            tensor = graph.input(op, position)
            # Converters write scales that differ in the last digit; TFLite ignores that too.
            same = abs(tensor.scale - out.scale) <= 1e-6 and tensor.zero_point == out.zero_point
            if tensor.dtype is DType.INT8 and not same:
                got = f"{tensor.scale:g}/{tensor.zero_point}"
                return f"input {position} {got}, output {out.scale:g}/{out.zero_point}"
        return None

    return quantization_kept


@rule("dtypes of one width per element")
def same_dtype(graph: Graph, op: Op) -> str | None:
    """Input 0 and output 0 must have the same dtype."""
    a, b = graph.input(op, 0).dtype, graph.output(op).dtype
    return None if a is b else f"{a.value} and {b.value}"
