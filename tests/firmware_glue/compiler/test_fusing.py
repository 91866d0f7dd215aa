"""Activations, borders and chains of tables inside other ops: fewer steps, the same bytes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edgecnn.core.tflite.reader import read_model
from firmware_glue.compiler.api import compile_model
from tests.builders import ModelBuilder
from tests.firmware_glue.compiler.cases.common import Rng, pick
from tests.firmware_glue.compiler.harness import Library, Reference, random_inputs

_RUNS = 3
_PRODUCERS = (
    "CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "ADD", "SUB", "MUL", "MAX_POOL_2D",
    "AVERAGE_POOL_2D",
)  # fmt: skip
_CLAMPS = (
    ("NONE", "RELU"), ("NONE", "RELU6"), ("NONE", "RELU_N1_TO_1"), ("RELU", "RELU6"),
    ("RELU6", "RELU"),
)  # fmt: skip
"""A fused activation, and an op behind it: together a range that has a name."""


def _scale(rng: Rng) -> float:
    return float(np.float32(rng.uniform(0.01, 0.1)))


def _zero(rng: Rng) -> int:
    return int(pick(rng, -128, 0, int(rng.integers(-128, 128))))  # type: ignore[call-overload]


def _weights(build: ModelBuilder, rng: Rng, shape: tuple[int, ...]) -> int:
    return build.tensor(shape, "int8", 0.01, data=rng.integers(-127, 128, shape))


def _same(build: ModelBuilder, x: int, shape: tuple[int, ...] | None = None) -> int:
    """A tensor of the quantization of ``x``."""
    given = build.tensors[x]
    return build.tensor(shape or given.shape, given.dtype, given.scale[0], given.zero_point[0])


def _produced(build: ModelBuilder, rng: Rng, code: str, x: int, activation: str) -> int:
    shape = build.tensors[x].shape
    y = build.tensor(shape, "int8", _scale(rng), _zero(rng))
    options: dict[str, object] = {"fused_activation_function": activation}
    operands = [x]
    if code in ("ADD", "SUB", "MUL"):
        operands.append(build.tensor(shape, "int8", _scale(rng), 3, rng.integers(-128, 128, shape)))
    elif code.endswith("POOL_2D"):
        y = _same(build, x)
        options |= {"padding": "SAME", "filter_height": 3, "filter_width": 2}
    elif code == "FULLY_CONNECTED":
        operands.append(_weights(build, rng, (shape[3], shape[3])))
        options["keep_num_dims"] = True
    else:
        filters = (1, 3, 3, shape[3]) if code[0] == "D" else (shape[3], 3, 3, shape[3])
        operands.append(_weights(build, rng, filters))
        options["padding"] = "SAME"
    if code == "FULLY_CONNECTED" or "CONV" in code:
        scale, bias = build.tensors[x].scale[0] * 0.01, rng.integers(-999, 999, shape[3])
        operands.append(build.tensor(bias.shape, "int32", scale, 0, bias))
    build.op(code, operands, [y], **options)
    return y


def activation(rng: Rng, code: str) -> bytes:
    """An op and a clamp behind it, which keeps scale and zero point."""
    build = ModelBuilder()
    x = build.tensor((1, 5, 4, 6), "int8", _scale(rng), _zero(rng))
    front, behind = pick(rng, *_CLAMPS)  # type: ignore[misc]
    y = _produced(build, rng, code, x, front)
    z = _same(build, y)
    build.op(behind, [y], [z])
    return build.build([x], [z])


def _scalar(build: ModelBuilder, rng: Rng, value: int) -> int:
    return build.tensor((), "int8", _scale(rng), _zero(rng), value)


def hard_swish(rng: Rng) -> bytes:
    """x · relu6(x + 3) / 6 as converters write it, requantized at the end."""
    build, shape = ModelBuilder(), (1, 3, 5, 7)
    x, t, u, v, w = (build.tensor(shape, "int8", _scale(rng), _zero(rng)) for _ in range(5))
    build.op("ADD", [x, _scalar(build, rng, 50)], [t], fused_activation_function="RELU6")
    build.op("MUL", [x, t], [u])
    build.op("MUL", [u, _scalar(build, rng, 77)], [v])
    build.op("QUANTIZE", [v], [w])
    return build.build([x], [w])


def silu(rng: Rng) -> bytes:
    """x · sigmoid(x), between convolutions."""
    build = ModelBuilder()
    x = build.tensor((1, 4, 4, 3), "int8", _scale(rng), _zero(rng))
    y = _produced(build, rng, "CONV_2D", x, "NONE")
    s = build.tensor(build.tensors[y].shape, "int8", 1 / 256, -128)
    m = build.tensor(build.tensors[y].shape, "int8", _scale(rng), _zero(rng))
    build.op("LOGISTIC", [y], [s])
    build.op("MUL", [s, y], [m])
    return build.build([x], [_produced(build, rng, "DEPTHWISE_CONV_2D", m, "RELU")])


def padded(rng: Rng) -> bytes:
    """PAD, then convolutions of any stride and dilation."""
    build, dtype = ModelBuilder(), str(pick(rng, "int8", "int8", "float32"))
    h, w, c = (int(v) for v in rng.integers((4, 4, 1), (9, 9, 5)))
    kind = (_scale(rng), _zero(rng)) if dtype == "int8" else ()
    x = build.tensor((1, h, w, c), dtype, *kind)
    k, stride, dilation = (int(v) for v in rng.integers(1, (4, 4, 3)))
    span = (k - 1) * dilation + 1
    border = rng.integers(0, span, (2, 2)) if span > 1 else np.zeros((2, 2), int)
    amounts = build.tensor((4, 2), "int32", data=[[0, 0], *border.tolist(), [0, 0]])
    size = (h + int(border[0].sum()), w + int(border[1].sum()))
    y = build.tensor((1, *size, c), dtype, *kind)
    build.op("PAD", [x, amounts], [y])
    same = bool(rng.random() < 0.3)
    out = [-(-n // stride) if same else (n + stride - span) // stride for n in size]
    if min(out) < 1:
        return padded(rng)
    results = []
    for code in ("CONV_2D", "DEPTHWISE_CONV_2D"):
        filters = (1, k, k, c) if code[0] == "D" else (3, k, k, c)
        count = filters[0] if code == "CONV_2D" else c
        if dtype == "int8":
            f, kinds = _weights(build, rng, filters), (_scale(rng), _zero(rng))
            b = build.tensor((count,), "int32", kind[0] * 0.01, 0, rng.integers(-99, 99, count))
        else:
            f, kinds = build.tensor(filters, dtype, data=rng.normal(0, 1, filters)), ()
            b = build.tensor((count,), dtype, data=rng.normal(0, 1, count))
        z = build.tensor((1, *out, count), dtype, *kinds)
        build.op(
            code, [y, f, b], [z], padding="SAME" if same else "VALID", stride_h=stride,
            stride_w=stride, dilation_h_factor=dilation, dilation_w_factor=dilation,
        )  # fmt: skip
        results.append(z)
    return build.build([x], results)


CASES: dict[str, Callable[[Rng], bytes]] = {
    **{f"relu_{code}": lambda rng, code=code: activation(rng, code) for code in _PRODUCERS},
    "hard_swish": hard_swish, "silu": silu, "padded": padded,
}  # fmt: skip
STEPS = {"silu": 3}


def test_equal_to_litert_in_fewer_steps(tmp_path: Path) -> None:
    library, datas = Library(tmp_path), {}
    for key, make in CASES.items():
        for seed in range(12 if key == "padded" else 4):
            name = f"{key}_{seed}".lower()
            datas[name] = make(np.random.default_rng([seed, len(key)]))
            model = library.add(datas[name], name)
            if key != "padded":
                assert len(model.steps) <= STEPS.get(key, 1), (name, model.steps)
    # Together with padding of its own, a convolution's border may be too wide.
    fused = [len(model.steps) == 2 for name, model in library.models.items() if "padded" in name]
    assert sum(fused) > len(fused) / 2
    library.build("-DEDGECNN_SHARE_ALL")
    for name, data in datas.items():
        run, reference = library.runner(name), Reference(data)
        for seed in range(_RUNS):
            inputs = random_inputs(read_model(data), np.random.default_rng(seed))
            for got, want in zip(run(inputs), reference(inputs), strict=True):
                exact = got.dtype == np.int8
                np.testing.assert_allclose(got, want, 0 if exact else 1e-5, 0 if exact else 1e-5)


def _steps(data: bytes) -> list[str]:
    return [step.kernel for step in compile_model(read_model(data), name="m").steps]


def _convolved(build: ModelBuilder, x: int, size: tuple[int, int]) -> int:
    f = build.tensor((2, 3, 3, 2), "int8", 0.01, data=np.arange(36).reshape(2, 3, 3, 2))
    y = build.tensor((1, *size, 2), "int8", 0.1, 0)
    build.op("CONV_2D", [x, f, -1], [y], padding="VALID")
    return y


@pytest.mark.parametrize("border", ["wide", "value", "read", "channels"])
def test_a_pad_stays_where_it_must(border: str) -> None:
    build, amount = ModelBuilder(), 3 if border == "wide" else 1
    x = build.tensor((1, 6, 6, 1 if border == "channels" else 2), "int8", 0.1, 4)
    given = [[0, 0], [amount, amount], [amount, amount], [0, int(border == "channels")]]
    operands = [x, build.tensor((4, 2), "int32", data=given)]
    if border == "value":
        operands.append(build.tensor((1,), "int8", 0.1, 4, [5]))
    y = build.tensor((1, 6 + 2 * amount, 6 + 2 * amount, 2), "int8", 0.1, 4)
    build.op("PADV2" if border == "value" else "PAD", operands, [y])
    z = _convolved(build, y, (4 + 2 * amount, 4 + 2 * amount))
    assert len(_steps(build.build([x], [z, y] if border == "read" else [z]))) == 2


@pytest.mark.parametrize("kept", ["scale", "read"])
def test_an_activation_stays_where_it_must(kept: str) -> None:
    build = ModelBuilder()
    x = build.tensor((1, 6, 6, 2), "int8", 0.1, 4)
    y = _convolved(build, x, (4, 4))
    z = build.tensor((1, 4, 4, 2), "int8", 0.07 if kept == "scale" else 0.1, 0)
    build.op("RELU", [y], [z])
    assert len(_steps(build.build([x], [z, y] if kept == "read" else [z]))) == 2
