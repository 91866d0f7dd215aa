"""Models that remember: several inferences, a reset, and resource variables, against LiteRT."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgecnn.core.errors import UnsupportedModelError
from edgecnn.core.tflite.reader import read_model
from firmware_glue.compiler.api import check_ops, compile_model
from tests.builders import ModelBuilder
from tests.firmware_glue.compiler.cases import CASES
from tests.firmware_glue.compiler.exactness import ABSOLUTE, rng_of, wrong_elements
from tests.firmware_glue.compiler.harness import Library, Reference, random_inputs
from tests.firmware_glue.compiler.test_models_exact import SHARED

STATEFUL = (
    "SVDF:int8", "SVDF:float32",
    "UNIDIRECTIONAL_SEQUENCE_LSTM:int8", "UNIDIRECTIONAL_SEQUENCE_LSTM:float32",
)  # fmt: skip
_MODELS, _RUNS = 8, 5


@pytest.mark.parametrize("key", STATEFUL)
def test_many_inferences_and_a_reset_equal_litert(key: str, tmp_path: Path) -> None:
    library = Library(tmp_path)
    models = [CASES[key](rng_of(f"state {key}", index)) for index in range(_MODELS)]
    for index, data in enumerate(models):
        library.add(data, f"m{index}")
    library.build("-DEDGECNN_SHARE_ALL")
    changed = 0
    for index, data in enumerate(models):
        run, rng = library.runner(f"m{index}"), rng_of(key, 77 + index)
        inputs = [random_inputs(read_model(data), rng) for _ in range(_RUNS)]
        first, again = [], []
        reference = Reference(data)
        for values in inputs:
            want = reference(values)[0]
            first.append(run(values)[0])
            assert wrong_elements(first[-1], want, ABSOLUTE.get(key, 0.0)) == 0, (key, index)
        run.call("reset")
        again = [run(values)[0] for values in inputs]
        assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
        changed += not np.array_equal(run(inputs[0])[0], first[0])
    # The state does matter to the models of this test.
    assert changed > _MODELS // 2


def counter(dtype: str = "float32", *, start: object = None, order: str = "read first") -> bytes:
    """y = sum of all inputs so far, in a resource variable; ``start``: its first contents."""
    build = ModelBuilder()
    scale = 0.05 if dtype == "int8" else None
    x = build.tensor((2, 3), dtype, scale)
    handle = build.tensor((), "int32", name="handle")
    again = build.tensor((), "int32", name="handle again")
    old = build.tensor((2, 3), dtype, scale)
    new = build.tensor((2, 3), dtype, scale)
    latest = build.tensor((2, 3), dtype, scale)
    if start is not None:
        init = build.subgraph()
        first = init.tensor((2, 3), dtype, scale, data=start)
        target = init.tensor((), "int32")
        init.op("VAR_HANDLE", [], [target], container="", shared_name="sum")
        init.op("ASSIGN_VARIABLE", [target, first], [])
        index = build.add_subgraph(init, [], [])
        build.op("CALL_ONCE", [], [], init_subgraph_index=index)
    build.op("VAR_HANDLE", [], [handle], container="", shared_name="sum")
    build.op("READ_VARIABLE", [handle], [old])
    build.op("ADD", [old, x], [new])
    build.op("VAR_HANDLE", [], [again], container="", shared_name="sum")
    build.op("ASSIGN_VARIABLE", [again, new], [])
    build.op("READ_VARIABLE", [handle], [latest])
    return build.build([x], [old, latest] if order == "read first" else [latest, old])


def test_a_keras_lstm_of_coral_equals_litert(tmp_path: Path) -> None:
    path = SHARED / "models/edgetpu_pairs/coral/keras_lstm_mnist_ptq.tflite"
    if not path.is_file():
        pytest.skip("EDGECNN_SHARED holds no models/edgetpu_pairs")
    data, library, rng = path.read_bytes(), Library(tmp_path), np.random.default_rng(3)
    library.add(data, "lstm")
    library.build()
    run, reference = library.runner("lstm"), Reference(data)
    for density in (0.1, 0.3, 0.5, 1.0):
        image = rng.integers(0, 256, (1, 28, 28)) * (rng.random((1, 28, 28)) < density)
        inputs = [image.astype(np.uint8)]
        np.testing.assert_array_equal(run(inputs)[0], reference(inputs)[0])


@pytest.mark.parametrize("dtype", ["float32", "int8"])
def test_resource_variables_equal_litert(dtype: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    start = rng.integers(-9, 10, (2, 3))
    data = counter(dtype, start=start)
    library = Library(tmp_path)
    compiled = library.add(data, "counter")
    assert compiled.program.variable_bytes >= 6
    library.build()
    run, reference = library.runner("counter"), Reference(data)
    for _ in range(4):
        inputs = [rng.integers(-9, 10, (2, 3)).astype(dtype)]
        for got, want in zip(run(inputs), reference(inputs), strict=True):
            np.testing.assert_array_equal(got, want)
    run.call("reset")
    inputs = [np.zeros((2, 3), dtype)]
    np.testing.assert_array_equal(run(inputs)[0], start.astype(dtype))


def test_a_variable_without_first_contents_starts_at_zero(tmp_path: Path) -> None:
    library = Library(tmp_path)
    library.add(counter(), "counter")
    library.build()
    run = library.runner("counter")
    ones = [np.ones((2, 3), np.float32)]
    assert [float(run(ones)[1][0, 0]) for _ in range(3)] == [1.0, 2.0, 3.0]


def test_variables_that_change_shape_are_refused() -> None:
    build = ModelBuilder()
    x = build.tensor((4,), "float32")
    handle, y = build.tensor((), "int32"), build.tensor((2,), "float32")
    build.op("VAR_HANDLE", [], [handle], container="", shared_name="v")
    build.op("ASSIGN_VARIABLE", [handle, x], [])
    build.op("READ_VARIABLE", [handle], [y])
    problems = check_ops(read_model(build.build([x], [y])))
    assert [p.rule for p in problems] == ["A variable must keep its shape and dtype."]
    with pytest.raises(UnsupportedModelError):
        compile_model(read_model(build.build([x], [y])), name="m")


def test_call_once_may_only_assign_constants() -> None:
    build = ModelBuilder()
    x = build.tensor((2,), "float32")
    handle, y = build.tensor((), "int32"), build.tensor((2,), "float32")
    init = build.subgraph()
    a, b = (init.tensor((), "int32") for _ in range(2))
    value = init.tensor((2,), "float32")
    init.op("VAR_HANDLE", [], [a], container="", shared_name="v")
    init.op("READ_VARIABLE", [a], [value])
    init.op("VAR_HANDLE", [], [b], container="", shared_name="w")
    init.op("ASSIGN_VARIABLE", [b, value], [])
    build.op("CALL_ONCE", [], [], init_subgraph_index=build.add_subgraph(init, [], []))
    build.op("VAR_HANDLE", [], [handle], container="", shared_name="w")
    build.op("ASSIGN_VARIABLE", [handle, x], [])
    build.op("READ_VARIABLE", [handle], [y])
    problems = check_ops(read_model(build.build([x], [y])))
    assert [(p.op, p.got) for p in problems] == [("CALL_ONCE", "READ_VARIABLE")]
