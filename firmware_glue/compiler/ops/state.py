"""What ops that keep state between inferences share."""

from __future__ import annotations

from edgecnn.core.tflite.model import NO_TENSOR
from firmware_glue.compiler.ir import Graph, Op
from firmware_glue.compiler.ops.spec import Array, Rule, rule


def no_reference(graph: Graph, op: Op, values: tuple[Array, ...]) -> tuple[Array, ...]:
    """Stands for the numpy arithmetic of ops with state, which nothing folds.

    Raises:
        ValueError: always.
    """
    raise ValueError(f"{op.code} '{op.name}' keeps state: it is not computed at compile time")


def are_variables(*positions: int) -> Rule:
    """These inputs are variables of the file, each used by this op alone."""

    @rule("a variable tensor of the op's own")
    def own_variables(graph: Graph, op: Op) -> str | None:
        """State inputs must be variables that no other op uses."""
        for position in positions:
            tensor_id = op.input_id(position)
            if tensor_id == NO_TENSOR or not graph.tensors[tensor_id].is_variable:
                return f"input {position} is no variable"
            users = sum((*other.inputs, *other.outputs).count(tensor_id) for other in graph.ops)
            if users > 1:
                return f"'{graph.tensors[tensor_id].name}' is used {users} times"
        return None

    return own_variables
