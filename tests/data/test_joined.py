"""Several splits as one data set."""

import pytest

from edgecnn.data.table import load_dataset


def test_splits_follow_one_another() -> None:
    both = load_dataset("digits", "classify", "val+test", seed=4)
    val, test = (load_dataset("digits", "classify", part, seed=4) for part in ("val", "test"))
    assert len(both) == len(val) + len(test)
    assert list(both.ids) == [*val.ids, *test.ids]
    assert (both.task, both.labels, both.skipped) == (val.task, val.labels, [])
    for index, part, place in ((0, val, 0), (len(val) - 1, val, -1), (len(val), test, 0)):
        expected = part[place % len(part)]
        assert both[index].id == expected.id and both[index].label == expected.label
    for index in (-1, len(both)):
        with pytest.raises(IndexError):
            both[index]
