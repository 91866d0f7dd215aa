"""How the Helium kernels make outputs of accumulators: the forms of ``fast/requant.py`` on vectors.

- affine: VMULH, VADD, VQSHRN with the layer's shift as a literal;
- twice: VQRDMULH with the sign added, VADD, VSHL by the channel's shift, VQMOVN;
- once: VQDMULH, VADD, VSHL, VQMOVN.

Each instruction is one of the form's own operations on four accumulators, so what is proven of the
form holds here. The 16-bit saturation in between changes nothing that the one to int8 does not.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from firmware_glue.compiler.fast.requant import Form, requantization
from firmware_glue.compiler.fast.sums import Ints, Layer

_FORMS = {Form.AFFINE: 0, Form.TWICE: 1, Form.ONCE: 2}
FORM_NAMES = "atd"
"""Letters of the forms in the names of functions made for one."""
_MOST_SHIFT = 16
"""A literal of VQSHRN."""


@dataclass(frozen=True)
class Finish:
    """The proven way from a layer's accumulators to its outputs.

    Attributes:
        form: EC_MVE_AFFINE, EC_MVE_TWICE or EC_MVE_ONCE of the C side.
        shift: of the affine form, 1 to 16; else 0.
        clamp: 1 if the activation leaves less than int8's range.
        act_min, act_max: what it leaves.
        bias: per channel, with everything folded in.
        columns: (channels, 2 or 3): multiplier, addend, but for the affine form minus the shift.
    """

    form: int
    shift: int
    clamp: int
    act_min: int
    act_max: int
    bias: NDArray[np.int32]
    columns: NDArray[np.int32]

    @property
    def words(self) -> int:
        """int32 values per group of four channels."""
        return 4 * self.columns.shape[1]

    def table(self, order: NDArray[np.int64]) -> NDArray[np.int32]:
        """``finish`` of the C side: channels by ``order``, in groups of four, −1 for none."""
        rows = np.where(order[:, None] >= 0, self.columns[order], np.int32(0))
        return rows.reshape(-1, 4, rows.shape[1]).transpose(0, 2, 1).reshape(-1)

    def biases(self, order: NDArray[np.int64]) -> NDArray[np.int32]:
        """The biases by ``order``, −1 for none."""
        return np.where(order >= 0, self.bias[order], np.int32(0))


def finish(layer: Layer) -> Finish | None:
    """How, or None where no form is exact for every channel."""
    found = requantization(layer)
    if found is None or found.shift > _MOST_SHIFT:
        return None
    columns = [found.multipliers, found.addends]
    if found.form is not Form.AFFINE:
        columns.append(-found.shifts)
    return Finish(
        _FORMS[found.form], found.shift, int(found.clamp is not None), layer.act_min, layer.act_max,
        _wrapped(layer.folded_bias + found.betas), _wrapped(np.stack(columns, axis=1)),
    )  # fmt: skip


def _wrapped(values: Ints) -> NDArray[np.int32]:
    """As int32: sums over raw bytes are taken modulo 2³²."""
    return (values & 0xFFFFFFFF).astype(np.uint32).view(np.int32)
