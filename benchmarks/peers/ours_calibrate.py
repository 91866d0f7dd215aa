"""edgecnn's calibration alone, on a float .tflite.

Usage: python ours_calibrate.py FLOAT.tflite CALIBRATION.npz METHOD
"""

import sys
from dataclasses import replace
from pathlib import Path

from measure import finish, start
from samples import samples_of

from edgecnn import __version__
from edgecnn.core.progress import SilentProgress
from edgecnn.core.tflite.reader import read_model
from quantization.calibration.run import calibrate
from quantization.parallel.executor import SerialExecutor
from quantization.recipe import get_recipe

if __name__ == "__main__":
    model = read_model(Path(sys.argv[1]).read_bytes())
    count, samples = samples_of(sys.argv[2])
    recipe = replace(get_recipe("int8"), samples=count, calibrator=sys.argv[3])
    clock = start()
    calibrate(model, samples(), recipe, SerialExecutor(), SilentProgress())
    finish(clock, edgecnn=__version__)
