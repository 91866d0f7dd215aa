"""Frozen model → .tflite bytes through TensorFlow's converter, float32 or full int8.

What the file has (tensorflow 2.21, checked by the tests): one signature ``serving_default`` whose
names are the Keras input and output layers' names; subgraph inputs and outputs in Keras' order;
op outputs named after the Keras layers (:func:`quantization.layer_names.tensor_names`). The same
model and samples give the same bytes: nothing in them depends on time or folders.
"""

from __future__ import annotations

import importlib
from typing import Any

from edgecnn.core.errors import QuantizationError
from edgecnn.core.tflite.naming import rename_tensors, with_signature
from edgecnn.core.tflite.reader import read_model
from quantization.calibration.samples import RepresentativeDataset
from quantization.freeze import FrozenModel
from quantization.keras_model import one_line
from quantization.layer_names import tensor_names
from quantization.recipe import Recipe
from quantization.tensorflow_import import import_tensorflow, quiet

SIGNATURE = "serving_default"


def to_float(model: FrozenModel) -> bytes:
    """The float32 .tflite.

    Raises:
        QuantizationError: the converter does not take the model.
    """
    return _convert(_converter(model), model)


def to_int8(model: FrozenModel, recipe: Recipe, samples: RepresentativeDataset) -> bytes:
    """The full-integer .tflite: int8 inputs, outputs, activations and weights, builtin ops only.

    A conversion that succeeds may still hold float ops: see :mod:`quantization.audit`.

    Raises:
        QuantizationError: the converter does not take the model.
        DataError: calibration samples that cannot be used.
    """
    flow = import_tensorflow()
    converter = _converter(model)
    converter.optimizations = [flow.lite.Optimize.DEFAULT]
    converter.representative_dataset = samples
    converter.target_spec.supported_ops = [flow.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = flow.int8
    converter.inference_output_type = flow.int8
    converter._experimental_disable_per_channel = recipe.conv_weights == "per-tensor"
    converter._experimental_disable_per_channel_quantization_for_dense_layers = (
        recipe.dense_weights == "per-tensor"
    )
    return _convert(converter, model)


def _converter(model: FrozenModel) -> Any:
    with quiet():
        return import_tensorflow().lite.TFLiteConverter.from_concrete_functions([model.function])


def _convert(converter: Any, model: FrozenModel) -> bytes:
    phases = importlib.import_module("tensorflow.lite.python.convert_phase")
    try:
        with quiet():
            data = bytes(converter.convert())
    except (phases.ConverterError, ValueError, RuntimeError, TypeError) as error:
        raise QuantizationError(
            f"TensorFlow's converter does not take this model: {one_line(str(error))}",
            hint="replace the named layer by one of Conv2D, DepthwiseConv2D, Dense, pooling, ReLU",
        ) from error
    data = rename_tensors(data, tensor_names(read_model(data), model.layers))
    inputs = [info.name for info in model.inputs]
    return with_signature(data, SIGNATURE, inputs, [info.name for info in model.outputs])
