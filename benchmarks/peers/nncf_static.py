"""NNCF's post-training quantization on OpenVINO: int8, per channel, with its bias correction.

Usage: python nncf_static.py FLOAT.tflite CALIBRATION.npz OUT.xml TEST.npz PREDICTIONS.npz

OpenVINO reads the float .tflite (its time does not count), NNCF quantizes it, and OpenVINO's CPU
kernels run it over the test data: PREDICTIONS.npz holds ``output_0`` …, float32, in the .tflite's
order of outputs. Ops that NNCF leaves out, softmax among them, stay float.
"""

import os
import sys
from importlib.metadata import version
from pathlib import Path

# Set before the import: no usage reports to anybody.
os.environ["NNCF_CI"] = "1"

import nncf
import numpy as np
import openvino
from measure import finish, start


def quantize(model: str, calibration: str, out: str) -> None:
    """Writes OUT.xml and OUT.bin, weights as they are."""
    samples = _only(calibration)
    loaded = openvino.convert_model(model)
    dataset = nncf.Dataset([samples[at : at + 1] for at in range(len(samples))])
    clock = start()
    # MIXED: symmetric weights and asymmetric activations, as in a .tflite.
    quantized = nncf.quantize(
        loaded,
        dataset,
        preset=nncf.QuantizationPreset.MIXED,
        subset_size=len(samples),
    )
    finish(clock, **{name: version(name) for name in ("nncf", "openvino")})
    openvino.save_model(quantized, out, compress_to_fp16=False)


def predict(model: str, test: str, out: str) -> None:
    """Runs the model over the test data, one sample at a time as the other runtimes do."""
    compiled = openvino.compile_model(model, "CPU")
    request = compiled.create_infer_request()
    rows: list[list[np.ndarray]] = [[] for _ in compiled.outputs]
    array = _only(test)
    for at in range(len(array)):
        results = request.infer([array[at : at + 1]])
        for kept, port in zip(rows, compiled.outputs, strict=True):
            kept.append(np.array(results[port], np.float32))
    np.savez(out, **{f"output_{index}": np.concatenate(kept) for index, kept in enumerate(rows)})


def _only(path: str) -> np.ndarray:
    with np.load(path) as file:
        return file[file.files[0]]


if __name__ == "__main__":
    made = sys.argv[3]
    quantize(*sys.argv[1:3], made)
    predict(made, *sys.argv[4:6])
    # The weights are in a file beside the graph's: one size for both.
    weights = Path(made).with_suffix(".bin").read_bytes()
    Path(made).with_suffix(".whole").write_bytes(Path(made).read_bytes() + weights)
