"""new: the project file finds its data, and nothing is begun that train refuses."""

from pathlib import Path

import pytest

from edgecnn.core.errors import DataError, EdgecnnError, UsageError
from edgecnn.jobs.new import NewRequest, run
from edgecnn.jobs.project import load_project
from tests.data.pictures import write_folder
from tests.jobs.pictures import brightness_files


@pytest.mark.parametrize("name", ["photos", "my photos", 'ca\'t "x" é', "tab\tand # = ü"])
@pytest.mark.parametrize("absolute", [False, True])
def test_the_data_are_found_from_the_project(tmp_path, monkeypatch, name, absolute) -> None:
    monkeypatch.chdir(tmp_path)
    write_folder(tmp_path / "data" / name, brightness_files(4))
    given = tmp_path / "data" / name if absolute else Path("data") / name
    run(NewRequest(Path("work/counter"), "classify", str(given)))
    written = load_project(Path("work/counter/edgecnn.toml"))
    source = str(written.get("data", "source"))
    assert source == (given.as_posix() if absolute else f"../../data/{name}")
    assert Path(written.data_source).resolve() == (tmp_path / "data" / name).resolve()
    monkeypatch.chdir(tmp_path / "work/counter")
    assert Path(load_project(Path("edgecnn.toml")).data_source).samefile(tmp_path / "data" / name)


def test_a_linked_project_folder_finds_its_data(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_folder(tmp_path / "photos", brightness_files(4))
    (tmp_path / "far/away").mkdir(parents=True)
    (tmp_path / "here").symlink_to(tmp_path / "far/away", target_is_directory=True)
    run(NewRequest(Path("here/counter"), "classify", "photos"))
    monkeypatch.chdir(tmp_path / "here/counter")
    assert Path(load_project(Path("edgecnn.toml")).data_source).samefile(tmp_path / "photos")


@pytest.mark.parametrize(
    ("task", "data", "error", "message"),
    [
        ("classify", "./nowhere", DataError, "there is no './nowhere'"),
        ("classify", "one", DataError, "has one class"),
        ("classify", "scenes", UsageError, "is for detect"),
        ("detect", "digits", UsageError, "is for classify"),
        ("detect", "./one", DataError, "holds no boxes that are read"),
        ("classify", "bad\udcff", EdgecnnError, "no valid Unicode"),
    ],
)
def test_what_train_refuses_is_refused_and_nothing_written(
    tmp_path: Path, monkeypatch, task, data, error, message
) -> None:
    monkeypatch.chdir(tmp_path)
    files = {name: png for name, png in brightness_files(4).items() if "dark" in name}
    write_folder(tmp_path / "one", files)
    with pytest.raises(error) as caught:
        run(NewRequest(Path("counter"), task, data))
    assert message in caught.value.message
    assert [path.name for path in tmp_path.iterdir()] == ["one"]


def test_flags_count_from_the_current_folder(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "P").mkdir()
    (tmp_path / "P/edgecnn.toml").write_text('[data]\nsource = "photos"\n')
    project = load_project(Path("P/edgecnn.toml"))
    assert Path(project.data_source) == Path("P/photos")
    other = project.override(data__source=project.from_here("photos"))
    assert Path(other.data_source) == tmp_path / "photos"
    assert project.from_here("digits") == "digits" and project.from_here(None) is None
