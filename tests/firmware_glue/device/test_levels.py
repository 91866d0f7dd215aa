"""--optimize size takes no more flash than balanced, and balanced no more than speed."""

from __future__ import annotations

import functools
import itertools
from pathlib import Path

import numpy as np
import pytest

from benchmarks.standins import stand_in
from edgecnn.core.errors import MissingExtraError, TargetError
from edgecnn.core.tflite.reader import read_model
from firmware_glue.compiler.api import OPTIMIZE, CompiledModel, compile_model
from firmware_glue.device.board_file import load_board
from firmware_glue.device.image import build_model
from firmware_glue.device.toolchain import find_toolchain
from targets.base import RunOptions
from targets.model_file import load_model_file
from targets.table import get_target
from tests.firmware_glue.compiler.fast.layer_cases import Layers, fitted
from tests.run import shared
from tests.share import long_but_for

FILES = {"vww": "vww_96_int8", "kws": "kws_ref_model"}
COMPILERS = ("gcc", "zig")
CORES = (
    "cortex-m0plus", "cortex-m3", "cortex-m33", "cortex-m4", "cortex-m55", "cortex-m7", "rv32imc",
)  # fmt: skip
MODELS = ("vww", "kws", "ic", "ad")
SHORT = [
    (name, *how) for name in MODELS for how in (("cortex-m4", "gcc"), ("cortex-m0plus", "zig"))
]
CELLS = long_but_for(itertools.product(MODELS, CORES, COMPILERS), *SHORT)


@functools.cache
def _model(name: str) -> bytes:
    if name in FILES:
        return (shared() / "models/mlperf_tiny" / f"{FILES[name]}.tflite").read_bytes()
    return _sums() if name == "sums" else stand_in(name)


def _sums() -> bytes:
    """Two ADDs of like shapes: as one function, and not two copies, GCC once made more of them."""
    layers = Layers(np.random.default_rng(3))
    for size in (8, 16):
        (x1, one), (x2, two) = (layers.data((1, size, size, 16)) for _ in range(2))
        y = layers.build.tensor((1, size, size, 16), "int8", one + two, 3)
        layers.outputs.append(y)
        layers.build.op("ADD", [x1, x2], [y])
    return layers.model()


@functools.cache
def _compiled(name: str, core: str, optimize: str) -> CompiledModel:
    kernels = load_board(core).kernels
    return compile_model(read_model(_model(name)), name="m", kernels=kernels, optimize=optimize)


@pytest.mark.parametrize(("name", "core", "compiler"), CELLS)
def test_size_balanced_speed(name: str, core: str, compiler: str) -> None:
    board = load_board(core)
    try:
        toolchain = find_toolchain(board, compiler)
    except (TargetError, MissingExtraError) as error:
        pytest.skip(error.message)
    speed, balanced, size = (
        build_model(compiled, board, toolchain).size.code_bytes + compiled.weight_bytes
        for compiled in (_compiled(name, core, optimize) for optimize in OPTIMIZE)
    )
    assert size <= balanced <= speed
    assert size < speed


def test_a_faster_level_that_is_smaller_is_taken(tmp_path: Path) -> None:
    """GCC makes 4 bytes more of two ADDs at -Os than at -O2."""
    path = tmp_path / "sums.tflite"
    path.write_bytes(_sums())
    model, target = load_model_file(path), get_target("cortex-m4")
    found = []
    for optimize in OPTIMIZE:
        options = RunOptions(optimize=optimize, toolchain="gcc")
        try:
            result = target.compile(model, tmp_path / optimize, options)
        except TargetError as error:
            pytest.skip(error.message)
        found.append((result.code_bytes or 0) + (result.weight_bytes or 0))
        named = [note for note in result.notes if note.startswith("the C is that of --optimize")]
        assert bool(named) == (result.optimize != optimize)
        assert f"--optimize {result.optimize}" in (tmp_path / optimize / "sums.c").read_text()
    assert found == sorted(found, reverse=True)


def _convolutions(count: int) -> bytes:
    layers = Layers(np.random.default_rng(2))
    for _ in range(count):
        x, scale = layers.data((1, 6, 6, 4))
        filters, bias, product = layers.weights((4, 3, 3, 4), 0, scale)
        y = layers.output((1, fitted(6, 3, 1, 1, "SAME"), 6, 4), product, 36)
        layers.build.op("CONV_2D", [x, filters, bias], [y], padding="SAME", stride_h=1, stride_w=1)
    return layers.model()


@pytest.mark.parametrize(("count", "shared_too"), [(1, False), (3, False), (12, True)])
def test_few_layers_have_copies(count: int, shared_too: bool) -> None:
    model = read_model(_convolutions(count))
    speed, balanced = (
        compile_model(model, name="m", optimize=optimize).files["m.c"].splitlines()
        for optimize in ("speed", "balanced")
    )
    assert ("#define EC_SHARE_ec_conv2d_s8 EC_SHARED_COPY" in speed) == shared_too
    # Balanced is the code of speed with the macro that users may define themselves.
    more = [line for line in balanced if line not in speed and not line.startswith((" *", "/*"))]
    assert more == ["#if !defined(EDGECNN_SHARED_KERNELS)", "#define EDGECNN_SHARED_KERNELS"]
