"""Mixed precision: the cheapest layers at 16 bits (or float) that make the gate hold.

What 16 bits buy is a finer *tensor*; it takes them in the layer that writes it and in those that
read it, or it would be rounded to 8 bits between them. So a candidate is a tensor with its layers.
Its sensitivity is measured, not modelled: the error of the network's outputs on calibration
samples falls by so much when these layers compute in the higher precision and all others in int8
(after Wu et al. 2018, arXiv 1812.00090, and the per-layer analysis of Dong et al. 2019, HAWQ, arXiv
1905.03696, with the output error in place of curvature). Candidates are taken in the order of gain
per cost; the shortest such list that meets the gate is found by bisection over the metric, which is
far dearer than the error.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.metric import Metric
from edgecnn.core.runtime import LiteRTPredictor
from edgecnn.core.tflite.model import TfOperator, TfSubgraph
from edgecnn.core.tflite.writer import write_model
from quantization import parity
from quantization.agreement import real_outputs
from quantization.graph.edit import consumers
from quantization.graph.emit import emit
from quantization.graph.macs import multiply_accumulates
from quantization.graph.precision import has_kernel, touches_float
from quantization.graph.rules import rule
from quantization.parallel.predictor import file_predictor
from quantization.recipe import Precision, Recipe
from quantization.types import SampleDict
from quantization.work import StepContext, StepOutcome, Work

NAME = "mixed"
DEFAULT_GATE = 0.3
SAMPLES = 32
_EPSILON = 1e-12


@dataclass(frozen=True)
class Candidate:
    """A tensor that could have a higher precision, with the layers that this takes.

    Attributes:
        name: of the tensor: that of the layer which writes it.
        layers: op index → the higher precision: its writer and readers.
        macs: multiply-accumulates of these layers.
        extra_bytes: memory that the higher precision adds: wider outputs and biases.
        gain: output error that it takes away; relative to the float outputs' power.
    """

    name: str
    layers: Mapping[int, Precision]
    macs: int
    extra_bytes: int
    gain: float = 0.0

    @property
    def worth(self) -> float:
        """Gain per cost; a layer without products costs what it moves."""
        return self.gain / (self.macs + 16 * self.extra_bytes + 1)


def apply(work: Work, context: StepContext) -> StepOutcome:
    """Chooses layers for the higher precision until the drop on the tuning data is in the gate.

    Args:
        work: with ranges.
        context: with ``metric`` and ``reference``.
    """
    if context.metric is None or context.reference is None:
        return StepOutcome(work, "no data to measure by", applied=False)
    gate = DEFAULT_GATE if context.max_drop is None else context.max_drop
    drop = _Drop(work, context)
    before = drop(())
    if parity.within(before, gate):
        return StepOutcome(work, f"int8 alone loses {before:.2f} points", applied=False)
    ranked = rank(work, context)
    if not ranked:
        return StepOutcome(work, "no layer has a kernel of higher precision", applied=False)
    count, after = _shortest(ranked, drop, gate)
    chosen = ranked[:count]
    note = _note(chosen, work.model.main, before, after)
    if not parity.within(after, gate):
        note += f"; {gate:g} is out of reach"
    return StepOutcome(replace(work, precision=_precision(work, chosen)), note, count > 0)


def rank(work: Work, context: StepContext) -> tuple[Candidate, ...]:
    """The layers whose higher precision lowers the output error, most gain per cost first."""
    candidates = _candidates(work, context)
    samples = list(islice(context.calibration(), SAMPLES))
    wanted = _outputs(write_model(work.model), samples)
    context.progress.stage("measure each layer's sensitivity", len(candidates) + 1)
    measure: Callable[[bytes], float] = partial(_error, samples=samples, wanted=wanted)
    errors = []
    for error in context.executor.map(measure, _files(work, context, candidates)):
        errors.append(error)
        context.progress.advance()
    base = errors[0]
    gained = [
        replace(item, gain=base - error) for item, error in zip(candidates, errors[1:], strict=True)
    ]
    useful = [item for item in gained if item.gain > _EPSILON]
    return tuple(sorted(useful, key=lambda item: (-item.worth, item.name)))


def _files(work: Work, context: StepContext, candidates: Sequence[Candidate]) -> Iterator[bytes]:
    """The int8 file, then one per candidate with that layer alone in its higher precision."""
    for chosen in ((), *((item,) for item in candidates)):
        plan = replace(work, precision=_precision(work, chosen)).plan(context.recipe)
        yield write_model(emit(work.model, plan))


def _candidates(work: Work, context: StepContext) -> list[Candidate]:
    graph = work.model.main
    higher: dict[int, Precision] = {}
    for op in graph.operators:
        wanted = _higher(graph, op, work, context.recipe)
        if wanted is not None:
            higher[op.index] = wanted
    readers = consumers(graph)
    found: dict[tuple[int, ...], Candidate] = {}
    for op in graph.operators:
        if op.index not in higher:
            continue
        around = [op, *(r for index in op.outputs for r in _through(graph, readers, index))]
        layers = {item.index: higher[item.index] for item in around if item.index in higher}
        ops = [graph.operators[index] for index in layers]
        found.setdefault(
            tuple(sorted(layers)),
            Candidate(
                graph.op_name(op),
                layers,
                sum(multiply_accumulates(graph, item) for item in ops),
                sum(_extra_bytes(graph, item, layers[item.index]) for item in ops),
            ),
        )
    return list(found.values())


def _through(
    graph: TfSubgraph, readers: Mapping[int, Sequence[TfOperator]], index: int
) -> list[TfOperator]:
    """What reads a tensor, past ops that only move its values."""
    found = []
    for op in readers.get(index, ()):
        row = rule(op.code)
        if row is not None and row.light:
            found += [item for out in op.outputs for item in _through(graph, readers, out)]
        else:
            found.append(op)
    return found


def _higher(graph: TfSubgraph, op: TfOperator, work: Work, recipe: Recipe) -> Precision | None:
    """The precision above int8 that the op has; None where none, or where it is settled."""
    row = rule(op.code)
    if not touches_float(graph, op) or row is None or row.light or op.index in work.precision:
        return None
    if recipe.precision_of(graph.op_name(op)) != "int8":
        return None
    if has_kernel(graph, op, "int16", work.ranges or {}):
        return "int16"
    return "float32" if recipe.allow_float else None


def _extra_bytes(graph: TfSubgraph, op: TfOperator, precision: Precision) -> int:
    per_value = {"int16": 1, "float32": 3}[precision]
    outputs = sum(graph.tensors[index].elements for index in op.outputs) * per_value
    row = rule(op.code)
    if row is None or row.weights is None or len(op.inputs) <= row.weights.slot:
        return outputs
    weights = graph.tensors[op.inputs[row.weights.slot]]
    if precision == "float32":
        return outputs + 3 * weights.elements
    return outputs + 4 * weights.shape[row.weights.axis]  # biases of 64 bits


def _precision(work: Work, chosen: Sequence[Candidate]) -> Mapping[int, Precision]:
    layers = {index: wanted for item in chosen for index, wanted in item.layers.items()}
    return {**work.precision, **layers}


def _shortest(ranked: Sequence[Candidate], drop: _Drop, gate: float) -> tuple[int, float]:
    """(how many of the first candidates meet the gate, the drop then); all where none does."""
    low, high = 0, len(ranked)
    best = drop(ranked)
    if not parity.within(best, gate):
        return high, best
    while high - low > 1:
        middle = (low + high) // 2
        found = drop(ranked[:middle])
        if parity.within(found, gate):
            high, best = middle, found
        else:
            low = middle
    return high, best


class _Drop:
    """Points lost on the tuning data with some layers in their higher precision."""

    def __init__(self, work: Work, context: StepContext) -> None:
        self._work, self._context = work, context

    def __call__(self, chosen: Sequence[Candidate]) -> float:
        context = self._context
        if context.metric is None:
            return 0.0
        plan = replace(self._work, precision=_precision(self._work, chosen)).plan(context.recipe)
        data = write_model(emit(self._work.model, plan))
        reference: Metric = context.reference
        found = context.metric(file_predictor(data, context.executor))
        return parity.drop(reference, found).points


def _outputs(model: bytes, samples: Sequence[SampleDict]) -> list[list[NDArray[Any]]]:
    """Real-valued outputs of each sample."""
    predictor = LiteRTPredictor(model, threads=1)
    return [real_outputs(predictor, sample) for sample in samples]


def _error(
    model: bytes, samples: Sequence[SampleDict], wanted: Sequence[Sequence[NDArray[Any]]]
) -> float:
    """Mean square error of the outputs, each relative to its float power, summed over outputs."""
    power = np.zeros(len(wanted[0]))
    error = np.zeros(len(wanted[0]))
    for given, row in zip(_outputs(model, samples), wanted, strict=True):
        for k, (a, b) in enumerate(zip(given, row, strict=True)):
            power[k] += float(np.square(b, dtype=np.float64).sum())
            error[k] += float(np.square(a.astype(np.float64) - b).sum())
    return float((error / np.maximum(power, _EPSILON)).sum())


def _note(chosen: Sequence[Candidate], graph: TfSubgraph, before: float, after: float) -> str:
    layers = {index: wanted for item in chosen for index, wanted in item.layers.items()}
    ops = [graph.operators[index] for index in sorted(layers)]
    total = sum(multiply_accumulates(graph, op) for op in graph.operators)
    macs = sum(multiply_accumulates(graph, op) for op in ops)
    extra = sum(_extra_bytes(graph, op, layers[op.index]) for op in ops)
    names = ", ".join(graph.op_name(op) for op in ops[:8])
    more = f" and {len(ops) - 8} more" if len(ops) > 8 else ""
    kinds = "/".join(sorted(set(layers.values())))
    return (
        f"{len(ops)} layers in {kinds}: {names}{more};"
        f" {100 * macs / max(total, 1):.1f} % of the multiplications, {extra:,} bytes more;"
        f" loses {after:.2f} points instead of {before:.2f}"
    )
