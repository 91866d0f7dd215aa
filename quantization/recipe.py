"""Contract 4: a recipe, a named and frozen description of a quantization.

A recipe and the same model and samples give the same bytes again. A new recipe is one row in
:data:`RECIPES`; a new capability is one field here, with its allowed values, and the stage that
obeys it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import Any, Literal, NoReturn, get_args

from edgecnn.core.errors import QuantizationError, UnknownNameError

SCHEMA = "edgecnn.recipe/1"
Activations = Literal["int8", "float32"]
Granularity = Literal["per-channel", "per-tensor", "none"]
Calibrator = Literal["minmax", "none"]
_HINT = "use a recipe written by this edgecnn version, or a name from get_recipe"


@dataclass(frozen=True)
class LayerOverride:
    """A setting for the layers whose name matches.

    Attributes:
        pattern: shell pattern over Keras layer names, ``block_1*``.
        setting: what those layers get instead.
    """

    pattern: str
    setting: str


@dataclass(frozen=True)
class Recipe:
    """How a model is quantized.

    Attributes:
        name: also the variant's folder in a bundle.
        activations: dtype of the tensors between ops.
        io: dtype of the model's inputs and outputs.
        conv_weights: granularity of convolution filters (depthwise and transposed too).
        dense_weights: of fully connected layers; per tensor, because Ethos-U and older TPU
            compilers take nothing else there.
        calibrator: how ranges come from samples.
        samples: calibration samples wanted; fewer is a warning.
        overrides: per-layer settings; no recipe takes any yet.
    """

    name: str
    activations: Activations
    io: Activations
    conv_weights: Granularity
    dense_weights: Granularity
    calibrator: Calibrator
    samples: int
    overrides: tuple[LayerOverride, ...] = ()

    def __post_init__(self) -> None:
        """Raises QuantizationError when a field holds what it must not."""
        allowed = {
            "activations": get_args(Activations),
            "io": get_args(Activations),
            "conv_weights": get_args(Granularity),
            "dense_weights": get_args(Granularity),
            "calibrator": get_args(Calibrator),
        }
        for key, values in allowed.items():
            if getattr(self, key) not in values:
                _bad(key, getattr(self, key), " | ".join(values))
        if type(self.samples) is not int or not 0 <= self.samples <= 1_000_000:
            _bad("samples", self.samples, "a whole number from 0 to 1000000")
        if self.quantized and (self.samples < 1 or self.calibrator == "none"):
            _bad("samples and calibrator", (self.samples, self.calibrator), "1 or more, minmax")
        if not isinstance(self.name, str) or not self.name or "/" in self.name:
            _bad("name", self.name, "a name without '/'")
        if self.overrides:
            _bad("overrides", [item.pattern for item in self.overrides], "none (not supported)")

    @property
    def quantized(self) -> bool:
        """Whether activations are integers, so that calibration is needed."""
        return self.activations != "float32"

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; key order is fixed, so ``dump_json`` of it is byte-stable."""
        return {
            "schema": SCHEMA,
            "name": self.name,
            "activations": self.activations,
            "io": self.io,
            "conv_weights": self.conv_weights,
            "dense_weights": self.dense_weights,
            "calibrator": self.calibrator,
            "samples": self.samples,
            "overrides": [[item.pattern, item.setting] for item in self.overrides],
        }

    @classmethod
    def from_json(cls, data: Any) -> Recipe:
        """Reads :meth:`to_json`'s form.

        Raises:
            QuantizationError: wrong schema, or a key or value that is not allowed.
        """
        if not isinstance(data, dict) or data.get("schema") != SCHEMA:
            _bad("schema", data.get("schema") if isinstance(data, dict) else data, SCHEMA)
        values = {key: value for key, value in data.items() if key != "schema"}
        known = [item.name for item in fields(cls)]
        if sorted(values) != sorted(known):
            _bad("keys", sorted(values), sorted(known))
        raw = values["overrides"]
        if not isinstance(raw, list) or not all(_is_pair(item) for item in raw):
            _bad("overrides", raw, "a list of [pattern, setting]")
        return cls(**{**values, "overrides": tuple(LayerOverride(*item) for item in raw)})


RECIPES: Mapping[str, Recipe] = MappingProxyType(
    {
        recipe.name: recipe
        for recipe in (
            Recipe(
                name="int8",
                activations="int8",
                io="int8",
                conv_weights="per-channel",
                dense_weights="per-tensor",
                calibrator="minmax",
                samples=200,
            ),
            Recipe(
                name="float32",
                activations="float32",
                io="float32",
                conv_weights="none",
                dense_weights="none",
                calibrator="none",
                samples=0,
            ),
        )
    }
)


def recipe_names() -> tuple[str, ...]:
    """The names of all recipes, in the table's order.

    >>> recipe_names()
    ('int8', 'float32')
    """
    return tuple(RECIPES)


def get_recipe(name: str) -> Recipe:
    """The recipe of that name.

    Raises:
        UnknownNameError: there is none.
    """
    if name not in RECIPES:
        raise UnknownNameError("recipe", name, recipe_names())
    return RECIPES[name]


def _is_pair(item: Any) -> bool:
    return isinstance(item, list) and len(item) == 2 and all(isinstance(x, str) for x in item)


def _bad(key: str, value: object, expected: object) -> NoReturn:
    raise QuantizationError(f"recipe: {key} = {value!r}, expected {expected}", hint=_HINT)
