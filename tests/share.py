"""A share of the long tests, by a seed: what a short run can take of them, another one each time.

A pytest plugin: ``pytest -m long --long-share SEED`` keeps as many long tests as are expected to
take :data:`BUDGET_S` CPU seconds, in an order that the seed alone decides. The same seed gives the
same tests; over many seeds every test has its turn.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import pytest

BUDGET_S = 480.0
"""CPU seconds that a share is expected to take."""
EXPECTED_S = {
    "test_every_op_exact.py": 20.0,
    "test_sets_exact.py": 12.0,
    "test_emit.py": 11.0,
    "test_never_slower.py": 10.0,
    "test_emulated_sessions.py": 8.0,
    "test_a_step_that_hangs_is_named_after_the_watchdog": 40.0,
    "test_sanitizers_find_nothing": 15.0,
    "device/emulate/test_firmware.py": 8.0,
    "test_clean_c.py": 8.0,
    "quantization/test_zoo.py": 8.0,
    "test_the_zoo_on_all_boards": 60.0,
    "test_micro_detector.py": 14.0,
    "test_dense_c.py": 9.0,
    "test_open_model.py": 19.0,
    "test_many_forms": 30.0,
    "test_road.py": 240.0,
    "test_detect_road.py": 50.0,
    "test_multi_level.py": 8.0,
    "test_a_training_in_two_stages": 14.0,
    "test_venvs.py": 30.0,
    "test_ray_cluster.py": 60.0,
    "test_large_models_equal_litert": 60.0,
    "test_many_mutants_are_compiled_or_refused": 1200.0,
    "test_large_specimens_are_compiled_or_refused": 60.0,
    "counting/test_crossings.py": 25.0,
    "tracking/test_any_items.py": 20.0,
    "camera/test_soak.py": 60.0,
    "test_hundreds_of_damaged_files": 40.0,
}
"""CPU seconds of the dearer tests, measured, by a part of their node ids."""
OTHERS_S = 4.0


def long_but_for(values: Iterable[object], *short: object) -> list[object]:
    """Values for ``parametrize``: those in ``short`` as they are, all others marked long."""
    return [value if value in short else _long(value) for value in values]


def _long(value: object) -> object:
    parts = value if isinstance(value, tuple) else (value,)
    return pytest.param(*parts, marks=pytest.mark.long)


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--long-share SEED``."""
    parser.addoption("--long-share", metavar="SEED", help="Only a share of the tests, by a seed.")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leaves only the share; the order of what is left stays."""
    seed = config.getoption("--long-share")
    if seed is None:
        return
    chosen = share([item.nodeid for item in items], seed)
    config.hook.pytest_deselected(items=[item for item in items if item.nodeid not in chosen])
    items[:] = [item for item in items if item.nodeid in chosen]


def share(tests: Iterable[str], seed: str, budget: float = BUDGET_S) -> set[str]:
    """Chooses tests by a seed until their expected cost reaches a budget.

    Args:
        tests: their node ids, ``file::name``.
        seed: any text, such as the hash of a commit.
        budget: CPU seconds; a test that alone costs more is never chosen.

    Returns:
        The chosen ones.
    """
    chosen, left = set(), budget
    for test in sorted(tests, key=lambda test: hashlib.sha256(f"{seed} {test}".encode()).digest()):
        cost = max((s for part, s in EXPECTED_S.items() if part in test), default=OTHERS_S)
        if cost <= left:
            chosen.add(test)
            left -= cost
    return chosen
