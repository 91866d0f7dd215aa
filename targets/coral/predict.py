"""Predicts op by op what the Edge TPU compiler maps, and why the rest stays on the CPU.

The compiler makes one sub-graph. An op that it cannot take stays on the CPU. Where that op needs
results of mapped ops, it ends the sub-graph for every op that needs its own result: those would
have to come back to the Edge TPU, as a second sub-graph. An op on the CPU that needs nothing from
the Edge TPU runs before it and ends nothing: a net that begins with CAST and QUANTIZE had both on
the CPU and the 87 ops behind them mapped. Ops on other branches are mapped, wherever they stand in
the file.
"""

from __future__ import annotations

from dataclasses import dataclass

from edgecnn.core.tflite.compiled import is_edge_tpu_model
from edgecnn.core.tflite.model import TfModel, TfOperator, TfSubgraph
from targets.base import OpFinding
from targets.coral.constraints import Miss, misses, reason, static_miss
from targets.coral.rules.view import DYNAMIC, ONE_SUBGRAPH, OpView

# The newest version of an op that compiler 16 was seen to refuse, by op: older ones it reads.
_REFUSED_VERSIONS = {"CONV_2D": 6, "QUANTIZE": 3, "TRANSPOSE_CONV": 4, "FULLY_CONNECTED": 10}


@dataclass(frozen=True)
class Prediction:
    """What the compiler is expected to do.

    Attributes:
        ops: one finding per op of the main sub-graph.
        refused: why it refuses the whole model, or None.
        notes: further remarks.
    """

    ops: tuple[OpFinding, ...]
    refused: str | None
    notes: tuple[str, ...]


def predict(model: TfModel) -> Prediction:
    """Judges every op of the model's main sub-graph."""
    graph = model.main
    notes = _notes(model)
    causes = _dynamic_causes(graph)
    if causes:
        return Prediction(_refuse_all(graph, causes), _refusal(graph, causes), notes)
    return Prediction(_partition(graph), None, notes)


def _partition(graph: TfSubgraph) -> tuple[OpFinding, ...]:
    """Judges every op: its own limits, and whether it stands behind the end of the sub-graph."""
    on_tpu: set[int] = set()  # tensors that come from mapped ops, directly or over the CPU
    waiting: dict[int, TfOperator] = {}  # tensor → the op that ended the sub-graph before it
    findings = []
    for op in graph.operators:
        found = misses(OpView(op, graph))
        blocker = next((waiting[i] for i in op.inputs if i in waiting), None)
        behind = any(i in on_tpu for i in op.inputs)
        if blocker is not None:
            waiting |= dict.fromkeys(op.outputs, blocker)
        elif found and behind:
            waiting |= dict.fromkeys(op.outputs, op)
        if behind or not found:
            on_tpu.update(op.outputs)
        findings.append(_finding(graph, op, found, blocker))
    return tuple(findings)


def _finding(
    graph: TfSubgraph, op: TfOperator, found: tuple[Miss, ...], blocker: TfOperator | None
) -> OpFinding:
    name = graph.op_name(op)
    if found:
        first = found[0]
        rewrites = dict.fromkeys(miss.rewrite for miss in found if miss.rewrite)
        return OpFinding(
            op.index,
            op.display_code,
            name,
            False,
            reason(found),
            "; ".join(rewrites) or None,
            first.rule,
            first.got,
            first.allowed,
        )
    if blocker is None:
        return OpFinding(op.index, op.display_code, name, True)
    return OpFinding(
        op.index,
        op.display_code,
        name,
        False,
        f"{ONE_SUBGRAPH}: it needs the result of op #{blocker.index} {blocker.display_code},"
        " which stays on the CPU",
        f"change op #{blocker.index} {blocker.display_code} '{graph.op_name(blocker)}'",
        "one_subgraph",
        f"after op #{blocker.index} {blocker.display_code}",
        "All mapped ops must form one sub-graph: its results cannot come back over the CPU.",
    )


def _dynamic_causes(graph: TfSubgraph) -> dict[int, Miss]:
    """Ops whose output has no fixed shape, and by −1 the graph's inputs that have none."""
    causes = {}
    for index in graph.inputs:
        tensor = graph.tensors[index]
        # A free batch is read as 1; compiled models with one exist.
        if any(dim < 0 for dim in tensor.shape_signature[1:]):
            shown = "×".join("?" if dim < 0 else str(dim) for dim in tensor.shape_signature)
            causes[-1] = Miss(
                "static_input",
                DYNAMIC,
                "Only the batch dimension of an input may be left open.",
                f"input '{tensor.name}' {shown}",
                "give the Keras Input a fixed size (batch_shape=(1, height, width, channels))",
            )
    for op in graph.operators:
        miss = static_miss(OpView(op, graph))
        if miss is not None:
            causes[op.index] = miss
    return causes


def _refuse_all(graph: TfSubgraph, causes: dict[int, Miss]) -> tuple[OpFinding, ...]:
    findings = []
    for op in graph.operators:
        miss = causes.get(op.index)
        found = misses(OpView(op, graph))
        own = (miss, *found) if miss else found
        if own:
            findings.append(_finding(graph, op, own, None))
            continue
        where, cause = next(iter(causes.items()))
        source = "the model's input" if where < 0 else f"op #{where}"
        findings.append(
            OpFinding(
                op.index,
                op.display_code,
                graph.op_name(op),
                False,
                f"the compiler refuses the whole model because of {source}: {reason([cause])}",
                cause.rewrite,
                cause.rule,
                cause.got,
                cause.allowed,
            )
        )
    return tuple(findings)


def _refusal(graph: TfSubgraph, causes: dict[int, Miss]) -> str:
    where, cause = next(iter(causes.items()))
    if where < 0:
        return f"Compilation failed: {reason([cause])}"
    op = graph.operators[where]
    return f"Compilation failed: {reason([cause])}, op #{where} {op.display_code}"


def _notes(model: TfModel) -> tuple[str, ...]:
    graph = model.main
    notes = ["predicted from the compiler's published limits and logs; the compiler decides"]
    if is_edge_tpu_model(model):
        notes.append("the Edge TPU compiler wrote this file: it is compiled already")
    if len(model.subgraphs) > 1:
        notes.append(f"the model has {len(model.subgraphs)} sub-graphs; only the first is judged")
    newer = {
        f"{op.code} version {op.version}"
        for op in graph.operators
        if op.version >= _REFUSED_VERSIONS.get(op.code, 1 << 30)
    }
    if newer:
        notes.append(
            f"compiler 16 may refuse to read {', '.join(sorted(newer))}"
            ' ("Didn\'t find op for builtin opcode"): convert with an older TensorFlow (≤ 2.8)'
        )
    largest = max((t.nbytes for t in graph.tensors if t.data is None), default=0)
    if largest >= 8 << 20:
        notes.append(
            f"the largest activation takes {largest:,} bytes: the compiler may fail with"
            ' "Compilation failed due to large activation tensors in model."'
        )
    return tuple(notes)
