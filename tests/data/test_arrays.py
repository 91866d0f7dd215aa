from __future__ import annotations

import numpy as np
import pytest

from edgecnn.core.errors import DataError, UnknownNameError
from edgecnn.data import arrays
from edgecnn.data.table import evaluation_split, load_dataset, load_unlabelled, split_record

ROWS = np.arange(60 * 8).reshape(60, 8)


def saved(tmp_path, **columns):
    np.savez(tmp_path / "d.npz", **columns)
    return str(tmp_path / "d.npz")


@pytest.mark.parametrize("dtype", ["float32", "float64", "uint8", "int32", "bool"])
def test_one_array_is_mapped_and_cast(tmp_path, dtype):
    path = tmp_path / "d.npy"
    np.save(path, ROWS.astype(dtype))
    data = load_unlabelled(str(path))
    assert len(data) == 60 and data.labels == () and data.targets == []
    assert isinstance(data.columns[""], np.memmap)
    sample = data[7]
    assert sample.label is None and sample.arrays[""].dtype == np.float32
    np.testing.assert_array_equal(sample.arrays[""], ROWS[7].astype(dtype).astype(np.float32))
    assert data.ids[7] == "d.npy[7]"
    with pytest.raises(IndexError):
        data[60]


@pytest.mark.parametrize("labels", ["flat", "column", "one-hot"])
def test_labelled_arrays_are_cut_by_class(tmp_path, labels):
    classes = np.arange(60) % 3
    given = {"flat": classes, "column": classes[:, None], "one-hot": np.eye(3)[classes]}[labels]
    source = saved(tmp_path, image=ROWS, other=ROWS * 2, labels=given)
    parts = {p: load_dataset(source, "classify", p, seed=4) for p in ("train", "val", "test")}
    assert [len(parts[p]) for p in ("train", "val", "test")] == [42, 9, 9]
    rows = np.concatenate([part.rows for part in parts.values()])
    assert sorted(rows) == list(range(60))
    for part in parts.values():
        assert part.labels == ("0", "1", "2") and set(part.targets) == {0, 1, 2}
        sample = part[2]
        row = int(part.rows[2])
        assert sample.label == row % 3
        np.testing.assert_array_equal(sample.arrays["other"], ROWS[row] * 2)
    again = load_dataset(source, "classify", "test", seed=4)
    assert list(again.ids) == list(parts["test"].ids)
    assert evaluation_split(source, "classify", 4) == "all"
    assert split_record(source, "classify", 4)["splits"]["test"]["count"] == 9


def test_keras_names_and_label_names(tmp_path):
    names = np.array(["cat", "dog", "owl"])
    classes = np.arange(60) % 3
    source = saved(
        tmp_path, x_train=ROWS, y_train=classes, x_test=-ROWS[:6], y_test=classes[:6],
        label_names=names,
    )  # fmt: skip
    test = load_dataset(source, "classify", "test", seed=1)
    assert len(test) == 6 and test.labels == ("cat", "dog", "owl")
    assert test[1].arrays["x"][0] == -8 and test.ids[1] == "d.npz:test[1]"
    val, train = (load_dataset(source, "classify", part, seed=1) for part in ("val", "train"))
    assert len(val) == 6 and len(train) == 54
    assert evaluation_split(source, "classify", 1) == "test"


def test_without_labels_there_are_no_splits(tmp_path):
    source = saved(tmp_path, a=ROWS, b=ROWS)
    assert len(load_dataset(source, "classify", "all", seed=1)) == 60
    with pytest.raises(DataError, match="has no labels"):
        load_dataset(source, "classify", "train", seed=1)
    with pytest.raises(UnknownNameError):
        load_dataset(source, "classify", "half", seed=1)


def test_a_single_array_called_y_is_data(tmp_path):
    assert len(load_unlabelled(saved(tmp_path, y=ROWS))) == 60


BAD = {
    "text": ({"a": np.array(["x", "y"])}, "of dtype <U1, expected numbers"),
    "complex": ({"a": np.zeros((3, 2), complex)}, "complex128"),
    "empty": ({"a": np.zeros((0, 4))}, r"'a' .* is empty: its shape is \[0, 4\]"),
    "scalar": ({"a": np.float32(3)}, "is empty"),
    "lengths": ({"a": ROWS, "b": ROWS[:5]}, "expected the same of each"),
    "label count": ({"a": ROWS, "labels": np.zeros(5, int)}, "expected the same of each"),
    "label dtype": ({"a": ROWS, "labels": np.zeros(60)}, "expected whole numbers"),
    "label below 0": ({"a": ROWS, "labels": np.full(60, -1)}, "expected whole numbers"),
    "label huge": ({"a": ROWS, "labels": np.full(60, 10**9)}, "expected whole numbers"),
    "not one-hot": ({"a": ROWS, "labels": np.ones((60, 3))}, "not one-hot"),
    "names": ({"a": ROWS, "labels": np.arange(60), "label_names": np.array(["x"])}, "60 names"),
    "only names": ({"label_names": np.array(["x"])}, "have no rows"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_contents_are_one_line(tmp_path, case):
    columns, expected = BAD[case]
    with pytest.raises(DataError, match=expected) as caught:
        load_unlabelled(saved(tmp_path, **columns))
    assert "d.npz" in caught.value.message and "\n" not in caught.value.message


@pytest.mark.parametrize("name", ["d.npy", "d.npz"])
@pytest.mark.parametrize("data", [b"", b"PK\3\4 no zip", b"\x93NUMPY\1\0v\0{'descr': '<f4'"])
def test_damaged_files_are_one_line(tmp_path, name, data):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(DataError, match="cannot read the arrays") as caught:
        load_unlabelled(str(tmp_path / name))
    assert "\n" not in caught.value.message


@pytest.mark.parametrize("name", ["d.npy", "d.npz"])
def test_nothing_is_unpickled(tmp_path, name):
    evil = np.array([{"a": 1}], object)
    (np.save if name.endswith("npy") else np.savez)(tmp_path / name, evil, allow_pickle=True)
    with pytest.raises(DataError, match="Python objects"):
        load_unlabelled(str(tmp_path / name))


def test_nan_names_file_row_and_array(tmp_path):
    values = ROWS.astype(float)
    values[3, 2] = np.inf
    data = load_unlabelled(saved(tmp_path, image=values))
    with pytest.raises(DataError, match=r"'d.npz\[3\]' holds NaN or infinity \(array 'image'\)"):
        data[3]


def test_a_huge_npz_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(arrays, "MAX_NPZ_BYTES", 1000)
    with pytest.raises(DataError, match="unpacks to") as caught:
        load_unlabelled(saved(tmp_path, a=ROWS))
    assert ".npy" in caught.value.hint


def test_missing_files(tmp_path):
    with pytest.raises(DataError, match="there is no"):
        load_unlabelled(str(tmp_path / "no.npy"))
    with pytest.raises(DataError, match="there is no"):
        load_dataset("no.npz", "classify", "train", seed=1)
