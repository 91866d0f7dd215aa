from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecnn.core.errors import UnknownNameError
from edgecnn.data.splits import check_split, cut, drop_duplicates, shuffled

ids = st.lists(st.text("abcdef0123", min_size=1, max_size=6), unique=True, max_size=40)


@given(ids, st.integers(0, 2**32))
def test_the_order_is_a_permutation_that_the_seed_fixes(names, seed):
    assert sorted(shuffled(names, seed)) == sorted(names)
    assert shuffled(names, seed) == shuffled(list(reversed(names)), seed)


@given(ids, st.floats(0.05, 0.6), st.integers(0, 99))
def test_each_class_gives_at_least_one_and_keeps_at_least_one(names, fraction, seed):
    classes = {"a": names[::2], "b": names[1::2]}
    part = cut(classes, fraction, seed)
    for group in classes.values():
        taken = len(part & set(group))
        assert taken == min(max(1, round(len(group) * fraction)), max(0, len(group) - 1))


@settings(max_examples=200)
@given(st.data())
def test_no_content_stands_in_two_splits_and_nothing_else_is_lost(data):
    names = data.draw(ids)
    where = {name: data.draw(st.sampled_from(["train", "val", "test"])) for name in names}
    content = {
        name: data.draw(st.sampled_from("xyzuvw")) for name in names if data.draw(st.booleans())
    }
    parts = {part: [n for n in names if where[n] == part] for part in ("train", "val", "test")}
    kept, dropped = drop_duplicates(parts, content)
    assert sorted([*kept["train"], *kept["val"], *kept["test"], *dropped]) == sorted(names)
    held = {part: {content[n] for n in kept[part] if n in content} for part in kept}
    assert not held["train"] & held["test"]
    assert not held["train"] & held["val"]
    assert not held["val"] & held["test"]
    assert kept["test"] == tuple(parts["test"])


def test_an_unknown_split_names_the_known_ones():
    with pytest.raises(UnknownNameError, match="unknown split 'tests'"):
        check_split("tests")
