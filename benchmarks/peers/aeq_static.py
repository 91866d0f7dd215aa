"""ai-edge-quantizer, static int8.

Usage: python aeq_static.py FLOAT.tflite CALIBRATION.npz OUT.tflite [one-by-one]

Its calibration smooths ranges from one sample to the next by a moving average, so that samples fed
one at a time may leave ranges too narrow. It is therefore fed all samples as one batch where the
model's batch is not fixed; ``one-by-one`` feeds them as its examples do.
"""

import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from ai_edge_quantizer import quantizer, recipe
from measure import finish, start


def quantize(model: str, calibration: str, one_by_one: bool) -> bytes:
    """The quantized .tflite's bytes."""
    with np.load(calibration) as file:
        samples = {name: file[name] for name in file.files}
    signature = next(iter(Interpreter(model).get_signature_list()), None)
    if signature is None:
        raise SystemExit("the model has no signature; Quantizer.calibrate asks for its key")
    count = len(next(iter(samples.values())))
    fixed = Interpreter(model).get_input_details()[0]["shape_signature"][0] != -1
    step = 1 if one_by_one or fixed else count
    batches = [
        {name: array[at : at + step] for name, array in samples.items()}
        for at in range(0, count, step)
    ]
    clock = start()
    tool = quantizer.Quantizer(Path(model).read_bytes(), recipe.static_wi8_ai8())
    ranges = tool.calibrate({signature: batches}, num_threads=2)
    data = bytes(tool.quantize(ranges, enable_progress_report=False).quantized_model)
    finish(clock, **{"ai-edge-quantizer": version("ai-edge-quantizer")})
    return data


if __name__ == "__main__":
    Path(sys.argv[3]).write_bytes(quantize(*sys.argv[1:3], sys.argv[4:] == ["one-by-one"]))
