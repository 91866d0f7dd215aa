"""Options on which detections count."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import click

from edgecnn.core.errors import UsageError

if TYPE_CHECKING:
    from edgecnn.camera.choice import ClassChoice

F = TypeVar("F", bound=Callable[..., Any])


def choice_options(function: F) -> F:
    """``--classes`` and ``--threshold``."""
    for option in (
        click.option("--threshold", "thresholds", multiple=True, metavar="[CLASS=]SCORE",
                     help="Least score, 0 to 1: of all classes, or of one (person=0.7). Repeat."),
        click.option("--classes", multiple=True, metavar="NAME,NAME…",
                     help="Detect these classes alone. Repeat."),
    ):  # fmt: skip
        function = option(function)
    return function


def choice_of(flags: Mapping[str, Any]) -> tuple[float | None, ClassChoice]:
    """The least score of all classes (None: the model's own), and what is said of single ones.

    Raises:
        UsageError: a value cannot be meant.
    """
    from edgecnn.camera.choice import ClassChoice

    least: float | None = None
    own: dict[str, float] = {}
    for text in flags["thresholds"]:
        name, equals, number = text.rpartition("=")
        try:
            score = float(number)
        except ValueError:
            raise UsageError(
                f"--threshold is '{text}', expected SCORE or CLASS=SCORE",
                hint="for example --threshold 0.5 --threshold person=0.7",
            ) from None
        if equals:
            own[name.strip()] = score
        else:
            least = score
    return least, ClassChoice(tuple(flags["classes"]), own)
