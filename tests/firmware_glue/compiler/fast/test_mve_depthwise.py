"""DEPTHWISE_CONV_2D by planes for Helium: exact on the host and in QEMU."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.firmware_glue.compiler.fast.layer_cases import ACTIVATIONS, Layers, fitted
from tests.firmware_glue.compiler.fast.layer_checks import check_core, check_host


def depthwise(layers: Layers) -> None:
    """A random one: 3×3 at stride 1 and 2 above all, other kernels and strides."""
    pick, number = layers.pick, layers.number
    kind = layers.number(0, 3)
    kernel = (3, 3) if kind < 3 else (number(1, 6), number(1, 6))
    stride = ((1, 1), (1, 1), (2, 2), (number(1, 3), number(1, 3)))[kind]
    dilation = (number(1, 2), number(1, 2)) if stride == (1, 1) and kind == 3 else (1, 1)
    padding = str(pick("SAME", "SAME", "VALID"))
    spans = [(k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True)]
    height, width = max(number(1, 21), spans[0]), max(number(1, 19), spans[1])
    in_c, multiplier = number(1, 7), int(pick(1, 1, 1, 2, 3))
    size = [
        fitted(n, k, s, d, padding)
        for n, k, s, d in zip((height, width), kernel, stride, dilation, strict=True)
    ]
    batches, out_c = int(pick(1, 1, 2)), in_c * multiplier
    x, scale = layers.data((batches, height, width, in_c))
    filters, bias, product = layers.weights((1, *kernel, out_c), 3, scale)
    y = layers.output((batches, *size, out_c), product, kernel[0] * kernel[1])
    layers.build.op(
        "DEPTHWISE_CONV_2D", [x, filters, bias], [y], padding=padding, stride_h=stride[0],
        stride_w=stride[1], dilation_h_factor=dilation[0], dilation_w_factor=dilation[1],
        depth_multiplier=multiplier, fused_activation_function=pick(*ACTIVATIONS),
    )  # fmt: skip


def model(seed: int, count: int) -> bytes:
    layers = Layers(np.random.default_rng(seed))
    for _ in range(count):
        depthwise(layers)
    return layers.model()


@pytest.mark.parametrize("shared", [False, True])
def test_host(tmp_path: Path, shared: bool) -> None:
    check_host(model(int(shared), 40), tmp_path, kernel="mve_depthwise", shared=shared)


def test_core() -> None:
    check_core(model(2, 40), kernel="mve_depthwise")
