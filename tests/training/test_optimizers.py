"""Averaged weights of the shared loop."""

from __future__ import annotations

import numpy as np
import pytest

from edgecnn.training.config import TrainConfig

keras = pytest.importorskip("keras")
pytestmark = pytest.mark.train


@pytest.mark.parametrize(("optimizer", "most"), [("adamw", 0.9), ("sgd", 0.5)])
def test_the_average_reaches_back_further_as_the_run_goes_on(optimizer: str, most: float) -> None:
    from edgecnn.training.optimizers import averaged, make_optimizer

    image = keras.Input((4,))
    model = keras.Model(image, keras.layers.Dense(2, name="dense")(image))
    config = TrainConfig(ema=most, learning_rate=0.05, optimizer=optimizer)
    model.compile(optimizer=make_optimizer(config, {}), loss="mse")
    rng = np.random.default_rng(0)
    x, y = rng.random((8, 4), np.float32), rng.random((8, 2), np.float32)
    wanted = np.zeros((4, 2))
    for step in range(40):
        model.train_on_batch(x, y)
        keep = min(most, 1 - 3 / (step + 4)) if step else 0.0
        wanted = keep * wanted + (1 - keep) * model.get_weights()[0]
    last = model.get_weights()[0]
    with averaged(model, config):
        assert np.allclose(model.get_weights()[0], wanted, atol=1e-5)
        assert not np.allclose(last, wanted, atol=1e-3)
    assert np.array_equal(model.get_weights()[0], last)
