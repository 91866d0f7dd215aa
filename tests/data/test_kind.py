"""Sets that are no folder per class are told by what they are; class folders never are."""

from __future__ import annotations

import json
from collections.abc import Callable

import cv2
import numpy as np
import pytest

from edgecnn.core.errors import DataError
from edgecnn.data import annotations
from edgecnn.data.table import load_dataset, load_unlabelled
from tests.data.pictures import class_files, encoded, write_folder, write_tar, write_zip
from tests.data.sounds import wav
from tests.run import shared

SIZE = (24, 24)
VOC = b"<annotation><object><name>a</name><bndbox><xmin>1</xmin></bndbox></object></annotation>"
YOLO = b"0 0.5 0.5 0.25 0.1\n12 .25 1e-2 .5 .5\n"


def photo(seed: int, ext: str = ".png") -> bytes:
    return encoded(seed, ext, SIZE)


def mask(seed: int, values: int = 2, ext: str = ".png") -> bytes:
    codes = np.random.default_rng(seed).integers(0, values, (6, 6))
    image = np.kron(codes, np.ones((4, 4), int)) * 255 // (values - 1)
    return cv2.imencode(ext, image.astype(np.uint8))[1].tobytes()


def both(photos: str, masks: str, count: int = 6, **kind) -> dict[str, bytes]:
    """Files by two patterns with ``{}`` for a number."""
    files = {photos.format(i): photo(i, photos[-4:]) for i in range(count)}
    return files | {masks.format(i): mask(i, ext=masks[-4:], **kind) for i in range(count)}


def images(pattern: str, count: int = 6, make: Callable[[int], bytes] = photo) -> dict[str, bytes]:
    return {pattern.format(i): make(i) for i in range(count)}


MASKS = {
    "image and label": both("image/{}.png", "label/{}.png"),
    "suffix in another folder": both("img/x{}.jpg", "ann/x{}_mask.png", values=4),
    "suffix in one folder": both("x{}.jpg", "x{}_mask.png"),
    "in each split": both("train/images/{}.jpg", "train/masks/{}.png")
    | both("val/images/a{}.jpg", "val/masks/a{}.png"),
    "word at the end": both("train/{}.png", "trainannot/{}.png", values=5),
    "saved as JPEG": both("images/{}.jpg", "masks/{}.jpg"),
    "two names that say nothing": both("scan/{}.png", "outline/{}.png"),
    "masks of an image by other names": images("1/images/{}.png", 1)
    | images("1/masks/m{}.png", 3, mask)
    | images("2/images/b{}.png", 1)
    | images("2/masks/n{}.png", 3, mask),
    "within class folders": both("a/x{}.png", "a/x{}_mask.png")
    | both("b/y{}.png", "b/y{}_mask.png"),
    "beside class folders": both("images/a/{}.png", "segmentations/a/{}.png")
    | both("images/b/b{}.png", "segmentations/b/b{}.png"),
}
BOXES = {
    "Pascal VOC": images("JPEGImages/{}.jpg") | {f"Annotations/{i}.xml": VOC for i in range(6)},
    "COCO": images("train2017/{}.jpg")
    | images("val2017/{}.jpg")
    | {
        "annotations/instances.json": json.dumps(
            {
                "images": [{"file_name": f"{i}.jpg"} for i in range(6)],
                "annotations": [{"bbox": [0, 0, 1, 1]}] * 7,
                "categories": [],
            }
        ).encode()
    },
    "YOLO": images("images/train/{}.jpg")
    | images("images/val/v{}.jpg")
    | {f"labels/train/{i}.txt": YOLO for i in range(6)}
    | {f"labels/val/v{i}.txt": b"" for i in range(6)},
    "LabelMe": images("{}.jpg")
    | {f"{i}.json": b'{"shapes": [], "imagePath": "x"}' for i in range(6)},
}


def write(root, files, pack: str = "folder"):
    writers = {"folder": write_folder, "x.zip": write_zip, "x.tar.xz": write_tar}
    return str(writers[pack](root / pack, files))


def refused(source: str) -> DataError:
    with pytest.raises(DataError) as caught:
        load_dataset(source, "classify", "train", seed=1)
    assert "\n" not in caught.value.message + caught.value.hint and caught.value.hint
    return caught.value


@pytest.mark.parametrize("name", MASKS)
def test_masks_are_no_class_and_calibrate_nothing(tmp_path, name):
    files = MASKS[name]
    pack = "x.zip" if len(name) % 2 else "folder"
    source = write(tmp_path, files, pack)
    error = refused(source)
    count = len(files) // 2
    if name != "masks of an image by other names":
        assert f"{count} pairs such as" in error.message
    assert "segmentation masks" in error.message and "values" in error.message
    photos = load_unlabelled(source)
    masks = [path for path in files if path not in photos.ids]
    assert masks == [path for path in files if is_mask(path)]
    assert f"its {len(masks)} masks are left out" in photos.notes[0]
    hint = "take the masks out" if "class folders" in name else f"--calibration {source}"
    assert hint in error.hint


def is_mask(path: str) -> bool:
    words = ("mask", "label", "outline", "annot/", "segmentations")
    return any(word in path for word in words)


@pytest.mark.parametrize("name", BOXES)
@pytest.mark.parametrize("pack", ["folder", "x.tar.xz"])
def test_boxes_are_named_counted_and_calibrate(tmp_path, name, pack):
    source = write(tmp_path, BOXES[name], pack)
    error = refused(source)
    count = sum(path.endswith(".jpg") for path in BOXES[name])
    assert f"{count} images with boxes for detection" in error.message
    boxes = {"Pascal VOC": "with 6 boxes", "COCO": "with 7 boxes", "YOLO": "with 12 boxes"}
    assert name in error.message and boxes.get(name, "") in error.message
    cure = "is not read" if name == "LabelMe" else "edgecnn train --task detect"
    assert cure in error.hint and f"--calibration {source}" in error.hint
    assert len(load_unlabelled(source)) == count
    if name == "YOLO":
        assert len(load_dataset(source, "detect", "all", seed=1)) == 12
        return
    # Their boxes lack corners, and the images of COCO's their ids.
    said = {
        "Pascal VOC": "no usable box",
        "COCO": "no usable image",
        "LabelMe": "no boxes that are",
    }
    with pytest.raises(DataError, match=said[name]):
        load_dataset(source, "detect", "train", seed=1)


def test_masks_among_boxes_are_no_photos(tmp_path):
    files = BOXES["Pascal VOC"] | images("SegmentationClass/{}.png", 6, mask)
    assert "Pascal VOC" in refused(write(tmp_path, files)).message
    assert all("JPEGImages" in path for path in load_unlabelled(write(tmp_path, files)).ids)


def few(seed: int) -> bytes:
    return mask(seed, 2)


GOOD = {
    "equal names": images("cat/{:04}.jpg", 8) | images("dog/{:04}.jpg", 8, lambda i: photo(i + 50)),
    "classes called mask": images("mask/{}.png", 8)
    | images("no_mask/{}.png", 8, lambda i: photo(i + 50)),
    "classes called label": images("label/{}.png", 8)
    | images("image/{}.png", 8, lambda i: photo(i + 50)),
    "black and white signs": {f"{c}/{i}.png": few(10 * c + i) for c in range(4) for i in range(8)},
    "drawings of two shapes": images("circle/{}.png", 8, few)
    | images("square/{}.png", 8, lambda i: few(i + 50)),
    "one class of three is drawn": images("a/{}.png", 8)
    | images("b/{}.png", 8, lambda i: photo(i + 50))
    | images("empty/{}.png", 8, few),
    "boxes beside class folders": {
        f"{c}/{c}{i}{end}": photo(i + ord(c)) if end == ".jpg" else VOC
        for c in "ab"
        for i in range(8)
        for end in (".jpg", ".xml")
    },
    "captions": {
        f"{c}/{c}{i}{end}": photo(i + ord(c)) if end == ".jpg" else b"a photo of a cat"
        for c in "ab"
        for i in range(8)
        for end in (".jpg", ".txt")
    },
    "a class called train": images("train/{}.png", 8)
    | images("car/{}.png", 8, lambda i: photo(i + 50)),
}


@pytest.mark.parametrize("name", GOOD)
def test_class_folders_stay_class_folders(tmp_path, name):
    source = write(tmp_path, GOOD[name])
    expected = sorted({path.split("/")[0] for path in GOOD[name]})
    opened = load_dataset(source, "classify", "all", seed=1)
    assert sorted(opened.labels) == expected and opened.notes == ()
    assert len(opened) == sum(path.endswith(("g",)) for path in GOOD[name])


@pytest.mark.parametrize(
    ("files", "message", "hint"),
    [
        (images("train/{}.jpg") | images("test/{}.jpg"), "images directly in test/ and train/",
         "a folder per class"),
        ({"a/1.flac": b"x", "a/2.flac": b"x"}, "it holds 2 .flac (recordings", "to .wav"),
        ({"a/1.npy": b"x"}, "it holds 1 .npy (arrays)", "give one file"),
        ({"train-images-idx3-ubyte.gz": b"x"}, "(IDX files, as MNIST has them)", ".npz"),
        ({"data_batch_1": b"x"}, "it holds 1 without an ending", "a folder per class"),
        ({"x.tfrecord": b"x"}, "1 .tfrecord (packed samples", "a folder per class"),
        ({}, "it holds no files", "a folder per class"),
        (images("i/{}.jpg") | {"train.csv": b"id,label"}, "has one class", "table ('train.csv')"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_said(tmp_path, files, message, hint):
    (tmp_path / "folder").mkdir()
    error = refused(write(tmp_path, files))
    assert message in error.message and hint in error.hint


@pytest.mark.parametrize(
    ("name", "data", "needle"),
    [
        ("x.json", BOXES["COCO"]["annotations/instances.json"], "COCO annotations"),
        ("data.yaml", b"train: a\nval: b\nnc: 1\nnames: [x]\n", "a YOLO data set's description"),
        ("x.png", b"x", "one image or recording"),
        ("labels.csv", b"x", "one .csv (tables)"),
        ("train-labels-idx1-ubyte", b"x", "IDX files"),
        ("m.tflite", b"x", "one .tflite (models)"),
    ],
)
def test_a_file_that_is_no_data(tmp_path, name, data, needle):
    (tmp_path / name).write_bytes(data)
    assert needle in refused(str(tmp_path / name)).message


def test_a_cover_picture_does_not_hide_the_recordings(tmp_path):
    files = {f"{c}/{i}.wav": wav(np.full(100, 9 * i)) for c in "ab" for i in range(6)}
    source = write(tmp_path, files | images("{}.png", 1))
    opened = load_dataset(source, "classify", "all", seed=1)
    assert len(opened) == 12 and opened[0].audio is not None
    assert "12 recordings and 1 of images: the images are left out" in opened.notes[0]
    assert load_unlabelled(source).notes == opened.notes


@pytest.mark.parametrize(
    "text", [b"[" * 100_000, b'{"images": [', b'{"images": [], "annotations":']
)
def test_hostile_json_is_only_looked_at(tmp_path, text):
    source = write(tmp_path, images("x/{}.jpg") | {"a.json": text})
    assert "has one class" in refused(source).message


def test_a_line_that_is_nearly_numbers_takes_no_time(tmp_path):
    """A pattern with several ways to read a number tries them all: it would never return."""
    files = images("images/{}.jpg", make=lambda i: photo(i, ".jpg"))
    line = b"0 " + b"11111 " * 5000 + b"x\n"
    root = write(tmp_path, files | {f"labels/{i}.txt": line for i in range(6)})
    with pytest.raises(DataError):
        load_dataset(root, "classify", "train", seed=1)


def test_entities_are_never_expanded(tmp_path):
    bomb = b'<!DOCTYPE a [<!ENTITY x "' + b"y" * 1000 + b'">]>' + VOC.replace(b"1", b"&x;")
    files = images("JPEGImages/{}.jpg") | {f"Annotations/{i}.xml": bomb for i in range(6)}
    assert "Pascal VOC" in refused(write(tmp_path, files)).message


def test_large_sets_are_counted_no_further(tmp_path, monkeypatch):
    monkeypatch.setattr(annotations, "_MAX_READS", 5)
    message = refused(write(tmp_path, BOXES["Pascal VOC"])).message
    assert "6 Pascal VOC files, such as" in message


def test_real_sets():
    data = shared() / "data"
    assert "30 pairs such as image/" in refused(str(data / "membrane")).message
    assert len(load_unlabelled(str(data / "membrane"))) == 30
    message = refused(str(data / "bccd")).message
    assert "364 images" in message and "4,888 boxes" in message


def test_a_table_of_boxes_is_for_detection(tmp_path) -> None:
    table = b"filename,class,xmin,ymin,xmax,ymax\n0.jpg,a,1,1,9,9\n"
    source = write(tmp_path, images("photos/{}.jpg") | {"boxes.csv": table})
    error = refused(source)
    assert "1 CSV file, such as boxes.csv" in error.message and "--task detect" in error.hint
    classes = write_folder(tmp_path / "c", class_files({"a": 6, "b": 6}) | {"boxes.csv": table})
    assert load_dataset(str(classes), "classify", "train", seed=1).labels == ("a", "b")
