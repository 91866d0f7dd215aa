from __future__ import annotations

from dataclasses import FrozenInstanceError, replace

import pytest

from edgecnn.core.errors import QuantizationError, UnknownNameError
from edgecnn.core.files import dump_json
from quantization.recipe import LayerOverride, Recipe, get_recipe, recipe_names


@pytest.mark.parametrize("name", recipe_names())
def test_json_round_trip_is_byte_stable(name):
    recipe = get_recipe(name)
    text = dump_json(recipe.to_json())
    again = Recipe.from_json(recipe.to_json())
    assert again == recipe
    assert dump_json(again.to_json()) == text


def test_names_and_promises():
    assert recipe_names() == (
        "int8", "int8-per-tensor", "int16x8", "mixed", "dynamic", "float16", "float32",
    )  # fmt: skip
    quantized = [name for name in recipe_names() if get_recipe(name).quantized]
    assert quantized == ["int8", "int8-per-tensor", "int16x8", "mixed"]


def test_overrides_by_name_pattern():
    recipe = replace(
        get_recipe("int8"),
        overrides=(
            LayerOverride("block_1*", "int16"),
            LayerOverride("*_dw", "per-tensor"),
            LayerOverride("block_1_dw", "int8"),
        ),
    )
    assert recipe.precision_of("block_1_dw") == "int16"
    assert recipe.precision_of("block_2_dw") == "int8"
    assert recipe.granularity_of("block_2_dw", dense=False) == "per-tensor"
    assert recipe.granularity_of("stem", dense=False) == "per-channel"
    assert recipe.granularity_of("scores", dense=True) == "per-tensor"
    assert Recipe.from_json(recipe.to_json()) == recipe


def test_unknown_name_says_what_there_is():
    with pytest.raises(UnknownNameError, match="unknown recipe 'int9'") as caught:
        get_recipe("int9")
    assert "did you mean 'int8'" in caught.value.hint
    assert caught.value.exit_code == 2


def test_frozen():
    with pytest.raises(FrozenInstanceError):
        get_recipe("int8").samples = 3


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("activations", "int4"),
        ("weights", "float16"),
        ("io", "int4"),
        ("conv_weights", "per-row"),
        ("samples", -1),
        ("samples", 0),
        ("samples", 1.5),
        ("samples", True),
        ("calibrator", "magic"),
        ("name", "a/b"),
        ("overrides", (LayerOverride("conv*", "int4"),)),  # type: ignore[arg-type]
        ("steps", ("round", "equalize")),
        ("steps", ("magic",)),
        ("percentile", 30.0),
        ("percentile", float("nan")),
        ("seed", "1"),
        ("allow_float", 1),
    ],
)
def test_bad_fields_name_the_value(field, value):
    with pytest.raises(QuantizationError, match=field):
        replace(get_recipe("int8"), **{field: value})


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data | {"schema": "edgecnn.recipe/9"},
        lambda data: data | {"extra": 1},
        lambda data: {k: v for k, v in data.items() if k != "samples"},
        lambda data: data | {"overrides": ["conv"]},
        lambda data: data | {"overrides": [["conv*", "float8"]]},
        lambda data: data | {"steps": "round"},
        lambda data: data | {"steps": [1]},
        lambda data: data | {"samples": "many"},
        lambda data: [data],
    ],
)
def test_from_json_refuses(change):
    with pytest.raises(QuantizationError):
        Recipe.from_json(change(get_recipe("int8").to_json()))
