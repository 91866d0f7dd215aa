"""A chain of ops over row buffers as C: a function per op, and a loop over their turns."""

from __future__ import annotations

from collections.abc import Sequence

from firmware_glue.compiler.emit import text
from firmware_glue.compiler.emit.call_c import call_lines, state_is_used
from firmware_glue.compiler.emit.memory import Memory
from firmware_glue.compiler.ops.spec import Arg, TensorArg
from firmware_glue.compiler.planner.program import Step
from firmware_glue.compiler.stream.chain import Chain, Stage, Turn, rows_of

_LONGEST = 512
"""Turns of a repetition that is looked for."""


def chain_functions(memory: Memory, name: str, step: Step, function: str) -> list[str]:
    """What a chain's step function calls: one function per stage.

    Args:
        memory: where everything lies.
        name: the model's prefix.
        step: whose chain it is.
        function: the step's function.
    """
    chain = step.chain
    parts: list[str] = []
    for number, stage in enumerate(chain.stages if chain is not None else ()):
        sources = "".join(f"#{index} " for index in stage.sources)
        body = (_by_row if stage.by_row else _by_band)(memory, step, stage)
        parts += [
            f"/* {stage.code} {sources}'{text.comment(stage.name)[:70]}': rows [first, end). */",
            f"static EC_NOINLINE void {stage_function(function, number, stage)}(",
            f"    {name}_state *state, int32_t first, int32_t end) {{",
            *state_is_used(body),
            *body,
            "}",
            "",
        ]
    return parts


def chain_body(chain: Chain, function: str) -> list[str]:
    """The body of a chain's step function: the turns."""
    before, again, times = repeats(chain.turns)
    after = chain.turns[before + again * times :]
    table = [*chain.turns[: before + again], *after]
    items = (f"{{{stage}, {rows}}}" for stage, rows in table)
    lines = [
        "    /* Which stage computes its next rows, and how many. */",
        f"    static const uint8_t turns[{len(table)}][2] = {{",
        text.wrap(items, "        "),
        "    };",
        *(f"    int32_t row{number} = 0;" for number in range(len(chain.stages))),
    ]
    if times > 1:
        lines.append(
            f"    int32_t again = {times - 1}; /* times that turns {before} to"
            f" {before + again - 1} come once more */"
        )
    lines += [
        "    int32_t at = 0;",
        f"    while (at < {len(table)}) {{",
        "        const int32_t rows = turns[at][1];",
        "        switch (turns[at][0]) {",
    ]
    for number, stage in enumerate(chain.stages):
        label = "default" if number == len(chain.stages) - 1 else f"case {number}"
        name = stage_function(function, number, stage)
        row = f"row{number}"
        lines += [
            f"        {label}:",
            f"            {name}(state, {row}, {row} + rows);",
            f"            {row} += rows;",
            "            break;",
        ]
    lines += ["        }", "        ++at;"]
    if times > 1:
        lines += [
            f"        if (at == {before + again} && again > 0) {{",
            f"            at = {before};",
            "            --again;",
            "        }",
        ]
    return [*lines, "    }"]


def chain_comment(memory: Memory, step: Step) -> list[str]:
    """Lines about the stages and where their rows lie; none if the step is no chain."""
    lines = []
    chain = step.chain
    for number, stage in enumerate(chain.stages if chain is not None else ()):
        where = memory.place(stage.output)
        if chain is not None and stage.output in chain.rings and step.scratch is not None:
            ring = chain.rings[stage.output]
            at = memory.plan.offsets[step.scratch] + ring.offset
            where = f"{ring.rows} of {stage.height} rows at {at}"
        lines.append(f" *   {number}: {stage.code} '{text.comment(stage.name)[:50]}', {where}")
    return lines


def stage_function(function: str, number: int, stage: Stage) -> str:
    """The C function of a stage, named after its layer."""
    return "_".join(part for part in (function, f"rows{number}", text.label(stage.name)) if part)


def repeats(turns: Sequence[Turn]) -> tuple[int, int, int]:
    """(start, length, times) of the repetition of turns that shortens a table the most.

    >>> repeats([(0, 1), (1, 2), (2, 3), (1, 2), (2, 3), (1, 2), (2, 3), (4, 1)])
    (1, 2, 3)
    """
    best, saved = (0, len(turns), 1), 0
    for length in range(1, min(_LONGEST, len(turns) // 2) + 1):
        run = 0
        for at in range(length, len(turns)):
            run = run + 1 if turns[at] == turns[at - length] else 0
            times = run // length + 1
            if (times - 1) * length > saved:
                best, saved = (at + 1 - times * length, length, times), (times - 1) * length
    return best


def _by_band(memory: Memory, step: Step, stage: Stage) -> list[str]:
    """One call of the rows form."""
    in_rows = _rows(memory, step, stage.reads[0].input)
    out_rows = _rows(memory, step, stage.output)
    lines = [f"    const ec_rows rows = {{first, end, {in_rows}, {out_rows}}};"]
    for call in stage.calls:
        args = [memory.argument(arg, step) for arg in call.args]
        lines += call_lines(call, [*args, "rows"], "    ")
    return lines


def _by_row(memory: Memory, step: Step, stage: Stage) -> list[str]:
    """Calls of the kernel for one row each."""
    moving = {r.input for r in stage.reads if r.stride} | {stage.output}
    lines = ["    for (int32_t y = first; y < end; ++y) {"]
    several = len(stage.calls) > 1
    for call in stage.calls:
        args = [_row_argument(memory, step, arg, moving) for arg in call.args]
        made = call_lines(call, args, "            " if several else "        ")
        lines += ["        {", *made, "        }"] if several else made
    return [*lines, "    }"]


def _row_argument(memory: Memory, step: Step, arg: Arg, moving: set[int]) -> str:
    """A pointer to row y of a tensor, or to what has no rows."""
    pointer = memory.argument(arg, step)
    if not isinstance(arg, TensorArg) or arg.tensor not in moving:
        return pointer
    tensor = memory.program.graph.tensors[arg.tensor]
    height = rows_of(tensor)[0]
    rows = _rows(memory, step, arg.tensor)
    row = "y" if rows == height else f"ec_ring(y, {rows})"
    return f"{pointer} + (ptrdiff_t){row} * {tensor.elements // height}"


def _rows(memory: Memory, step: Step, tensor_id: int) -> int:
    """Rows that a tensor's memory holds."""
    if step.chain is not None and tensor_id in step.chain.rings:
        return step.chain.rings[tensor_id].rows
    return rows_of(memory.program.graph.tensors[tensor_id])[0]
