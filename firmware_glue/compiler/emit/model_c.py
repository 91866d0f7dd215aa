"""``<name>.c``: one function per step, one kernel call (or a few) in each."""

from __future__ import annotations

from edgecnn.core.tflite.model import DType
from firmware_glue.compiler.emit import text
from firmware_glue.compiler.emit.call_c import call_lines, state_is_used
from firmware_glue.compiler.emit.chain_c import chain_body, chain_functions
from firmware_glue.compiler.emit.header import Shell
from firmware_glue.compiler.emit.memory import Memory
from firmware_glue.compiler.emit.shared import shared_kernels
from firmware_glue.compiler.emit.step_comment import LEGEND, step_comment
from firmware_glue.compiler.ir import Numerics
from firmware_glue.compiler.ops.spec import ConstArg
from firmware_glue.compiler.planner.program import Program, Step
from firmware_glue.kernels import same_version

_SHARED = """\
#if !defined(EDGECNN_SHARED_KERNELS)
#define EDGECNN_SHARED_KERNELS
#endif"""
_NO_STEP = Step("", "", "", (), (), (), (), (), ())

_TAIL = """\
int {n}_init({n}_state *state, {parameters}) {{
    if (state == NULL{null_checks}) {{
        return {n}_BAD_ARGUMENT;
    }}
{blob_check}{assign}
    state->hook = NULL;
    state->hook_context = NULL;
#if defined(EDGECNN_PROFILE)
    state->clock = NULL;
#endif
    {n}_reset(state);
    return {n}_OK;
}}

int {n}_run_step({n}_state *state, int step) {{
    if (state == NULL || state->{first} == NULL) {{
        return {n}_BAD_ARGUMENT;
    }}
    switch (step) {{
{cases}
    default:
        return {n}_BAD_ARGUMENT;
    }}
}}

int {n}_invoke({n}_state *state) {{
    if (state == NULL || state->{first} == NULL) {{
        return {n}_BAD_ARGUMENT;
    }}
    for (int step = 0; step < {n}_STEP_COUNT; ++step) {{
        if (state->hook != NULL) {{
            state->hook(state->hook_context, step);
        }}
#if defined(EDGECNN_PROFILE)
        const uint32_t start = state->clock != NULL ? state->clock() : 0u;
#endif
        if ({n}_run_step(state, step) != 0) {{
            return {n}_BAD_ARGUMENT;
        }}
#if defined(EDGECNN_PROFILE)
        state->ticks[step] = state->clock != NULL ? state->clock() - start : 0u;
#endif
    }}
    if (state->hook != NULL) {{
        state->hook(state->hook_context, {n}_STEP_COUNT);
    }}
    return {n}_OK;
}}

void {n}_reset({n}_state *state) {{
{reset}
}}
"""


def step_function(name: str, number: int, step: Step) -> str:
    """The C function of a step, named after its layer."""
    parts = (name, f"step{number}", text.label(step.name))
    return "_".join(part for part in parts if part)


def model_c(memory: Memory, name: str, shell: Shell, *, shared: bool = False) -> str:
    """The file's text.

    Args:
        memory: the planned program and its constants.
        name: prefix of all symbols.
        shell: what surrounds the steps.
        shared: one copy of each kernel for all layers, instead of one made for each.
    """
    program = memory.program
    headers = {call.header for step in program.steps for call in step.calls}
    headers |= {"edgecnn_common.h"} | shell_headers(shell)
    parts = [
        f"/* {name}: one function per step.\n *\n{LEGEND}\n */",
        *(["#define EDGECNN_SINGLE_ROUNDING"] if _single(program) else []),
        *([_SHARED] if shared else []),
        *_shares(program),
        f'#include "{name}.h"',
        "",
        *(f'#include "{header}"' for header in sorted(headers)),
        *([] if memory.blob else [f'#include "{name}_weights.h"']),
        "",
        same_version(),
        "",
        *_instances(program),
    ]
    for number in range(len(program.steps)):
        parts += [_step(memory, name, number), ""]
    cases = [
        f"    case {number}:\n        {step_function(name, number, step)}(state);\n"
        f"        return {name}_OK;"
        for number, step in enumerate(program.steps)
    ]
    return "\n".join(parts) + _TAIL.format(
        n=name, parameters=shell.parameters, null_checks=_null_checks(name, shell),
        blob_check=_blob_check(name, shell), assign=_assign(shell), first=shell.regions[0][0],
        cases="\n".join(cases), reset=_reset(memory),
    )  # fmt: skip


def _shares(program: Program) -> list[str]:
    """What EDGECNN_SHARED_KERNELS stands for."""
    kernels = shared_kernels(program)
    rows = (f"#define EC_SHARE_{kernel} EC_SHARED_COPY" for kernel in kernels)
    return ["#if defined(EDGECNN_SHARED_KERNELS)", *rows, "#endif"] if kernels else []


def _instances(program: Program) -> list[str]:
    """The functions that macros define: once each, also where models share a translation unit."""
    every = (i for step in program.steps for call in step.calls for i in call.instances)
    found = {i.name: i for i in every}
    rows = [
        f"#ifndef {i.name}_DEFINED\n#define {i.name}_DEFINED\n"
        f"{i.macro}({', '.join((i.name, *map(text.literal, i.values)))})\n#endif"
        for i in found.values()
    ]
    return [*rows, ""] if rows else []


def shell_headers(shell: Shell) -> set[str]:
    """Kernel headers that the code around the steps needs."""
    headers = {"edgecnn_blob.h"} if shell.blob_bytes else set()
    return headers | ({"edgecnn_state.h"} if shell.variable_bytes else set())


def _null_checks(name: str, shell: Shell) -> str:
    fields = [field for field, _ in shell.regions] + (["weights"] if shell.blob_bytes else [])
    checks = [
        f" || {field} == NULL ||\n        ((uintptr_t){field} % {name}_ARENA_ALIGN) != 0"
        for field in fields
    ]
    return "".join(checks)


def _blob_check(name: str, shell: Shell) -> str:
    if not shell.blob_bytes:
        return ""
    return (
        f"    if (!ec_blob_is((const uint8_t *)weights, weights_bytes, {name}_WEIGHTS_BYTES,\n"
        f"                    {shell.blob_crc}u)) {{\n        return {name}_BAD_WEIGHTS;\n    }}\n"
    )


def _assign(shell: Shell) -> str:
    rows = [f"    state->{field} = (uint8_t *){field};" for field, _ in shell.regions]
    if shell.blob_bytes:
        rows.append("    state->weights = (const uint8_t *)weights;")
    return "\n".join(rows)


def _reset(memory: Memory) -> str:
    program = memory.program
    rows = []
    for tensor_id, offset in program.variables.items():
        tensor = program.graph.tensors[tensor_id]
        at = f"state->variables.bytes + {offset}"
        first = program.graph.initial.get(tensor_id)
        if first is None:
            # LiteRT resets int8 variables to their zero point, others to zero.
            value = tensor.zero_point & 0xFF if tensor.dtype is DType.INT8 else 0
            rows.append(f"    ec_state_fill({at}, {tensor.nbytes}, {value});")
        else:
            source = memory.argument(ConstArg("initial", first), _NO_STEP)
            rows.append(f"    ec_state_copy({at}, {source}, {tensor.nbytes});")
    return "\n".join(rows) or "    (void)state;"


def _single(program: Program) -> bool:
    return program.graph.numerics is Numerics.SINGLE


def _step(memory: Memory, name: str, number: int) -> str:
    step = memory.program.steps[number]
    function = step_function(name, number, step)
    body: list[str] = [] if step.chain is None else chain_body(step.chain, function)
    several = len(step.calls) > 1
    reverse = number in memory.plan.reversed
    for call in step.calls if step.chain is None else ():
        indent = "        " if several else "    "
        args = [memory.argument(arg, step) for arg in call.args]
        made = call_lines(call, args, indent, reverse=reverse)
        body += ["    {", *made, "    }"] if several else made
    return "\n".join(
        [
            *chain_functions(memory, name, step, function),
            *step_comment(memory, number),
            f"static EC_NOINLINE void {function}({name}_state *state) {{",
            *state_is_used(body),
            *body,
            "}",
        ]
    )
