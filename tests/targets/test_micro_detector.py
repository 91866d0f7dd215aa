"""The detector for photos on a microcontroller: 192 × 192 × 3 in 120 KiB of RAM."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgecnn.models.table import build_model, model_info
from targets.base import RunOptions
from targets.mcu.target import make
from targets.model_file import load_model_file

pytestmark = [pytest.mark.train, pytest.mark.long]


def test_photos_in_120_kib_of_ram_and_330_kib_of_flash(tmp_path: Path) -> None:
    """The planner lays the first layers over the input and runs the others row by row."""
    tf = pytest.importorskip("tensorflow")
    shape = model_info("micro").input_shape
    assert shape == (192, 192, 3)
    rng = np.random.default_rng(0)
    converter = tf.lite.TFLiteConverter.from_keras_model(
        build_model("micro", input_shape=shape, classes=3)
    )
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: (
        [rng.uniform(-1, 1, (1, *shape)).astype(np.float32)] for _ in range(2)
    )
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    path = tmp_path / "micro.tflite"
    path.write_bytes(converter.convert())
    limits = RunOptions(max_ram=120 << 10, max_flash=330 << 10)
    report = make("cortex-m7").check_with(load_model_file(path), limits)
    assert report.fits, report.why
    assert (report.ram_bytes or 0) > int(np.prod(shape)), "the input is part of it"
