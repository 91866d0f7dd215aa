"""train: what a dry run promises the run keeps, and nothing is overwritten unsaid."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from edgecnn.core.bundle import Bundle, Manifest
from edgecnn.core.errors import DataError, EdgecnnError, UsageError
from edgecnn.core.progress import SilentProgress
from edgecnn.jobs import train
from edgecnn.jobs.project import default_project
from edgecnn.jobs.train import TrainRequest, plan, run
from edgecnn.training import checkpoint
from edgecnn.training import request as request_module
from edgecnn.training.checkpoint import FILE_NAME, RunState
from edgecnn.training.loop import compile_model
from edgecnn.training.request import start_model
from edgecnn.training.task import FitTask
from tests.data.pictures import write_folder
from tests.data.sounds import wav
from tests.jobs.pictures import brightness_files

pytestmark = pytest.mark.train


@pytest.fixture
def photos(tmp_path: Path) -> str:
    pytest.importorskip("keras")
    return str(write_folder(tmp_path / "photos", brightness_files(6)))


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that is built in no time: what is decided does not depend on its layers."""
    keras = pytest.importorskip("keras")

    def build(name: str, *, input_shape: tuple[int, ...], classes: int, **options: object) -> Any:
        image = keras.Input(input_shape, name="image")
        flat = keras.layers.GlobalAveragePooling2D()(image)
        return keras.Model(image, keras.layers.Dense(classes, activation="softmax")(flat))

    monkeypatch.setattr(request_module, "build_model", build)


def request(folder: Path, source: str, *, model: str = "resnet8", **changes) -> TrainRequest:
    flags = {"model__input_size": [16, 16], "train__epochs": 4}
    given = {key: value for key, value in changes.items() if "__" in key}
    project = default_project("classify", source=source, model=model)
    project = project.override(**{**flags, **given})
    rest = {key: value for key, value in changes.items() if "__" not in key}
    return TrainRequest(project, output_dir=folder / "bundle", **rest)


def refused(given: TrainRequest) -> EdgecnnError:
    """The error of the dry run, which the run gives too, before it trains or writes anything."""
    before = sorted(given.output_dir.parent.rglob("*"))
    with pytest.raises(EdgecnnError) as dry:
        plan(given)
    with pytest.raises(EdgecnnError) as wet:
        run(given, SilentProgress())
    assert (dry.value.message, dry.value.hint) == (wet.value.message, wet.value.hint)
    assert sorted(given.output_dir.parent.rglob("*")) == before
    return dry.value


def test_a_plan_says_what_will_be_and_writes_nothing(tmp_path: Path, photos: str) -> None:
    planned = plan(request(tmp_path, photos))
    said = planned.to_json()
    assert (said["classes"], said["resumed_at"], said["parameters"]) == (2, 0, 78_146)
    assert {part: facts["count"] for part, facts in said["data"]["splits"].items()} == {
        "train": 8, "val": 2, "test": 2,
    }  # fmt: skip
    assert said["data"]["path"] == "../photos"
    assert [path.name for path in tmp_path.iterdir()] == ["photos"]


def recordings(folder: Path) -> str:
    sounds = {f"{c}/{i}.wav": wav(np.full(90, 9 * i + ord(c))) for c in "ab" for i in range(8)}
    return str(write_folder(folder / "sounds", sounds))


def arrays(folder: Path) -> str:
    np.savez(folder / "x.npz", x=np.zeros((20, 8, 8)), labels=np.arange(20) % 2)
    return str(folder / "x.npz")


def few(folder: Path) -> str:
    return str(write_folder(folder / "few", brightness_files(2)))


@pytest.mark.parametrize(
    ("source", "message", "hint"),
    [
        (recordings, "16 recordings (.wav, 8,000 Hz) of 2 classes", "--calibration"),
        (arrays, "20 samples of arrays (x [8, 8]) of 2 classes", "--calibration"),
        (few, "too few images", "3 images or more"),
    ],
)
def test_data_that_do_not_train_are_refused_dry_and_wet(tmp_path, source, message, hint) -> None:
    error = refused(request(tmp_path, source(tmp_path)))
    assert message in error.message and hint in error.hint


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train__weights": "none.keras"}, "none.keras"),
        ({"train__weights": "photos"}, "photos"),
        ({"resume": True}, "there is nothing to resume: '"),
    ],
)
@pytest.mark.usefixtures("quick")
def test_settings_that_do_not_train_are_refused_dry_and_wet(
    tmp_path: Path, photos: str, changes, message
) -> None:
    assert message in refused(request(tmp_path, photos, **changes)).message


def test_a_folder_that_cannot_be_written_to_is_told_of_before(tmp_path: Path, photos: str) -> None:
    (tmp_path / "file").write_text("x")
    error = refused(request(tmp_path / "file", photos))
    assert "cannot create" in error.message and "Not a directory" in error.message


def interrupted(given: TrainRequest, model: Any = None, epoch: int = 3) -> Path:
    """A checkpoint as the run leaves it after some epochs, of ``model``; None: of no weights."""
    planned = plan(given)
    empty = SimpleNamespace(variables=[], optimizer=SimpleNamespace(variables=[]))
    rows = tuple({"epoch": k + 1, "val_accuracy": 0.5, "val_loss": 1.0} for k in range(epoch))
    weights = () if model is None else tuple(model.get_weights())
    state = RunState(planned.fit.facts, epoch, 9.0, rows, 1, 0.5, weights)
    checkpoint.save(planned.work_dir, model or empty, state)
    return planned.work_dir / FILE_NAME


@pytest.mark.usefixtures("quick")
def test_an_interrupted_training_is_neither_lost_nor_mixed_up(tmp_path: Path, photos: str) -> None:
    path = interrupted(request(tmp_path, photos))
    before = path.read_bytes()
    error = refused(request(tmp_path, photos))
    assert "kept after epoch 3" in error.message
    assert "--resume" in error.hint and "--force" in error.hint
    assert plan(request(tmp_path, photos, resume=True)).resumed_at == 3
    assert plan(request(tmp_path, photos, force=True)).dropped == 3
    other = refused(request(tmp_path, photos, resume=True, train__epochs=9))
    assert "is of another run: epochs 4 (now 9)" in other.message
    write_folder(tmp_path / "photos", {"dark/new.png": brightness_files(9)["dark/8.png"]})
    assert "training images" in refused(request(tmp_path, photos, resume=True)).message
    assert path.read_bytes() == before
    path.write_bytes(before[:100])
    assert "cannot be read" in refused(request(tmp_path, photos, resume=True)).message
    assert "cannot be read" in refused(request(tmp_path, photos)).message
    assert plan(request(tmp_path, photos, force=True)).dropped == 0


def test_a_finished_training_is_said(tmp_path: Path, photos: str) -> None:
    Bundle.create(tmp_path / "bundle", Manifest("m", "classify", ("a", "b"), 1))
    assert "already holds a bundle" in refused(request(tmp_path, photos)).message
    error = refused(request(tmp_path, photos, resume=True))
    assert "holds a finished training" in error.message and "--force" in error.hint


@pytest.mark.long
def test_the_run_does_what_was_planned(tmp_path: Path, photos: str, monkeypatch) -> None:
    """Resumed for its last epoch; the bundle finds its data from anywhere."""
    request_of_fit = plan(request(tmp_path, photos)).fit.request
    model = start_model(request_of_fit, "classify").model
    task = FitTask((), "categorical_crossentropy", lambda _: {}, "val_accuracy")
    compile_model(model, task, request_of_fit.config)
    interrupted(request(tmp_path, photos), model)
    outcome = run(request(tmp_path, photos, resume=True), SilentProgress())
    training = outcome.bundle.manifest.training
    assert [row["epoch"] for row in training["history"]] == [1, 2, 3, 4]
    assert not (tmp_path / ".bundle.training").exists()
    monkeypatch.chdir("/")
    assert Path(outcome.bundle.data_source) == (tmp_path / "photos").resolve()
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    for name in ("photos", "bundle"):
        (tmp_path / name).rename(moved / name)
    assert Path(Bundle.load(moved / "bundle").data_source) == (moved / "photos").resolve()


@pytest.mark.usefixtures("quick")
def test_force_starts_anew_and_says_what_it_drops(tmp_path: Path, photos: str, monkeypatch) -> None:
    interrupted(request(tmp_path, photos))

    class Told(SilentProgress):
        lines: tuple[str, ...] = ()

        def say(self, line: str) -> None:
            self.lines += (line,)

    def stop(*_: object) -> None:
        raise DataError("far enough", hint="stop")

    monkeypatch.setattr(train, "fit_model", stop)
    told = Told()
    with pytest.raises(DataError, match="far enough"):
        run(request(tmp_path, photos, force=True), told)
    assert told.lines == ("note: an interrupted training, kept after epoch 3, is dropped",)
    assert not (tmp_path / ".bundle.training").exists()


def test_usage_errors_exit_with_2(tmp_path: Path, photos: str) -> None:
    assert isinstance(refused(request(tmp_path, photos, resume=True)), UsageError)
