"""``<name>.h``: the API of a compiled model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from firmware_glue.compiler.emit import text
from firmware_glue.compiler.emit.convert_c import conversions
from firmware_glue.compiler.emit.io_info import IoInfo
from firmware_glue.compiler.emit.origin import UNKNOWN, Origin, origin_macros
from firmware_glue.compiler.ir import Shape

ARENA_ALIGN = 16


@dataclass(frozen=True)
class Shell:
    """What surrounds the steps.

    Attributes:
        regions: (field of the state struct, bytes) of each memory region.
        steps: number of steps.
        variable_bytes: memory that is kept between inferences; 0: none.
        blob_bytes, blob_crc: of the blob that holds the constant data; 0: it is linked in.
    """

    regions: tuple[tuple[str, int], ...]
    steps: int
    variable_bytes: int = 0
    blob_bytes: int = 0
    blob_crc: int = 0

    @property
    def state_bytes(self) -> int:
        """Size of the state struct on a 32-bit core, without profiling."""
        pointers = 4 * (len(self.regions) + 2 + (1 if self.blob_bytes else 0))
        if not self.variable_bytes:
            return pointers
        return -(-pointers // 8) * 8 + self.variable_bytes

    @property
    def parameters(self) -> str:
        """Parameters of ``<name>_init`` after the state."""
        names = [f"void *{field}" for field, _ in self.regions]
        if self.blob_bytes:
            names += ["const void *weights", "uint32_t weights_bytes"]
        return ", ".join(names)


_TEMPLATE = """\
/* {title}
 *
{usage}
 *
 * Inputs and outputs live in the arena. {n}_invoke may overwrite the inputs, so fill them before
 * each call; outputs hold until inputs are filled again. Models may share one arena if their
 * calls do not interleave.
{io_comment}
 */
#ifndef {guard}
#define {guard}

#include <stdint.h>

#ifdef __cplusplus
extern "C" {{
#endif

/* Where this comes from: strings that take no memory unless they are used. */
{origin}

{arena}
#define {n}_ARENA_ALIGN {align}
#define {n}_STEP_COUNT {steps}
#define {n}_INPUT_COUNT {inputs}
#define {n}_OUTPUT_COUNT {outputs}
{defines}

/* Before the declaration of {what}: aligns it, in C and in C++. */
#if defined(__GNUC__)
#define {n}_ALIGNED __attribute__((aligned({n}_ARENA_ALIGN)))
#elif defined(__cplusplus) && __cplusplus >= 201103L
#define {n}_ALIGNED alignas({n}_ARENA_ALIGN)
#elif defined(__STDC_VERSION__) && __STDC_VERSION__ >= 201112L
#define {n}_ALIGNED _Alignas({n}_ARENA_ALIGN)
#elif defined(_MSC_VER)
#define {n}_ALIGNED __declspec(align({align}))
#else
#define {n}_ALIGNED /* {n}_init refuses memory that is not aligned */
#endif

/* What the functions below return. */
typedef enum {n}_status {{
    {n}_OK = 0,
    {n}_BAD_ARGUMENT = -1, /* a null or misaligned pointer, a state not initialised, no such step */
    {n}_BAD_WEIGHTS = -2 /* weights of a file of their own that are not this model's */
}} {n}_status;

/* All state is the caller's. hook, if set, is called before each step and once after the last one
 * (step = {n}_STEP_COUNT), for example to feed a watchdog. With EDGECNN_PROFILE defined for all
 * files that include this one, set clock (a free-running counter): ticks are those of each step of
 * the last inference. */
typedef struct {n}_state {{
{fields}
    void (*hook)(void *hook_context, int step);
    void *hook_context;
#if defined(EDGECNN_PROFILE)
    uint32_t (*clock)(void);
    uint32_t ticks[{ticks}];
#endif
{variables}}} {n}_state;

/* Ties state to {what}, clears the hook and resets. Returns {n}_OK{comma}
 * {bad}. */
int {n}_init({n}_state *state, {parameters});

/* One inference. Returns {n}_OK or {n}_BAD_ARGUMENT. */
int {n}_invoke({n}_state *state);

/* Runs a single step, 0 <= step < {n}_STEP_COUNT; {n}_invoke runs all of them in order.
 * Returns {n}_OK or {n}_BAD_ARGUMENT. */
int {n}_run_step({n}_state *state, int step);

/* Forgets what earlier inferences left behind{nothing}. */
void {n}_reset({n}_state *state);

{accessors}
#ifdef __cplusplus
}}
#endif

#endif
"""


def _usage(name: str, shell: Shell) -> str:
    lines = [
        f" *   {name}_ALIGNED static uint8_t {field}[{name}_{field.upper()}_BYTES];"
        for field, _ in shell.regions
    ]
    given = ", ".join(field for field, _ in shell.regions)
    if shell.blob_bytes:
        given += f", weights, {name}_WEIGHTS_BYTES"
    lines += [
        f" *   {name}_state state;",
        f" *   {name}_init(&state, {given});",
        f" *   fill {name}_input0(&state); {name}_invoke(&state); read {name}_output0(&state);",
    ]
    if shell.blob_bytes:
        lines += [" *", f" * weights: {name}_weights.bin, in memory that can be read like RAM."]
    return "\n".join(lines)


def _sizes(name: str, shell: Shell) -> str:
    rows = [f"#define {name}_{field.upper()}_BYTES {size}" for field, size in shell.regions]
    if shell.blob_bytes:
        rows.append(f"#define {name}_WEIGHTS_BYTES {shell.blob_bytes}")
    return "\n".join(rows)


def _fields(shell: Shell) -> str:
    rows = [f"    uint8_t *{field};" for field, _ in shell.regions]
    if shell.blob_bytes:
        rows.append("    const uint8_t *weights;")
    return "\n".join(rows)


def _variables(shell: Shell) -> str:
    if not shell.variable_bytes:
        return ""
    return (
        f"    union {{\n        uint8_t bytes[{shell.variable_bytes}];\n        int64_t align;\n"
        "    } variables; /* what the model remembers from one inference to the next */\n"
    )


def _describe(kind: str, k: int, io: IoInfo) -> str:
    shape = "x".join(map(str, io.shape)) or "scalar"
    quantized = ""
    if io.scale is not None:
        quantized = f", real = {io.scale:.9g} * (q - {io.zero_point})"
    return f" * {kind} {k}: {io.dtype} {shape}{quantized}, {text.comment(repr(io.name))}"


def model_h(
    name: str,
    shell: Shell,
    inputs: Sequence[IoInfo],
    outputs: Sequence[IoInfo],
    notes: Sequence[str] = (),
    origin: Origin = UNKNOWN,
) -> str:
    """The header's text; ``notes`` are sentences for its first comment."""
    pairs = (("INPUT", inputs), ("OUTPUT", outputs))
    described = [_describe(k.lower(), i, io) for k, ios in pairs for i, io in enumerate(ios)]
    described += [f" * {text.comment(note)}" for note in notes]
    defines = [
        line
        for kind, ios in pairs
        for k, io in enumerate(ios)
        for line in (
            f"#define {name}_{kind}{k}_OFFSET {io.offset}",
            f"#define {name}_{kind}{k}_BYTES {io.nbytes}",
            f"#define {name}_{kind}{k}_ELEMENTS {_count(io.shape)}",
        )
    ]
    accessors = [
        f"static inline {text.CTYPES[io.dtype]} *{io.accessor}(const {name}_state *state) {{\n"
        f"    return ({text.CTYPES[io.dtype]} *)(void *)"
        f"(state->{io.region} + {name}_{kind}{k}_OFFSET);\n}}\n"
        for kind, ios in pairs
        for k, io in enumerate(ios)
    ]
    return _TEMPLATE.format(
        title=f"{name}: a neural network compiled to C.", n=name, guard=f"{name.upper()}_H",
        usage=_usage(name, shell), io_comment=" *\n" + "\n".join(described),
        origin=origin_macros(name, origin),
        arena=_sizes(name, shell), align=ARENA_ALIGN, steps=shell.steps,
        ticks=f"{name}_STEP_COUNT" if shell.steps else "1",
        inputs=len(inputs), outputs=len(outputs), defines="\n".join(defines),
        fields=_fields(shell), variables=_variables(shell), parameters=shell.parameters,
        what="memory" if len(shell.regions) > 1 else "the arena",
        nothing="" if shell.variable_bytes else " (this model keeps nothing)",
        comma="," if shell.blob_bytes else " or",
        bad=f"{name}_BAD_ARGUMENT" + (f" or {name}_BAD_WEIGHTS" if shell.blob_bytes else ""),
        accessors="\n".join([*accessors, *conversions(name, inputs, outputs)]),
    )  # fmt: skip


def _count(shape: Shape) -> int:
    count = 1
    for size in shape:
        count *= size
    return count
