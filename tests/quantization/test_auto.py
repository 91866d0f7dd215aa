from __future__ import annotations

from dataclasses import replace

import pytest

from edgecnn.core.errors import QuantizationError
from edgecnn.core.progress import SilentProgress
from edgecnn.core.runtime import LiteRTPredictor
from edgecnn.core.tflite.writer import write_model
from quantization.agreement import agreement_metric
from quantization.auto import climb, ladder, with_step
from quantization.parallel.executor import SerialExecutor
from quantization.pipeline import build
from quantization.recipe import STEPS, get_recipe
from quantization.steps import equalize
from quantization.work import StepContext, StepOutcome, Work
from tests.quantization.steps.test_mixed import net, samples

PER_TENSOR = replace(get_recipe("int8-per-tensor"), steps=("fold-batch-norm",))


@pytest.fixture(scope="module")
def model():
    return net()


@pytest.fixture(scope="module")
def measured(model):
    reference = LiteRTPredictor(write_model(model))
    metric = agreement_metric(reference, samples())
    return metric, metric(reference)


def context(measured, recipe=PER_TENSOR, **changes):
    metric, reference = measured
    data = samples()
    base = StepContext(
        recipe, lambda: iter(data), SilentProgress(), SerialExecutor(), metric, 0.3, reference
    )
    return replace(base, **changes)


def drop(measured, data):
    metric, reference = measured
    return 100 * (reference.value - metric(LiteRTPredictor(data)).value)


def test_it_stops_where_the_gate_holds_at_once(model, measured):
    found = climb(Work(model), context(measured, max_drop=100.0))
    assert found.recipe == PER_TENSOR
    assert [report.name for report in found.reports] == ["fold-batch-norm", PER_TENSOR.name]


def test_each_rung_tells_what_it_gained_and_the_planted_fault_is_mended(model, measured):
    plain = build(Work(model), context(measured), PER_TENSOR.steps)
    before = drop(measured, plain.data)
    assert before > 2.0, "the outlier channel ruins per-tensor weights"
    found = climb(Work(model), context(measured, max_drop=1.0))
    after = drop(measured, found.built.data)
    assert after <= 1.0
    told = {report.name: report for report in found.reports}
    assert told[PER_TENSOR.name].drop == pytest.approx(before)
    assert told["equalize"].kept and told["equalize"].drop < before
    assert "gains" in told["equalize"].note
    assert "fine-tune" not in told


def test_the_recipe_found_makes_the_same_bytes_again(model, measured):
    used = context(measured, max_drop=1.0)
    found = climb(Work(model), used)
    again = build(Work(model), replace(used, recipe=found.recipe), found.recipe.steps)
    assert again.data == found.built.data
    assert climb(Work(model), used).built.data == found.built.data


def test_what_does_not_help_is_not_kept(model, measured):
    found = climb(Work(model), context(measured, max_drop=-1.0))
    kept = [report.drop for report in found.reports if report.kept and report.drop is not None]
    assert kept == sorted(kept, reverse=True), "each kept rung lowers the drop"
    dropped = {report.name for report in found.reports if not report.kept}
    assert not dropped & set(found.recipe.steps)


def test_a_step_that_cannot_serve_is_listed_and_its_reason_given(model, measured, monkeypatch):
    def unable(work, context):
        return StepOutcome(work, "no pairs of layers", applied=False)

    monkeypatch.setattr(equalize, "apply", unable)
    found = climb(Work(model), context(measured, max_drop=-1.0))
    (report,) = [report for report in found.reports if report.name == "equalize"]
    assert (report.applied, report.kept, report.note) == (False, False, "no pairs of layers")
    assert "equalize" not in found.recipe.steps


def test_the_ladder_goes_from_the_cheapest_to_the_dearest():
    recipe = replace(PER_TENSOR, calibrator="minmax")
    names = [rung.name for rung in ladder(recipe, epochs=2)]
    assert names == [
        "calibrator mse", "equalize", "correct-bias", "round", "mixed", "fine-tune",
    ]  # fmt: skip
    assert [rung.name for rung in ladder(PER_TENSOR, epochs=0)] == names[1:-1]
    for rung in ladder(recipe, epochs=2):
        recipe = rung.change(recipe)
    assert recipe.steps == STEPS


def test_steps_are_put_in_their_order():
    assert with_step(with_step(PER_TENSOR, "mixed"), "equalize").steps == (
        "fold-batch-norm", "equalize", "mixed",
    )  # fmt: skip


def test_without_a_metric_it_says_so(model, measured):
    with pytest.raises(QuantizationError, match="something to measure by"):
        climb(Work(model), context(measured, metric=None))
