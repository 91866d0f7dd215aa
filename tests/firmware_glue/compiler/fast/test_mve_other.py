"""Pools, ADD and SUB for Helium: exact on the host and in QEMU."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from firmware_glue.compiler.fast.mve import pool
from tests.firmware_glue.compiler.fast.layer_cases import (
    ACTIVATIONS,
    Layers,
    fitted,
    model_of,
)
from tests.firmware_glue.compiler.fast.layer_checks import check_core, check_host
from tests.share import long_but_for


def pooling(layers: Layers) -> None:
    """A random one: global ones, small windows with and without borders."""
    pick, number = layers.pick, layers.number
    height, width, channels = number(1, 9), number(1, 9), number(1, 37)
    kernel = (height, width) if layers.rng.random() < 0.3 else (number(1, 3), number(1, 3))
    kernel = (min(kernel[0], height), min(kernel[1], width))
    stride, padding = (number(1, 3), number(1, 3)), str(pick("SAME", "VALID"))
    size = [
        fitted(n, k, s, 1, padding) for n, k, s in zip((height, width), kernel, stride, strict=True)
    ]
    batches, point = int(pick(1, 2)), layers.zero()
    x = layers.build.tensor((batches, height, width, channels), "int8", 0.05, point)
    y = layers.build.tensor((batches, *size, channels), "int8", 0.05, point)
    layers.inputs.append(x)
    layers.outputs.append(y)
    layers.build.op(
        str(pick("AVERAGE_POOL_2D", "MAX_POOL_2D")), [x], [y], padding=padding,
        stride_h=stride[0], stride_w=stride[1], filter_height=kernel[0], filter_width=kernel[1],
        fused_activation_function=pick(*ACTIVATIONS),
    )  # fmt: skip


def sum_of_two(layers: Layers) -> None:
    """A random one, with and without broadcasting."""
    pick, number = layers.pick, layers.number
    full = (1, number(1, 5), number(1, 5), number(1, 19))
    shapes = [full, pick(full, full, (1, 1, 1, full[3]), (1, 1, 1, 1), (*full[:3], 1))]
    if layers.rng.random() < 0.3:
        shapes.reverse()
    operands = [layers.data(shape) for shape in shapes]
    widest = max(scale for _, scale in operands)
    out = float(np.float32(widest * layers.rng.uniform(0.8, 2.5)))
    y = layers.build.tensor(full, "int8", out, layers.zero())
    layers.outputs.append(y)
    layers.build.op(
        str(pick("ADD", "SUB")), [tensor for tensor, _ in operands], [y],
        fused_activation_function=pick(*ACTIVATIONS),
    )  # fmt: skip


MAKERS = {"mve_pool": pooling, "mve_linear": sum_of_two}


@pytest.mark.parametrize("kind", MAKERS)
@pytest.mark.parametrize("shared", long_but_for([False, True], True))
def test_host(tmp_path: Path, kind: str, shared: bool) -> None:
    check_host(model_of(MAKERS[kind], int(shared), 40), tmp_path, kernel=kind, shared=shared)


@pytest.mark.parametrize("kind", MAKERS)
def test_core(kind: str) -> None:
    check_core(model_of(MAKERS[kind], 2, 40), kernel=kind)


def test_every_count_is_divided_exactly() -> None:
    assert all(pool._proven(count, narrow=False) for count in range(1, 257))
    narrow = {count for count in range(1, 257) if pool._proven(count, narrow=True)}
    assert narrow >= {*range(2, 16), 16, 32, 64, 128} and 1 not in narrow
