"""eval: which model of a bundle is measured."""

from pathlib import Path

import numpy as np
import pytest

from edgecnn.core.bundle import Bundle, Manifest
from edgecnn.core.errors import BundleError, ModelError
from edgecnn.core.postprocess import ClassifySpec, PointsSpec, SegmentSpec, Skeleton, to_json
from edgecnn.core.preprocess import ImageInput, PreprocessSpec
from edgecnn.core.progress import SilentProgress
from edgecnn.jobs.evaluate import EvalRequest, judged_task, run
from edgecnn.jobs.place import Place
from edgecnn.jobs.reference import resolve
from tests.data.pictures import write_folder
from tests.jobs.pictures import brightness_files

pytestmark = pytest.mark.train


def trained_bundle(folder: Path) -> Path:
    """A bundle as train leaves it, whose model calls a picture light by its mean."""
    keras = pytest.importorskip("keras")
    image = keras.Input((8, 8, 3), name="image")
    mean = keras.layers.GlobalAveragePooling2D()(image)
    scores = keras.layers.Dense(2, activation="softmax", name="scores")
    model = keras.Model(image, scores(mean))
    scores.set_weights([np.array([[-9, 9]] * 3, np.float32), np.zeros(2, np.float32)])
    model.save(folder / "m.keras")
    bundle = Bundle.create(folder / "bundle", Manifest("m", "classify", ("dark", "light"), 1))
    spec = PreprocessSpec((ImageInput("image", 8, 8, scale=(1 / 127.5,), offset=(-1.0,)),))
    with bundle.edit() as edit:
        edit.add("model.keras", folder / "m.keras")
        edit.write_json("preprocess.json", spec.to_json())
        edit.write_json(
            "postprocess.json", to_json(ClassifySpec(model.output_names[0], ("dark", "light")))
        )
    return bundle.root


def test_a_trained_bundle_is_measured_by_its_keras_model(tmp_path: Path) -> None:
    photos = write_folder(tmp_path / "photos", brightness_files(6))
    reference = resolve(trained_bundle(tmp_path))
    result = run(EvalRequest(reference, str(photos)), SilentProgress())
    assert (result.metric.value, result.metric.n) == (1.0, 12)
    assert result.to_json()["variant"] == "model.keras" and result.float_only
    for asked in ({"variant": "int8"}, {"place": Place(numerics="single")}):
        with pytest.raises(BundleError, match="not quantized"):
            run(EvalRequest(reference, str(photos), **asked), SilentProgress())


def test_what_is_no_class_and_no_box_is_not_judged() -> None:
    assert judged_task(ClassifySpec("scores", ("a", "b"))) == "classify"
    points = PointsSpec("p", ("person",), Skeleton(("nose",)))
    for spec, gives in ((points, "key points"), (SegmentSpec("m", ("a",), 4, 4), "a map of")):
        with pytest.raises(ModelError, match=f"eval judges .* gives {gives}"):
            judged_task(spec)
