"""TensorFlow's own converter: float32, or int8 from calibration samples.

Usage: python stock.py MODEL.keras CALIBRATION.npz OUT.tflite [float | per-tensor]

Imports nothing of this project, so that its time and memory are the converter's own.
"""

import sys
from pathlib import Path

from measure import finish, start


def convert(model: str, calibration: str, mode: str) -> bytes:
    """The .tflite's bytes; int8 inside and at both ends, per channel unless ``mode`` says else."""
    import keras
    import numpy as np
    import tensorflow as tf

    loaded = keras.saving.load_model(model, compile=False)
    samples = np.load(calibration)
    clock = start()
    converter = tf.lite.TFLiteConverter.from_keras_model(loaded)
    if mode != "float":
        names = [tensor.name for tensor in loaded.inputs]
        arrays = [samples[name] for name in names]
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: (
            [array[index : index + 1] for array in arrays] for index in range(len(arrays[0]))
        )
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.int8
        converter._experimental_disable_per_channel = mode == "per-tensor"
    data = bytes(converter.convert())
    finish(clock, tensorflow=tf.__version__, keras=keras.__version__)
    return data


if __name__ == "__main__":
    Path(sys.argv[3]).write_bytes(convert(*sys.argv[1:3], (sys.argv[4:] or ["int8"])[0]))
