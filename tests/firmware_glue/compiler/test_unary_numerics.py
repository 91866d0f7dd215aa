"""Unary ops under the other numerics: C against TFLite Micro's own kernels, and single rounding."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgecnn.core.tflite.reader import read_model
from firmware_glue.compiler.api import compile_model
from tests.firmware_glue.compiler.cases import CASES
from tests.firmware_glue.compiler.exactness import numpy_outputs, rng_of
from tests.firmware_glue.compiler.harness import Library, Reference, random_inputs

COUNT = 20
DIFFERENT = ("LOGISTIC:int8", "TANH:int8", "RELU6:int8", "RELU6:int16")
"""Where TFLite Micro's bytes are not LiteRT's."""
SAME = (
    "ABS:int8", "ABS:int16", "DEQUANTIZE:int16", "ELU:int8", "HARD_SWISH:int8", "LEAKY_RELU:int8",
    "LEAKY_RELU:int16", "LOGISTIC:int16", "QUANTIZE:int16", "QUANTIZE:int32", "RELU:int8",
    "RELU:int16", "RSQRT:int8", "TANH:int16",
)  # fmt: skip


def micro(data: bytes, inputs: list[np.ndarray]) -> np.ndarray:
    from tflite_micro import runtime

    interpreter = runtime.Interpreter.from_bytes(data, arena_size=1 << 20)
    for position, value in enumerate(inputs):
        interpreter.set_input(value, position)
    interpreter.invoke()
    return np.asarray(interpreter.get_output(0))


def library_of(key: str, numerics: str, folder: Path, count: int) -> tuple[Library, list[bytes]]:
    library, files = Library(folder), []
    for index in range(count):
        data, name = CASES[key](rng_of(key, index)), f"m{index}"
        files.append(data)
        library.models[name] = compile_model(read_model(data), name=name, numerics=numerics)
    library.build("-DEDGECNN_SHARE_ALL")
    return library, files


@pytest.mark.parametrize("key", sorted((*DIFFERENT, *SAME)))
def test_c_equals_tflite_micro(key: str, tmp_path: Path) -> None:
    pytest.importorskip("tflite_micro", reason="pip install tflite_micro (dev extra)")
    library, files = library_of(key, "tflm", tmp_path, COUNT)
    wrong, unlike_litert = [], 0
    for index, data in enumerate(files):
        inputs = random_inputs(read_model(data), rng_of(key, 10_000 + index))
        want = micro(data, inputs)
        got = library.runner(f"m{index}")(inputs)[0]
        if not np.array_equal(got.reshape(want.shape), want):
            wrong.append(index)
        if key in DIFFERENT:
            unlike_litert += not np.array_equal(Reference(data)(inputs)[0].ravel(), want.ravel())
    assert not wrong, (key, wrong)
    assert (unlike_litert > 0) == (key in DIFFERENT)


@pytest.mark.parametrize("key", ["RELU:int16", "LEAKY_RELU:int16", "QUANTIZE:int32", "RELU:int8"])
def test_single_rounding_follows_its_formula(key: str, tmp_path: Path) -> None:
    library, files = library_of(key, "single", tmp_path, 20)
    differs = 0
    for index, data in enumerate(files):
        name, inputs = f"m{index}", random_inputs(read_model(data), rng_of(key, index))
        got = library.runner(name)(inputs)[0]
        assert np.array_equal(got, numpy_outputs(name, library, inputs)[0]), index
        differs += int(np.sum(got != Reference(data)(inputs)[0]))
    assert differs, "no model tells single from double rounding"


def test_int16_rsqrt_is_refused_under_tflm() -> None:
    from edgecnn.core.errors import EdgecnnError

    data = CASES["RSQRT:int16"](rng_of("RSQRT:int16", 0))
    with pytest.raises(EdgecnnError) as caught:
        compile_model(read_model(data), name="m", numerics="tflm")
    assert "TFLite Micro's int16 RSQRT" in str(caught.value.details)
