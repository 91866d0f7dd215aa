"""edgecnn data on the command line, on real data and on small sets."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edgecnn.cli import main
from edgecnn.jobs.calibration_data import open_data
from edgecnn.jobs.training_data import training_data
from tests.data.boxes.sets import FORMS, TRUTH, picture, voc, voc_object, voc_xml
from tests.data.pictures import write_folder
from tests.run import shared


def call(capsys, *arguments: object) -> tuple[int, str, str]:
    code = main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    return code, out, err


def test_bccd_has_two_faults(capsys, tmp_path: Path) -> None:
    source = shared() / "data/bccd"
    code, out, _ = call(capsys, "data", "check", source, "--json")
    found = json.loads(out)
    assert code == 1 and found["schema"] == "edgecnn.data/1" and found["format"] == "voc"
    assert (found["images"], found["boxes"], found["usable_boxes"]) == (364, 4888, 4886)
    assert found["classes"] == {"Platelets": 361, "RBC": 4153, "WBC": 372}
    assert found["splits"] == {"train": 205, "val": 87, "test": 72}
    assert [fault["file"] for fault in found["faults"]] == [
        "Annotations/BloodImage_00338.xml", "Annotations/BloodImage_00343.xml",
    ]  # fmt: skip
    assert all("no area" in fault["why"] for fault in found["faults"])
    data = training_data(str(source), "detect", 1)
    assert len(data.train) == 205 and data.test[0].image.shape == (480, 640, 3)


def test_a_good_set_is_good(capsys, tmp_path: Path) -> None:
    source = write_folder(tmp_path / "set", voc())
    code, out, err = call(capsys, "data", "check", source)
    assert code == 0 and "3 images of 1 sizes, 3 boxes, 2 classes, no faults" in out and err == ""
    code, out, _ = call(capsys, "data", "check", source, "--format", "coco")
    assert code == 1


@pytest.mark.parametrize("as_json", [False, True])
def test_a_line_for_each_fault(capsys, tmp_path: Path, as_json: bool) -> None:
    xml = voc_xml("a.jpg", voc_object("cat", (5, 5, 5, 5)) + voc_object("dog", (9, 9, 900, 900)))
    source = write_folder(tmp_path / "set", voc() | {"Annotations/a.xml": xml})
    code, out, _ = call(capsys, "data", "check", source, *(["--json"] if as_json else []))
    assert code == 1
    if as_json:
        faults = json.loads(out)["faults"]
        assert [sorted(fault) for fault in faults] == [["file", "item", "why"]] * 2
    else:
        lines = out.splitlines()
        assert lines[0].startswith("Annotations/a.xml: box 1 (cat): it has no area")
        assert lines[1].startswith("Annotations/a.xml: box 2 (dog): most of it lies outside")


def test_what_is_no_set_of_boxes_says_what_it_is(capsys, tmp_path: Path) -> None:
    photos = write_folder(tmp_path / "photos", {f"{i}.jpg": picture(i) for i in range(3)})
    code, _, err = call(capsys, "data", "check", photos)
    assert code == 1 and "it holds 3 images without annotations" in err and "hint: boxes are" in err
    code, _, err = call(capsys, "data", "check", tmp_path / "nothing")
    assert code == 1 and "there is no" in err


def test_convert_and_split_print_what_they_wrote(capsys, tmp_path: Path) -> None:
    source = write_folder(tmp_path / "set", voc())
    code, out, _ = call(capsys, "data", "convert", source, "--to", "coco", "-o", tmp_path / "coco")
    assert code == 0 and "3 images, 3 boxes, coco" in out
    code, out, _ = call(capsys, "data", "check", tmp_path / "coco", "--json")
    assert code == 0 and json.loads(out)["format"] == "coco"
    code, out, _ = call(capsys, "data", "split", tmp_path / "coco", "--json", "--seed", 3)
    found = json.loads(out)
    assert code == 0 and found["folder"] is None
    assert sum(part["images"] for part in found["splits"].values()) == 3
    code, _, err = call(capsys, "data", "split", source, "--val", 0.9, "--test", 0.9)
    assert code == 2 and "leave a tenth for train" in err
    code, _, err = call(capsys, "data", "convert", source, "--to", "coco")
    assert code == 2 and "--output-dir" in err


def test_a_split_that_was_written_is_the_split_that_is_read(capsys, tmp_path: Path) -> None:
    rows = {f"n{i:02}": [("cat", 1, 1, 9, 9)] for i in range(20)}
    source = write_folder(tmp_path / "set", voc(rows))
    for form in FORMS:
        goal = tmp_path / form
        code, out, _ = call(capsys, "data", "split", source, "--to", form, "-o", goal, "--json")
        written = json.loads(out)["splits"]
        code, out, _ = call(capsys, "data", "check", goal, "--json")
        found = json.loads(out)
        assert found["own_splits"] == ["train", "val", "test"]
        assert found["splits"] == {part: row["images"] for part, row in written.items()}


def test_calibration_takes_photos_with_boxes(tmp_path: Path) -> None:
    from edgecnn.core.preprocess import ImageInput, PreprocessSpec
    from edgecnn.core.runtime import TensorInfo

    rows = {f"n{i:02}": TRUTH["a"] for i in range(10)}
    source = str(write_folder(tmp_path, voc(rows)))
    inputs = (TensorInfo("image", (1, 24, 32, 3), "float32"),)
    spec = PreprocessSpec((ImageInput("image", height=24, width=32),))
    data = open_data(source, inputs, preprocess=spec, task="detect", classes=2)
    assert data.train.task == data.test.task == "detect" and len(data.test) == 2
    assert next(iter(data.calibration()))["image"].shape == (1, 24, 32, 3)
    other = open_data(source, inputs, preprocess=spec, task="detect", classes=7)
    assert other.test is None and len(other.train) == 10
    plain = open_data(source, inputs, preprocess=spec)
    assert plain.test is None and len(plain.train) == 10
