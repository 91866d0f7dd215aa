"""A detector of the zoo in every core's emulator and as that core's C on this machine."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgecnn.core.lcg import lcg_inputs
from edgecnn.models.table import build_model
from targets.base import RunOptions, RunsModels
from targets.model_file import load_model_file
from targets.table import get_target

pytestmark = [pytest.mark.train, pytest.mark.long]
SHAPE = (96, 96, 3)
CORES = (
    "cortex-m0plus", "cortex-m3", "cortex-m4", "cortex-m7", "cortex-m33", "cortex-m55", "rv32imc",
    "nucleo-h743zi", "mps3-an547",
)  # fmt: skip


@pytest.fixture(scope="module")
def detector(tmp_path_factory: pytest.TempPathFactory) -> Path:
    tf = pytest.importorskip("tensorflow")
    tf.keras.utils.set_random_seed(1)
    rng = np.random.default_rng(0)
    converter = tf.lite.TFLiteConverter.from_keras_model(
        build_model("detector", input_shape=SHAPE, classes=3)
    )
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: (
        [rng.uniform(-1, 1, (1, *SHAPE)).astype(np.float32)] for _ in range(2)
    )
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    path = tmp_path_factory.mktemp("model") / "detector.tflite"
    path.write_bytes(converter.convert())
    return path


@pytest.mark.parametrize("name", CORES)
def test_the_emulator_and_this_machine_give_the_same_bytes(name: str, detector: Path) -> None:
    model, target = load_model_file(detector), get_target(name)
    assert isinstance(target, RunsModels)
    with (
        target.open_model(model, RunOptions()) as emulated,
        target.open_model(model, RunOptions(on_host=True)) as on_host,
    ):
        assert emulated.predictor.inputs == on_host.predictor.inputs
        assert emulated.predictor.outputs == on_host.predictor.outputs
        inputs = lcg_inputs(on_host.predictor.inputs)
        expected = on_host.predictor.predict(inputs)
        for _ in range(2):
            found = emulated.predictor.predict(inputs)
            for key, array in expected.items():
                np.testing.assert_array_equal(found[key], array)
