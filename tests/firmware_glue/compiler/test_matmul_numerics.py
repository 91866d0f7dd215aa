"""Matrix products at the borders of rounding, packed weights, and TFLite Micro's arithmetic."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgecnn.core.tflite.model import NO_TENSOR, DType
from edgecnn.core.tflite.reader import read_model
from firmware_glue.compiler.api import check_ops, compile_model
from firmware_glue.compiler.ops import real_scaling
from tests.builders import ModelBuilder
from tests.firmware_glue.compiler.cases import CASES
from tests.firmware_glue.compiler.cases.state import svdf
from tests.firmware_glue.compiler.exactness import numpy_outputs, rng_of
from tests.firmware_glue.compiler.harness import Library, Reference, random_inputs
from tests.firmware_glue.compiler.test_unary_numerics import micro


def bias_only(dtype: str, scales: tuple[float, float, float], sums: np.ndarray) -> bytes:
    """A FULLY_CONNECTED whose filters are 0, so that the sums are its biases."""
    build = ModelBuilder()
    wide = dtype == "int16"
    zero = 128 if dtype == "uint8" else 0
    x = build.tensor((1, 1), dtype, scales[0], zero)
    kind = "uint8" if dtype == "uint8" else "int8"
    f = build.tensor((sums.size, 1), kind, scales[1], zero, data=np.full((sums.size, 1), zero))
    b = build.tensor((sums.size,), "int64" if wide else "int32", scales[0] * scales[1], data=sums)
    y = build.tensor((1, sums.size), dtype, scales[2], zero)
    extra = {"quantized_bias_type": "INT64"} if wide else {}
    build.op("FULLY_CONNECTED", [x, f, b], [y], **extra)
    return build.build([x], [y])


def borders(scales: tuple[float, float, float], steps: np.ndarray) -> np.ndarray:
    """The sums around the ties of the rounded product, both signs."""
    s = np.float64(np.float32(scales))
    centres = (steps + 0.5) / (s[0] * s[1] / s[2])
    near = (centres[:, None].astype(np.int64) + np.arange(-2, 3)).ravel()
    near = near[near < 2**30]
    return np.concatenate([near, -near])


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16"])
def test_sums_at_every_border_round_as_litert_rounds(dtype: str, tmp_path: Path) -> None:
    rng, library, models = np.random.default_rng(11), Library(tmp_path), []
    for index in range(24):
        scales = (0.5, 2.0**-index, 1.0)  # exact ties
        if index % 4:
            first, second = rng.uniform(0.001, 0.1, 2)
            scales = (first, second, first * second * 2.0 ** rng.uniform(1, 20))
        limit = 32767 if dtype == "int16" else 255
        steps = np.arange(limit) if limit < 999 else rng.integers(0, limit, 300)
        data = bias_only(dtype, scales, borders(scales, steps))
        models.append(data)
        library.add(data, f"m{index}")
    library.build("-DEDGECNN_SHARE_ALL")
    for index, data in enumerate(models):
        inputs = random_inputs(read_model(data), rng)
        want = Reference(data)(inputs)[0]
        for got in (
            library.runner(f"m{index}")(inputs),
            numpy_outputs(f"m{index}", library, inputs),
        ):
            assert np.array_equal(got[0], want), index


def test_factors_without_a_multiplier_take_the_exact_kernel(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    for _ in range(400):
        s = np.float64(np.float32(rng.uniform(0.001, 0.1, 2)))
        out = np.float64(np.float32(s[0] * s[1] * 2.0 ** rng.uniform(18, 21)))
        if real_scaling.nearest(np.array([s[0] * s[1] / out]), 256) is None:
            break
    else:
        pytest.fail("no factor needs the exact kernel")
    scales = (s[0], s[1], out)
    data, library = bias_only("int8", scales, borders(scales, np.arange(256))), Library(tmp_path)
    library.add(data, "m")
    assert library.models["m"].steps[0].kernel == "fully_connected_s8_exact"
    library.build()
    inputs = [np.zeros((1, 1), np.int8)]
    assert np.array_equal(library.runner("m")(inputs)[0], Reference(data)(inputs)[0])


def test_svdf_multiplies_its_scales_in_float32(tmp_path: Path) -> None:
    rng, library, models, sums = np.random.default_rng(2), Library(tmp_path), [], 0
    for index in range(8):
        state, time = np.float32(rng.uniform(1e-5, 1e-4, 2))
        out = np.float32(state * time * np.float32(2.0 ** rng.uniform(20, 22)))
        # Sums next to ties, so that the last bits of the factor tell.
        values = borders((float(state), float(time), float(out)), np.arange(120))
        build, sums = ModelBuilder(), values.size
        x = build.tensor((1, 1), "int8", 0.1)
        feature = build.tensor((sums, 1), "int8", 0.1, data=np.zeros((sums, 1)))
        times = build.tensor((sums, 1), "int16", float(time), data=np.zeros((sums, 1)))
        b = build.tensor((sums,), "int32", float(state * time), data=values)
        memory = build.tensor((1, sums), "int16", float(state), variable=True)
        y = build.tensor((1, sums), "int8", float(out))
        build.op(
            "SVDF", [x, feature, times, b, memory], [y], rank=1, fused_activation_function="RELU"
        )
        models.append(build.build([x], [y]))
        library.add(models[-1], f"m{index}")
    library.build("-DEDGECNN_SHARE_ALL")
    inputs = [np.zeros((1, 1), np.int8)]
    for index, data in enumerate(models):
        assert np.array_equal(library.runner(f"m{index}")(inputs)[0], Reference(data)(inputs)[0])


@pytest.mark.parametrize("odd", [False, True])
def test_int4_filters_are_unpacked(odd: bool, tmp_path: Path) -> None:
    rng, depth = np.random.default_rng(6), 7 if odd else 8
    values = rng.integers(-8, 8, (5, depth))
    flat = np.append(values.ravel(), np.zeros(values.size % 2, np.int64)) & 15
    build = ModelBuilder()
    x = build.tensor((3, depth), "int8", 0.05, 4)
    f = build.tensor(
        (5, depth), "int4", 0.1, data=(flat[::2] | flat[1::2] << 4).astype(np.uint8).tobytes()
    )
    y = build.tensor((3, 5), "int8", 0.1, -3)
    build.op("FULLY_CONNECTED", [x, f, -1], [y])
    data, library = build.build([x], [y]), Library(tmp_path)
    library.add(data, "m")
    library.build()
    inputs = [rng.integers(-128, 128, (3, depth), dtype=np.int8)]
    assert np.array_equal(library.runner("m")(inputs)[0], Reference(data)(inputs)[0])


@pytest.mark.parametrize(
    "key", ["BATCH_MATMUL:int8", "BATCH_MATMUL:int16", "FULLY_CONNECTED:int8",
            "FULLY_CONNECTED:int16", "SVDF:int8"],
)  # fmt: skip
def test_c_equals_tflite_micro(key: str, tmp_path: Path) -> None:
    pytest.importorskip("tflite_micro", reason="pip install tflite_micro (dev extra)")
    library, files = Library(tmp_path), {}
    for index in range(60):
        data, name = CASES[key](rng_of(key, index)), f"m{index}"
        model = read_model(data)
        # Micro has no 16-bit filters, nor two dtypes in one BATCH_MATMUL, nor SVDF without bias.
        kinds = [model.main.tensors[i].dtype for i in model.main.operators[0].inputs[:2]]
        fits = kinds[0] is kinds[1] if key.startswith("B") else kinds[1] is DType.INT8
        if fits and (key != "SVDF:int8" or NO_TENSOR not in model.main.operators[0].inputs):
            files[name] = data
            library.models[name] = compile_model(model, name=name, numerics="tflm")
    assert len(files) > 30
    library.build("-DEDGECNN_SHARE_ALL")
    unlike_litert = 0
    for name, data in files.items():
        inputs = random_inputs(read_model(data), rng_of(key, len(name)))
        want = micro(data, inputs)
        assert np.array_equal(library.runner(name)(inputs)[0].reshape(want.shape), want), name
        unlike_litert += not np.array_equal(Reference(data)(inputs)[0].ravel(), want.ravel())
    assert (unlike_litert > 0) == (key == "FULLY_CONNECTED:int16")


def test_svdf_with_an_int8_state_is_tflite_micros_alone(tmp_path: Path) -> None:
    pytest.importorskip("tflite_micro", reason="pip install tflite_micro (dev extra)")
    from tflite_micro import runtime

    library, files, rng = Library(tmp_path), {}, np.random.default_rng(8)
    for index in range(40):
        data, name = svdf(rng, "int8"), f"m{index}"
        model = read_model(data)
        assert [p.got for p in check_ops(model)] == ["int8 and int8"]
        if NO_TENSOR not in model.main.operators[0].inputs:
            files[name] = data
            library.models[name] = compile_model(model, name=name, numerics="tflm")
    library.build("-DEDGECNN_SHARE_ALL")
    for name, data in files.items():
        run, micro_run = (
            library.runner(name),
            runtime.Interpreter.from_bytes(data, arena_size=1 << 20),
        )
        for _ in range(4):
            inputs = random_inputs(read_model(data), rng)
            micro_run.set_input(inputs[0], 0)
            micro_run.invoke()
            assert np.array_equal(run(inputs)[0], micro_run.get_output(0)), name


def test_lstm_is_refused_under_tflm() -> None:
    from firmware_glue.compiler.ir import Numerics

    key = "UNIDIRECTIONAL_SEQUENCE_LSTM:int8"
    problems = check_ops(read_model(CASES[key](rng_of(key, 0))), Numerics.TFLM)
    assert [p.got for p in problems] == ["tflm"]
