"""Channels that batch normalization switched off: sums near 2³⁰ and tiny factors, as converters
write them. The rest of their layer runs on the kernels that it would run on without them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.firmware_glue.compiler.fast.any_offer import SETS
from tests.firmware_glue.compiler.fast.layer_cases import Layers, fitted
from tests.firmware_glue.compiler.fast.layer_checks import check_host, check_numerics

_DEAD = 2, 5
"""Channels of each layer."""
_BIAS = 1 << 30


def _weights(layers: Layers, shape: tuple[int, ...], axis: int, in_scale: float) -> list[int]:
    """Filters and bias; the dead channels' outputs are about 20 and −20, whatever their filters."""
    count, rng = shape[axis], layers.rng
    scales, values = rng.uniform(0.004, 0.008, count), rng.integers(-127, 128, shape)
    bias = rng.integers(-900, 900, count)
    for sign, channel in zip((1, -1), _DEAD, strict=True):
        scales[channel] = 20 * 0.7 / (_BIAS * in_scale)
        np.moveaxis(values, axis, 0)[channel] = sign - 1
        bias[channel] = sign * _BIAS
    filters = layers.build.tensor(shape, "int8", scales.tolist(), data=values, axis=axis)
    factors = (scales * in_scale).tolist()
    return [filters, layers.build.tensor((count,), "int32", factors, data=bias)]


def _layers(code: str) -> bytes:
    """A strided and a plain layer without activation: outputs on both sides of zero."""
    layers = Layers(np.random.default_rng(3))
    for stride in (1, 2):
        shape = (3, 10) if code == "FULLY_CONNECTED" else (1, 7, 6, 8)
        x, scale = layers.data(shape)
        if code == "FULLY_CONNECTED":
            weights, out, options = _weights(layers, (8, 10), 0, scale), (3, 8), {}
        else:
            axis, filters = (0, (8, 3, 3, 8)) if code == "CONV_2D" else (3, (1, 3, 3, 8))
            weights = _weights(layers, filters, axis, scale)
            out = (1, fitted(7, 3, stride, 1, "SAME"), fitted(6, 3, stride, 1, "SAME"), 8)
            options = {"padding": "SAME", "stride_h": stride, "stride_w": stride}
        y = layers.build.tensor(out, "int8", 0.7, 11)
        layers.outputs.append(y)
        layers.build.op(code, [x, *weights], [y], **options)
    return layers.model()


@pytest.mark.parametrize("code", ["CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"])
@pytest.mark.parametrize("kernels", SETS)
def test_they_keep_no_layer_from_its_kernels(kernels: str, code: str, tmp_path: Path) -> None:
    check_host(_layers(code), tmp_path, kernel=kernels, kernels=kernels, share=1)


@pytest.mark.parametrize("numerics", ["tflm", "single"])
@pytest.mark.parametrize("kernels", SETS)
def test_other_roundings(kernels: str, numerics: str, tmp_path: Path) -> None:
    check_numerics(_layers("CONV_2D"), tmp_path, kernels=kernels, numerics=numerics)
