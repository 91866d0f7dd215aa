"""What the depthwise kernels of cores with DSP have in common."""

from __future__ import annotations

from dataclasses import dataclass

from firmware_glue.compiler.fast.requant import Form, Requant
from firmware_glue.compiler.fast.sums import Ints, Layer
from firmware_glue.compiler.ops.window import Geometry

_FORMS = {Form.TWICE: 0, Form.ONCE: 24}


@dataclass(frozen=True)
class Depthwise:
    """A depthwise convolution and its proven requantization."""

    geometry: Geometry
    layer: Layer
    requant: Requant

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
