"""ONNX Runtime's static quantization: QDQ, int8, per channel, min-max.

Usage: python ort_static.py FLOAT.tflite CALIBRATION.npz OUT.onnx TEST.npz PREDICTIONS.npz

tf2onnx turns the float .tflite into ONNX (its time does not count), ``quant_pre_process`` and
``quantize_static`` quantize it, and ONNX Runtime's CPU kernels run it over the test data:
PREDICTIONS.npz holds ``output_0`` …, float32, in the .tflite's order of outputs.
"""

import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import tf2onnx
from measure import finish, start
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quantize_static,
    shape_inference,
)

OPSET = 17


class Samples(CalibrationDataReader):
    """The calibration samples one by one, the only input by its ONNX name."""

    def __init__(self, array: np.ndarray, name: str) -> None:
        """Takes (n, …) and the input's name."""
        self._rest = iter({name: array[at : at + 1]} for at in range(len(array)))

    def get_next(self) -> dict | None:
        """The next sample, or None."""
        return next(self._rest, None)


def quantize(model: str, calibration: str, out: str) -> None:
    """Writes the quantized ONNX model."""
    samples = _only(calibration)
    with tempfile.TemporaryDirectory() as folder:
        exported, ready = Path(folder) / "float.onnx", Path(folder) / "ready.onnx"
        tf2onnx.convert.from_tflite(model, opset=OPSET, output_path=str(exported))
        name = onnx.load(exported).graph.input[0].name
        clock = start()
        shape_inference.quant_pre_process(exported, ready)
        quantize_static(
            ready,
            out,
            Samples(samples, name),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QInt8,
            weight_type=QuantType.QInt8,
        )
    finish(
        clock,
        **{name: version(name) for name in ("onnxruntime", "onnx", "tf2onnx", "tensorflow-cpu")},
    )


def predict(model: str, test: str, out: str) -> None:
    """Runs the model over the test data, one sample at a time as the other runtimes do."""
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    name, array = session.get_inputs()[0].name, _only(test)
    rows = [session.run(None, {name: array[at : at + 1]}) for at in range(len(array))]
    outputs = {
        f"output_{index}": np.concatenate([row[index] for row in rows]).astype(np.float32)
        for index in range(len(rows[0]))
    }
    np.savez(out, **outputs)


def _only(path: str) -> np.ndarray:
    with np.load(path) as file:
        return file[file.files[0]]


if __name__ == "__main__":
    predict_from = sys.argv[3]
    quantize(*sys.argv[1:3], predict_from)
    predict(predict_from, *sys.argv[4:6])
