"""What a rule of recognition answers: plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from edgecnn.core.postprocess import PostprocessSpec
from edgecnn.core.preprocess import Colour, Fit


@dataclass(frozen=True)
class InputHabit:
    """How images are prepared for models of a kind, as it was published.

    What the file itself says (codes of a quantized input, normalisation in its metadata) goes
    before it.

    Attributes:
        source: who publishes it so, for the user.
        convention: as :func:`edgecnn.core.conventions.parse_convention` takes it; empty: unknown.
        fit: how the frame is brought to the tensor's shape.
        pad_value: byte that letterboxing fills with.
        colour: channel order.
    """

    source: str
    convention: str = ""
    fit: Fit = "stretch"
    pad_value: int = 0
    colour: Colour = "rgb"


@dataclass(frozen=True)
class Recognised:
    """A model whose outputs are understood.

    Attributes:
        name: of the kind, for the user ("YOLOv8 head, boxes and scores in one tensor").
        spec: what the outputs mean.
        evidence: what speaks for it, a sentence each, with the figures.
        habit: how images are prepared for it; None: nothing is published.
        warnings: what the user should know, a sentence each.
        sure: an op or metadata says so; otherwise shapes and values fit.
    """

    name: str
    spec: PostprocessSpec
    evidence: tuple[str, ...]
    habit: InputHabit | None = None
    warnings: tuple[str, ...] = ()
    sure: bool = False


@dataclass(frozen=True)
class Incomplete:
    """A model of a known kind, of which something cannot be known from the file.

    Attributes:
        name: of the kind.
        missing: the spec's keys that only the user can fill, and what each is.
        draft: the postprocess spec as far as it is known, plain JSON values without a schema;
            missing keys are absent.
        evidence: what speaks for it, a sentence each.
        habit: as for :class:`Recognised`.
        sure: likewise.
    """

    name: str
    missing: Mapping[str, str]
    draft: Mapping[str, Any] = field(default_factory=dict)
    evidence: tuple[str, ...] = ()
    habit: InputHabit | None = None
    sure: bool = False


Answer = Recognised | Incomplete
