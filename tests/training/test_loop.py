from __future__ import annotations

import math
from itertools import count, pairwise

import numpy as np
import pytest

pytest.importorskip("keras")
from edgecnn.core.errors import UsageError
from edgecnn.training import checkpoint, follow
from edgecnn.training.config import TrainConfig
from edgecnn.training.loop import fit
from tests.training.nets import STEPS, Told, accuracy, tiny_model, tiny_task

pytestmark = pytest.mark.train
CONFIG = TrainConfig(epochs=4)


class Figures:
    """Validation figures from a list; keeps the weights of each epoch."""

    def __init__(self, values):
        self.values, self.calls, self.weights = values, 0, []

    def __call__(self, model):
        self.weights.append(model.get_weights())
        value = self.values[self.calls]
        self.calls += 1
        return {"accuracy": value, "cost": -value}


def test_history_progress_and_rates():
    told, task = Told(), tiny_task()
    result = fit(tiny_model(), task, CONFIG, progress=told)
    assert [row["epoch"] for row in result.history] == [1, 2, 3, 4]
    assert set(result.history[0]) == {"epoch", "loss", "learning_rate", "accuracy", "seconds"}
    assert all(a["seconds"] < b["seconds"] for a, b in pairwise(result.history))
    rates = [row["learning_rate"] for row in result.history]
    assert rates == pytest.approx([CONFIG.rate_at(e / 4) for e in (1, 2, 3, 4)])
    assert told.stages == [("train", 4 * STEPS)] and told.steps == 4 * STEPS
    assert [line.split()[1] for line in told.lines] == ["1/4", "2/4", "3/4", "4/4"]
    assert told.lines[-1].startswith("epoch 4/4  loss 0.") and "ETA 0 s" in told.lines[-1]
    assert result.stopped_by == "epochs" and result.resumed_at == 0
    assert result.device.endswith(")")
    assert set(task.train.asked) == {(e, i) for e in range(4) for i in range(STEPS)}


def test_the_best_weights_are_put_back():
    figures = Figures([0.1, 0.9, 0.3, 0.2])
    model = tiny_model()
    result = fit(model, tiny_task(figures), CONFIG)
    assert (result.best_epoch, result.best_value) == (2, 0.9)
    for left, right in zip(model.get_weights(), figures.weights[1], strict=True):
        np.testing.assert_array_equal(left, right)


def test_less_can_be_better_and_ties_go_to_the_tie_break():
    result = fit(tiny_model(), tiny_task(Figures([1, 2, 3, 0]), monitor="cost"), CONFIG)
    assert result.best_epoch == 4
    task = tiny_task(Figures([0.5, 0.5, 0.5, 0.4]), monitor="accuracy", tie_break="epoch")
    assert fit(tiny_model(), task, CONFIG).best_epoch == 1
    down = tiny_task(Figures([3, 1, 2, 2]), maximize=False)
    assert fit(tiny_model(), down, CONFIG).best_epoch == 2


def test_patience_stops_early():
    config = TrainConfig(epochs=50, patience=2)
    result = fit(tiny_model(), tiny_task(Figures([0.1, 0.5, 0.4, 0.3, 0.2])), config)
    assert (len(result.history), result.best_epoch, result.stopped_by) == (4, 2, "patience")


def test_the_time_budget_ends_a_run_with_a_low_rate(monkeypatch):
    ticks = count()
    monkeypatch.setattr(follow, "monotonic", lambda: next(ticks) * 0.01)  # a clock of our own
    config = TrainConfig(epochs=1000, max_seconds=1.0)
    result = fit(tiny_model(), tiny_task(), config)
    assert result.stopped_by == "time" and 1 < len(result.history) < 10
    assert result.history[-1]["learning_rate"] < 0.1 * config.learning_rate


def test_an_interrupted_run_continues_as_if_nothing_had_happened(tmp_path):
    whole = tiny_model()
    expected = fit(whole, tiny_task(), CONFIG)

    told = Told()
    with pytest.raises(KeyboardInterrupt):
        task = tiny_task(_interrupt_after(2))
        fit(tiny_model(), task, CONFIG, progress=told, work_dir=tmp_path)
    assert "epoch 2 is kept" in told.lines[-1]

    resumed, task, told = tiny_model(seed=99), tiny_task(), Told()
    result = fit(resumed, task, CONFIG, progress=told, work_dir=tmp_path, resume=True)
    assert result.resumed_at == 2 and min(task.train.asked) == (2, 0)
    assert told.lines[0] == "continued after epoch 2 of 4" and told.steps == 4 * STEPS
    for left, right in zip(result.history, expected.history, strict=True):
        assert left["loss"] == pytest.approx(right["loss"], rel=1e-4)
        assert left["learning_rate"] == right["learning_rate"]
    for left, right in zip(resumed.get_weights(), whole.get_weights(), strict=True):
        np.testing.assert_allclose(left, right, atol=1e-4)


def _interrupt_after(epochs):
    done = []

    def validate(model):
        if len(done) == epochs:
            raise KeyboardInterrupt
        done.append(1)
        return accuracy(model)

    return validate


def test_a_finished_run_is_not_trained_again(tmp_path):
    first = fit(tiny_model(), tiny_task(), CONFIG, work_dir=tmp_path)
    model, task = tiny_model(seed=8), tiny_task()
    again = fit(model, task, CONFIG, work_dir=tmp_path, resume=True)
    assert again.history == first.history and not task.train.asked
    assert accuracy(model)["accuracy"] == first.best_value


@pytest.mark.parametrize("change", [{"seed": 2}, {"epochs": 5}, {"learning_rate": 1.0}])
def test_a_checkpoint_of_other_settings_is_refused(tmp_path, change):
    fit(tiny_model(), tiny_task(), CONFIG, work_dir=tmp_path)
    other = TrainConfig(**{**CONFIG.to_json(), **change})
    ((key, value),) = change.items()
    was = CONFIG.to_json()[key]
    named = rf"is of another run: {key.replace('_', ' ')} {was} \(now {value}\)"
    with pytest.raises(UsageError, match=named):
        fit(tiny_model(), tiny_task(), other, work_dir=tmp_path, resume=True)
    with pytest.raises(UsageError, match="is of another run: training images None"):
        facts = {"training_images": "x"}
        fit(tiny_model(), tiny_task(facts=facts), CONFIG, work_dir=tmp_path, resume=True)


def test_a_damaged_checkpoint_is_said_and_none_is_fine(tmp_path):
    (tmp_path / checkpoint.FILE_NAME).write_bytes(b"PK garbage")
    with pytest.raises(UsageError, match="cannot be read"):
        fit(tiny_model(), tiny_task(), CONFIG, work_dir=tmp_path, resume=True)
    (tmp_path / checkpoint.FILE_NAME).unlink()
    config = TrainConfig(epochs=1)
    result = fit(tiny_model(), tiny_task(), config, work_dir=tmp_path, resume=True)
    assert result.resumed_at == 0 and (tmp_path / checkpoint.FILE_NAME).is_file()
    assert len(list(tmp_path.iterdir())) == 1


def test_a_diverged_run_says_what_to_lower():
    config = TrainConfig(epochs=3, learning_rate=1e38, warmup=0.0)
    task = tiny_task(loss=lambda y, p: p[:, 0] * math.nan)
    with pytest.raises(UsageError, match="the loss became nan in epoch 1") as caught:
        fit(tiny_model(), task, config)
    assert "lower learning_rate" in caught.value.hint


def test_sgd_trains_too():
    result = fit(tiny_model(), tiny_task(), TrainConfig(epochs=1, optimizer="sgd"))
    assert math.isfinite(result.history[0]["loss"])
