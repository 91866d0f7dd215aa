"""What ``--auto`` measures by, for our own script: labelled samples that are not the test's."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from edgecnn.core.metric import Metric
from edgecnn.core.runtime import Predictor


def tuning_metric(tuning: str, model: Path) -> Callable[[Predictor], Metric]:
    """The metric of an .npz of samples and ``labels``, or of ``scenes:COUNT``."""
    if tuning.startswith("scenes:"):
        return _scenes(int(tuning.partition(":")[2]), model)
    with np.load(tuning) as file:
        arrays = {name: file[name] for name in file.files}
    labels = arrays.pop("labels")
    return lambda predictor: _accuracy(predictor, arrays, labels)


def _accuracy(predictor: Predictor, arrays: dict[str, np.ndarray], labels: np.ndarray) -> Metric:
    from edgecnn.evaluation.classification import classification_metric

    guess = []
    for at in range(len(labels)):
        raw = {i.name: i.quantize(arrays[i.name][at : at + 1]) for i in predictor.inputs}
        guess.append(int(predictor.predict(raw)[predictor.outputs[0].name].argmax()))
    names = [str(which) for which in range(int(labels.max()) + 1)]
    return classification_metric(labels, guess, names)


def _scenes(count: int, model: Path) -> Callable[[Predictor], Metric]:
    from edgecnn.data.scenes import open_scenes
    from edgecnn.evaluation.evaluate import evaluate
    from edgecnn.models.detector_spec import detect_spec
    from edgecnn.models.io import load_keras
    from edgecnn.training.classify import default_preprocess

    data = open_scenes("val", 1, count=count)
    loaded = load_keras(model)
    before = default_preprocess(tuple(loaded.input_shape[1:]))
    after = detect_spec(loaded, data.labels)
    return lambda predictor: evaluate(predictor, data, before, after)
