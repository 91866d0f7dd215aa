"""Resource variables (VAR_HANDLE, READ_VARIABLE, ASSIGN_VARIABLE, CALL_ONCE) as state tensors.

Each variable becomes one tensor of lifetime STATE; reading and assigning become copies from and
to it; what CALL_ONCE's subgraph assigns becomes its first contents.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.tflite.model import NO_TENSOR, TfModel, TfOperator, TfSubgraph
from firmware_glue.compiler.ir import COPY, Graph, Lifetime, Op, Tensor
from firmware_glue.compiler.limits import MAX_FOLD_WORK, fold_work
from firmware_glue.compiler.ops.table import OPS
from firmware_glue.compiler.ops.variables import ASSIGN, CALL, CODES, HANDLE, READ
from firmware_glue.compiler.problems import OpProblem
from firmware_glue.compiler.verify import op_problem

Key = tuple[str, str]
"""Container and shared name: two handles of one key are one variable."""


class VariableError(Exception):
    """A use of variables that is not covered. Caught by the importer; never leaves it."""

    def __init__(self, rule: str, got: str, allowed: str) -> None:
        super().__init__(rule)
        self.rule, self.got, self.allowed = rule, got, allowed


@dataclass
class Resources:
    """The variables of a model while it is imported.

    Attributes:
        first_id: state tensors get ids from here on.
        states: variable → its state tensor's id.
        tensors: state tensors by id.
        initial: state tensor id → first contents.
    """

    first_id: int
    states: dict[Key, int] = field(default_factory=dict)
    tensors: dict[int, Tensor] = field(default_factory=dict)
    initial: dict[int, NDArray[Any]] = field(default_factory=dict)

    def state(self, key: Key, like: Tensor) -> int:
        """The state tensor of a variable that holds values like this one.

        Raises:
            VariableError: it holds others elsewhere.
        """
        if key not in self.states:
            tensor_id = self.first_id + len(self.states)
            self.states[key] = tensor_id
            name = key[1] or like.name
            self.tensors[tensor_id] = Tensor(
                name, like.shape, like.dtype, Lifetime.STATE, like.quantization
            )
        found = self.tensors[self.states[key]]
        if (found.shape, found.dtype) != (like.shape, like.dtype):
            raise VariableError(
                "A variable must keep its shape and dtype.",
                f"{list(like.shape)} {like.dtype.value} after {list(found.shape)}"
                f" {found.dtype.value}",
                "one shape and dtype",
            )
        return self.states[key]


@dataclass
class Handles:
    """The handles of one subgraph: tensor id → variable."""

    keys: dict[int, Key] = field(default_factory=dict)

    def add(self, operator: TfOperator) -> None:
        """Notes what a VAR_HANDLE yields."""
        options = operator.options
        key = str(options.get("container", "")), str(options.get("shared_name", ""))
        for tensor_id in operator.outputs:
            self.keys[tensor_id] = key

    def key(self, operator: TfOperator) -> Key:
        """The variable that a READ_VARIABLE or ASSIGN_VARIABLE names.

        Raises:
            VariableError: its handle comes from elsewhere.
        """
        handle = operator.inputs[0] if operator.inputs else NO_TENSOR
        if handle not in self.keys:
            raise VariableError(
                "Variables must be named by a VAR_HANDLE.", f"tensor {handle}", "a VAR_HANDLE"
            )
        return self.keys[handle]


def copies(
    operator: TfOperator, name: str, tensors: Mapping[int, Tensor], handles: Handles,
    resources: Resources,
) -> tuple[Op, ...]:  # fmt: skip
    """What an op on variables does in the graph: a copy, or nothing.

    Raises:
        VariableError: it is not covered.
    """
    sources = (operator.index,)
    if operator.code == HANDLE:
        handles.add(operator)
    if operator.code == READ and len(operator.outputs) == 1:
        output = operator.outputs[0]
        state = resources.state(handles.key(operator), tensors[output])
        return (Op(COPY, (state,), (output,), None, sources, name),)
    if operator.code == ASSIGN and len(operator.inputs) == 2 and operator.inputs[1] != NO_TENSOR:
        value = operator.inputs[1]
        state = resources.state(handles.key(operator), tensors[value])
        return (Op(COPY, (value,), (state,), None, sources, name or tensors[value].name),)
    if operator.code in (READ, ASSIGN):
        raise VariableError(
            "Variables must be read to one tensor, and assigned from one.",
            f"inputs {list(operator.inputs)}, outputs {list(operator.outputs)}",
            "a handle and a value",
        )
    return ()


TensorsOf = Callable[[TfSubgraph], dict[int, Tensor]]
OpOf = Callable[[TfSubgraph, TfOperator], Op | OpProblem]


def run_once(
    model: TfModel, operator: TfOperator, tensors_of: TensorsOf, op_of: OpOf, resources: Resources
) -> None:
    """Evaluates the subgraph of a CALL_ONCE into the variables' first contents.

    Args:
        model: the file.
        operator: the CALL_ONCE.
        tensors_of: the tensors of a subgraph, as the importer reads them.
        op_of: an op of a subgraph, as the importer reads it.
        resources: its ``initial`` is filled.

    Raises:
        VariableError: the subgraph does more than assign what is known at compile time.
    """
    index = int(operator.options.get("init_subgraph_index", 0))
    if not 0 < index < len(model.subgraphs):
        raise VariableError("CALL_ONCE must name a subgraph.", str(index), "1 and up")
    subgraph = model.subgraphs[index]
    handles = Handles()
    graph = Graph(tensors_of(subgraph), (), (), ())
    for inner in subgraph.operators:
        if inner.code in CODES:
            _run_variable(inner, graph, handles, resources)
        else:
            graph = _run_op(graph, op_of(subgraph, inner))


def _run_variable(
    operator: TfOperator, graph: Graph, handles: Handles, resources: Resources
) -> None:
    if operator.code in (CALL, READ):
        raise _not_constant(operator.code)
    for op in copies(operator, "", graph.tensors, handles, resources):
        data = graph.tensors[op.inputs[0]].data
        if data is None:
            raise _not_constant(operator.code)
        resources.initial[op.outputs[0]] = data


def _run_op(graph: Graph, op: Op | OpProblem) -> Graph:
    if isinstance(op, OpProblem):
        raise _not_constant(op.op)
    values = tuple(None if i == NO_TENSOR else graph.tensors[i].data for i in op.inputs)
    known = all(v is not None or i == NO_TENSOR for v, i in zip(values, op.inputs, strict=True))
    if not known or op_problem(graph, op) is not None or fold_work(graph, op) > MAX_FOLD_WORK:
        raise _not_constant(op.code)
    padded = (*values, *[None] * (4 - len(values)))
    results = OPS[op.code].known_variant(graph, op).reference(graph, op, padded)  # type: ignore[arg-type]
    changed = {
        i: replace(graph.tensors[i], lifetime=Lifetime.CONSTANT, data=np.asarray(data))
        for i, data in zip(op.outputs, results, strict=True)
    }
    return graph.with_ops((), changed)


def _not_constant(code: str) -> VariableError:
    return VariableError(
        "CALL_ONCE may only assign what is known at compile time.", code,
        "constants and ops on constants",
    )  # fmt: skip
