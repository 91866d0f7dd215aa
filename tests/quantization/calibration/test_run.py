from __future__ import annotations

import gc
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest

from edgecnn.core.errors import DataError, QuantizationError
from edgecnn.core.progress import SilentProgress
from edgecnn.core.runtime import LiteRTPredictor
from edgecnn.core.tflite.writer import write_model
from quantization.calibration.run import CHUNK, calibrate, chunks
from quantization.graph.taps import calibrated_tensors
from quantization.parallel.executor import SerialExecutor
from quantization.recipe import get_recipe
from quantization.work import Range
from tests.quantization.calibration.float_nets import branching, samples

CALIBRATORS = ("minmax", "moving-average", "percentile", "mse", "entropy")


def recipe(calibrator: str = "minmax", name: str = "int8"):
    return replace(get_recipe(name), calibrator=calibrator)


def run(stream, calibrator: str = "minmax", model=None, executor=None, progress=None):
    return calibrate(
        model or branching(),
        stream,
        recipe(calibrator),
        executor or SerialExecutor(),
        progress or SilentProgress(),
    )


class Counting(SilentProgress):
    """Adds up."""

    def __init__(self) -> None:
        self.stages: list[tuple[str, int | None]] = []
        self.steps = 0

    def stage(self, name, total=None):
        self.stages.append((name, total))

    def advance(self, steps=1, note=""):
        self.steps += steps


def test_minmax_is_what_an_interpreter_that_keeps_everything_shows():
    model = branching()
    found = run(samples(20), model=model)
    assert tuple(found) == calibrated_tensors(model)
    predictor = LiteRTPredictor(write_model(model), resolver="reference", preserve_all=True)
    low, high = dict.fromkeys(found, np.inf), dict.fromkeys(found, -np.inf)
    for sample in samples(20):
        predictor.predict(sample)
        for index in found:
            value = sample["image"] if index == 0 else sample["extra"] if index == 1 else None
            value = predictor.tensor(index) if value is None else value
            low[index] = min(low[index], float(value.min()))
            high[index] = max(high[index], float(value.max()))
    for index, item in found.items():
        name = model.main.tensors[index].name
        assert item.low == pytest.approx(low[index], rel=1e-5, abs=1e-5), name
        assert item.high == pytest.approx(high[index], rel=1e-5, abs=1e-5), name
    assert found[model.main.inputs[1]] != found[model.main.inputs[0]]


@pytest.mark.parametrize("calibrator", CALIBRATORS)
def test_threads_and_files_do_not_change_a_bit(calibrator):
    one = run(samples(40), calibrator)
    # An executor that says it has many workers gives each interpreter one thread.
    many = SerialExecutor()
    many.workers = 8
    assert dict(one) == dict(run(samples(40), calibrator, executor=many))


@pytest.mark.parametrize("calibrator", CALIBRATORS)
def test_ranges_are_in_order_and_inside_what_was_seen(calibrator):
    seen, found = run(samples(30)), run(samples(30), calibrator)
    for index, item in found.items():
        assert seen[index].low <= item.low < item.high <= seen[index].high
    assert found[2].low == pytest.approx(0, abs=0.01)
    assert isinstance(found[2], Range)
    with pytest.raises(TypeError):
        found[2] = item


def test_progress_counts_samples():
    progress = Counting()
    run(samples(CHUNK * 2 + 3), progress=progress)
    assert progress.steps == CHUNK * 2 + 3
    assert progress.stages == [("calibrate (minmax)", 200)]


def test_no_samples():
    with pytest.raises(DataError, match="calibration gave no samples"):
        run(iter(()))


@pytest.mark.parametrize("calibrator", ["minmax", "mse"])
def test_a_layer_that_overflows_is_named(calibrator):
    with pytest.raises(QuantizationError, match="body/conv") as caught:
        run(samples(3), calibrator, model=branching(scale=3e38))
    assert "CONV_2D" in caught.value.message
    assert "sample 0" in caught.value.message


def test_an_overflow_late_in_the_stream_is_numbered():
    def stream():
        quiet = {
            "image": np.zeros((1, 12, 12, 3), np.float32),
            "extra": np.zeros((1, 4), np.float32),
        }
        for _ in range(CHUNK + 2):
            yield quiet
        yield quiet | {"image": next(samples(1))["image"] * 10}

    with pytest.raises(QuantizationError, match=f"'body/conv'.* calibration sample {CHUNK + 2}"):
        run(stream(), model=branching(scale=1e38))


def test_nan_in_a_sample_is_the_datas_fault():
    bad = next(samples(1))
    bad["extra"][0, 1] = np.nan
    with pytest.raises(DataError, match="input 'extra' holds NaN"):
        run([bad])


def test_samples_of_another_shape():
    bad = next(samples(1)) | {"image": np.zeros((1, 3, 3, 3), np.float32)}
    with pytest.raises(DataError, match="expected float32"):
        run([bad])


def test_chunks():
    assert [list(c) for c in chunks(range(7), 3)] == [[0, 1, 2], [3, 4, 5], [6]]


@pytest.mark.parametrize("calibrator", ["moving-average", "entropy"])
def test_memory_does_not_grow_with_the_stream(calibrator):
    model = branching()

    def peak(count: int) -> int:
        gc.collect()
        tracemalloc.start()
        run(samples(count), calibrator, model=model)
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    peak(CHUNK)
    few, many = peak(3 * CHUNK), peak(30 * CHUNK)
    assert many < few * 1.1 + 50_000


def test_the_stream_is_taken_a_few_at_a_time():
    taken = []

    def stream():
        for number, sample in enumerate(samples(10 * CHUNK)):
            taken.append(number)
            yield sample

    class Watching(SilentProgress):
        def advance(self, steps=1, note=""):
            done.append(len(taken))

    done: list[int] = []
    run(stream(), progress=Watching())
    assert done[0] <= 2 * CHUNK
    assert max(np.diff(done)) <= CHUNK
