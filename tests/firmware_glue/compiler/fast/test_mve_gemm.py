"""CONV_2D by the Helium matrix product: exact on the host and in QEMU."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.firmware_glue.compiler.fast.layer_cases import ACTIVATIONS, Layers, fitted
from tests.firmware_glue.compiler.fast.layer_checks import check_core, check_host


def convolution(layers: Layers) -> None:
    """A random one: pointwise ones, first layers, ugly shapes."""
    pick, number = layers.pick, layers.number
    pointwise = layers.rng.random() < 0.4
    height, width = number(1, 9), number(1, 9)
    kernel = (1, 1) if pointwise else (number(1, 4), number(1, 4))
    stride = (1, 1) if pointwise else (number(1, 3), number(1, 3))
    dilation = (number(1, 2), number(1, 2)) if stride == (1, 1) and not pointwise else (1, 1)
    padding = str(pick("SAME", "VALID"))
    spans = [(k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True)]
    height, width = max(height, spans[0]), max(width, spans[1])
    in_c = int(pick(1, 3, number(1, 70), 8, 16, 32, 48))
    out_c = int(pick(8, 16, number(1, 20)))
    size = [
        fitted(n, k, s, d, padding)
        for n, k, s, d in zip((height, width), kernel, stride, dilation, strict=True)
    ]
    batches = int(pick(1, 1, 2))
    x, scale = layers.data((batches, height, width, in_c))
    filters, bias, product = layers.weights((out_c, *kernel, in_c), 0, scale)
    y = layers.output((batches, *size, out_c), product, in_c * kernel[0] * kernel[1])
    layers.build.op(
        "CONV_2D", [x, filters, bias], [y], padding=padding, stride_h=stride[0],
        stride_w=stride[1], dilation_h_factor=dilation[0], dilation_w_factor=dilation[1],
        fused_activation_function=pick(*ACTIVATIONS),
    )  # fmt: skip


def model(seed: int, count: int) -> bytes:
    layers = Layers(np.random.default_rng(seed))
    for _ in range(count):
        convolution(layers)
    return layers.model()


@pytest.mark.parametrize("shared", [False, True])
def test_host(tmp_path: Path, shared: bool) -> None:
    check_host(model(int(shared), 60), tmp_path, kernel="mve_gemm", shared=shared)


def test_core() -> None:
    check_core(model(2, 60), kernel="mve_gemm")
