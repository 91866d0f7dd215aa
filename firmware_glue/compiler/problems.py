"""What the compiler finds wrong with a model: all of it, not only the first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edgecnn.core.errors import UnsupportedModelError

_NAME = 80
"""Characters of a layer's name that a message shows."""


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

    def __str__(self) -> str:
        where = f"#{self.index} {self.op}" if self.index >= 0 else self.op
        # TensorFlow joins the names of all layers that it fused: the first says where it is.
        name = self.name.split(";")[0][:_NAME]
        return f"{where} '{name}': {self.rule} got {self.got}; allowed: {self.allowed}"


def raise_problems(problems: Sequence[OpProblem], total: int) -> None:
    """Raises one error that lists them, if there are any.

    Raises:
        UnsupportedModelError: ``problems`` is not empty.
    """
    if not problems:
        return
    rejected = len({p.index for p in problems if p.index >= 0})
    rewrites = dict.fromkeys(p.rewrite for p in problems if p.rewrite)
    raise UnsupportedModelError(
        f"{rejected} of {total} ops cannot be compiled to C"
        if rejected
        else "the model cannot be compiled to C",
        hint="; ".join(rewrites) or "replace these layers by supported ones",
        details=[str(problem) for problem in problems],
    )
