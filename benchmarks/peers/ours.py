"""edgecnn's own quantizer through its public function, as a script like the peers'.

Usage: python ours.py MODEL CALIBRATION.npz|scenes:COUNT OUT.tflite RECIPE [auto] [KEY=VALUE …]

``KEY=VALUE`` changes a field of the recipe: ``calibrator=mse``; ``tuning=`` is what ``auto``
measures by: see tuning.py. Samples: see samples.py.
"""

import sys
from dataclasses import replace
from pathlib import Path

from measure import finish, start
from samples import samples_of
from tuning import tuning_metric

from edgecnn import __version__
from quantization.quantize import QuantizeRequest, quantize
from quantization.recipe import get_recipe


def convert(model: str, calibration: str, recipe: str, options: list[str]) -> bytes:
    """The quantized .tflite's bytes."""
    count, samples = samples_of(calibration)
    changes = dict(option.split("=", 1) for option in options if "=" in option)
    tuning = changes.pop("tuning", None)
    request = QuantizeRequest(
        model=Path(model),
        calibration=samples,
        recipe=replace(get_recipe(recipe), samples=count, **changes),
        auto="auto" in options,
        tuning=tuning_metric(tuning, Path(model)) if tuning else None,
    )
    clock = start()
    result = quantize(request)
    for step in result.steps:
        print(f"{step.name}: {step.note}, kept: {step.kept}")
    finish(clock, edgecnn=__version__)
    return result.model


if __name__ == "__main__":
    Path(sys.argv[3]).write_bytes(convert(sys.argv[1], sys.argv[2], sys.argv[4], sys.argv[5:]))
