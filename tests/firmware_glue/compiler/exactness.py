"""Property tests of exactness: many random models of an op in one C library.

Judge: LiteRT's BUILTIN_REF. Integers must agree bit for bit, floats within 4 ulp or 1e-5.
"""

from __future__ import annotations

import itertools
import os
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from edgecnn.core.tflite.model import NO_TENSOR
from edgecnn.core.tflite.reader import read_model
from firmware_glue.compiler.ir import Graph
from firmware_glue.compiler.ops.table import OPS
from tests.firmware_glue.compiler.cases import CASES
from tests.firmware_glue.compiler.harness import Library, Reference, Runner, random_inputs

COUNT = int(os.environ.get("EDGECNN_CASES", "8"))
"""Random models per op and dtype."""
LONG_COUNT = int(os.environ.get("EDGECNN_LONG_CASES", "1000"))
ULP, RELATIVE = 4, 1e-5
_RUNS = 2
_CHUNK = 250
OPTIMIZED = ("SUM:int8", "SUM:int16")
"""LiteRT 2.3.0's reference kernels are broken here: they read the bytes as uint8. Its optimized
kernels are the judge."""
NOT_IN_REF = ("CEIL:float32", "ELU:float32", "ELU:int8", "ROUND:float32")
"""BUILTIN_REF has no such op: LiteRT's optimized kernels are the judge."""
ABSOLUTE = {"GELU:float32": 2e-6, "GELU:int16": 1, "UNIDIRECTIONAL_SEQUENCE_LSTM:float32": 2e-6}
"""1 + tanh(x) cancels: what is left of tanh's own rounding is no longer relative. LiteRT leaves the
LSTM's sums to a matrix library, in an order of its own: where they cancel, so does the error. int16
GELU: LiteRT's table depends on the tanhf of the machine's libm, ours is correctly rounded."""


def rng_of(key: str, index: int) -> np.random.Generator:
    return np.random.default_rng([zlib.crc32(key.encode()), index])


def wrong_elements(got: np.ndarray, want: np.ndarray, absolute: float = 0.0) -> int:
    """How many elements are wrong; NaN equals NaN."""
    if got.dtype.kind != "f":
        return int(np.sum(np.abs(got.astype(np.int64) - want.astype(np.int64)) > absolute))
    a, b = got.astype(np.float64), want.astype(np.float64)
    with np.errstate(invalid="ignore", over="ignore"):
        tolerance = np.maximum(ULP * np.spacing(np.abs(want)).astype(np.float64), RELATIVE * abs(b))
        good = (a == b) | (np.abs(a - b) <= tolerance + absolute) | (np.isnan(a) & np.isnan(b))
    return int(np.sum(~good))


def keys_by_op() -> dict[str, list[str]]:
    """Op code → the generators of its dtypes, ``CODE:dtype``."""
    found: dict[str, list[str]] = {}
    for key in sorted(CASES):
        found.setdefault(key.rsplit(":", 1)[0], []).append(key)
    return found


def check_short(keys: Sequence[str], folder: Path) -> None:
    """The cases of every run, of some generators in one library."""
    check_cases(keys, folder, range(COUNT), "-O0")


def check_long(key: str, folder: Path) -> None:
    """Further ones, optimised."""
    for first in range(COUNT, COUNT + LONG_COUNT, _CHUNK):
        cases = range(first, min(first + _CHUNK, COUNT + LONG_COUNT))
        check_cases([key], folder / str(first), cases, "-O2")


def check_cases(
    keys: Sequence[str], folder: Path, cases: range, *flags: str, kernels: str = "generic"
) -> Library:
    """Compares C and numpy with LiteRT on the models that generators make of some numbers.

    numpy is left out but for the generic kernels: it has no others.
    """
    library, made = Library(folder, options={"kernels": kernels}), {}
    for (number, key), index in itertools.product(enumerate(keys), cases):
        name = f"m{number}_{index}"
        made[name] = key, index, CASES[key](rng_of(key, index))
        library.add(made[name][2], name)
    # One copy of each kernel for all models: the models' own code is what differs.
    library.build("-DEDGECNN_SHARE_ALL", *flags)
    wrong = [
        (key, *row)
        for name, (key, index, data) in made.items()
        for row in _compare(key, name, data, library, rng_of(key, 10_000_000 + index))
    ]
    assert not wrong, f"{len(wrong)} wrong, {wrong[:10]}"
    return library


def _compare(
    key: str, name: str, data: bytes, library: Library, rng: np.random.Generator
) -> list[tuple[object, ...]]:
    model, run = read_model(data), library.runner(name)
    reference = Reference(data, optimized=key in (*OPTIMIZED, *NOT_IN_REF))
    rows: list[tuple[object, ...]] = []
    for _ in range(_RUNS):
        inputs = random_inputs(model, rng)
        want = reference(inputs)
        found = {"C": run(inputs)}
        generic = library.options["kernels"] == "generic"
        if generic and not library.models[name].program.variable_bytes:
            found["numpy"] = numpy_outputs(name, library, inputs)
        for kind, got in found.items():
            for a, b in zip(got, want, strict=True):
                assert (a.dtype, a.shape) == (b.dtype, b.shape), (name, kind, a.dtype, a.shape)
                if bad := wrong_elements(a, b, ABSOLUTE.get(key, 0.0)):
                    rows.append((name, kind, bad, a.size))
    return rows


def check_steps(data: bytes, runner: Runner, seed: int) -> None:
    """A whole model equals LiteRT bit for bit: every tensor right after its step, the outputs.

    Of a model that remembers, the outputs alone: both ways would be a run each.
    """
    inputs = random_inputs(read_model(data), np.random.default_rng(seed))
    reference = Reference(data)
    want = reference(inputs)
    stateful = runner.model.program.variable_bytes > 0
    for tensor_id, value in ({} if stateful else runner.steps(inputs)).items():
        inner = reference.inner(runner.model, tensor_id)
        if inner is not None:
            np.testing.assert_array_equal(value, inner, str(tensor_id))
    for got, expected in zip(runner(inputs), want, strict=True):
        np.testing.assert_array_equal(got, expected)


def numpy_outputs(name: str, library: Library, inputs: list[np.ndarray]) -> list[np.ndarray]:
    """The model by the ops' numpy references alone."""
    return graph_outputs(library.models[name].program.graph, inputs)


def graph_outputs(graph: Graph, inputs: list[np.ndarray]) -> list[np.ndarray]:
    """A graph without variables by the ops' numpy references."""
    values = {i: t.data for i, t in graph.tensors.items() if t.is_constant}
    values |= dict(zip(graph.inputs, inputs, strict=True))
    for op in graph.ops:
        given = tuple(None if i == NO_TENSOR else values[i] for i in op.inputs)
        padded = (*given, *[None] * (4 - len(given)))
        results = OPS[op.code].known_variant(graph, op).reference(graph, op, padded)
        values |= dict(zip(op.outputs, results, strict=True))
    return [values[i] for i in graph.outputs]
