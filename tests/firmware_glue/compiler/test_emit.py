"""The emitted text: deterministic, sanitized, structs as the headers say."""

from __future__ import annotations

import itertools
import re
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

import firmware_glue.kernels
from edgecnn.core.tflite.reader import read_model
from firmware_glue.compiler.api import CompiledModel, compile_model
from firmware_glue.compiler.emit.text import CTYPES
from firmware_glue.compiler.fast.table import PAIRS
from firmware_glue.compiler.ops.spec import Call, Params
from firmware_glue.kernels import with_includes
from tests.builders import ModelBuilder, tiny_classifier
from tests.firmware_glue.compiler.cases import CASES as MAKERS
from tests.firmware_glue.compiler.fast.any_offer import OFFERED, SETS, take_any
from tests.firmware_glue.compiler.fast.layer_cases import model_of
from tests.firmware_glue.compiler.fast.pair_cases import ROOM, paired, take_pairs
from tests.firmware_glue.compiler.graphs import random_graph
from tests.firmware_glue.compiler.harness import (
    STRICT,
    Library,
    compiler,
    random_inputs,
    run_tool,
    write,
)
from tests.share import long_but_for


def _compiled(data: bytes, name: str, kernels: str = "generic") -> CompiledModel:
    return compile_model(read_model(data), name=name, kernels=kernels)


def test_same_model_same_bytes() -> None:
    one, two = (_compiled(tiny_classifier(), "tiny") for _ in range(2))
    assert dict(one.files) == dict(two.files)
    assert one.plan == two.plan


def test_lines_are_short_and_ascii() -> None:
    for name, text in _compiled(tiny_classifier(), "tiny").files.items():
        assert text.isascii() and text.endswith("\n"), name
        assert max(map(len, text.splitlines())) <= 110, name


def test_api_and_summary() -> None:
    model = _compiled(tiny_classifier(), "tiny")
    header = model.files["tiny.h"]
    for word in (
        f"#define tiny_ARENA_BYTES {model.arena_bytes}",
        "#define tiny_ARENA_ALIGN 16",
        f"#define tiny_STEP_COUNT {len(model.steps)}",
        "#define tiny_INPUT_COUNT 1",
        f"#define tiny_INPUT0_OFFSET {model.inputs[0].offset}",
        f"#define tiny_OUTPUT0_BYTES {model.outputs[0].nbytes}",
        "int tiny_init(tiny_state *state, void *arena);",
        "int tiny_run_step(tiny_state *state, int step);",
    ):
        assert word in header
    assert [step.ops for step in model.steps] == [(0,), (1,), (2,), (4,), (5,)]
    assert model.steps[0].kernel == "conv2d_s8"
    assert f"void {model.steps[1].function}(tiny_state *state)" in model.files["tiny.c"]
    assert model.weight_bytes == 8 * 27 + 32 + 72 + 32 + 32 + 16
    assert not re.search(r"^(?!static|extern|const|typedef)\w[\w ]*\[\d", model.files["tiny.c"])


def _name(key: str) -> str:
    return key.lower().replace(":", "_")


def _offered(seeds: range) -> Iterator[tuple[str, str, bytes]]:
    """Models for each set of kernels: the set, a name, the file."""
    for (kernels, code), seed in itertools.product(OFFERED, seeds):
        data = MAKERS[f"{code}:int8"](np.random.default_rng([3, seed]))
        yield kernels, f"{kernels}_{code}_{seed}".lower(), data


def _calls() -> Iterator[Call]:
    """Of each op, with all sets of kernels where there are such for it."""
    jobs = [("generic", _name(key), make(np.random.default_rng(3))) for key, make in MAKERS.items()]
    for kernels, name, data in (*jobs, *_offered(range(8))):
        for step in _compiled(data, name, kernels).program.steps:
            yield from step.calls
    for kernels, seed in itertools.product(PAIRS, range(4)):
        model = read_model(model_of(paired, [8, seed], 4))
        made = compile_model(model, name="m", kernels=kernels.value, max_ram=ROOM)
        for step in made.program.steps:
            yield from step.calls


def _all_params() -> dict[str, Params]:
    found: dict[str, Params] = {}
    for call in _calls():
        found[call.header + ":" + call.params.struct] = call.params
        for _, value in call.params.fields:
            if isinstance(value, Params):
                found[f"{call.header}:{value.struct}"] = value
    return found


def _structs_of_the_sets() -> set[str]:
    folder = Path(firmware_glue.kernels.__file__).parent
    texts = [path.read_text() for kernels in SETS for path in (folder / kernels).glob("*.h")]
    return {name for text in texts for name in re.findall(r"^} (\w+_params);", text, re.MULTILINE)}


def test_params_follow_the_c_structs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Initialisers are positional, so the order of fields is checked here."""
    take_any(monkeypatch)
    take_pairs(monkeypatch)
    found = _all_params()
    assert {key.split(":")[1] for key in found} >= _structs_of_the_sets()
    for key, params in found.items():
        header, struct = key.split(":")
        known = "".join(with_includes({header}).values())
        bodies = re.findall(r"typedef struct \{([^}]*)\} (\w+);", known)
        body = next(text for text, name in bodies if name == struct)
        names = []
        for line in re.sub(r"/\*.*?\*/", "", body, flags=re.DOTALL).split(";"):
            if line.strip():
                declared = line.strip().split(" ", 1)[1]
                names += [re.sub(r"\[.*", "", part).strip() for part in declared.split(",")]
        assert names == [name for name, _ in params.fields], key


@pytest.mark.parametrize(
    ("kernels", "part"),
    [*long_but_for([("generic", part) for part in range(3)], ("generic", 0)),
     *((kernels, 0) for kernels in SETS)],
)  # fmt: skip
def test_sanitizers(
    kernels: str, part: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One run of every op and several graphs under ASan and UBSan, in exact arenas."""
    if shutil.which("cc") is None:
        pytest.skip("no system compiler")
    if kernels == "generic":
        makers = list(MAKERS.items())[part::3]
        models = {_name(code): make(np.random.default_rng(21)) for code, make in makers}
    else:
        take_any(monkeypatch)
        models = {name: data for of, name, data in _offered(range(10, 14)) if of == kernels}
    models |= {f"dag{i}": random_graph(np.random.default_rng([3, i])) for i in range(6)}
    main, includes = [], []
    for name, data in models.items():
        compiled = _compiled(data, name, kernels)
        write(compiled, tmp_path / name)
        includes += [f'#include "{name}/{name}{end}.c"' for end in ("", "_weights")]
        main += _run_in_exact_arena(name, random_inputs(read_model(data), np.random.default_rng(2)))
    unit = tmp_path / "all.c"
    unit.write_text(
        "\n".join(["#include <stdlib.h>", *includes, "int main(void) {", *main, "return 0; }", ""])
    )
    program = tmp_path / "run"
    flags = ["-std=c11", "-O1", "-g0", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    run_tool([*compiler(), *flags, unit, "-o", program])
    run_tool([program])


def _run_in_exact_arena(name: str, inputs: Sequence[np.ndarray]) -> list[str]:
    """C that runs a model once, on numbers of the inputs' kinds."""
    lines = [
        f"    {{ {name}_state s; uint8_t *a = (uint8_t *)aligned_alloc(16,",
        f"        ({name}_ARENA_BYTES + 15) / 16 * 16); {name}_init(&s, a);",
    ]
    for k, value in enumerate(inputs):
        kind = CTYPES[value.dtype.name]
        fill = f"(({kind})(i * 37 % 2))" if value.dtype == bool else f"(({kind})(i * 37))"
        loop = f"for (int i = 0; i < {value.size}; ++i)"
        lines.append(f"      {loop} {name}_input{k}(&s)[i] = {fill};")
    return [*lines, f"      if ({name}_invoke(&s) != 0) return 1; free(a); }}"]


def test_hook_steps_and_errors(tmp_path: Path) -> None:
    library = Library(tmp_path)
    library.add(tiny_classifier(), "tiny")
    library.build()
    main = tmp_path / "main.c"
    main.write_text(
        """
#include "tiny/tiny.h"
#include <stddef.h>
static uint8_t arena[tiny_ARENA_BYTES + 16] __attribute__((aligned(16)));
static void hook(void *context, int step) { *(int *)context = *(int *)context * 10 + step; }
int main(void) {
    tiny_state state;
    int trace = 0;
    if (tiny_init(&state, arena + 1) != -1 || tiny_init(&state, NULL) != -1) return 1;
    if (tiny_init(&state, arena) != 0) return 2;
    state.hook = hook;
    state.hook_context = &trace;
    tiny_input0(&state)[0] = 1;
    if (tiny_invoke(&state) != 0 || trace != 12345) return 3;
    if (tiny_run_step(&state, tiny_STEP_COUNT) != -1 || tiny_run_step(&state, -1) != -1) return 4;
    tiny_reset(&state);
    return 0;
}
"""
    )
    sources = sorted((tmp_path / "tiny").glob("*.c"))
    program = tmp_path / "main"
    run_tool([*compiler(), "-std=c99", *STRICT, main, *sources, "-o", program])
    run_tool([program])


def test_absent_bias_equals_zero_bias(tmp_path: Path) -> None:
    """LiteRT's int8 convolutions insist on a bias, so a zero bias is the judge."""
    rng = np.random.default_rng(4)
    library, inputs = Library(tmp_path), None
    for name in ("without", "with"):
        build = ModelBuilder()
        x = build.tensor((1, 5, 5, 3), "int8", 0.05, 4)
        data = np.random.default_rng(1).integers(-127, 128, (6, 3, 3, 3))
        w = build.tensor((6, 3, 3, 3), "int8", 0.01, data=data)
        b = build.tensor((6,), "int32", 0.0005, data=np.zeros(6))
        y = build.tensor((1, 5, 5, 6), "int8", 0.1, -4)
        operands = [x, w, b] if name == "with" else [x, w]
        build.op("CONV_2D", operands, [y], padding="SAME")
        z = build.tensor((1, 5, 5, 6), "int8", 0.1, -4)
        data = np.random.default_rng(2).integers(-127, 128, (1, 2, 2, 6))
        w2 = build.tensor((1, 2, 2, 6), "int8", 0.01, data=data, axis=3)
        b2 = build.tensor((6,), "int32", 0.001, data=np.zeros(6))
        operands = [y, w2, b2] if name == "with" else [y, w2, -1]
        build.op("DEPTHWISE_CONV_2D", operands, [z], padding="SAME")
        data = build.build([x], [z])
        inputs = random_inputs(read_model(data), rng) if inputs is None else inputs
        library.add(data, name)
    library.build()
    one, two = (library.runner(name)(inputs)[0] for name in ("without", "with"))
    np.testing.assert_array_equal(one, two)
