"""Class names for so many classes, whatever the label file counts."""

import pytest

from edgecnn.core.errors import DataError
from edgecnn.core.tflite.file_metadata import FileMetadata
from edgecnn.recognition.facts import Facts
from edgecnn.recognition.labels import class_labels


def facts(*lines: str, file: tuple[str, ...] = ()) -> Facts:
    return Facts(None, None, FileMetadata(labels=file), lines)


@pytest.mark.parametrize(
    ("lines", "count", "expected"),
    [
        (("a", "b", "c"), 3, ("a", "b", "c")),
        (("???", "a", "b"), 2, ("a", "b")),
        (("background", "a", "b"), 2, ("a", "b")),
        (("0  cat", "1  dog"), 2, ("cat", "dog")),
        (("0 cat", "2 dog"), 4, ("cat", "class 1", "dog", "class 3")),
        (("1: cat", "3: big dog"), 3, ("cat", "class 2", "big dog")),
        (("0: a", "1: b", "2: c"), 3, ("a", "b", "c")),
        (("0 background", "1 a", "2 b"), 2, ("a", "b")),
        (("3 way", "2 way"), 2, ("3 way", "2 way")),
    ],
)
def test_lines_of_every_kind(lines, count, expected) -> None:
    assert class_labels(facts(*lines), count) == expected


def test_the_background_is_a_class_where_the_model_has_one() -> None:
    assert class_labels(facts("a", "b"), 3, background=True) == ("background", "a", "b")
    given = ("background", "a", "b")
    assert class_labels(facts(*given), 3, background=True) == given


def test_the_file_s_own_names_and_numbers() -> None:
    assert class_labels(facts(file=("a", "b")), 2) == ("a", "b")
    assert class_labels(facts("x", "y", file=("a", "b")), 2) == ("x", "y")
    assert class_labels(facts(file=("a", "b")), 3) == ("0", "1", "2")


@pytest.mark.parametrize("lines", [("a",), ("a", "b", "c", "d"), ("0 a", "7 b")])
def test_another_number_of_lines_is_refused(lines) -> None:
    with pytest.raises(DataError, match=f"{len(lines)} lines, the model has 3 classes"):
        class_labels(facts(*lines), 3)
