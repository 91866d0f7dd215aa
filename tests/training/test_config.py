from __future__ import annotations

import math

import pytest

from edgecnn.core.errors import UsageError
from edgecnn.training.config import TrainConfig


def test_cosine_with_warm_up():
    config = TrainConfig(learning_rate=0.1, warmup=0.2, final_fraction=0.1)
    assert config.rate_at(0) == 0
    assert config.rate_at(0.1) == pytest.approx(0.05)
    assert config.rate_at(0.2) == pytest.approx(0.1)
    quarter = 0.01 + 0.09 * (1 + math.cos(math.pi / 4)) / 2
    assert config.rate_at(0.4) == pytest.approx(quarter)
    assert config.rate_at(0.6) == pytest.approx(0.055)
    assert config.rate_at(1.0) == config.rate_at(7.0) == pytest.approx(0.01)


def test_constant():
    config = TrainConfig(learning_rate=0.1, warmup=0.0, schedule="constant")
    assert {config.rate_at(p) for p in (0, 0.5, 1)} == {0.1}


@pytest.mark.parametrize(
    ("key", "value"),
    [("epochs", 0), ("batch_size", 0), ("learning_rate", 0.0), ("learning_rate", math.nan),
     ("warmup", 1.0), ("final_fraction", 2), ("weight_decay", -1), ("patience", 0),
     ("max_seconds", 0), ("schedule", "step"), ("optimizer", "adam"), ("label_smoothing", 1)],
)  # fmt: skip
def test_bad_values_are_named(key, value):
    with pytest.raises(UsageError, match=f"training: {key} = ") as caught:
        TrainConfig(**{key: value})
    assert key in caught.value.hint
