"""What the depthwise kernels of cores with DSP have in common."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from firmware_glue.compiler.fast.requant import Form, Requant, requantization
from firmware_glue.compiler.fast.sums import Ints, Layer, int8_layer
from firmware_glue.compiler.ir import Graph, Op
from firmware_glue.compiler.ops import depthwise_conv_2d
from firmware_glue.compiler.ops.window import Geometry

_FORMS = {Form.TWICE: 0, Form.ONCE: 24}


@dataclass(frozen=True)
class Depthwise:
    """A depthwise convolution and its proven requantization."""

    geometry: Geometry
    layer: Layer
    requant: Requant

    @classmethod
    def of(cls, graph: Graph, op: Op) -> Self | None:
        """The op, or None where no requantization is exact for every channel."""
        filters = graph.constant(op, 1)
        if filters is None:
            return None
        taps = filters.reshape(-1, filters.shape[3]).T
        layer = int8_layer(graph, op, taps, graph.numerics)
        requant = None if layer is None else requantization(layer)
        if layer is None or requant is None:
            return None
        return cls(depthwise_conv_2d.geometry(graph, op), layer, requant)

    @property
    def multiplier(self) -> int:
        """Output channels per input channel."""
        return self.geometry.out_c // self.geometry.in_c

    @property
    def shift(self) -> int:
        """S of the affine form (1 to 23), 0 where outputs are rounded twice, 24 where once."""
        return _FORMS.get(self.requant.form, self.requant.shift)

    @property
    def bias(self) -> Ints:
        """What the sums of raw inputs start from."""
        return self.layer.folded_bias + self.requant.betas

    @property
    def limits(self) -> tuple[tuple[str, int], ...]:
        """The fields clamp, act_min and act_max."""
        low, high = self.requant.clamp or (-128, 127)
        return ("clamp", int(self.requant.clamp is not None)), ("act_min", low), ("act_max", high)
