"""ADD, SUB and MUL as linear forms: equal to LiteRT, found for usual scales, and cheaper."""

from __future__ import annotations

import ctypes
from pathlib import Path

import numpy as np
import pytest

from edgecnn.core.tflite.reader import read_model
from firmware_glue.compiler.api import CompiledModel, compile_model
from firmware_glue.compiler.fast import linear, linear_fit
from firmware_glue.compiler.fast.dsp import linear as dsp
from firmware_glue.compiler.fast.linear_fit import Arithmetic
from firmware_glue.compiler.importer import import_model
from firmware_glue.compiler.ir import Numerics
from targets.base import RunOptions
from targets.mcu.target import make
from targets.model_file import load_model_file
from tests.builders import ModelBuilder
from tests.firmware_glue.compiler.cases import CASES
from tests.firmware_glue.compiler.exactness import rng_of
from tests.firmware_glue.compiler.harness import (
    STRICT,
    Reference,
    Runner,
    compiler,
    random_inputs,
    run_tool,
    write,
)
from tests.share import long_but_for

Shape = tuple[int, ...]
CODES = ("ADD", "SUB", "MUL")
SETS = ("v6m", "dsp")
NARROW = {"v6m": "linear_fine_s8", "dsp": "dsp_linear_21"}
SHAPES: tuple[tuple[Shape, Shape], ...] = (
    ((1, 5, 7, 12), (1, 5, 7, 12)), ((1, 1, 1, 1), (1, 1, 1, 1)), ((3, 19), (3, 19)),
    ((1, 4, 3, 9), (9,)), ((1, 4, 3, 9), (1, 4, 3, 1)), ((1, 4, 1, 8), (1, 1, 3, 8)),
    ((2, 3, 4, 5), ()), ((1, 1, 6), (1, 5, 1)),
)  # fmt: skip


def _scales(rng: np.random.Generator, code: str) -> tuple[float, float, float]:
    one, two = (float(np.float32(v)) for v in rng.uniform(0.003, 0.1, 2))
    real = (
        one * two * rng.uniform(20, 200) if code == "MUL" else max(one, two) * rng.uniform(0.6, 2)
    )
    return one, two, float(np.float32(real))


def model(code: str, shapes: tuple[Shape, Shape], rng: np.random.Generator) -> bytes:
    """One op with ordinary scales, and any zero points and activation."""
    build, scales = ModelBuilder(), _scales(rng, code)
    zeros = [int(rng.choice([-128, 0, 127, rng.integers(-128, 128)])) for _ in scales]
    operands = [build.tensor(shapes[i], "int8", scales[i], zeros[i]) for i in (0, 1)]
    y = build.tensor(np.broadcast_shapes(*shapes), "int8", scales[2], zeros[2])
    activation = str(rng.choice(["NONE", "NONE", "RELU", "RELU6", "RELU_N1_TO_1"]))
    build.op(code, operands, [y], fused_activation_function=activation)
    return build.build(operands, [y])


def narrow() -> bytes:
    """Of a MobileNetV2: no plane lies between its steps, but one with some noise does."""
    build, shape = ModelBuilder(), (1, 16, 16, 256)
    scales, zeros = (0.18986915051937103, 0.1699049174785614, 0.18754954636096954), (-6, -31, -14)
    x, y, z = (build.tensor(shape, "int8", s, o) for s, o in zip(scales, zeros, strict=True))
    build.op("ADD", [x, y], [z])
    return build.build([x, y], [z])


def _built(models: dict[str, CompiledModel], folder: Path, *flags: str) -> ctypes.CDLL:
    sources = [path for name, m in models.items() for path in write(m, folder / name)]
    target = folder / "models.so"
    run_tool([*compiler(), "-std=c99", "-O0", "-shared", "-fPIC", *STRICT, *flags, *sources,
              "-o", target])  # fmt: skip
    return ctypes.CDLL(str(target))


@pytest.mark.parametrize("kernels", SETS)
@pytest.mark.parametrize("shared", long_but_for([False, True], True), ids=["inlined", "shared"])
def test_equal_to_litert(kernels: str, shared: bool, tmp_path: Path) -> None:
    datas = {"narrow": narrow()}
    for code in CODES:
        for n, shapes in enumerate(SHAPES[shared::2]):
            datas[f"{code}{n}".lower()] = model(code, shapes, rng_of(code, n))
        for n in range(4 * shared, 4 + 4 * shared):
            datas[f"any_{code}{n}".lower()] = CASES[f"{code}:int8"](rng_of(code, 100 + n))
    models = {
        name: compile_model(read_model(data), name=name, kernels=kernels)
        for name, data in datas.items()
    }
    assert models["narrow"].steps[0].kernel == NARROW[kernels]
    kinds = [m.steps[0].kernel for m in models.values() if m.steps]
    assert sum("linear" in kind or "product" in kind for kind in kinds) > 0.5 * len(kinds)
    flags = ("-fsanitize=undefined", "-fno-sanitize-recover=all")
    library = _built(models, tmp_path, *(["-DEDGECNN_SHARE_ALL"] if shared else flags))
    for name, data in datas.items():
        run, reference = Runner(library, models[name]), Reference(data)
        for seed in range(3):
            inputs = random_inputs(read_model(data), rng_of(name, seed))
            for got, want in zip(run(inputs), reference(inputs), strict=True):
                np.testing.assert_array_equal(got, want, err_msg=name)


@pytest.mark.parametrize("numerics", list(Numerics))
@pytest.mark.parametrize("code", CODES)
def test_usual_scales_have_a_form(code: str, numerics: Numerics) -> None:
    """The proof itself is part of the offer; here: that it is seldom missed."""
    found = 0
    for n in range(12):
        data = model(code, ((1, 2, 2, 4), (1, 2, 2, 4)), rng_of(code, n))
        graph = import_model(read_model(data), numerics).graph
        for offer in (dsp.OFFERS[code][0], linear.OFFERS[code][-1]):
            found += offer(graph, graph.ops[0]) is not None
    assert found >= 22


def test_a_constant_output() -> None:
    table = np.full((256, 256), 5, np.int64)
    form = linear_fit.fit(linear_fit.pairs(table, -128, 127, (0.0, 0.0)), Arithmetic(8))
    assert form is not None
    assert (form.factors, form.offset >> form.shift) == ((0, 0), 5)


def test_no_form_for_what_is_no_plane() -> None:
    x = linear_fit.X
    table = np.clip((x[:, None] * x[:, None] // 99) + x[None, :] // 2, -128, 127)
    stairs = linear_fit.pairs(table, -128, 127, (1.0, 0.5))
    assert linear_fit.fit(stairs, Arithmetic(0)) is None


def _four_steps() -> bytes:
    """Chained, so that each op works on what the one before wrote, in place."""
    rng, build, shape = np.random.default_rng(5), ModelBuilder(), (1, 8, 8, 15)
    x, y = (build.tensor(shape, "int8", 0.0331, z) for z in (-3, 12))
    made = [x]
    for code in (*CODES, "ADD"):
        scale, zero = float(np.float32(rng.uniform(0.02, 0.06))), int(rng.integers(-20, 20))
        made.append(build.tensor(shape, "int8", scale, zero))
        build.op(code, [made[-2], y], [made[-1]])
    return build.build([x, y], [made[-1]])


@pytest.mark.parametrize("core", ["cortex-m4", "cortex-m0plus", "rv32imc"])
def test_exact_and_cheap_on_the_core(core: str, tmp_path: Path) -> None:
    path = tmp_path / "steps.tflite"
    path.write_bytes(_four_steps())
    report = make(core).benchmark(load_model_file(path), RunOptions())
    assert report.bit_exact
    limit = 10 if core == "cortex-m4" else 30
    assert report.instructions and report.instructions < 4 * 960 * limit
