"""``--auto``: accuracy steps from the cheapest on, until the gate holds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from edgecnn.core.errors import QuantizationError
from edgecnn.core.metric import Metric
from quantization import parity
from quantization.parallel.predictor import file_predictor
from quantization.pipeline import Built, build
from quantization.recipe import STEPS, Recipe
from quantization.types import StepReport
from quantization.work import StepContext, Work

DEFAULT_GATE = 0.3
"""Points that int8 may lose where the user names no gate."""


@dataclass(frozen=True)
class Rung:
    """One try: the recipe with one thing more than the last kept one.

    Attributes:
        name: the step's, or ``calibrator mse``.
        change: recipe → recipe with the step.
    """

    name: str
    change: Callable[[Recipe], Recipe]


@dataclass(frozen=True)
class AutoResult:
    """The best try with the recipe that makes it again, and what every try gave."""

    built: Built
    recipe: Recipe
    reports: tuple[StepReport, ...]


def climb(work: Work, context: StepContext) -> AutoResult:
    """Tries the ladder's rungs and keeps what lowers the drop on the tuning data.

    Args:
        work: the float model, untouched by steps.
        context: ``metric`` is the tuning metric and ``reference`` the float model's value of it.

    Raises:
        As :func:`quantization.pipeline.build`.
    """
    gate = DEFAULT_GATE if context.max_drop is None else context.max_drop
    recipe = context.recipe
    built = build(work, context, recipe.steps)
    drop = _drop(built, context)
    reports = [*built.reports, StepReport(recipe.name, True, _told(drop, None), drop)]
    for rung in ladder(recipe, context.epochs):
        if parity.within(drop, gate):
            break
        wanted = rung.change(recipe)
        if wanted == recipe:
            continue
        report, candidate = _try(rung, wanted, work, context, drop)
        reports.append(report)
        if candidate is not None and report.kept and report.drop is not None:
            built, recipe, drop = candidate, wanted, report.drop
    return AutoResult(built, recipe, tuple(reports))


def ladder(recipe: Recipe, epochs: int) -> Iterator[Rung]:
    """The tries, cheapest first; fine-tuning only where the user gave it epochs."""
    if recipe.calibrator != "mse":
        yield Rung("calibrator mse", lambda old: replace(old, calibrator="mse"))
    for name in ("equalize", "correct-bias", "round", "mixed"):
        yield Rung(name, lambda old, name=name: with_step(old, name))  # type: ignore[misc]
    if epochs:
        yield Rung("fine-tune", lambda old: with_step(old, "fine-tune"))


def with_step(recipe: Recipe, name: str) -> Recipe:
    """The recipe with the step ``name`` in its place."""
    wanted = {*recipe.steps, name}
    return replace(recipe, steps=tuple(step for step in STEPS if step in wanted))


def _try(
    rung: Rung, recipe: Recipe, work: Work, context: StepContext, before: float
) -> tuple[StepReport, Built | None]:
    try:
        built = build(work, replace(context, recipe=recipe), recipe.steps)
    except QuantizationError as error:
        return StepReport(rung.name, False, error.message, kept=False), None
    own = next((report for report in built.reports if report.name == rung.name), None)
    if own is not None and not own.applied:
        return replace(own, kept=False), None
    drop = _drop(built, context)
    note = f"{own.note}; {_told(drop, before)}" if own else _told(drop, before)
    seconds = own.seconds if own else 0.0
    return StepReport(rung.name, True, note, drop, kept=drop < before, seconds=seconds), built


def _drop(built: Built, context: StepContext) -> float:
    """Points lost on the tuning data."""
    if context.metric is None or context.reference is None:
        raise QuantizationError(
            "automatic quantization needs something to measure by", hint="give a tuning metric"
        )
    reference: Metric = context.reference
    return parity.drop(
        reference, context.metric(file_predictor(built.data, context.executor))
    ).points


def _told(drop: float, before: float | None) -> str:
    if before is None:
        return f"loses {drop:.2f} points"
    gained = before - drop
    return f"loses {drop:.2f} points, {'gains' if gained > 0 else 'costs'} {abs(gained):.2f}"
