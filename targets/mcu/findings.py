"""What the compiler cannot take, in the form that ``edgecnn check`` reports."""

from __future__ import annotations

from collections.abc import Sequence

from edgecnn.core.tflite.model import TfModel
from firmware_glue.compiler.api import OpProblem
from targets.base import OpFinding


def findings(model: TfModel, problems: Sequence[OpProblem]) -> tuple[OpFinding, ...]:
    """One finding per op, in the model's order."""
    by_op = {problem.index: problem for problem in problems}
    graph = model.main
    return tuple(
        _finding(op.index, op.display_code, graph.op_name(op), by_op.get(op.index))
        for op in graph.operators
    )


def interface_findings(problems: Sequence[OpProblem]) -> tuple[OpFinding, ...]:
    """Problems of no single op: the model's inputs and outputs, or the graph as a whole."""
    return tuple(_finding(-1, row.op, row.name, row) for row in problems if row.index < 0)


def _finding(index: int, op: str, name: str, problem: OpProblem | None) -> OpFinding:
    if problem is None:
        return OpFinding(index, op, name, mapped=True)
    return OpFinding(
        index,
        op,
        name,
        mapped=False,
        reason=problem.rejection.reason,
        rewrite=problem.rewrite,
        rule=problem.rule,
        got=problem.got,
        allowed=problem.allowed,
    )
