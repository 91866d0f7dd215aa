"""Whole models with every set of kernels, at every level: exact on the host and on the cores."""

from __future__ import annotations

import functools
import itertools
from pathlib import Path

import numpy as np
import pytest

from edgecnn.core.errors import TargetError
from edgecnn.core.tflite.model import DType
from edgecnn.core.tflite.reader import read_model
from firmware_glue.compiler import api
from firmware_glue.compiler.api import OPTIMIZE, compile_model
from firmware_glue.device.emulate.qemu_machine import qemu_serves
from firmware_glue.device.toolchain import find_toolchain
from targets.base import BenchReport, RunOptions
from targets.mcu.target import make
from targets.model_file import load_model_file
from tests.firmware_glue.compiler.exactness import check_steps, rng_of
from tests.firmware_glue.compiler.fast.any_offer import SETS, take_any
from tests.firmware_glue.compiler.fast.layer_cases import products
from tests.firmware_glue.compiler.graphs import GRAPHS, random_graph
from tests.firmware_glue.compiler.harness import STRICT, Library, Reference, random_inputs
from tests.firmware_glue.compiler.stream.nets import Grouping, random_net
from tests.firmware_glue.compiler.test_shared_models import MODELS, REFUSED
from tests.run import shared
from tests.share import long_but_for

RANDOM, CHAINED = 6, 14
SMALL = 600_000
SANITIZED = ("-fsanitize=undefined", "-fno-sanitize-recover=all")
MLPERF = {"kws_ref_model": "ab2fdbf1", "vww_96_int8": "3a5f7f09"}
"""Checksums of the outputs of a golden run."""
FORMS = [("speed", False), ("speed", True), ("size", True)]
"""``--optimize``, and whether every kernel is shared."""
CORES = ("cortex-m0plus", "cortex-m4", "cortex-m55", "rv32imc")
"""One per set of kernels."""


@functools.cache
def _graphs() -> dict[str, bytes]:
    models = {name: make(rng_of(name, 6)) for name, make in GRAPHS.items()}
    return models | {f"dag_{i}": random_graph(rng_of("dag", i)) for i in range(RANDOM)}


def _has_int8(path: Path) -> bool:
    main = read_model(path.read_bytes()).main
    return any(main.tensors[i].dtype is DType.INT8 for op in main.operators for i in op.outputs)


@functools.cache
def _files(*, large: bool = False) -> dict[str, bytes]:
    """The int8 models of other projects, as far as they are at hand."""
    every = sorted(MODELS.rglob("*.tflite"))
    paths = [p for p in every if p.name not in REFUSED and not p.stem.endswith("_edgetpu")]
    chosen = [p for p in paths if (p.stat().st_size >= SMALL) == large and _has_int8(p)]
    return {f"file_{number}": path.read_bytes() for number, path in enumerate(chosen)}


@pytest.mark.parametrize(
    ("kernels", "optimize", "shared_too"),
    long_but_for(
        [(kernels, *how) for kernels in SETS for how in FORMS],
        *((kernels, "speed", False) for kernels in SETS),
        ("dsp", "size", True),
    ),
)
def test_models_equal_litert(kernels: str, optimize: str, shared_too: bool, tmp_path: Path) -> None:
    """Kernels in each layer, and one of each kind for all: balanced is a mixture of the two."""
    library = Library(tmp_path, options={"kernels": kernels, "optimize": optimize})
    models = _files() | (_graphs() if (optimize, shared_too) != ("speed", True) else {})
    for name, data in models.items():
        library.add(data, name)
    library.build(*STRICT, *(["-DEDGECNN_SHARE_ALL"] if shared_too else []))
    for name, data in models.items():
        check_steps(data, library.runner(name), 4)


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("kernels", SETS)
def test_large_models_equal_litert(kernels: str, tmp_path: Path) -> None:
    for name, data in _files(large=True).items():
        library = Library(tmp_path / name, options={"kernels": kernels})
        library.add(data, name)
        library.build(*STRICT, "-O2")
        check_steps(data, library.runner(name), 4)


@pytest.mark.parametrize("kernels", long_but_for(SETS, "dsp"))
def test_the_smallest_plans_equal_litert(kernels: str, tmp_path: Path) -> None:
    """Chains over row buffers, as far as they reach."""
    library, models = Library(tmp_path), _files()
    for name, data in models.items():
        model = read_model(data)
        whole = compile_model(model, name=name, kernels=kernels)
        points = whole.trades()
        assert points[0].factor <= 1, name
        assert len(points) == 1 or min(p.factor for p in points) < points[-1].factor, name
        smallest = min(point.arena_bytes for point in points)
        compiled = compile_model(model, name=name, kernels=kernels, max_ram=smallest)
        assert compiled.arena_bytes <= min(smallest, whole.arena_bytes)
        library.models[name] = compiled
    library.build(*STRICT, "-DEDGECNN_SHARE_ALL")
    for name, data in models.items():
        check_steps(data, library.runner(name), 5)


@pytest.mark.parametrize("kernels", SETS)
def test_random_chains_equal_litert(
    kernels: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every kernel's rows form, in rings that hold no more than a band is made of."""
    take_any(monkeypatch)
    library, models, chains = Library(tmp_path), {}, 0
    for index in range(CHAINED):
        name = f"net_{index}"
        models[name] = random_net(rng_of(f"net {kernels}", index), "int8")
        monkeypatch.setattr(api, "planned", Grouping((6, index)))
        compiled = compile_model(read_model(models[name]), name=name, kernels=kernels, max_ram=0)
        library.models[name] = compiled
        chains += sum(step.chain is not None for step in compiled.program.steps)
    assert chains > CHAINED
    library.build(*STRICT, "-DEDGECNN_SHARE_ALL", *SANITIZED)
    for name, data in models.items():
        inputs = random_inputs(read_model(data), rng_of(name, 1))
        for got, want in zip(library.runner(name)(inputs), Reference(data)(inputs), strict=True):
            np.testing.assert_array_equal(got, want, name)


def _benchmark(path: Path, core: str, options: RunOptions) -> BenchReport:
    target = make(core)
    if not target.board.emulator.unicorn and not qemu_serves(target.board):
        pytest.skip(f"there is no QEMU for {core}")
    report = target.benchmark(load_model_file(path), options)
    assert report.bit_exact
    return report


@pytest.mark.parametrize(
    ("core", "name", "optimize"),
    long_but_for(
        itertools.product(CORES, MLPERF, OPTIMIZE),
        *itertools.product(CORES, MLPERF, ["speed"]),
        ("cortex-m4", "kws_ref_model", "size"), ("cortex-m0plus", "vww_96_int8", "balanced"),
    ),
)  # fmt: skip
def test_exact_on_the_core(core: str, name: str, optimize: str) -> None:
    path = shared() / "models" / "mlperf_tiny" / f"{name}.tflite"
    assert _benchmark(path, core, RunOptions(optimize=optimize)).output_fnv1a == MLPERF[name]


@pytest.mark.parametrize(
    ("core", "toolchain", "optimize"),
    long_but_for(
        [(core, *how) for core in CORES for how in (("auto", "size"), ("gcc", "speed"))],
        ("cortex-m4", "auto", "size"), ("rv32imc", "auto", "size"), ("cortex-m55", "gcc", "speed"),
    ),
)  # fmt: skip
def test_random_layers_on_the_core(
    core: str, toolchain: str, optimize: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """GCC's assembler is not Clang's: it was seen to make another instruction of MVE's VQSHRN."""
    try:
        find_toolchain(make(core).board, toolchain)
    except TargetError as error:
        pytest.skip(error.message)
    take_any(monkeypatch)
    path = tmp_path / "layers.tflite"
    path.write_bytes(products(12, 12))
    _benchmark(path, core, RunOptions(optimize=optimize, toolchain=toolchain))
