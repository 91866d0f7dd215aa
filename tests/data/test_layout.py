from __future__ import annotations

import pytest

from edgecnn.core.errors import DataError
from edgecnn.data.layout import is_image, read_layout


def paths(*folders: str, count: int = 10) -> list[str]:
    return [f"{folder}/{i}.jpg" for folder in folders for i in range(count)]


def read(images, folders=(), seed=1):
    parents = {
        "/".join(p.split("/")[:n]) for p in images for n in range(1, p.count("/") + 1)
    } | set(folders)
    return read_layout(images, parents, source="src", seed=seed)


def test_class_folders_are_split_stratified():
    layout = read(paths("b10", "b2", "a", count=40))
    assert layout.labels == ("a", "b2", "b10")
    assert {part: len(ids) for part, ids in layout.parts.items()} == {
        "train": 84, "val": 18, "test": 18,
    }  # fmt: skip
    for ids in layout.parts.values():
        assert {layout.classes[i] for i in ids} == {0, 1, 2}


def test_split_folders_are_kept_and_val_is_cut_from_train():
    layout = read(paths("train/a", "train/b", "test/a", "test/b"))
    assert set(layout.parts["test"]) == set(paths("test/a", "test/b"))
    assert len(layout.parts["val"]) == 2 and len(layout.parts["train"]) == 18


@pytest.mark.parametrize("name", ["val", "valid", "Validation"])
def test_a_val_folder_is_used(name):
    layout = read(paths("train/a", "train/b", "test/a", "test/b", f"{name}/a", f"{name}/b"))
    assert len(layout.parts["train"]) == 20
    assert all(path.startswith(name) for path in layout.parts["val"])


def test_a_wrapping_folder_is_looked_through():
    plain, wrapped = read(paths("a", "b")), read(paths("data/set/a", "data/set/b"))
    assert plain.labels == wrapped.labels == ("a", "b")


def test_a_class_may_be_called_train():
    layout = read(paths("train", "car", "bus"))
    assert layout.labels == ("bus", "car", "train")


def test_a_stray_image_does_not_turn_splits_into_classes():
    layout = read([*paths("train/a", "train/b", "test/a", "test/b"), "train/stray.jpg", "x.jpg"])
    assert layout.labels == ("a", "b")
    assert not any("stray" in path for ids in layout.parts.values() for path in ids)


def test_only_test_folders_give_a_test_set():
    layout = read(paths("test/a", "test/b"))
    assert len(layout.parts["test"]) == 20 and not layout.parts["train"]


@pytest.mark.parametrize(
    ("images", "folders", "message"),
    [
        ([], (), "'src' holds no images"),
        (["1.jpg", "2.jpg"], (), "no class folders"),
        (paths("cat"), (), "one class ('cat')"),
        (paths("a", "b"), ("c",), "the class folder 'c' holds no images"),
        (paths("train/a", "train/b", "test/a"), ("train/c",), "'train/c' holds no images"),
        (["a/1.jpg", "b/1.jpg", "b/2.jpg"], (), "class 'a' has too few images"),
        (paths("train/a", "train/b", "test/c"), (), "class 'c' is in test, but not in train"),
    ],
)
def test_what_cannot_be_used_is_said_in_one_line(images, folders, message):
    with pytest.raises(DataError) as caught:
        read(images, folders)
    assert message in caught.value.message and caught.value.hint


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("a/1.JPG", True), ("a/1.webp", True), ("a/1.ppm", True), ("a/.1.jpg", False),
        (".git/1.jpg", False), ("__MACOSX/a/1.jpg", False), ("a/Thumbs.db", False),
    ],
)  # fmt: skip
def test_which_files_are_images(path, expected):
    assert is_image(path) is expected
