"""Kernels are chosen by what the caller measured."""

from __future__ import annotations

import numpy as np
import pytest

from edgecnn.core.tflite.reader import read_model
from firmware_glue.compiler.api import CompiledModel, compile_model
from tests.builders import ModelBuilder


def net() -> bytes:
    """Two pointwise convolutions and an addition."""
    rng = np.random.default_rng(3)
    build = ModelBuilder()
    x = first = build.tensor((1, 8, 8, 8), "int8", scale=0.05, zero_point=-3, name="x")
    for name in ("one", "two"):
        w = build.tensor((8, 1, 1, 8), "int8", scale=[0.01] * 8,
                         data=rng.integers(-127, 128, (8, 1, 1, 8)))  # fmt: skip
        b = build.tensor((8,), "int32", scale=[0.0005] * 8, data=rng.integers(-999, 999, 8))
        y = build.tensor((1, 8, 8, 8), "int8", scale=0.07, zero_point=4, name=name)
        build.op("CONV_2D", [x, w, b], [y], padding="SAME")
        x = y
    out = build.tensor((1, 8, 8, 8), "int8", scale=0.09, zero_point=1, name="sum")
    build.op("ADD", [x, first], [out])
    return build.build([first], [out])


@pytest.mark.parametrize("kernels", ["dsp", "v6m", "mve", "rv32"])
@pytest.mark.parametrize("cheap", ["", "conv2d_s8", "add_s8"])
def test_the_cheapest_kernel_is_taken(kernels: str, cheap: str) -> None:
    asked: list[tuple[str, ...]] = []

    def costs(trial: CompiledModel) -> list[int]:
        asked.append(tuple(step.kernel for step in trial.steps))
        return [1 if step.kernel == cheap else 100 for step in trial.steps]

    model = read_model(net())
    plain = compile_model(model, name="m", kernels=kernels)
    found = compile_model(model, name="m", kernels=kernels, tune=costs)
    for before, after in zip(plain.steps, found.steps, strict=True):
        generic = "add_s8" if "sum" in after.name else "conv2d_s8"
        assert after.kernel == (generic if generic == cheap else before.kernel)
    assert len(asked) == len(set(asked)) > 1


def test_without_alternatives_one_trial_is_enough() -> None:
    asked = []

    def costs(trial: CompiledModel) -> list[int]:
        asked.append(trial)
        return [1] * len(trial.steps)

    compile_model(read_model(net()), name="m", kernels="generic", tune=costs)
    assert len(asked) == 1
