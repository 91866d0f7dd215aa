"""Frozen model → float32 .tflite bytes through TensorFlow's converter.

What the file has (tensorflow 2.21, checked by the tests): one signature ``serving_default`` whose
names are the Keras input and output layers' names; subgraph inputs and outputs in Keras' order;
op outputs named after the Keras layers (:func:`quantization.layer_names.tensor_names`). The same
model gives the same bytes: nothing in them depends on time or folders.
"""

from __future__ import annotations

import importlib

from edgecnn.core.errors import QuantizationError
from edgecnn.core.tflite.naming import rename_tensors, with_signature
from edgecnn.core.tflite.reader import read_model
from quantization.freeze import FrozenModel
from quantization.keras_model import one_line
from quantization.layer_names import tensor_names
from quantization.tensorflow_import import import_tensorflow, quiet

SIGNATURE = "serving_default"


def to_float(model: FrozenModel) -> bytes:
    """The float32 .tflite.

    Raises:
        QuantizationError: the converter does not take the model.
    """
    phases = importlib.import_module("tensorflow.lite.python.convert_phase")
    lite = import_tensorflow().lite
    try:
        with quiet():
            converter = lite.TFLiteConverter.from_concrete_functions([model.function])
            data = bytes(converter.convert())
    except (phases.ConverterError, ValueError, RuntimeError, TypeError) as error:
        raise QuantizationError(
            f"TensorFlow's converter does not take this model: {one_line(str(error))}",
            hint="replace the named layer by one of Conv2D, DepthwiseConv2D, Dense, pooling, ReLU",
        ) from error
    data = rename_tensors(data, tensor_names(read_model(data), model.layers))
    inputs = [info.name for info in model.inputs]
    return with_signature(data, SIGNATURE, inputs, [info.name for info in model.outputs])
