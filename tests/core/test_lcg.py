"""lcg:1 and FNV-1a against plain loops and against figures that others measured."""

import numpy as np
import pytest

from edgecnn.core.errors import ModelError
from edgecnn.core.lcg import fnv1a, lcg_bytes, lcg_inputs, outputs_fnv1a
from edgecnn.core.runtime import LiteRTPredictor, TensorInfo
from tests.run import shared


def plain_loop(count: int, seed: int) -> list[int]:
    state, found = seed, []
    for _ in range(count):
        state = (state * 1664525 + 1013904223) % 2**32
        found.append(state >> 24)
    return found


@pytest.mark.parametrize("count", [0, 1, 2, 3, 7, 8, 9, 1000])
@pytest.mark.parametrize("seed", [1, 0, 2**32 - 1])
def test_bytes_equal_the_plain_loop(count: int, seed: int) -> None:
    assert lcg_bytes(count, seed).tolist() == plain_loop(count, seed)


def test_one_sequence_runs_over_all_inputs() -> None:
    infos = [
        TensorInfo("a", (1, 3), "int8"),
        TensorInfo("b", (1, 2), "int16"),
        TensorInfo("c", (1, 2), "float32"),
        TensorInfo("d", (2,), "uint8"),
        TensorInfo("e", (2,), "bool"),
        TensorInfo("f", (2,), "int64"),
        TensorInfo("g", (1,), "int32"),
    ]
    raw = plain_loop(16, 1)
    inputs = lcg_inputs(infos)
    assert inputs["a"].tolist() == [[b - 256 if b > 127 else b for b in raw[:3]]]
    words = [raw[3] + 256 * raw[4], raw[5] + 256 * raw[6]]
    assert inputs["b"].tolist() == [[w - 65536 if w > 32767 else w for w in words]]
    assert inputs["c"].tolist() == [[(b - 128) / 128 for b in raw[7:9]]]
    assert inputs["d"].tolist() == raw[9:11]
    assert inputs["e"].tolist() == [b > 127 for b in raw[11:13]]
    assert inputs["f"].tolist() == [b // 32 for b in raw[13:15]]
    assert inputs["g"].tolist() == [raw[15] // 32]
    assert {k: v.dtype.name for k, v in inputs.items()} == {i.name: i.dtype for i in infos}


def test_other_types_are_refused() -> None:
    with pytest.raises(ModelError, match="float64"):
        lcg_inputs([TensorInfo("x", (1,), "float64")])


@pytest.mark.parametrize(
    ("text", "value"), [(b"", 0x811C9DC5), (b"foobar", 0xBF9CF968), (b"a", 0xE40C292C)]
)
def test_fnv_of_published_vectors(text: bytes, value: int) -> None:
    assert fnv1a(text) == value


def test_outputs_are_hashed_in_order_little_endian() -> None:
    values = [np.int16([1]), np.int8([2])]
    assert outputs_fnv1a(values) == f"{fnv1a(bytes([1, 0, 2])):08x}"
    assert outputs_fnv1a([np.array([1], ">i2"), np.int8([2])]) == outputs_fnv1a(values)


@pytest.mark.parametrize(
    ("name", "expected"), [("vww_96_int8", "3a5f7f09"), ("kws_ref_model", "ab2fdbf1")]
)
def test_known_outputs_of_the_reference_kernels(name: str, expected: str) -> None:
    data = (shared() / f"models/mlperf_tiny/{name}.tflite").read_bytes()
    predictor = LiteRTPredictor(data, resolver="reference")
    outputs = predictor.predict(lcg_inputs(predictor.inputs))
    assert outputs_fnv1a(outputs.values()) == expected
