"""What a detector's training is made of, where the project leaves it open: from the data alone.

Input size, class weights, epochs and the two stages follow from how many photos there are, how
large their boxes are and whether the backbone starts from trained weights; what was chosen is said.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.conventions import NAMES, parse_convention
from edgecnn.core.detections import Detections
from edgecnn.core.errors import UsageError
from edgecnn.core.postprocess import DetectSpec
from edgecnn.core.preprocess import PreprocessSpec
from edgecnn.core.sample import Dataset
from edgecnn.data.augment import default_augment
from edgecnn.data.augment_boxes import BoxAugment, gentle
from edgecnn.data.boxes.dataset import BoxSet
from edgecnn.evaluation.detection import ImageResult, mean_precisions
from edgecnn.evaluation.evaluate import image_result, run_over, whole_curve
from edgecnn.evaluation.thresholds import best_thresholds
from edgecnn.jobs.project import Project
from edgecnn.jobs.training_data import TrainingData
from edgecnn.models.anchors import anchor_boxes
from edgecnn.models.table import WITH_BODY, model_info
from edgecnn.training.centroids import CentroidRequest
from edgecnn.training.classify import ClassifyRequest
from edgecnn.training.config import TrainConfig
from edgecnn.training.detect import DetectRequest, Truth
from edgecnn.training.detect_targets import class_weights
from edgecnn.training.frozen_body import is_body
from edgecnn.training.weights.graft import Grafted
from edgecnn.training.weights.net import SourceNet
from quantization.keras_predictor import KerasPredictor

_MULTIPLE = 16
_LEAST_SIDE, _MOST_SIDE = 224, 320  # of the input's area, pixels
_SMALL_BOX = 20.0  # pixels that the small boxes' sides should have
_TUNED_IMAGES, _RANDOM_IMAGES = 8000, 16000  # seen in all epochs, at least
_FEWEST_EPOCHS, _MOST_EPOCHS = 12, 150
_HEAD_EPOCHS, _FROZEN_BLOCKS = 4, 3
# Drawn scenes have endless boxes, so fewer cells may answer for each: mAP@0.5 0.956 against 0.935.
_SCENE_RADIUS = 1.0
_BODY_RATE, _CLIP, _EMA = 0.1, 10.0, 0.9995


@dataclass(frozen=True)
class BoxShapes:
    """The training photos' shapes and their boxes' sides.

    Attributes:
        aspect: width over height, the middle between wide and tall photos: of all alike theirs, of
            a mixture nearly a square.
        sides: (boxes, 2) width and height, as parts of the photo's mean side.
        labels: (boxes,) their classes.
    """

    aspect: float
    sides: NDArray[np.float64]
    labels: NDArray[np.int64]

    def counts(self, classes: int) -> tuple[int, ...]:
        """Boxes of each class."""
        return tuple(np.bincount(self.labels, minlength=classes).tolist())

    def small_side(self) -> float:
        """What a small box's side is: the tenth percentile, or the smallest class's median."""
        sides = np.sqrt(self.sides.prod(axis=1))
        classes = [np.median(sides[self.labels == which]) for which in np.unique(self.labels)]
        return float(min(np.percentile(sides, 10), *classes))


def box_shapes(data: BoxSet) -> BoxShapes:
    """Looks at every box of a split, without decoding a photo."""
    aspects, sides = [], []
    labels: list[int] = []
    for index in range(len(data)):
        width, height = data.size_of(index)
        sample = data.boxes_of(index)
        if sample.boxes is None or sample.box_labels is None:
            continue
        aspects.append(width / height)
        sides.append((sample.boxes[:, 2:] - sample.boxes[:, :2]) / math.sqrt(width * height))
        labels += sample.box_labels.tolist()
    wide, tall = np.percentile(aspects, (90, 10))
    aspect = math.sqrt(wide * tall)
    return BoxShapes(aspect, np.concatenate(sides), np.array(labels, np.int64))


def input_size(shapes: BoxShapes) -> tuple[int, int]:
    """The input (height, width) that suits the photos: their shape, small boxes still visible.

    >>> input_size(BoxShapes(4 / 3, np.full((10, 2), 0.07), np.zeros(10, np.int64)))
    (240, 320)
    """
    side = min(max(_SMALL_BOX / max(shapes.small_side(), 1e-6), _LEAST_SIDE), _MOST_SIDE)
    aspect = min(max(shapes.aspect, 0.5), 2.0)
    height = round(side / math.sqrt(aspect) / _MULTIPLE) * _MULTIPLE
    width = round(side * math.sqrt(aspect) / _MULTIPLE) * _MULTIPLE
    return height, width


def learned_from(project: Project, data: TrainingData) -> tuple[Dataset, Dataset | None]:
    """What is trained on and what picks the epoch; with ``with_val`` one of both, and nothing.

    Raises:
        UsageError: ``with_val`` for anything but photos with boxes of one's own.
    """
    if not project.get("train", "with_val"):
        return data.train, data.val
    if not isinstance(data.train, BoxSet) or not isinstance(data.val, BoxSet):
        raise UsageError(
            "training on the validation images too is for photos with boxes of your own",
            hint="leave --with-val out",
        )
    return replace(data.train, ids=(*data.train.ids, *data.val.ids)), None


def settled_project(project: Project, data: Dataset) -> tuple[Project, tuple[str, ...]]:
    """The project with what it leaves open, and one line for each choice.

    An input size of 0 × 0 becomes what suits the photos, 0 epochs what suits their number.
    """
    notes = []
    if not any(project.get("model", "input_size")):
        height, width = model_info(str(project.get("model", "name"))).size
        if isinstance(data, BoxSet):
            height, width = input_size(box_shapes(data))
            notes.append(f"input {height} × {width}: the photos' shape, and boxes not too small")
        project = project.override(model__input_size=[height, width])
    if not project.get("train", "epochs"):
        seen = _TUNED_IMAGES if project.get("train", "weights") else _RANDOM_IMAGES
        epochs = min(max(math.ceil(seen / len(data)), _FEWEST_EPOCHS), _MOST_EPOCHS)
        project = project.override(train__epochs=epochs)
        notes.append(f"{epochs} epochs: for {len(data):,} photos")
    return project, tuple(notes)


def detect_options(
    project: Project, config: TrainConfig, train: Dataset, source: SourceNet | None
) -> dict[str, Any]:
    """The fields of :class:`edgecnn.training.detect.DetectRequest` that detection alone has.

    Args:
        project: settled.
        config: as the project says it.
        train: the training split.
        source: what the model starts from.
    """
    name = str(project.get("model", "name"))
    if not isinstance(train, BoxSet):
        return {
            "augment": gentle(default_augment(train.labels)),
            "score": score_of("val_map50"),
            "radius": _SCENE_RADIUS,
        }
    flip = str(project.get("train", "flip"))
    rule = BoxAugment(flip=default_augment(train.labels).flip if flip == "auto" else flip == "yes")
    config = replace(config, ema=_EMA, clip_norm=_CLIP)
    fields: dict[str, Any] = {
        "augment": rule,
        "score": score_of("val_map"),
        "class_weights": class_weights(box_shapes(train).counts(len(train.labels))),
    }
    if source is not None and name in WITH_BODY:
        config = replace(config, body_rate=_BODY_RATE)
        fields |= {"head_epochs": _HEAD_EPOCHS, "frozen_blocks": _FROZEN_BLOCKS}
    return {**fields, "config": config}


def model_options(
    project: Project, preprocess: PreprocessSpec, train: Dataset, source: SourceNet | None
) -> dict[str, Any]:
    """Options of the model that follow from data and weights."""
    name, image = str(project.get("model", "name")), preprocess.image
    options: dict[str, Any] = {}
    if name == "ssdlite" and isinstance(train, BoxSet):
        sides = box_shapes(train).sides * math.sqrt(image.height * image.width)
        options["anchors"] = anchor_boxes(sides)
    if name in WITH_BODY and source is not None:
        options["batch_norm"] = _has_batch_norms(source)
    return options


def seen_as(preprocess: PreprocessSpec, source: SourceNet | None, said: str) -> PreprocessSpec:
    """The preprocess spec with what a byte of a photo is to the trained weights.

    Args:
        preprocess: of the project.
        source: what the model starts from.
        said: the input range as the project says it; ``auto``: as the source tells it.

    Raises:
        UsageError: nothing tells it.
    """
    image = preprocess.image
    if said != "auto":
        scale, offset = parse_convention(said).in_order(image.colour)
        return PreprocessSpec((replace(image, scale=scale, offset=offset),))
    if source is None:
        return preprocess
    if source.meaning is None:
        raise UsageError(
            f"what a byte of a photo is to the weights of '{source.text}' cannot be known",
            hint=f"say it: --input-range {', '.join(NAMES)} or LOW..HIGH",
        )
    meaning = source.meaning
    colour = image.colour if image.colour == "gray" else (meaning.colour or "rgb")
    if colour == "gray" and max(len(meaning.scale), len(meaning.offset)) > 1:
        raise UsageError(
            f"the weights of '{source.text}' take colours of their own scale each",
            hint="train with --colour rgb",
        )
    changed = replace(image, scale=meaning.scale, offset=meaning.offset, colour=colour)
    return PreprocessSpec((changed,))


def score_of(first: str) -> Any:
    """The validation figures of training; ``first`` picks the epoch."""

    def score(found: Sequence[Detections], truth: Sequence[Truth]) -> Mapping[str, float]:
        results = [
            ImageResult(one, there.boxes, there.classes, there.ignored)
            for one, there in zip(found, truth, strict=True)
        ]
        at50, mean = mean_precisions(results)
        figures = {"val_map": mean, "val_map50": at50}
        return {first: figures[first], **figures}

    return score


def weight_notes(
    request: ClassifyRequest | DetectRequest | CentroidRequest,
    source: SourceNet | None,
    taken: Grafted | None,
) -> tuple[str, ...]:
    """What came from the weights that the model starts from, and what did not."""
    if source is None or taken is None:
        if request.model_name in WITH_BODY and isinstance(request.train, BoxSet):
            return (
                "the backbone starts from random weights, which takes thousands of photos: give"
                " --weights imagenet or a model file, see docs/detection.md",
            )
        return ()
    left = f", {len(taken.left)} start anew (from {taken.left[0]} on)" if taken.left else ""
    lines = [
        f"weights: {len(taken.taken)} layers ({taken.parameters:,} parameters) of"
        f" '{source.text}' by {taken.way}{left}"
    ]
    if source.meaning is not None:
        lines.append(f"for the weights {source.meaning}")
    return (*lines, *source.notes, *taken.notes)


def weights_record(source: SourceNet | None, taken: Grafted | None) -> dict[str, Any]:
    """What a bundle keeps of the weights that its model started from; {} for random ones."""
    if source is None or taken is None:
        return {}
    return {
        "source": source.text,
        "sha256": source.digest,
        "matched_by": taken.way,
        "layers": len(taken.taken),
        "parameters": taken.parameters,
        "new_layers": list(taken.left),
    }


def with_thresholds(request: DetectRequest, model: Any, spec: DetectSpec) -> DetectSpec:
    """The spec with the threshold of each class that has the best F1 on the validation split."""
    if not isinstance(request.val, BoxSet):
        return spec
    wide = whole_curve(spec)
    predictor = KerasPredictor(model)
    outcomes = run_over(predictor, request.val, request.preprocess, wide)
    classes = np.arange(len(spec.labels))
    results = [image_result(outcome, classes) for outcome in outcomes]
    return replace(spec, thresholds=best_thresholds(results, spec.labels, spec.score_threshold))


def _has_batch_norms(source: SourceNet) -> bool:
    """Whether the source is a model of the zoo whose backbone has batch norms of its own."""
    model = source.keras_model
    if model is None:
        return False
    layers = [layer for layer in model.layers if is_body(layer)]
    return any(type(layer).__name__ == "BatchNormalization" for layer in layers)
