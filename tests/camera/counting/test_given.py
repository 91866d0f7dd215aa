"""Lines and zones as people give them, and what is refused."""

import json
from pathlib import Path

import pytest

from edgecnn.camera.counting.given import given_places
from edgecnn.core.errors import DataError, EdgecnnError, UsageError

SQUARE = [[10, 10], [90, 10], [90, 90], [10, 90]]


def test_pixels_shares_and_names() -> None:
    first, second, third = given_places(
        ["0,240,640,240", "a=b=0%,50%,100%,50%"], ["0.1,0.1,0.5,0.9"]
    )
    assert (first.name, first.kind, first.pixels) == ("line 1", "line", True)
    assert first.in_frame((480, 640)) == ((0, 240), (640, 240))
    assert (second.name, second.pixels) == ("a=b", False)
    assert second.in_frame((480, 640)) == ((0, 240), (640, 240))
    assert (third.name, third.kind) == ("zone 1", "zone")
    assert third.in_frame((100, 100)) == ((10, 10), (50, 10), (50, 90), (10, 90))
    assert [place.name for place in given_places(["x=0,0,9,9", "0,0,9,9"], [])] == ["x", "line 2"]


@pytest.mark.parametrize(
    ("lines", "zones", "said"),
    [
        (["0,240,640"], [], "3 coordinates"), (["0,0,1,1,2,2"], [], "3 points, expected 2"),
        (["5,5,5,5"], [], "same point"), (["0,0,nan,5"], [], "'nan', expected a number"),
        (["0,0,1e999,5"], [], "expected a number"), (["0,0,1e9,5"], [], "100000 pixels"),
        (["0,0,120%,50%"], [], "0% to 100%"), (["0,10%,300,50%"], [], "percentages and pixels"),
        ([""], [], "expected a number"), (["=0,0,5,5"], [], "1 to 100 letters"),
        (["a\nb=0,0,5,5"], [], "1 to 100 letters"),
        ([], ["0,0,10,10,10,0,0,10"], "crosses itself"), ([], ["0,0,5,5,10,10"], "no area"),
        ([], ["3,4"], "1 corners"), (["a=0,0,5,5"], ["a=0,0,5,5"], "two lines or zones 'a'"),
        (["0,0,5,5"] * 101, [], "101 lines and zones"),
    ],
)  # fmt: skip
def test_what_cannot_be_counted_at_is_refused(lines, zones, said) -> None:
    with pytest.raises(UsageError) as caught:
        given_places(lines, zones)
    assert said in str(caught.value) and caught.value.hint and "\n" not in str(caught.value)


def test_files_in_both_forms_hold_lines_and_zones(tmp_path: Path) -> None:
    data = {
        "zones": {"shop": SQUARE, "till": [0.1, 0.2, 0.5, 0.9]},
        "lines": {"door": [0, 5, 9, 5]},
    }
    (tmp_path / "p.json").write_text(json.dumps(data))
    text = "".join(
        f"[{table}]\n" + "".join(f"{name} = {value}\n" for name, value in places.items())
        for table, places in data.items()
    )
    (tmp_path / "p.toml").write_text(text)
    for name in ("p.json", "p.toml"):
        path = str(tmp_path / name)
        door, shop, till = given_places([path], [path])
        assert (door.name, shop.name, till.name) == ("door", "shop", "till")
        assert door.pixels and shop.pixels and not till.pixels and len(till.points) == 4
    (tmp_path / "r.json").write_text(json.dumps({"regions": {"yard": SQUARE}}))
    assert given_places([], [str(tmp_path / "r.json")])[0].name == "yard"


def test_files_of_other_tools(tmp_path: Path) -> None:
    (tmp_path / "corners.json").write_text(json.dumps([*SQUARE, SQUARE[0]]))  # closed
    (corners,) = given_places([], [str(tmp_path / "corners.json")])
    assert corners.name == "corners" and [list(point) for point in corners.points] == SQUARE
    labelme = {
        "version": "5.0.1", "imageWidth": 200, "imageHeight": 100,
        "shapes": [
            {"label": "shop", "points": SQUARE, "shape_type": "polygon"},
            {"label": "shop", "points": [[0, 0], [200, 50]], "shape_type": "rectangle"},
            {"label": "door", "points": [[0, 50], [200, 50]], "shape_type": "line"},
            {"label": "dot", "points": [[0, 50]], "shape_type": "point"},
        ],
    }  # fmt: skip
    (tmp_path / "l.json").write_text(json.dumps(labelme))
    path = str(tmp_path / "l.json")
    door, shop, second = given_places([path], [path])
    assert (door.name, door.points) == ("door", ((0, 0.5), (1, 0.5)))
    assert (shop.name, second.name) == ("shop", "shop 2")
    # The clip may have another size than the labelled image.
    assert shop.in_frame((200, 400))[2] == (180, 180) and second.in_frame((100, 100))[2] == (
        100,
        50,
    )


HOSTILE = [
    "", "{", "[", "[" * 100_000, '{"a":' * 50_000, "null", "1", '"zones"', "[]", "{}", "[[1]]",
    '{"zones": []}', '{"zones": {}}', '{"zones": {"a": null}}', '{"zones": {"a": [[1, 2], [3]]}}',
    '{"zones": {"a": [0, NaN, 1, 1]}}', '{"zones": {"a": [0, Infinity, 5, 5]}}',
    '{"zones": {"a": [0, 1e999, 5, 5]}}', '{"zones": {"a": [0, ' + "9" * 5000 + ", 5, 5]}}",
    '{"zones": {"a": [0, ' + "9" * 400 + ", 5, 5]}}", '{"zones": {"a": ["0", "0", "5", "5"]}}',
    '{"zones": {"a": [true, 0, 5, 5]}}', '{"zones": {"a": [[[0, 0], [5, 5]]]}}',
    '{"zones": {"": [0, 0, 5, 5]}}', '{"zones": {"a\\nb": [0, 0, 5, 5]}}',
    '{"zones": {"' + "n" * 5000 + '": [0, 0, 5, 5]}}', '{"lines": {"a": [0, 0, 5, 5]}}',
    '{"shapes": [1, null, []]}', '{"shapes": [{"label": {}, "points": 5}]}',
    '{"shapes": [{"points": [[0, 0], [5, 5]], "shape_type": []}]}', "\x00", "\ud800",
    json.dumps({"zones": {str(k): [0, 0, 5, 5] for k in range(5000)}}),
    json.dumps({"zones": {"a": [[k, k * k] for k in range(300)]}}),
    json.dumps({"shapes": [{"label": "a", "points": SQUARE}] * 5000}), " " * (1 << 21),
]  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: text[:30])
def test_a_hostile_file_is_one_line(text: str, tmp_path: Path) -> None:
    for suffix in ("json", "toml"):
        path = tmp_path / f"z.{suffix}"
        path.write_bytes(text.encode("utf-8", "surrogatepass"))
        with pytest.raises(EdgecnnError) as caught:
            given_places([], [str(path)])
        assert caught.value.hint and "\n" not in str(caught.value) and len(str(caught.value)) < 600


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"cannot read the file of zones '.*No such file"):
        given_places([], [str(tmp_path / "none.json")])
