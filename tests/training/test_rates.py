"""Rates of their own for some variables, and when averages are in force, as the backend steps."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("keras")
import keras

from edgecnn.training.config import TrainConfig
from edgecnn.training.loop import fit
from edgecnn.training.optimizers import averaged, make_optimizer
from tests.training.nets import X, Y, tiny_model, tiny_task

pytestmark = pytest.mark.train


def stepped(config: TrainConfig, rate: float | None, steps: int = 1):
    """For each variable whether it is a convolution's, and how far it goes; ``rate`` is theirs."""
    keras.utils.set_random_seed(0)
    model = tiny_model()
    body = [v.path for v in model.trainable_variables if "conv2d" in v.path]
    rates = {} if rate is None else dict.fromkeys(body, rate)
    model.compile(optimizer=make_optimizer(config, rates), loss=tiny_task().loss, jit_compile=False)
    before = [keras.ops.convert_to_numpy(v) for v in model.trainable_variables]
    for _ in range(steps):
        model.train_on_batch(X[:32], Y[:32])
    # What a batch norm follows has no gradient for its bias: its steps are rounding alone.
    return [
        (v.path in body, keras.ops.convert_to_numpy(v) - old)
        for v, old in zip(model.trainable_variables, before, strict=True)
        if not (v.path in body and v.path.endswith("bias"))
    ]


@pytest.mark.parametrize("name", ["adamw", "sgd"])
def test_rates_scale_the_steps_of_the_named_variables_alone(name) -> None:
    config = TrainConfig(optimizer=name, weight_decay=0.0, learning_rate=0.01)
    plain, rated = stepped(config, None), stepped(config, 0.1)
    assert {mine for mine, _ in plain} == {True, False}
    assert max(np.abs(step).max() for mine, step in plain if mine) > 1e-5
    for (mine, step), (_, other) in zip(plain, rated, strict=True):
        np.testing.assert_allclose(other, step * (0.1 if mine else 1.0), rtol=2e-3, atol=2e-7)


def test_a_rate_of_zero_keeps_a_variable() -> None:
    steps = stepped(TrainConfig(weight_decay=0.0), 0.0, steps=3)
    assert all(not step.any() for mine, step in steps if mine)
    assert any(step.any() for mine, step in steps if not mine)


def test_averages_are_inside_the_context_alone() -> None:
    model = tiny_model()
    config = TrainConfig(ema=0.5, weight_decay=0.0, learning_rate=0.05)
    model.compile(optimizer=make_optimizer(config, {}), loss=tiny_task().loss, jit_compile=False)
    for start in (0, 32, 64):
        model.train_on_batch(X[start : start + 32], Y[start : start + 32])
    before = model.get_weights()
    with averaged(model, config):
        inside = model.get_weights()
    assert all(map(np.array_equal, model.get_weights(), before))
    assert not all(map(np.array_equal, inside, before))
    with pytest.raises(ZeroDivisionError), averaged(model, config):
        raise ZeroDivisionError
    assert all(map(np.array_equal, model.get_weights(), before))


def test_no_averages_do_nothing() -> None:
    model = tiny_model()
    optimizer = make_optimizer(TrainConfig(ema=0.0), {})
    assert not optimizer.use_ema
    model.compile(optimizer=optimizer, loss=tiny_task().loss, jit_compile=False)
    model.train_on_batch(X[:32], Y[:32])
    before = model.get_weights()
    with averaged(model, TrainConfig(ema=0.0)):
        assert all(map(np.array_equal, model.get_weights(), before))


def test_the_loop_keeps_the_averages_that_it_validated() -> None:
    kept = []

    def validate(model):
        kept.append(model.get_weights())
        return {"accuracy": float(len(kept))}

    model = tiny_model()
    config = TrainConfig(epochs=3, ema=0.8, learning_rate=0.05)
    fit(model, tiny_task(validate), config)
    assert all(map(np.array_equal, model.get_weights(), kept[-1]))
