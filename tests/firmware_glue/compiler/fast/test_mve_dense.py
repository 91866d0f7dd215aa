"""FULLY_CONNECTED for Helium: exact on the host and in QEMU, in all numerics."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.firmware_glue.compiler.fast.layer_cases import ACTIVATIONS, Layers
from tests.firmware_glue.compiler.fast.layer_checks import check_core, check_host


def dense(layers: Layers) -> None:
    """A random one."""
    rows, depth, units = (layers.number(1, n) for n in (3, 70, 13))
    x, scale = layers.data((rows, depth))
    filters, bias, product = layers.weights((units, depth), 0, scale)
    y = layers.output((rows, units), product, depth)
    operands = [x, filters] + ([bias] if layers.rng.random() < 0.8 else [])
    layers.build.op(
        "FULLY_CONNECTED", operands, [y], fused_activation_function=layers.pick(*ACTIVATIONS)
    )


def model(seed: int, count: int) -> bytes:
    layers = Layers(np.random.default_rng(seed))
    for _ in range(count):
        dense(layers)
    return layers.model()


@pytest.mark.parametrize("shared", [False, True])
def test_host(tmp_path: Path, shared: bool) -> None:
    check_host(model(int(shared), 60), tmp_path, kernel="mve_dense", shared=shared)


def test_core() -> None:
    check_core(model(2, 60), kernel="mve_dense")
