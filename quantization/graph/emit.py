"""The quantized model of a plan: the one entry to this folder's emitters."""

from __future__ import annotations

from edgecnn.core.tflite.model import TfModel
from quantization.graph.check import check_float
from quantization.graph.dynamic import emit_dynamic
from quantization.graph.half import emit_half
from quantization.graph.integer import emit_integer
from quantization.graph.lower import lowered
from quantization.work import Plan


def emit(model: TfModel, plan: Plan) -> TfModel:
    """The model of ``plan``.

    Args:
        model: float32, as :func:`quantization.graph.check.check_float` accepts it.
        plan: recipe, ranges, and what steps decided; keyed by indices of ``model``.

    Returns:
        The model with the same signature names and tensor names; a quantized tensor carries the
        name of the float tensor that it stands for.

    Raises:
        QuantizationError: a range is missing or not finite, or the model cannot be quantized.
    """
    recipe = plan.recipe
    check_float(model, recipe)
    if recipe.quantized:
        return emit_integer(lowered(model), plan)
    if recipe.weights == "float16":
        return emit_half(model)
    if recipe.weights == "int8":
        return emit_dynamic(model, plan)
    return model
