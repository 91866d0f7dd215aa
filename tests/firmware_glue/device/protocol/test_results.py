"""How inputs become tensors and outputs become text: against exact fractions and numpy."""

from __future__ import annotations

import ctypes
import re
import struct
from fractions import Fraction
from pathlib import Path
from random import Random

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.firmware_glue.device.protocol.host_board import HostBoard, HostModel, build, reference

LIMIT = 1 << 32


class Real(ctypes.Structure):
    _fields_ = [
        ("whole", ctypes.c_uint32),
        ("thousandths", ctypes.c_uint16),
        ("negative", ctypes.c_uint8),
        ("nan", ctypes.c_uint8),
    ]


def float_of(bits: int) -> float:
    return struct.unpack("<f", struct.pack("<I", bits))[0]


def bits_of(value: float) -> int:
    return struct.unpack("<I", struct.pack("<f", value))[0]


@settings(max_examples=500)
@given(st.booleans(), st.integers(0, LIMIT - 1), st.integers(0, LIMIT - 1))
@example(False, 255, bits_of(1 / 256))
@example(True, 1, 0)
@example(True, 1, 1)
@example(False, LIMIT - 1, bits_of(1.0))
@example(False, 1, bits_of(float("inf")))
@example(False, 1, bits_of(float("nan")))
@example(False, 1, bits_of(0.9995))
@example(False, 1, bits_of(4294967040.0))
@example(False, 1, bits_of(0.0625))
@example(False, 3, bits_of(0.0005))
def test_real_numbers(
    board_library: ctypes.CDLL, negative: bool, count: int, scale_bits: int
) -> None:
    function = board_library.edgecnn_real_of
    function.restype = Real
    real = function(int(negative), ctypes.c_uint32(count), ctypes.c_uint32(scale_bits))
    scale = float_of(scale_bits)
    assert bool(real.nan) == (scale != scale)
    if real.nan:
        return
    given = (real.whole, real.thousandths)
    if abs(scale) == float("inf"):
        assert given == (LIMIT - 1, 999)
        return
    exact = abs(Fraction(scale)) * count
    rounded = int(exact * 1000 + Fraction(1, 2))
    below = int((exact - Fraction(1, 1 << 51)) * 1000 + Fraction(1, 2))  # 52 places are kept
    if rounded >= LIMIT * 1000:
        assert given == (LIMIT - 1, 999) or below < LIMIT * 1000
    else:
        assert given in (divmod(rounded, 1000), divmod(below, 1000))
    assert bool(real.negative) == ((negative != (scale_bits >> 31 != 0)) and given != (0, 0))


def shown(value: float) -> str:
    thousandths = int(abs(Fraction(value)) * 1000 + Fraction(1, 2))
    sign = "-" if value < 0 and thousandths else ""
    return f"{sign}{thousandths // 1000}.{thousandths % 1000:03d}"


DTYPES = ("int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float32")
PLAIN = ", ".join(
    f"{{edgecnn_arena + m_OUTPUT0_OFFSET, 24u, EDGECNN_{dtype.upper()}, {zero}, {scale}u}}"
    for dtype in DTYPES
    for zero, scale in ((0, 0), (-5 if dtype in ("int8", "int16") else 3, bits_of(0.03)))
)
MODEL = HostModel(
    (24, 1), (24, 1), f"#undef EDGECNN_OUTPUTS\n#define EDGECNN_OUTPUTS {PLAIN}\n"
)  # fmt: skip


def test_results_of_every_dtype(tmp_path: Path) -> None:
    board = HostBoard(build(tmp_path, MODEL))
    board.boot()
    rng = Random(8)
    for case in range(20):
        data = bytes(25) if case == 0 else rng.randbytes(25)
        board.ask(f"db load 25%db {data.hex()}%")
        text = re.search(rb"m-results-\[(.*)\]", board.ask("infer 1 0%"))[1].decode().split(",")
        out, _ = reference((data[:24], data[24:]), 1, (24, 1))
        want = []
        for dtype in DTYPES:
            values = np.frombuffer(out, dtype)
            for zero, scale in ((0, 1.0), (-5 if dtype in ("int8", "int16") else 3, 0.03)):
                scale, offset = float_of(bits_of(scale)), 0 if dtype == "float32" else zero
                want += [(value, offset, scale, dtype) for value in values.tolist()]
        assert len(text) == len(want)
        for got, (value, offset, scale, dtype) in zip(text, want, strict=True):
            if value != value:
                assert got == "nan"
            elif dtype == "float32":
                assert got == shown(min(abs(value), LIMIT - 0.001) * (1 if value > 0 else -1)) or (
                    abs(value) >= LIMIT and got.lstrip("-") == "4294967295.999"
                )
            elif abs(value - offset) >= LIMIT:
                assert float(got) == pytest.approx(scale * (LIMIT - 1) * (1 if value > 0 else -1))
            else:
                assert got == shown(float(Fraction(scale) * (value - offset)))


def test_pixels(tmp_path: Path) -> None:
    board = HostBoard(build(tmp_path, HostModel(config="#define EDGECNN_DB_PIXELS 1\n")))
    board.boot()
    data = Random(4).randbytes(527)
    for again in range(2):
        board.ask(f"db load 527%db {data.hex()}%")
        reply = board.ask(f"infer {again + 1} 1%")
        pixels = bytes((value - 128) & 0xFF for value in data[:490])
        first, _ = reference((pixels, data[490:]))
        values = [f"{(value ^ 0x80) / 256 + 1e-9:.3f}" for value in first]
        assert f"m-results-[{','.join(values)},".encode() in reply


FLOATS = """
#define m_INPUT0_ELEMENTS 12
static inline int8_t m_quantize_input0(float real) {
  const float steps = real / 0.25f;
  return (int8_t)(steps < -128.0f ? -128.0f : steps > 127.0f ? 127.0f : steps);
}
static inline int8_t *m_input0(const m_state *state) { return (int8_t *)state->arena; }
static inline int8_t *m_output0(const m_state *state) {
  return (int8_t *)state->arena + m_OUTPUT0_OFFSET;
}
static inline float m_dequantize_output0(int8_t value) { return 0.5f * (float)(value + 3); }
"""


def test_mean_squared_error(tmp_path: Path) -> None:
    """What MLPerf Tiny's anomaly detection answers."""
    config = "#define EDGECNN_DB_FLOATS 1\n#define EDGECNN_RESULT_MSE 1\n"
    board = HostBoard(build(tmp_path, HostModel((12, 1), (12, 1), config, FLOATS)))
    board.boot()
    rng = np.random.default_rng(2)
    for _ in range(5):
        floats = rng.normal(0, 9, 12).astype("<f4")
        board.ask(f"db load 48%db {floats.tobytes().hex()}%")
        reply = board.ask("infer 2 0%")
        steps = np.clip(np.trunc(floats / np.float32(0.25)), -128, 127).astype("i1")
        out = np.frombuffer(reference((steps.tobytes(), b"\0"), 1, (12, 1))[0], "i1")
        want = np.mean((floats - 0.5 * (out.astype("f4") + 3)) ** 2)
        got = float(re.search(rb"m-results-\[([0-9.]+)\]", reply)[1])
        assert got == pytest.approx(want, rel=1e-5, abs=6e-4)
