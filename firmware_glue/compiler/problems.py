"""What the compiler finds wrong with a model: all of it, not only the first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edgecnn.core.errors import UnsupportedModelError
from edgecnn.core.rejections import Rejection, cure, rejection_lines

SUPPORTED = "use supported ops instead (docs/ops.md), or compute this part outside of the model"


@dataclass(frozen=True)
class OpProblem:
    """One op (``index`` ≥ 0) or tensor of the interface (``index`` −1) that cannot be compiled.

    Attributes:
        op, name: its code and the layer's name.
        rule: the limit, a sentence.
        got, allowed: the value found and the allowed ones.
        rewrite: what to change in the model, or None.
    """

    index: int
    op: str
    name: str
    rule: str
    got: str
    allowed: str
    rewrite: str | None = None

    @property
    def rejection(self) -> Rejection:
        """The same as errors list it."""
        reason = f"{self.rule} got {self.got}; allowed: {self.allowed}"
        return Rejection(self.index, self.op, self.name, reason, self.rule, self.rewrite)

    def __str__(self) -> str:
        return rejection_lines((self.rejection,))[0]


def raise_problems(problems: Sequence[OpProblem], total: int) -> None:
    """Raises one error that lists them by their causes, if there are any.

    Raises:
        UnsupportedModelError: ``problems`` is not empty.
    """
    if not problems:
        return
    rejected = len({p.index for p in problems if p.index >= 0})
    rows = [problem.rejection for problem in problems]
    raise UnsupportedModelError(
        f"{rejected} of {total} ops cannot be compiled to C"
        if rejected
        else "the model cannot be compiled to C",
        hint=cure(rows, SUPPORTED),
        details=rejection_lines(rows),
    )
