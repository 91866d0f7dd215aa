"""Broken and hostile annotations: a line each, nothing else is lost, nothing outside is read."""

from __future__ import annotations

import contextlib
import json
import struct
import time
import zlib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgecnn.core.errors import DataError
from edgecnn.data.boxes.image_facts import MAX_PIXELS, read_header
from edgecnn.data.boxes.index import ImageIndex, leads_out
from edgecnn.data.boxes.yaml_names import read_description
from edgecnn.data.table import load_dataset
from tests.data.boxes.sets import (
    FORMS,
    TRUTH,
    coco,
    coco_json,
    csv,
    near,
    picture,
    rows_of,
    settled,
    voc,
    voc_object,
    voc_xml,
    yolo,
)
from tests.data.pictures import write_folder

LAUGHS = b"""<!DOCTYPE a [<!ENTITY b "ha"><!ENTITY c "&b;&b;&b;&b;">]>"""
FILE = b"""<!DOCTYPE a [<!ENTITY f SYSTEM "file:///etc/passwd">]>"""
GOOD = voc_object("cat", (1, 1, 30, 20))


def bad(corners: tuple[object, ...], label: str = "dog") -> bytes:
    return voc_xml("a.jpg", GOOD + voc_object(label, corners))


# Contents of a.xml → (item, why) of the one fault, and the boxes that stay.
ONE_CAT = [("cat", 0, 0, 30, 20)]
XML: dict[str, tuple[bytes, str, str, list | None]] = {
    "empty": (b"", "", "empty", None),
    "cut off": (bad((1, 1, 9, 9))[:60], "", "no XML", None),
    "no XML": (b"\x89PNG\r\n\x1a\n", "", "no XML", None),
    "another root": (b"<html><filename>a.jpg</filename></html>", "", "expected <annotation>", None),
    "entities": (LAUGHS + bad((1, 1, 9, 9)), "", "DTD", None),
    "a file's entity": (FILE + bad((1, 1, 9, 9)), "", "DTD", None),
    "DTD alone": (b"<!DOCTYPE annotation>" + bad((1, 1, 9, 9)), "", "DTD", None),
    "in UTF-16": ((LAUGHS + bad((1, 1, 9, 9))).decode().encode("utf-16"), "", "DTD", None),
    "too deep": (b"<annotation>" + b"<a>" * 99 + b"</a>" * 99 + b"</annotation>", "", "deep", None),
    "not a number": (bad(("nan", 1, 9, 9)), "box 2 (dog)", "'nan' is no coordinate", ONE_CAT),
    "infinite": (bad((1, 1, "1e999", 9)), "box 2 (dog)", "no coordinate", ONE_CAT),
    "a word": (bad((1, "one", 9, 9)), "box 2 (dog)", "'one' is no number", ONE_CAT),
    "huge": (bad((1, 1, "9" * 400, 9)), "box 2 (dog)", "no coordinate", ONE_CAT),
    "no area": (bad((5, 5, 5, 9)), "box 2 (dog)", "no area: 5, 5 to 5, 9", ONE_CAT),
    "no class": (bad((1, 1, 9, 9), ""), "box 2", "no class", ONE_CAT),
    "no corner": (
        voc_xml("a.jpg", GOOD + voc_object("dog", (1, 1, 9, 9)).replace("<ymax>9</ymax>", "")),
        "box 2 (dog)", "no <ymax>", ONE_CAT,
    ),
    "no box": (voc_xml("a.jpg", GOOD + "<object><name>dog</name></object>"), "box 2 (dog)",
               "no <bndbox>", ONE_CAT),
    "outside": (bad((100, 100, 200, 200)), "box 2 (dog)", "lies outside", ONE_CAT),
    "mostly outside": (bad((51, 31, 200, 200)), "box 2 (dog)", "most of it lies outside", ONE_CAT),
    "reaches out": (bad((31, 1, 90, 40)), "box 2 (dog)", "cut at the edge",
                    [*ONE_CAT, ("dog", 30, 0, 60, 40)]),
    "swapped": (bad((30, 20, 11, 6)), "box 2 (dog)", "swapped",
                [*ONE_CAT, ("dog", 10, 5, 30, 20)]),
    "twice": (voc_xml("a.jpg", GOOD + GOOD), "box 2 (cat)", "twice", ONE_CAT),
}  # fmt: skip


@pytest.mark.parametrize("name", XML)
def test_a_broken_xml_is_one_line(tmp_path, name) -> None:
    xml, item, why, rows = XML[name]
    found = settled(tmp_path, voc() | {"Annotations/a.xml": xml})
    (fault,) = found.faults
    assert (fault.file, fault.item) == ("Annotations/a.xml", item)
    assert why in fault.why and "\n" not in fault.line()
    assert rows_of(found) == {
        **({"a": rows} if rows is not None else {}),
        **{n: TRUTH[n] for n in "bc"},
    }
    assert found.skipped == (() if rows is not None else ("JPEGImages/a.jpg",))


def test_entities_are_not_expanded_in_time_or_memory(tmp_path) -> None:
    levels = "".join(f'<!ENTITY l{i} "{f"&l{i - 1};" * 10}">' for i in range(1, 30))
    bomb = f'<!DOCTYPE a [<!ENTITY l0 "ha">{levels}]><annotation>&l29;</annotation>'.encode()
    start = time.process_time()
    found = settled(tmp_path, voc() | {"Annotations/a.xml": bomb})
    assert "DTD" in found.faults[0].why and time.process_time() - start < 2


def header(width: int, height: int) -> bytes:
    chunk = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    length = struct.pack(">I", len(chunk) - 4)
    return b"\x89PNG\r\n\x1a\n" + length + chunk + struct.pack(">I", zlib.crc32(chunk))


IMAGES = {
    "huge": (header(1 << 15, 1 << 15), f"at most {MAX_PIXELS:,}"),
    "huge and thin": (header(1, (1 << 31) - 1), "at most"),
    "empty": (b"", "empty"),
    "text": (b"not an image", "no JPEG, PNG"),
    "cut off": (picture(0)[:300], "damaged"),
    "no size": (header(0, 0), "no JPEG, PNG"),
}


@pytest.mark.parametrize("name", IMAGES)
def test_an_image_that_cannot_be_used_is_one_line(tmp_path, name) -> None:
    data, why = IMAGES[name]
    found = settled(tmp_path, voc() | {"JPEGImages/a.jpg": data})
    (fault,) = found.faults
    assert fault.file == "JPEGImages/a.jpg" and why in fault.why
    assert found.skipped == ("JPEGImages/a.jpg",) and set(rows_of(found)) == {"b", "c"}


def test_a_missing_image_is_one_line(tmp_path) -> None:
    for form, make in FORMS.items():
        files = {n: d for n, d in make().items() if not n.endswith("a.jpg")}
        found = settled(tmp_path / form, files)
        (fault,) = found.faults
        assert "no image" in fault.why and set(rows_of(found)) == {"b", "c"}


ESCAPES = ["../../etc/passwd.jpg", "/etc/shadow.jpg", "..\\..\\boot.jpg", "C:/win.jpg", "~/x.jpg"]


@pytest.mark.parametrize("name", ESCAPES)
def test_paths_that_leave_the_folder_are_refused(tmp_path, name) -> None:
    write_folder(tmp_path, {"etc/passwd.jpg": picture(9), "boot.jpg": picture(8)})
    rows = {
        "voc": {"Annotations/z.xml": voc_xml(name, GOOD)},
        "coco": {"annotations.json": coco_json(
            images=[{"id": 1, "file_name": name}, {"id": 2, "file_name": "a.jpg"}],
            annotations=[{"image_id": 2, "category_id": 5, "bbox": [1, 1, 9, 9]}],
        )},
        "csv": {"labels.csv": csv()["labels.csv"] + f"\n{name},60,40,cat,1,1,9,9".encode()},
    }  # fmt: skip
    for form, change in rows.items():
        found = settled(tmp_path / "in" / form, FORMS[form]() | change)
        (fault,) = found.faults
        assert "leads out of the folder" in fault.why
        assert all(image.path.startswith(("images/", "JPEG")) for image in found.images)
    yaml = f"train: {name.removesuffix('.jpg')}/images2\nnames: [cat, dog]\n".encode()
    found = settled(tmp_path / "in/yolo", yolo() | {"data.yaml": yaml})
    assert [fault.file for fault in found.faults] == ["data.yaml"]


JSON = {
    "cut off": (coco_json()[:-30], "no JSON"),
    "deep": (b'{"annotations":[],"images":[' + b"[" * 100_000, "nested too deeply"),
}
ROWS = {
    "no bbox": ({"image_id": 10, "category_id": 5}, "no bbox"),
    "text": ({"image_id": 10, "category_id": 5, "bbox": ["a", 1, 2, 3]}, "'a' is no number"),
    "null": ({"image_id": 10, "category_id": 5, "bbox": [None, 1, 2, 3]}, "None is no number"),
    "true": ({"image_id": 10, "category_id": 5, "bbox": [True, 1, 2, 3]}, "no number"),
    "nan": ({"image_id": 10, "category_id": 5, "bbox": [float("nan"), 1, 2, 3]}, "no coordinate"),
    "list": ({"image_id": 10, "category_id": 5, "bbox": [[1], 1, 2, 3]}, "no number"),
    "three": ({"image_id": 10, "category_id": 5, "bbox": [1, 2, 3]}, "four numbers"),
    "negative": ({"image_id": 10, "category_id": 5, "bbox": [9, 9, -5, 5]}, "no area"),
    "no image": ({"image_id": 99, "category_id": 5, "bbox": [1, 1, 5, 5]}, "no image with the id"),
    "no category": ({"image_id": 10, "category_id": 99, "bbox": [1, 1, 5, 5]}, "no category"),
    "a word": ("x", "no object"),
}


@pytest.mark.parametrize("name", ROWS)
def test_a_broken_coco_annotation_is_one_line(tmp_path, name) -> None:
    row, why = ROWS[name]
    data = json.loads(coco_json())
    data["annotations"].insert(1, row)
    found = settled(tmp_path, coco() | {"annotations.json": json.dumps(data).encode()})
    (fault,) = found.faults
    assert why in fault.why and near(rows_of(found), TRUTH) and found.total == 4


@pytest.mark.parametrize("name", ["cut off", "deep"])
def test_a_broken_coco_file_is_one_line(tmp_path, name) -> None:
    text, why = JSON[name]
    files = coco() | {"train.json": coco()["annotations.json"], "x.json": text}
    found = settled(tmp_path, files)
    (fault,) = found.faults
    assert fault.file == "x.json" and why in fault.why and near(rows_of(found), TRUTH)
    source = str(write_folder(tmp_path / "alone", {"a.jpg": picture(1), "x.json": text}))
    with pytest.raises(DataError, match="no usable image") as caught:
        load_dataset(source, "detect", "train", seed=1)
    assert why in caught.value.details[0]


LINES = {
    "a word": ("cat 0.5 0.5 0.1 0.1", "'cat' is no number"),
    "three numbers": ("0 0.5 0.5", "expected class, cx"),
    "a score": ("0 0.5 0.5 0.1 0.1 0.9", "expected class, cx"),
    "pixels": ("0 30 20 10 10", "no share of the image's size"),
    "no class of this number": ("7 0.5 0.5 0.1 0.1", "class 7, but 2 classes"),
    "negative class": ("-1 0.5 0.5 0.1 0.1", "no class number"),
    "half a class": ("0.5 0.5 0.5 0.1 0.1", "no class number"),
    "no width": ("0 0.5 0.5 0 0.1", "no area"),
    "less than a pixel": ("0 0.5 0.5 0.01 0.1", "no area"),
    "nan": ("0 nan 0.5 0.1 0.1", "no coordinate"),
}


@pytest.mark.parametrize("name", LINES)
def test_a_broken_yolo_line_is_one_line(tmp_path, name) -> None:
    line, why = LINES[name]
    files = yolo()
    files["labels/a.txt"] += f"\n{line}\n".encode()
    found = settled(tmp_path, files)
    (fault,) = found.faults
    assert fault.file == "labels/a.txt" and fault.item.startswith("line 3") and why in fault.why
    assert near(rows_of(found), TRUTH)


CELLS = {
    "a word": ("a.jpg,60,40,dog,one,1,9,9", "'one' is no number"),
    "nothing": ("a.jpg,60,40,dog,,1,9,9", "'' is no number"),
    "short": ("a.jpg,60,40,dog", "'' is no number"),
    "no class": ("a.jpg,60,40,,1,1,9,9", "no class"),
    "no image": (",60,40,dog,1,1,9,9", "names no image"),
    "another image": ("z.jpg,60,40,dog,1,1,9,9", "no image 'z.jpg'"),
    "no area": ("a.jpg,60,40,dog,9,9,9,9", "no area"),
}


@pytest.mark.parametrize("name", CELLS)
def test_a_broken_row_is_one_line(tmp_path, name) -> None:
    row, why = CELLS[name]
    files = csv()
    files["labels.csv"] += f"\n{row}\n".encode()
    found = settled(tmp_path, files)
    (fault,) = found.faults
    assert fault.file == "labels.csv" and fault.item.startswith("line 6") and why in fault.why
    assert near(rows_of(found), TRUTH)


def test_labels_cannot_break_a_line(tmp_path) -> None:
    xml = voc_xml("a.jpg", voc_object("a\nb\tc", (1, 1, 9, 9)) + voc_object("d\ne", (1, 1, 1, 1)))
    found = settled(tmp_path, voc() | {"Annotations/a.xml": xml})
    assert rows_of(found)["a"][0][0] == "a b c"
    assert "\n" not in found.faults[0].line()


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
@pytest.mark.parametrize("form", FORMS)
def test_changed_bytes_never_escape_as_another_error(tmp_path_factory, form, data) -> None:
    files = dict(FORMS[form]())
    name = data.draw(st.sampled_from([n for n in files if not n.endswith(".jpg")]))
    text = bytearray(files[name])
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, max(0, len(text) - 1)))
        if text:
            text[place : place + data.draw(st.integers(0, 6))] = data.draw(st.binary(max_size=6))
    files[name] = bytes(text)
    try:
        found = settled(tmp_path_factory.mktemp("m"), files)
    except LookupError:
        return
    for image in found.images:
        for box in image.boxes:
            x1, y1, x2, y2 = box.corners
            assert 0 <= x1 < x2 <= image.facts.width and 0 <= y1 < y2 <= image.facts.height
            assert box.label in found.labels
    assert all("\n" not in fault.line() for fault in found.faults)


MAGICS = [b"", b"\xff\xd8", b"\x89PNG\r\n\x1a\n", b"BM", b"P6", b"RIFF    WEBPVP8X"]


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200), st.sampled_from(MAGICS))
def test_any_header_is_read_or_not(data, magic) -> None:
    found = read_header(magic + data)
    assert found is None or (found.width > 0 and found.height > 0 and 1 <= found.orientation <= 8)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=80))
def test_any_description_is_read(text) -> None:
    read_description(f"names: {text}\ntrain: {text}\n".encode("utf-8", "replace"))


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=40), st.sampled_from(["x.xml", "a/b/x.xml"]))
def test_any_name_finds_an_image_of_the_set_or_none(name, near_file) -> None:
    index = ImageIndex(["a/b.jpg", "c/b.jpg", "d.png"])
    with contextlib.suppress(LookupError):
        assert index.find(name, near_file) in (*index.images, None)
    assert leads_out("../x", "x.xml") and not leads_out("../x", "a/x.xml")


def test_a_long_description_costs_no_more_than_its_length() -> None:
    start = time.process_time()
    for text in (b'names: ["' + b'\\"' * 400_000, b"names: [\n" + b"a,\n" * 250_000,
                 b"names: [" + b"'" * 900_000 + b"]", b"names: {" + b"{" * 900_000):  # fmt: skip
        read_description(text)
    assert time.process_time() - start < 5
    long = "/".join(["images"] * 20_000).encode()
    assert read_description(b"names: [a]\ntrain: " + long).paths["train"] == (long.decode(),)
