"""How the Helium kernels make outputs of accumulators: the forms of ``dsp/requant.py`` on vectors.

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

from firmware_glue.compiler.fast.dsp.requant import Form, requantization
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
        columns: (channels, 3 or 4): bias with everything folded in, multiplier, addend, and but for
            the affine form minus the shift.
    """

    form: int
    shift: int
    clamp: int
    act_min: int
    act_max: int
    columns: Ints

    @property
    def words(self) -> int:
        """int32 values per group of four channels."""
        return 4 * self.columns.shape[1]

    def table(self, order: NDArray[np.int64]) -> NDArray[np.int32]:
        """The array that kernels read: channels by ``order``, in groups of four, −1 for none."""
        rows = np.where(order[:, None] >= 0, self.columns[order], 0)
        return rows.reshape(-1, 4, rows.shape[1]).transpose(0, 2, 1).reshape(-1).astype(np.int32)

    def by_channel(self) -> NDArray[np.int32]:
        """Bias, multiplier, addend and minus the shift (0 in the affine form) per channel."""
        rows = np.zeros((len(self.columns), 4), np.int32)
        rows[:, : self.columns.shape[1]] = self.columns
        return rows.reshape(-1)


def finish(layer: Layer) -> Finish | None:
    """How, or None where no form is exact for every channel."""
    found = requantization(layer)
    if found is None or found.shift > _MOST_SHIFT:
        return None
    columns = [layer.folded_bias + found.betas, found.multipliers, found.addends]
    if found.form is not Form.AFFINE:
        columns.append(-found.shifts)
    return Finish(
        _FORMS[found.form], found.shift, int(found.clamp is not None), layer.act_min, layer.act_max,
        _wrapped(columns),
    )  # fmt: skip


def _wrapped(columns: list[Ints]) -> Ints:
    """As int32: sums over raw bytes are taken modulo 2³²."""
    table = np.stack(columns, axis=1)
    return ((table + (1 << 31)) & 0xFFFFFFFF) - (1 << 31)
