from __future__ import annotations

import os

import numpy as np
import pytest

from edgecnn.core.errors import DataError, UnknownNameError, UsageError
from edgecnn.data.table import load_dataset, load_unlabelled, same_source, split_record
from tests.data.pictures import class_files, encoded, write_folder, write_tar, write_zip

PARTS = ("train", "val", "test")


def open_all(source, seed=1):
    return {part: load_dataset(str(source), "classify", part, seed=seed) for part in PARTS}


@pytest.fixture
def files():
    return class_files({"cat": 12, "dog": 9})


def test_folder_and_archives_hold_the_same(tmp_path, files):
    sources = [
        write_folder(tmp_path / "photos", files),
        write_tar(tmp_path / "p.tar.xz", files),
        write_tar(tmp_path / "p.tar.gz", {f"./{k}": v for k, v in files.items()}, "w:gz"),
        write_zip(tmp_path / "p.zip", files),
    ]
    opened = [open_all(source) for source in sources]
    for other in opened[1:]:
        for part in PARTS:
            assert other[part].ids == opened[0][part].ids
            first, second = opened[0][part][0], other[part][0]
            assert first.label == second.label
            np.testing.assert_array_equal(first.image, second.image)
    assert opened[0]["train"].labels == ("cat", "dog")
    assert opened[0]["train"][0].image.shape == (12, 10, 3)


def test_splits_are_disjoint_whole_and_seeded(tmp_path, files):
    root = write_folder(tmp_path, files)
    ids = [name for part in open_all(root).values() for name in part.ids]
    assert sorted(ids) == sorted(files)
    assert open_all(root)["test"].ids == open_all(root)["test"].ids
    assert any(open_all(root, seed=s)["test"].ids != open_all(root)["test"].ids for s in (2, 3, 4))
    everything = load_dataset(str(root), "classify", "all", seed=1)
    assert sorted(everything.ids) == sorted(files)


def test_a_file_in_train_and_test_leaves_train(tmp_path):
    files = {
        **class_files({"a": 8, "b": 8}, "train/"),
        **class_files({"a": 4, "b": 4}, "test/", 90),
    }
    files["train/a/copy.png"] = files["test/a/2.png"]
    root = write_folder(tmp_path, files)
    sets = open_all(root)
    assert "train/a/copy.png" not in [i for p in PARTS for i in sets[p].ids]
    assert [i for p in PARTS for i in sets[p].duplicates] == ["train/a/copy.png"]
    record = split_record(str(root), "classify", 1)["splits"]
    assert sum(record[p]["duplicates"]["count"] for p in PARTS) == 1
    assert record["test"]["count"] == 8 and len(record["test"]["ids_sha256"]) == 64


@pytest.mark.parametrize("pack", [write_folder, write_tar, write_zip])
def test_unreadable_images_are_skipped_and_named(tmp_path, files, pack):
    bad = {"cat/bad.jpg": b"not an image", "cat/cut.jpg": encoded(5, ".jpg", (64, 64))[:-300]}
    bad["dog/empty.png"] = b""
    name = {write_folder: "f", write_tar: "f.tar.xz", write_zip: "f.zip"}[pack]
    sets = open_all(pack(tmp_path / name, {**files, **bad}))
    assert sorted(i for p in PARTS for i in sets[p].skipped) == sorted(bad)
    assert sorted(i for p in PARTS for i in sets[p].ids) == sorted(files)
    for part in PARTS:
        assert len([sets[part][i].image for i in range(len(sets[part]))]) == len(sets[part].ids)


@pytest.mark.skipif(os.name == "nt", reason="links need rights on Windows")
def test_links_in_a_folder_do_not_loop(tmp_path, files):
    root = write_folder(tmp_path / "photos", files)
    (root / "cat" / "again").symlink_to(root, target_is_directory=True)
    (root / "cat" / "gone.png").symlink_to(root / "nowhere.png")
    assert sorted(i for p in PARTS for i in open_all(root)[p].ids) == sorted(files)


def test_a_changed_folder_is_read_anew(tmp_path, files):
    root = write_folder(tmp_path, files)
    before = len(load_dataset(str(root), "classify", "train", seed=1))
    write_folder(root, class_files({"cat": 40}, first=500))
    assert len(load_dataset(str(root), "classify", "train", seed=1)) > before


def test_nothing_readable_in_a_class_is_an_error(tmp_path):
    files = {**class_files({"a": 9}), **{f"b/{i}.png": b"x%d" % i for i in range(9)}}
    with pytest.raises(DataError, match="class 'b' has no readable training image") as caught:
        load_dataset(str(write_folder(tmp_path, files)), "classify", "train", seed=1)
    assert "b/0.png" in "".join(caught.value.details) or len(caught.value.details) > 3


def test_two_names_of_the_same_data(tmp_path, monkeypatch, files):
    monkeypatch.chdir(write_folder(tmp_path, files))
    assert same_source("cat", str(tmp_path / "dog/../cat")) and same_source("digits", "digits")
    assert not same_source("cat", "dog") and not same_source("cat", "")
    assert not same_source("digits", "cat") and not same_source("gone", "cat")


def test_images_without_labels(tmp_path):
    root = write_folder(tmp_path, {"x/1.jpg": encoded(1, ".jpg"), "2.bmp": encoded(2, ".bmp")})
    images = load_unlabelled(str(root))
    assert images.ids == ("2.bmp", "x/1.jpg") and images[0].label is None and images.labels == ()


def test_digits_are_enough_disjoint_and_stratified():
    pytest.importorskip("sklearn")
    sets = {part: load_dataset("digits", "classify", part, seed=3) for part in PARTS}
    ids = [name for part in sets.values() for name in part.ids]
    assert len(ids) == len(set(ids)) == 1797 and len(sets["test"]) >= 450
    counts = np.bincount(sets["test"].targets, minlength=10)
    assert counts.min() >= 48 and counts.max() <= 52
    sample = sets["train"][0]
    assert sample.image.shape == (8, 8) and sample.image.dtype == np.uint8
    from sklearn.datasets import load_digits

    row = int(sample.id.split("/")[1])
    np.testing.assert_allclose(sample.image, load_digits().images[row] * 255 / 16, atol=0.5)
    assert sample.label == load_digits().target[row]


@pytest.mark.parametrize(
    ("source", "task", "split", "error", "message"),
    [
        ("digit", "classify", "test", UnknownNameError, "unknown data source 'digit'"),
        ("digits", "detect", "test", UsageError, "'digits' is for classify"),
        ("digits", "clasify", "test", UnknownNameError, "unknown task 'clasify'"),
        ("digits", "classify", "tset", UnknownNameError, "unknown split 'tset'"),
        ("./nowhere", "classify", "test", DataError, "there is no './nowhere'"),
    ],
)
def test_wrong_names(source, task, split, error, message):
    pytest.importorskip("sklearn")
    with pytest.raises(error) as caught:
        load_dataset(source, task, split, seed=1)
    assert message in caught.value.message


def test_a_file_that_is_no_archive(tmp_path):
    path = tmp_path / "model.bin"
    path.write_bytes(b"x")
    with pytest.raises(DataError, match="neither a folder nor an archive, but one .bin"):
        load_dataset(str(path), "classify", "test", seed=1)
