"""The share of the long tests that a run takes."""

from tests.share import BUDGET_S, EXPECTED_S, OTHERS_S, share

PLAIN = [f"tests/test_some.py::test_{number}" for number in range(400)]


def test_a_seed_always_gives_the_same_tests_and_another_one_others() -> None:
    assert share(PLAIN, "a1b2") == share(reversed(PLAIN), "a1b2")
    assert share(PLAIN, "a1b2") != share(PLAIN, "a1b3")


def test_the_expected_cost_keeps_to_the_budget() -> None:
    assert len(share(PLAIN, "a1b2")) == BUDGET_S // OTHERS_S
    dear = [f"tests/test_emit.py::test_{number}" for number in range(400)]
    assert len(share(dear, "a1b2")) == BUDGET_S // EXPECTED_S["test_emit.py"]
    never = "tests/fuzz/test_fuzz.py::test_many_mutants_are_compiled_or_refused"
    assert share([never, *PLAIN[:3]], "a1b2") == set(PLAIN[:3])


def test_every_test_has_its_turn() -> None:
    left = set(PLAIN)
    for seed in range(60):
        left -= share(PLAIN, f"commit {seed}")
    assert left == set()
