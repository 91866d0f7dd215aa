"""SOFTMAX on cores that compute it in ways of their own: in the emulator, against LiteRT."""

from __future__ import annotations

import pytest

from tests.firmware_glue.compiler.fast.layer_cases import Layers, model_of
from tests.firmware_glue.compiler.fast.layer_checks import check_core


def softmax(layers: Layers) -> None:
    """A random one: flat and steep, a pixel of an image each, up to many classes."""
    pick, number = layers.pick, layers.number
    shape = pick((1, number(1, 30)), (1, 5, 4, number(2, 21)), (1, number(200, 600)))
    scale = float(10 ** layers.rng.uniform(-3, 0))
    x = layers.build.tensor(shape, "int8", scale, layers.zero())  # type: ignore[arg-type]
    y = layers.build.tensor(shape, "int8", 1 / 256, -128)  # type: ignore[arg-type]
    layers.inputs.append(x)
    layers.outputs.append(y)
    layers.build.op("SOFTMAX", [x], [y], beta=float(layers.rng.uniform(0.5, 1.5)))


@pytest.mark.parametrize("core", ["cortex-m0plus", "cortex-m3", "rv32imc"])
@pytest.mark.parametrize("optimize", ["speed", "size"])
def test_core(core: str, optimize: str) -> None:
    check_core(model_of(softmax, 0, 24), kernel="softmax", core=core, optimize=optimize)
