"""edgecnn.toml: every key round-trips, every mistake is named with its line."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecnn.core.errors import ProjectError
from edgecnn.jobs.project import KEYS, default_project, load_project, project_text
from edgecnn.models.table import model_info


@pytest.mark.parametrize("task", ["classify", "detect"])
def test_written_file_reads_back(tmp_path: Path, task: str) -> None:
    project = default_project(task)
    path = tmp_path / "edgecnn.toml"
    path.write_text(project_text(project), encoding="utf-8")
    assert load_project(path).values == project.values


@pytest.mark.parametrize(
    ("text", "needles"),
    [
        ("[train]\nepoch = 3\n", ["line 2", "unknown key 'epoch' = 3 in [train]", "epochs"]),
        ('task = "segment"\n', ["line 1", "task = 'segment'", "classify | detect"]),
        (
            "[train]\nepochs = -1\n",
            ["line 2", "train.epochs = -1", "an integer from 1 to 10000, or 0"],
        ),
        ("[train]\n\nepochs = true\n", ["line 3", "train.epochs = True"]),
        ("[train]\nlearning_rate = 'fast'\n", ["line 2", "a number from"]),
        ("[model]\ninput_size = [96]\n", ["line 2", "a list of two integers"]),
        ("[model]\ninput_size = [96, 4]\n", ["line 2", "from 8 to 1024, or [0, 0]"]),
        ("[model]\ninput_size = [0, 64]\n", ["line 2", "[0, 64]", "from 8 to 1024, or [0, 0]"]),
        ("[quantise]\nrecipe = 'int8'\n", ["line 1", "unknown key 'quantise'"]),
        ("schema = 2\n", ["line 1", "schema = 2"]),
        ("[targets]\nnames = 'host'\n", ["line 2", "a list of strings"]),
        ("seed = -1\n", ["line 1", "seed = -1"]),
        ("[train\n", ["not valid TOML", "line 1"]),
    ],
)
def test_mistakes_are_named(tmp_path: Path, text: str, needles: list[str]) -> None:
    path = tmp_path / "edgecnn.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ProjectError) as caught:
        load_project(path)
    assert caught.value.exit_code == 2
    assert caught.value.hint
    for needle in needles:
        assert needle in f"{caught.value.message} {caught.value.hint}"


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match="cannot read the project file") as caught:
        load_project(tmp_path / "edgecnn.toml")
    assert "edgecnn new" in caught.value.hint


def test_flags_override_and_are_checked() -> None:
    project = default_project("classify")
    assert project.override(train__epochs=7, seed=None).get("train", "epochs") == 7
    assert project.get("train", "epochs") != 7
    with pytest.raises(ProjectError, match=r"the command line: train\.epochs = -1"):
        project.override(train__epochs=-1)


def test_relative_data_counts_from_the_project(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    path = tmp_path / "edgecnn.toml"
    path.write_text('[data]\nsource = "photos"\n', encoding="utf-8")
    assert load_project(path).data_source == str(tmp_path / "photos")


@given(st.sampled_from([(s, k) for s, keys in KEYS.items() for k in keys]), st.text(max_size=20))
def test_any_string_is_taken_or_refused_by_name(place: tuple[str, str], value: str) -> None:
    section, key = place
    flag = f"{section}__{key}" if section else key
    try:
        project = default_project("classify").override(**{flag: value})
    except ProjectError as error:
        assert key in error.message
    else:
        assert project.get(section, key) == value


def test_photos_on_a_grid_leave_no_pixel_empty() -> None:
    for name in ("micro", "detector", "centroids"):
        values = default_project("detect", source="photos/", model=name).values
        assert (values["model"]["fit"], values["train"]["epochs"]) == ("stretch", 0)
        assert values["model"]["input_size"] == list(model_info(name).size)
    assert default_project("detect", source="scenes", model="detector").get("train", "epochs")
    nano = default_project("detect", source="photos/", model="nano")
    assert nano.get("model", "fit") == "letterbox"
