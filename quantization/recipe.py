"""Contract 4: a recipe, a named and frozen description of a quantization.

A recipe and the same model and samples give the same bytes again. A new recipe is one row in
:data:`RECIPES`; a new capability is one field here, with its allowed values, and the stage that
obeys it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import Any, Literal, NoReturn, get_args

from edgecnn.core.errors import QuantizationError, UnknownNameError

SCHEMA = "edgecnn.recipe/2"
Precision = Literal["int8", "int16", "float32"]
Weights = Literal["int8", "float16", "float32"]
Interface = Literal["int8", "uint8", "int16", "float32"]
Granularity = Literal["per-channel", "per-tensor", "none"]
Calibrator = Literal["minmax", "moving-average", "percentile", "mse", "entropy", "none"]
Setting = Literal["int8", "int16", "float32", "per-channel", "per-tensor"]
#: Steps that make a model more accurate, in the order in which they run.
STEPS = ("fold-batch-norm", "equalize", "fine-tune", "round", "correct-bias", "mixed")
_HINT = "use a recipe written by this edgecnn version, or a name from get_recipe"


@dataclass(frozen=True)
class LayerOverride:
    """A setting for the layers whose name matches.

    Attributes:
        pattern: shell pattern over layer names as reports print them, ``block_1*``.
        setting: precision of those layers (``int8``, ``int16``, ``float32``) or granularity of
            their weights (``per-channel``, ``per-tensor``).
    """

    pattern: str
    setting: Setting


@dataclass(frozen=True)
class Recipe:
    """How a model is quantized.

    Attributes:
        name: also the variant's folder in a bundle.
        activations: dtype of the tensors between ops.
        weights: dtype of filters and matrices; ``float16`` ones are widened by the runtime.
        io: dtype of the model's inputs and outputs.
        conv_weights: granularity of convolution filters (depthwise and transposed too).
        dense_weights: of fully connected layers; per tensor, because Ethos-U and older TPU
            compilers take nothing else there.
        calibrator: how ranges come from samples.
        percentile: of ``percentile``: the share of values kept, in per cent.
        samples: calibration samples wanted; fewer is a warning.
        steps: of :data:`STEPS`, in their order.
        allow_float: whether ops without an integer kernel may stay float.
        seed: of every random choice.
        overrides: per-layer settings; the first match of a kind counts.
    """

    name: str
    activations: Precision
    weights: Weights
    io: Interface
    conv_weights: Granularity
    dense_weights: Granularity
    calibrator: Calibrator
    samples: int
    percentile: float = 99.99
    steps: tuple[str, ...] = ()
    allow_float: bool = False
    seed: int = 1
    overrides: tuple[LayerOverride, ...] = ()

    def __post_init__(self) -> None:
        """Raises QuantizationError when a field holds what it must not."""
        allowed = {
            "activations": get_args(Precision),
            "weights": get_args(Weights),
            "io": get_args(Interface),
            "conv_weights": get_args(Granularity),
            "dense_weights": get_args(Granularity),
            "calibrator": get_args(Calibrator),
        }
        for key, values in allowed.items():
            if getattr(self, key) not in values:
                _bad(key, getattr(self, key), " | ".join(values))
        if not isinstance(self.name, str) or not self.name or "/" in self.name:
            _bad("name", self.name, "a name without '/'")
        if type(self.samples) is not int or not 0 <= self.samples <= 1_000_000:
            _bad("samples", self.samples, "a whole number from 0 to 1000000")
        if type(self.seed) is not int:
            _bad("seed", self.seed, "a whole number")
        if type(self.allow_float) is not bool:
            _bad("allow_float", self.allow_float, "true or false")
        number = self.percentile
        if not isinstance(number, (int, float)) or not (50 < number <= 100) or math.isnan(number):
            _bad("percentile", number, "above 50, up to 100")
        self._check_together()

    def _check_together(self) -> None:
        if self.quantized and (self.samples < 1 or self.calibrator == "none"):
            _bad("samples and calibrator", (self.samples, self.calibrator), "1 or more, minmax …")
        if self.quantized and self.weights != "int8":
            _bad("weights", self.weights, f"int8 with {self.activations} activations")
        if not self.quantized and self.io != "float32":
            _bad("io", self.io, "float32 with float32 activations")
        if [step for step in STEPS if step in self.steps] != list(self.steps):
            _bad("steps", list(self.steps), f"some of {list(STEPS)}, in this order")
        for item in self.overrides:
            if not isinstance(item.pattern, str) or item.setting not in get_args(Setting):
                _bad("overrides", [item.pattern, item.setting], " | ".join(get_args(Setting)))

    @property
    def quantized(self) -> bool:
        """Whether activations are integers, so that calibration is needed."""
        return self.activations != "float32"

    @property
    def plain_float(self) -> bool:
        """Whether nothing is quantized at all: the file stays as it is."""
        return not self.quantized and self.weights == "float32"

    def precision_of(self, layer: str) -> Precision:
        """The precision of the layer of that name."""
        return self._override(layer, get_args(Precision)) or self.activations

    def granularity_of(self, layer: str, *, dense: bool) -> Granularity:
        """The granularity of the weights of the layer of that name."""
        default = self.dense_weights if dense else self.conv_weights
        return self._override(layer, ("per-channel", "per-tensor")) or default

    def _override(self, layer: str, settings: tuple[str, ...]) -> Any:
        for item in self.overrides:
            if item.setting in settings and fnmatchcase(layer, item.pattern):
                return item.setting
        return None

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; key order is fixed, so ``dump_json`` of it is byte-stable."""
        values = {item.name: getattr(self, item.name) for item in fields(self)}
        values["steps"] = list(self.steps)
        values["overrides"] = [[item.pattern, item.setting] for item in self.overrides]
        return {"schema": SCHEMA, **values}

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
        raw, steps = values["overrides"], values["steps"]
        if not isinstance(raw, list) or not all(_is_pair(item) for item in raw):
            _bad("overrides", raw, "a list of [pattern, setting]")
        if not isinstance(steps, list) or not all(isinstance(step, str) for step in steps):
            _bad("steps", steps, "a list of names")
        values["steps"] = tuple(steps)
        values["overrides"] = tuple(LayerOverride(*item) for item in raw)
        return cls(**values)


def _row(name: str, **changes: Any) -> Recipe:
    values: dict[str, Any] = {
        "activations": "int8",
        "weights": "int8",
        "io": "int8",
        "conv_weights": "per-channel",
        "dense_weights": "per-tensor",
        "calibrator": "mse",
        "samples": 200,
        "steps": ("fold-batch-norm", "equalize", "correct-bias"),
    }
    return Recipe(name=name, **{**values, **changes})


_FLOAT = {"activations": "float32", "io": "float32", "calibrator": "none", "samples": 0}
_NO_WEIGHTS = {"conv_weights": "none", "dense_weights": "none"}

RECIPES: Mapping[str, Recipe] = MappingProxyType(
    {
        recipe.name: recipe
        for recipe in (
            _row("int8"),
            _row(
                "int8-per-tensor",
                conv_weights="per-tensor",
                steps=("fold-batch-norm", "equalize", "round", "correct-bias"),
            ),
            _row(
                "int16x8",
                activations="int16",
                io="int16",
                calibrator="minmax",
                steps=("fold-batch-norm",),
            ),
            _row("mixed", steps=("fold-batch-norm", "equalize", "correct-bias", "mixed")),
            _row("dynamic", **_FLOAT, steps=()),
            _row("float16", **_FLOAT, **_NO_WEIGHTS, weights="float16", steps=()),
            _row("float32", **_FLOAT, **_NO_WEIGHTS, weights="float32", steps=()),
        )
    }
)


def recipe_names() -> tuple[str, ...]:
    """The names of all recipes, in the table's order.

    >>> recipe_names()[:3]
    ('int8', 'int8-per-tensor', 'int16x8')
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
