"""TensorFlow's own int8 conversion: the peer that files of ours are held against."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from edgecnn.core.tflite.naming import rename_tensors, with_signature
from edgecnn.core.tflite.reader import read_model
from quantization.calibration.samples import check_sample
from quantization.convert import SIGNATURE
from quantization.freeze import load_and_freeze
from quantization.layer_names import tensor_names
from quantization.tensorflow_import import import_tensorflow, quiet


def stock_int8(model: Any, samples: list[dict[str, Any]]) -> bytes:
    """Full int8 (per-channel convolutions, per-tensor dense layers), named as our files are."""
    flow = import_tensorflow()
    frozen = load_and_freeze(model)

    def representative() -> Iterator[list[Any]]:
        for number, sample in enumerate(samples):
            yield check_sample(sample, frozen.inputs, number)

    with quiet():
        converter = flow.lite.TFLiteConverter.from_concrete_functions([frozen.function])
        converter.optimizations = [flow.lite.Optimize.DEFAULT]
        converter.representative_dataset = representative
        converter.target_spec.supported_ops = [flow.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = flow.int8
        converter._experimental_disable_per_channel_quantization_for_dense_layers = True
        data = bytes(converter.convert())
    data = rename_tensors(data, tensor_names(read_model(data), frozen.layers))
    inputs, outputs = ([info.name for info in side] for side in (frozen.inputs, frozen.outputs))
    return with_signature(data, SIGNATURE, inputs, outputs)
