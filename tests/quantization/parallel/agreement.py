"""What every executor must do, held against the serial one."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest

from edgecnn.core.errors import DataError, QuantizationError, ToolError
from edgecnn.core.progress import SilentProgress
from quantization.calibration.run import calibrate
from quantization.parallel.executor import Executor, SerialExecutor
from quantization.recipe import get_recipe
from tests.quantization.calibration.float_nets import branching, samples
from tests.quantization.parallel import pieces

CALIBRATORS = ("minmax", "moving-average", "percentile", "mse", "entropy")


def same_ranges(executor: Executor) -> None:
    for calibrator in CALIBRATORS:
        recipe = replace(get_recipe("int8"), calibrator=calibrator)

        def ranges(where: Executor, recipe: Any = recipe) -> dict[int, Any]:
            return dict(calibrate(branching(), samples(70), recipe, where, SilentProgress()))

        assert ranges(executor) == ranges(SerialExecutor()), calibrator


def results_in_order(executor: Executor) -> None:
    numbers = [number for number, _ in executor.map(pieces.squared, range(20))]
    assert numbers == [k * k for k in range(20)]
    assert list(executor.map(pieces.squared, ())) == []


def functions_carry_data(executor: Executor) -> None:
    for seed in (0, 1):
        array = np.random.default_rng(seed).normal(0, 1, 100_000)
        found = list(executor.map(partial(pieces.offset, array), range(5)))
        assert found == [pieces.offset(array, k) for k in range(5)]


def items_are_taken_a_few_at_a_time(executor: Executor) -> None:
    taken = 0

    def items():
        nonlocal taken
        for number in range(100):
            taken += 1
            yield number

    for given, _ in enumerate(executor.map(pieces.squared, items())):
        assert taken - given <= 2 * executor.workers + 1
    assert taken == 100


def our_errors_arrive_as_they_were(executor: Executor) -> None:
    results = executor.map(pieces.failing, range(9))
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(DataError) as caught:
        next(results)
    assert caught.value.message == str(caught.value) == "sample 3 is odd"
    assert (caught.value.hint, caught.value.details) == ("leave it out", ("first", "second"))
    with pytest.raises(ToolError) as tool:
        list(executor.map(pieces.failing, [5]))
    assert (tool.value.returncode, tool.value.details) == (4, ("no", "memory"))


def a_bug_tells_where_it_is(executor: Executor) -> None:
    with pytest.raises(QuantizationError, match="a worker failed: KeyError: 'a bug'") as caught:
        list(executor.map(pieces.failing, [7]))
    assert any("failing" in line for line in caught.value.details)


def the_first_error_in_order_is_told(executor: Executor) -> None:
    with pytest.raises(DataError, match="item 0"):
        list(executor.map(pieces.slow_failure, range(4)))


def calibration_errors_arrive(executor: Executor) -> None:
    with pytest.raises(QuantizationError, match="body/conv"):
        calibrate(branching(3e38), samples(40), get_recipe("int8"), executor, SilentProgress())
    bad = [{"image": np.zeros((1, 2, 2, 3), np.float32), "extra": np.zeros((1, 4), np.float32)}]
    with pytest.raises(DataError, match="expected float32"):
        calibrate(branching(), bad, get_recipe("int8"), executor, SilentProgress())


CHECKS = (
    same_ranges,
    results_in_order,
    functions_carry_data,
    items_are_taken_a_few_at_a_time,
    our_errors_arrive_as_they_were,
    a_bug_tells_where_it_is,
    the_first_error_in_order_is_told,
    calibration_errors_arrive,
)
