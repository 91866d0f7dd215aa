"""Limits that hold for any model: a small file may ask for gigabytes, or for numbers beyond C.

The ops' own limits are rules in ``ops/``; these keep the compiler and the C itself safe.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from edgecnn.core.errors import UnsupportedModelError
from edgecnn.core.tflite.model import NO_TENSOR, TfModel, TfSubgraph
from firmware_glue.compiler.ir import Graph, Op
from firmware_glue.compiler.ops.spec import ConstArg, Lowered, Params, TensorArg
from firmware_glue.compiler.problems import OpProblem

MAX_OPS = 2048
MAX_OPERANDS = 1024
MAX_TENSOR_BYTES = 1 << 30
MAX_CONSTANT_BYTES = 1 << 28
MAX_ARENA_BYTES = (1 << 31) - 1
"""Offsets are int32 in the generated C."""
MAX_FOLDED_BYTES = 1 << 24
MAX_FOLD_WORK = 1 << 24
"""Multiply-accumulates, or elements read and written, of one op on constants."""

_INT32 = range(-(1 << 31), 1 << 31)
_SHIFTS = range(-31, 31)
_SMALLER = "use a smaller model"
_CALIBRATE = "the model looks untrained or miscalibrated: convert it again"


def size_problems(model: TfModel) -> Iterator[OpProblem]:
    """What makes a model as a whole too large; checked before anything is worked out."""
    main = model.main
    # What is evaluated once at compile time counts each time that it is called.
    called = [
        model.subgraphs[int(op.options.get("init_subgraph_index", 0))]
        for op in main.operators
        if op.code == "CALL_ONCE"
    ]
    count = len(main.operators) + sum(len(graph.operators) + 1 for graph in called)
    if count > MAX_OPS:
        yield OpProblem(
            -1, "GRAPH", "main", "There must not be too many ops.", str(count),
            f"up to {MAX_OPS}", _SMALLER,
        )  # fmt: skip
        return
    for subgraph in {id(graph): graph for graph in (main, *called)}.values():
        yield from _subgraph_problems(subgraph)


def _subgraph_problems(subgraph: TfSubgraph) -> Iterator[OpProblem]:

    def problem(rule: str, got: object, allowed: str) -> OpProblem:
        return OpProblem(-1, "GRAPH", "main", rule, str(got), allowed, _SMALLER)

    operators = subgraph.operators
    most = max((len(op.inputs) + len(op.outputs) for op in operators), default=0)
    if most > MAX_OPERANDS:
        yield problem("An op must not have too many operands.", most, f"up to {MAX_OPERANDS}")
        return
    operands = [i for op in operators for i in (*op.inputs, *op.outputs)]
    for tensor in subgraph.tensors:
        if tensor.nbytes > MAX_TENSOR_BYTES:
            yield problem(
                "Tensors must not be too large.",
                f"{list(tensor.shape)} {tensor.dtype.value}, {tensor.nbytes:,} bytes",
                f"up to {MAX_TENSOR_BYTES:,} bytes",
            )
            return
    used = (subgraph.tensors[i].data for i in operands if i != NO_TENSOR)
    constants = sum(data.nbytes for data in used if data is not None)
    if constants > MAX_CONSTANT_BYTES:
        yield problem(
            "The constants of all ops must not be too large.",
            f"{constants:,} bytes",
            f"up to {MAX_CONSTANT_BYTES:,} bytes",
        )


def check_arena(arena_bytes: int) -> None:
    """Refuses a plan whose offsets C cannot hold.

    Raises:
        UnsupportedModelError: it is too large.
    """
    if arena_bytes > MAX_ARENA_BYTES:
        raise UnsupportedModelError(
            f"the activations take an arena of {arena_bytes:,} bytes, {MAX_ARENA_BYTES:,} at most"
            f" can be addressed",
            hint=_SMALLER,
        )


def fold_work(graph: Graph, op: Op) -> int:
    """About how many steps the op takes on constants."""
    if op.code == "SHAPE":
        return 1
    tensors = [graph.tensors[i] for i in (*op.inputs, *op.outputs) if i != NO_TENSOR]
    elements = sum(math.prod(tensor.shape) for tensor in tensors)
    outputs = sum(math.prod(graph.tensors[i].shape) for i in op.outputs)
    window = math.prod(max(1, size) for size in getattr(op.options, "kernel", ()))
    if len(op.inputs) > 1 and op.code in _PRODUCTS:
        filters = graph.tensors[op.inputs[1]].shape
        # Every output element takes one filter at most: all of its elements but the channels'.
        window *= math.prod(filters) // max(1, min(filters, default=1))
    return elements + outputs * window


_PRODUCTS = (
    "CONV_2D",
    "DEPTHWISE_CONV_2D",
    "TRANSPOSE_CONV",
    "CONV_3D",
    "FULLY_CONNECTED",
    "BATCH_MATMUL",
    "SVDF",
    "UNIDIRECTIONAL_SEQUENCE_LSTM",
)


def lowered_problem(graph: Graph, lowered: Lowered) -> tuple[str, str, str, str] | None:
    """The first parameter that C cannot hold, as (rule, got, allowed, rewrite); or None."""
    if lowered.scratch_bytes > MAX_TENSOR_BYTES:
        return (
            "Scratch memory must not be too large.",
            f"{lowered.scratch_bytes:,} bytes", f"up to {MAX_TENSOR_BYTES:,} bytes", _SMALLER,
        )  # fmt: skip
    for call in lowered.calls:
        numbers = tuple(_numbers(call.params))
        reached = _reached(dict(numbers))
        if reached not in _INT32:
            return (
                "Windows must not reach too far.",
                f"position {reached}", "positions below 2^31", _SMALLER,
            )  # fmt: skip
        for name, value in numbers:
            found = _bad_number(name, value)
            if found is not None:
                return found
        for arg in call.args:
            if isinstance(arg, TensorArg):
                data = graph.tensors[arg.tensor].data
                if data is not None and data.dtype.kind == "f" and not np.isfinite(data).all():
                    return (
                        "Constants must be finite numbers.",
                        f"'{graph.tensors[arg.tensor].name[:80]}' with NaN or infinity", "finite",
                        "train again, or write a large number instead of infinity",
                    )  # fmt: skip
            if isinstance(arg, ConstArg):
                found = _bad_array(arg)
                if found is not None:
                    return found
    return None


def _reached(numbers: Mapping[str, int | float]) -> int:
    """The farthest position that a window's last tap stands for, inside the input or not."""
    reached = 0
    for axis, pad in (("h", "pad_top"), ("w", "pad_left")):
        taps = int(numbers.get(f"k_{axis}", 0)) * int(numbers.get(f"dilation_{axis}", 1))
        start = int(numbers.get(f"out_{axis}", 0)) * int(numbers.get(f"stride_{axis}", 1))
        reached = max(reached, taps + start + abs(int(numbers.get(pad, 0))))
    return reached


def _numbers(params: Params) -> Iterator[tuple[str, int | float]]:
    """(field, number) of a struct and the structs in it."""
    for name, value in params.fields:
        if isinstance(value, Params):
            yield from _numbers(value)
        elif isinstance(value, tuple):
            yield from ((name, item) for item in value)
        elif isinstance(value, int | float):
            yield name, value


def _bad_number(name: str, value: Any) -> tuple[str, str, str, str] | None:
    if isinstance(value, float):
        with np.errstate(over="ignore"):
            finite = bool(np.isfinite(np.float32(value)))
        if finite:
            return None
        return ("Parameters must be finite.", f"{name} {value}", "float32", _CALIBRATE)
    allowed = _SHIFTS if "shift" in name else _INT32
    if value in allowed:
        return None
    return (
        "Scales and sizes must lead to parameters within the kernel's range.",
        f"{name} {value}", f"{allowed.start} to {allowed.stop - 1}", _CALIBRATE,
    )  # fmt: skip


def _bad_array(arg: ConstArg) -> tuple[str, str, str, str] | None:
    if not arg.data.size or not np.isfinite(arg.data).all():
        return ("Parameters must be finite.", arg.role, "float32", _CALIBRATE)
    for value in (arg.data.min(), arg.data.max()):
        if "shift" in arg.role and int(value) not in _SHIFTS:
            return _bad_number(arg.role, int(value))
    return None
