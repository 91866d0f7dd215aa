"""Converted sets: no box moves, nothing is lost, in every order of forms."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgecnn.core.errors import UsageError
from edgecnn.core.progress import SilentProgress
from edgecnn.jobs.data_convert import DataConvertRequest, convert
from tests.data.boxes.sets import (
    FORMS,
    SIZE,
    TRUTH,
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

WIDE, HIGH = SIZE
LABELS = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zl", "Zp")), min_size=1
).map(lambda text: " ".join(text.split())).filter(bool)  # fmt: skip


@st.composite
def boxes(draw) -> tuple[str, float, float, float, float]:
    def side(limit: int) -> tuple[float, float]:
        whole = draw(st.booleans())
        low = draw(st.integers(0, limit - 2) if whole else st.floats(0, limit - 1.01))
        high = draw(st.integers(int(low) + 2, limit) if whole else st.floats(low + 1.001, limit))
        return float(low), float(high)

    (x1, x2), (y1, y2) = side(WIDE), side(HIGH)
    return draw(LABELS), x1, y1, x2, y2


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    rows=st.lists(
        st.lists(boxes(), max_size=4, unique_by=lambda row: row[1:]), min_size=1, max_size=3
    ).filter(any),
    road=st.permutations(sorted(FORMS)),
)
def test_no_box_moves_on_any_road_through_the_forms(tmp_path_factory, rows, road) -> None:
    root = tmp_path_factory.mktemp("road")
    truth = {f"i{place}": found for place, found in enumerate(rows)}
    files = {f"x/{name}.jpg": picture(place) for place, name in enumerate(truth)}
    lines = ["filename,class,xmin,ymin,xmax,ymax"]
    for name, found in truth.items():
        for label, *corners in found:
            quoted = label.replace('"', '""')
            lines.append(f'{name}.jpg,"{quoted}",' + ",".join(map(repr, corners)))
        lines += [f"{name}.jpg,,,,,"] if not found else []
    write_folder(root / "0", files | {"x.csv": "\n".join(lines).encode()})
    for step, form in enumerate(road):
        request = DataConvertRequest(str(root / str(step)), root / str(step + 1), form)
        result = convert(request, SilentProgress())
        assert result.faults == () and result.to == form
        found = settled(root / str(step + 1), {})
        assert found.form == form and found.faults == ()
        assert near(rows_of(found), truth, tol=1e-6 * HIGH)


def test_images_are_copied_and_splits_stay(tmp_path) -> None:
    lists = {"ImageSets/Main/train.txt": b"a\nc\n", "ImageSets/Main/test.txt": b"b\n"}
    write_folder(tmp_path / "in", voc() | lists)
    for form in FORMS:
        convert(DataConvertRequest(str(tmp_path / "in"), tmp_path / form / "out", form),
                SilentProgress())  # fmt: skip
        found = settled(tmp_path / form / "out", {})
        assert near(rows_of(found), TRUTH, 1e-6)
        parts = {}
        for image in found.images:
            assert (tmp_path / form / "out" / image.path).read_bytes() == voc()[
                f"JPEGImages/{image.path[-5:]}"
            ]
            parts[image.path[-5:-4]] = image.part
        assert parts == {"a": "train", "b": "test", "c": "train"}


def test_marks_stay_where_the_form_has_them(tmp_path) -> None:
    hard = voc_object("cat", (1, 1, 9, 9), "<difficult>1</difficult>")
    files = voc() | {"Annotations/a.xml": voc_xml("a.jpg", hard + voc_object("dog", (2, 2, 9, 9)))}
    write_folder(tmp_path / "in", files)
    for form in FORMS:
        result = convert(
            DataConvertRequest(str(tmp_path / "in"), tmp_path / form, form), SilentProgress()
        )
        (image,) = (i for i in settled(tmp_path / form, {}).images if i.path.endswith("a.jpg"))
        if form == "yolo":
            assert [box.label for box in image.boxes] == ["dog"]
            assert "1 boxes that do not count" in result.notes[-1]
        else:
            assert [(box.label, box.difficult) for box in image.boxes] == [
                ("cat", True), ("dog", False),
            ]  # fmt: skip


def test_images_of_one_name_in_two_folders_both_stay(tmp_path) -> None:
    files = {}
    for place, folder in enumerate(("one", "two")):
        files[f"{folder}/images/a.jpg"] = picture(place)
        files[f"{folder}/labels/a.txt"] = yolo()["labels/c.txt"]
    write_folder(tmp_path / "in", files | {"data.yaml": b"names: [cat, dog]"})
    for form in FORMS:
        result = convert(
            DataConvertRequest(str(tmp_path / "in"), tmp_path / form, form), SilentProgress()
        )
        assert (result.images, result.boxes) == (2, 2)
        assert len(settled(tmp_path / form, {}).images) == 2


def test_a_taken_folder_is_left_alone(tmp_path) -> None:
    write_folder(tmp_path / "in", voc())
    write_folder(tmp_path / "out", {"mine.txt": b"x"})
    with pytest.raises(UsageError, match="not an empty folder"):
        convert(
            DataConvertRequest(str(tmp_path / "in"), tmp_path / "out", "coco"), SilentProgress()
        )
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine.txt"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "out"]


def test_the_road_meets_every_pair_of_forms() -> None:
    pairs = {pair for road in itertools.permutations(FORMS) for pair in itertools.pairwise(road)}
    assert len(pairs) == 12
