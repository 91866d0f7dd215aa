"""Every form gives the boxes that were written by hand; what the wild does is understood."""

from __future__ import annotations

import struct

import cv2
import numpy as np
import pytest

from edgecnn.data.boxes.image_facts import read_header
from edgecnn.data.boxes.settle import turned
from edgecnn.data.boxes.yaml_names import read_description
from edgecnn.data.table import load_dataset
from tests.data.boxes.sets import (
    FORMS,
    SIZE,
    TRUTH,
    coco_json,
    csv,
    near,
    picture,
    pictures,
    rows_of,
    settled,
    voc,
    voc_object,
    voc_xml,
    yolo,
    yolo_line,
)
from tests.data.pictures import write_folder, write_tar, write_zip


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_boxes(tmp_path, form) -> None:
    found = settled(tmp_path, FORMS[form]())
    assert found.form == form and found.faults == () and found.total == 3
    assert found.labels == ("cat", "dog")
    assert near(rows_of(found), TRUTH)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("pack", ["folder", "x.zip", "x.tar.xz"])
def test_a_data_set_of_each_form_and_pack(tmp_path, form, pack) -> None:
    write = {"folder": write_folder, "x.zip": write_zip, "x.tar.xz": write_tar}[pack]
    source = str(write(tmp_path / pack, FORMS[form]()))
    data = load_dataset(source, "detect", "all", seed=1)
    assert data.task == "detect" and len(data) == 3
    sample = data[0]
    assert sample.image.shape == (40, 60, 3) and sample.boxes.dtype == np.float32
    assert sample.box_labels.tolist() == [0, 1] and sample.ignored is None
    assert data[1].boxes.shape == (0, 4) and data[1].box_labels.shape == (0,)


def test_coco_is_read_as_pycocotools_reads_it(tmp_path) -> None:
    from pycocotools.coco import COCO

    write_folder(tmp_path, FORMS["coco"]())
    judge = COCO(tmp_path / "annotations.json")
    data = load_dataset(str(tmp_path), "detect", "all", seed=1)
    for sample in [data[i] for i in range(len(data))]:
        key = next(k for k, row in judge.imgs.items() if sample.id.endswith(row["file_name"]))
        rows = judge.loadAnns(judge.getAnnIds(imgIds=[key]))
        boxes = np.array([row["bbox"] for row in rows]).reshape(-1, 4)
        boxes[:, 2:] += boxes[:, :2]
        assert np.allclose(sample.boxes, boxes)
        names = [judge.cats[row["category_id"]]["name"] for row in rows]
        assert [data.labels[i] for i in sample.box_labels] == names


def test_what_does_not_count_is_marked(tmp_path) -> None:
    hard = voc_object("cat", (1, 1, 9, 9), "<difficult>1</difficult>")
    files = voc() | {"Annotations/a.xml": voc_xml("a.jpg", hard + voc_object("dog", (2, 2, 9, 9)))}
    sample = load_dataset(str(write_folder(tmp_path / "v", files)), "detect", "all", seed=1)[0]
    assert sample.ignored.tolist() == [True, False] and sample.crowd is None
    rows = [
        {"id": i, "image_id": 10, "category_id": 5, "bbox": [0, 0, 9, 9 + i], "iscrowd": i}
        for i in range(2)
    ]
    files = pictures("abc", "images/{}.jpg") | {"x.json": coco_json(annotations=rows)}
    sample = load_dataset(str(write_folder(tmp_path / "c", files)), "detect", "all", seed=1)[0]
    assert sample.ignored.tolist() == sample.crowd.tolist() == [False, True]


WILD = {
    "no extension": (voc_xml("a", voc_object("cat", (1, 1, 9, 9))), ""),
    "another extension": (voc_xml("a.png", voc_object("cat", (1, 1, 9, 9))), ""),
    "another folder": (voc_xml("C:\\x\\a.jpg", voc_object("cat", (1, 1, 9, 9))), ""),
    "another name": (voc_xml("frame_0001.jpg", voc_object("cat", (1, 1, 9, 9))), ""),
    "size 0": (voc_xml("a.jpg", voc_object("cat", (1, 1, 9, 9)), (0, 0)), ""),
    "wrong size": (voc_xml("a.jpg", voc_object("cat", (1, 1, 9, 9)), (30, 70)), "another size"),
    "float corners": (voc_xml("a.jpg", voc_object("cat", ("1.0", "1.", "9.0", "9"))), ""),
    "counted from 0": (voc_xml("a.jpg", voc_object("cat", (0, 0, 9, 9))), ""),
    "spaces": (voc_xml(" a.jpg ", voc_object(" cat\n", (" 1 ", 1, 9, 9))), ""),
    "byte order mark": (b"\xef\xbb\xbf" + voc_xml("a.jpg", voc_object("cat", (1, 1, 9, 9))), ""),
    "parts of a person": (
        voc_xml("a.jpg", voc_object("cat", (1, 1, 9, 9),
                "<part><name>head</name><bndbox><xmin>1</xmin></bndbox></part>")), ""),
}  # fmt: skip


@pytest.mark.parametrize("name", WILD)
def test_voc_of_the_wild_is_understood(tmp_path, name) -> None:
    xml, note = WILD[name]
    found = settled(tmp_path, voc() | {"Annotations/a.xml": xml})
    assert found.faults == ()
    assert rows_of(found)["a"] == [("cat", 0, 0, 9, 9)]
    assert any(note in line for line in found.notes) if note else found.notes == ()


def test_several_xml_of_one_image_are_joined(tmp_path) -> None:
    files = {name: data for name, data in voc().items() if name != "Annotations/a.xml"}
    for label, end in (("cat", 9), ("dog", 19)):
        xml = voc_xml("a.jpg", voc_object(label, (1, 1, end, end)))
        files[f"Annotations/a_{label}.xml"] = xml
    found = settled(tmp_path, files)
    assert rows_of(found)["a"] == [("cat", 0, 0, 9, 9), ("dog", 0, 0, 19, 19)]
    assert found.faults == ()


def test_boxes_of_another_size_are_scaled_where_only_that_fits(tmp_path) -> None:
    xml = voc_xml("a.jpg", voc_object("cat", (1, 1, 120, 80)), (120, 80))
    found = settled(tmp_path, voc() | {"Annotations/a.xml": xml})
    assert rows_of(found)["a"] == [("cat", 0, 0, 60, 40)]
    assert "scaled to the image" in found.notes[0] and found.faults == ()


def exif(orientation: int) -> bytes:
    tiff = b"II*\0\x08\0\0\0" + struct.pack("<HHHIHHI", 1, 0x0112, 3, 1, orientation, 0, 0)
    return b"\xff\xe1" + struct.pack(">H", len(tiff) + 8) + b"Exif\0\0" + tiff


# The stated size tells a stored image from an upright one only where they differ.
@pytest.mark.parametrize(
    ("orientation", "stored"),
    [*((o, False) for o in range(1, 9)), *((o, True) for o in range(5, 9))],
)
def test_exif_turns_boxes_only_where_they_are_of_the_stored_image(
    tmp_path, orientation, stored
) -> None:
    dark = np.full((40, 60, 3), 255, np.uint8)
    dark[4:20, 8:32] = 0  # the box of the stored image
    jpeg = cv2.imencode(".jpg", dark)[1].tobytes()
    jpeg = jpeg[:2] + exif(orientation) + jpeg[2:]
    swaps = orientation >= 5
    shown = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert shown.shape[:2] == ((60, 40) if swaps else (40, 60))
    rows, columns = np.nonzero(shown[:, :, 0] < 128)
    upright = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
    box, size = ((8, 4, 32, 20), (60, 40)) if stored else (upright, shown.shape[1::-1])
    objects = voc_object("cat", (box[0] + 1, box[1] + 1, box[2], box[3]))
    files = {"a.jpg": jpeg, "a.xml": voc_xml("a.jpg", objects, size)}
    found = settled(tmp_path, files)
    assert found.faults == ()
    assert rows_of(found)["a"] == [("cat", *map(float, upright))]
    if stored:
        assert turned((8, 4, 32, 20), orientation, 40, 60) == upright


def test_csv_under_other_names_and_orders(tmp_path) -> None:
    rows = {
        "x.csv": "class;image_path;x1;y1;x2;y2\ncat;/home/me/a.jpg;1;2;9;10",
        "retinanet.csv": "imgs/a.jpg,1,2,9,10,cat\nimgs/b.jpg,,,,,\n",
        "sides.csv": "Image,Label,X,Y,W,H\na.jpg,cat,1,2,8,8\n",
        "tabs.tsv": "filename\tclass\txmin\tymin\txmax\tymax\na.jpg\tcat\t1\t2\t9\t10\n",
        "quoted.csv": '"ymax","xmax","ymin","xmin","class","filename"\n10,9,2,1,"cat","a.jpg"\n',
    }
    for number, (name, text) in enumerate(rows.items()):
        files = pictures("ab", "imgs/{}.jpg") | {name: text.encode()}
        found = settled(tmp_path / str(number), files)
        assert found.form == "csv" and found.faults == ()
        assert rows_of(found)["a"] == [("cat", 1, 2, 9, 10)]
        assert ("b" in rows_of(found)) == (name == "retinanet.csv")


def test_csv_of_shares(tmp_path) -> None:
    text = "ImageID,LabelName,XMin,XMax,YMin,YMax\na,cat,0.5,1,0.25,0.5\n"
    found = settled(tmp_path, pictures("a") | {"x.csv": text.encode()})
    assert rows_of(found)["a"] == [("cat", 30, 10, 60, 20)]
    assert "shares of the size" in found.notes[0]


def test_of_two_tables_the_split_ones_are_taken(tmp_path) -> None:
    text = csv()["labels.csv"].decode().splitlines()
    files = csv() | {
        "train_labels.csv": "\n".join(text[:3]).encode(),
        "test_labels.csv": "\n".join([text[0], *text[3:]]).encode(),
    }
    found = settled(tmp_path, files)
    assert near(rows_of(found), TRUTH) and found.total == 3
    assert {image.path: image.part for image in found.images} == {
        "images/a.jpg": "train", "images/b.jpg": "test", "images/c.jpg": "test",
    }  # fmt: skip
    assert any("labels.csv' speaks of the images of" in note for note in found.notes)


def test_yolo_descriptions() -> None:
    texts = {
        b"nc: 2\nnames: ['a b', \"c\"]  # two\ntrain: ../train/images\n": ("a b", "c"),
        b"names:\n  - a b\n  - 'c'\ntrain: x": ("a b", "c"),
        b'names:\n  0: a b\n  1: "c"\n': ("a b", "c"),
        b"names: {1: c, 0: 'a b'}": ("a b", "c"),
        b"names: [\n  a b,\n  c\n]\nval: y": ("a b", "c"),
        b"names:\n  0: a\n  2: c": ("a", "1", "c"),
        b"names:\n  0: 'it''s: #1'": ("it's: #1",),
        b"train: x": (),
        b"\xff\xfe\0": (),
    }
    for text, names in texts.items():
        assert read_description(text).names == names


def test_yolo_splits_and_folders(tmp_path) -> None:
    line = yolo_line(0, ("cat", 3, 3, 9, 9)).encode()
    files = {
        **pictures("ab", "train/images/{}.jpg"),
        **pictures("xyz", "valid/images/{}.jpg"),
        **{f"train/labels/{n}.txt": line for n in "ab"},
        **{f"valid/labels/{n}.txt": line for n in "xy"},
        "data.yaml": b"train: ../train/images\nval: ../valid/images\nnc: 1\nnames: ['cat']\n",
        "README.roboflow.txt": b"made by",
    }
    found = settled(tmp_path, files)
    parts = {image.path: image.part for image in found.images}
    assert parts["train/images/a.jpg"] == "train" and parts["valid/images/z.jpg"] == "val"
    assert len(parts) == 5 and found.faults == ()
    assert "1 images have no label file" in found.notes[0]


def test_yolo_lists_of_darknet(tmp_path) -> None:
    lists = {"train.txt": b"data/images/a.jpg\ndata/images/b.jpg\n", "valid.txt": b"x/c.jpg\n"}
    found = settled(tmp_path, yolo() | lists)
    parts = {image.path[-5:-4]: image.part for image in found.images}
    assert parts == {"a": "train", "b": "train", "c": "val"}


def test_masks_with_the_names_of_the_photos_are_no_photos(tmp_path) -> None:
    names = [f"n{i}" for i in range(8)]
    files = voc(dict.fromkeys(names, TRUTH["a"]))
    for place, name in enumerate(names):
        codes = np.random.default_rng(place).integers(0, 3, (5, 8))
        mask = np.kron(codes, np.ones((8, 8), int))[:40, :60].astype(np.uint8)
        files[f"SegmentationClass/{name}.png"] = cv2.imencode(".png", mask)[1].tobytes()
    files["ImageSets/Main/train.txt"] = b"n0\nn1\nn2\nn3\n"
    files["ImageSets/Main/val.txt"] = b"n4\nn5\nn6\nn7\n"
    found = settled(tmp_path, files)
    assert found.faults == () and found.notes == ()
    assert [image.part for image in found.images] == ["train"] * 4 + ["val"] * 4


def test_yolo_polygons_give_their_bounds(tmp_path) -> None:
    files = yolo() | {"labels/a.txt": b"1 0.1 0.2 0.5 0.1 0.3 0.9\n"}
    found = settled(tmp_path, files)
    assert near(rows_of(found), TRUTH | {"a": [("dog", 6, 4, 30, 36)]})
    assert any("polygons" in note for note in found.notes)


def test_coco_takes_one_of_two_files_on_the_same_images(tmp_path) -> None:
    files = pictures("abc", "images/{}.jpg") | {
        "annotations/instances_train2017.json": coco_json(),
        "annotations/person_keypoints_train2017.json": coco_json({"a": TRUTH["c"], "c": []}),
        "annotations/captions_train2017.json": coco_json(annotations=[{"caption": "x"}]),
    }
    found = settled(tmp_path, files)
    assert near(rows_of(found), TRUTH) and found.total == 3
    assert {image.part for image in found.images} == {"train"}


def test_a_heading_over_the_categories_is_no_class(tmp_path) -> None:
    categories = [
        {"id": 0, "name": "animals", "supercategory": "none"},
        {"id": 5, "name": "cat", "supercategory": "animals"},
        {"id": 6, "name": "dog", "supercategory": "animals"},
    ]
    files = pictures("abc", "train/{}.jpg")
    files["train/_annotations.coco.json"] = coco_json(categories=categories)
    assert settled(tmp_path, files).labels == ("cat", "dog")


def test_of_several_forms_the_one_that_says_the_most(tmp_path) -> None:
    few = b"filename,class,xmin,ymin,xmax,ymax\na.jpg,cat,1,1,9,9\n"
    found = settled(tmp_path, voc() | {"few.csv": few})
    assert found.form == "voc" and "left out: CSV (boxes on 1 images)" in found.notes[0]
    some = {n: d for n, d in voc().items() if n != "Annotations/a.xml"}
    found = settled(tmp_path / "2", some | {"labels.csv": csv()["labels.csv"]})
    assert found.form == "csv" and near(rows_of(found), TRUTH)
    assert settled(tmp_path / "2", {}, form="voc").form == "voc"


@pytest.mark.parametrize("ext", [".jpg", ".png", ".bmp", ".webp", ".ppm"])
@pytest.mark.parametrize("size", [SIZE, (17, 301)])
def test_headers_agree_with_opencv(ext, size) -> None:
    data = picture(3, size, ext)
    height, width = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR).shape[:2]
    header = read_header(data)
    assert (header.width, header.height) == (width, height) == size
