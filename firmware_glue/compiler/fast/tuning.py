"""Kernels chosen by measuring instead of by estimates (``--tune``).

What a kernel costs does not depend on its neighbours. So the whole model is run once with every
op's first alternative, once with every op's second, and so on; each op then gets the one that was
cheapest. How programs are run is the caller's business: the compiler is handed the costs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from edgecnn.core.tflite.model import NO_TENSOR
from firmware_glue.compiler.fast.choose import Choice, Lower
from firmware_glue.compiler.ir import VIEW, Graph, Op
from firmware_glue.compiler.ops.spec import Lowered

Costs = Mapping[int, int]
"""Output tensor of an op → instructions of its step."""
RunOnce = Callable[[Lower], Costs]
"""Compiles the model with these kernels, runs it, and tells what each step took."""


def tuned(graph: Graph, choice: Choice, run: RunOnce) -> Lower:
    """The cheapest measured kernels of all ops.

    Args:
        graph: the model after all passes.
        choice: whose alternatives are tried; its own choice stays where they measure the same.
        run: measures.
    """
    known = {op.outputs[0]: _alternatives(graph, op, choice) for op in graph.ops if op.code != VIEW}
    best = {output: found[0] for output, found in known.items()}
    least: dict[int, int] = {}
    for number in range(max((len(found) for found in known.values()), default=0)):
        costs = run(_take(known, number))
        for output, found in known.items():
            if number < len(found) and output in costs:
                cost = costs[output]
                if cost < least.get(output, cost + 1):
                    least[output], best[output] = cost, found[number]

    def lower(asked: Graph, op: Op) -> Lowered:
        # Chains ask for the same ops on single rows, too.
        ids = (i for i in (*op.inputs, *op.outputs) if i != NO_TENSOR)
        whole = all(asked.tensors[i] is graph.tensors.get(i) for i in ids)
        return best[op.outputs[0]] if whole else choice(asked, op)

    return lower


def _alternatives(graph: Graph, op: Op, choice: Choice) -> Sequence[Lowered]:
    """The chosen kernel first."""
    first = choice(graph, op)
    others = choice.alternatives(graph, op)
    return (first, *(other for other in others if other.calls != first.calls))


def _take(known: Mapping[int, Sequence[Lowered]], number: int) -> Lower:
    return lambda _, op: known[op.outputs[0]][min(number, len(known[op.outputs[0]]) - 1)]
