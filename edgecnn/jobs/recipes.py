"""From what the user typed to a recipe: a name or a file, and changes to it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast, get_args

from edgecnn.core.errors import UsageError
from edgecnn.jobs.bare_specs import read_spec
from quantization.auto import with_step
from quantization.recipe import LayerOverride, Recipe, Setting, get_recipe

NO_STEP = "none"
_SETTINGS = get_args(Setting)


@dataclass(frozen=True)
class RecipeChanges:
    """What the command line changes about a recipe; None and empty: nothing.

    Attributes:
        samples, seed, calibrator, percentile, io, allow_float: fields of the recipe.
        steps: the accuracy steps instead of the recipe's, in any order; ``none`` for none. Batch
            norms are folded anyway.
        overrides: ``PATTERN=SETTING``; they come before the recipe's own.
    """

    samples: int | None = None
    seed: int | None = None
    calibrator: str | None = None
    percentile: float | None = None
    io: str | None = None
    allow_float: bool | None = None
    steps: tuple[str, ...] = ()
    overrides: tuple[str, ...] = ()


def make_recipe(name: str, changes: RecipeChanges) -> Recipe:
    """The recipe of that name, or in that JSON file, with the changes.

    Raises:
        UnknownNameError: no recipe or step of that name.
        UsageError: an override that is not PATTERN=SETTING.
        QuantizationError: a value that the recipe does not take.
    """
    if name.lower().endswith(".json"):
        recipe = Recipe.from_json(read_spec(Path(name)))
    else:
        recipe = get_recipe(name)
    if recipe.quantized and changes.samples is not None:
        recipe = replace(recipe, samples=changes.samples)
    given: dict[str, Any] = {
        key: getattr(changes, key)
        for key in ("seed", "calibrator", "percentile", "io", "allow_float")
        if getattr(changes, key) is not None
    }
    overrides = tuple(_override(text) for text in changes.overrides)
    recipe = replace(recipe, **given, overrides=(*overrides, *recipe.overrides))
    if changes.steps and recipe.quantized:
        recipe = replace(recipe, steps=("fold-batch-norm",))
        for step in changes.steps:
            recipe = recipe if step == NO_STEP else with_step(recipe, step)
    return recipe


def _override(text: str) -> LayerOverride:
    pattern, equals, setting = text.rpartition("=")
    if not equals or not pattern or setting not in _SETTINGS:
        raise UsageError(
            f"--layer '{text}' is not PATTERN=SETTING",
            hint=f"for example --layer 'block1_*=int16'; settings: {', '.join(_SETTINGS)}",
        )
    return LayerOverride(pattern, cast(Setting, setting))
