"""Whole models with every set of kernels, at every level: exact on the host and on the cores."""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np
import pytest

from edgecnn.core.tflite.model import DType
from edgecnn.core.tflite.reader import read_model
from firmware_glue.compiler.api import OPTIMIZE
from firmware_glue.device.board import load_board
from firmware_glue.device.emulate.qemu_machine import qemu_serves
from targets.base import RunOptions
from targets.mcu.target import make
from targets.model_file import load_model_file
from tests.firmware_glue.compiler.exactness import check_steps, rng_of
from tests.firmware_glue.compiler.fast.any_offer import SETS
from tests.firmware_glue.compiler.graphs import GRAPHS, random_graph
from tests.firmware_glue.compiler.harness import STRICT, Library
from tests.firmware_glue.compiler.test_models_exact import MLPERF
from tests.firmware_glue.compiler.test_shared_models import LARGE, MODELS, REFUSED

RANDOM = 10
FILES = ("kws_ref_model.tflite", "vww_96_int8.tflite")


@functools.cache
def _graphs() -> dict[str, bytes]:
    models = {name: make(rng_of(name, 6)) for name, make in GRAPHS.items()}
    return models | {f"dag_{i}": random_graph(rng_of("dag", i)) for i in range(RANDOM)}


def _is_int8(path: Path) -> bool:
    main = read_model(path.read_bytes()).main
    return all(main.tensors[i].dtype is DType.INT8 for i in main.inputs)


@functools.cache
def _files() -> dict[str, bytes]:
    """The small int8 models of other projects, as far as they are at hand."""
    paths = [path for path in sorted(MODELS.rglob("*.tflite")) if path.name not in REFUSED]
    small = [path for path in paths if path.stat().st_size <= LARGE and _is_int8(path)]
    return {f"file_{number}": path.read_bytes() for number, path in enumerate(small)}


@pytest.mark.parametrize("optimize", OPTIMIZE)
@pytest.mark.parametrize("kernels", SETS)
def test_models_equal_litert(kernels: str, optimize: str, tmp_path: Path) -> None:
    library = Library(tmp_path, options={"kernels": kernels, "optimize": optimize})
    # Balanced takes the kernels of speed, and shares them as size does.
    models = _files() | (_graphs() if optimize != "balanced" else {})
    for name, data in models.items():
        library.add(data, name)
    library.build(*STRICT)
    for name, data in models.items():
        check_steps(data, library.runner(name), 4)
