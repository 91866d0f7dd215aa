"""Every op: numpy reference == C on the host == LiteRT's BUILTIN_REF, bit for bit."""

from __future__ import annotations

import zlib

import numpy as np
import pytest

from edgecnn.core.tflite.model import NO_TENSOR
from edgecnn.core.tflite.reader import read_model
from firmware_glue.compiler.ops.table import OPS
from tests.firmware_glue.compiler import cases, movement_cases
from tests.firmware_glue.compiler.harness import Library, Reference, random_inputs

MAKERS = {**cases.CASES, **movement_cases.CASES}
COUNT = 16


def _rng(code: str, index: int) -> np.random.Generator:
    return np.random.default_rng([zlib.crc32(code.encode()), index])


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> tuple[Library, dict[str, bytes]]:
    library = Library(tmp_path_factory.mktemp("ops"))
    models = {}
    for code, make in MAKERS.items():
        for index in range(COUNT):
            name = f"{code.lower()}_{index}"
            models[name] = make(_rng(code, index))
            library.add(models[name], name)
    library.build("-O1")
    return library, models


def _numpy(name: str, library: Library, inputs: list[np.ndarray]) -> list[np.ndarray]:
    """The model by the ops' numpy references alone."""
    graph = library.models[name].program.graph
    values = {i: t.data for i, t in graph.tensors.items() if t.is_constant}
    values |= dict(zip(graph.inputs, inputs, strict=True))
    for op in graph.ops:
        given = tuple(None if i == NO_TENSOR else values[i] for i in op.inputs)
        padded = (*given, *[None] * (4 - len(given)))
        results = OPS[op.code].reference(graph, op, padded)
        values |= dict(zip(op.outputs, results, strict=True))
    return [values[i] for i in graph.outputs]


@pytest.mark.parametrize("code", sorted(MAKERS))
def test_c_and_numpy_equal_litert(code: str, library: tuple[Library, dict[str, bytes]]) -> None:
    built, models = library
    wrong = []
    for index in range(COUNT):
        name = f"{code.lower()}_{index}"
        data = models[name]
        reference, run = Reference(data), built.runner(name)
        rng = _rng(code, 1000 + index)
        for _ in range(2):
            inputs = random_inputs(read_model(data), rng)
            want = reference(inputs)
            for kind, got in (("C", run(inputs)), ("numpy", _numpy(name, built, inputs))):
                for a, b in zip(got, want, strict=True):
                    assert (a.dtype, a.shape) == (b.dtype, b.shape), (name, kind)
                    if not np.array_equal(a, b):
                        wrong.append((name, kind, int(np.sum(a != b)), a.size))
    assert not wrong, wrong[:10]


def test_every_op_has_cases() -> None:
    folded = {"SHAPE", "SQUEEZE", "EXPAND_DIMS", "VIEW", "COPY"}
    assert set(OPS) - folded == set(MAKERS)
