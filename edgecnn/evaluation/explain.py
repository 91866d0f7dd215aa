"""Which part of an image a result rests on: occlusion sensitivity (Zeiler & Fergus 2014).

A gray patch slides over the image, and where hiding a spot costs most score, the model was looking.
It needs predictions only, so it explains the quantized model on the device's own path, not just the
float one, and detectors as well as classifiers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.decode import decode
from edgecnn.core.detections import Classification, Detections
from edgecnn.core.errors import DataError, UsageError
from edgecnn.core.imaging import Preprocessor
from edgecnn.core.postprocess import PostprocessSpec
from edgecnn.core.preprocess import PreprocessSpec
from edgecnn.core.runtime import Predictor
from edgecnn.evaluation.detection import iou_matrix

_SAME_BOX = 0.5  # IoU from which a detection counts as the explained one


@dataclass(frozen=True)
class Explanation:
    """What one result rests on.

    Attributes:
        heat: float32 (height, width) of the image: mean loss of score when the pixel is hidden;
            negative where hiding it helps.
        which: the class explained.
        score: the model's score for it, nothing hidden.
        box: float32 (4,) x1, y1, x2, y2 in image pixels for a detection, else None.
    """

    heat: NDArray[np.float32]
    which: int
    score: float
    box: NDArray[np.float32] | None = None


@dataclass(frozen=True)
class Explainer:
    """Explains a model's results on single images.

    Attributes:
        predictor: the model, float or quantized.
        preprocess: one image input.
        postprocess: what the outputs mean.
        patch: side of the hiding square, as a part of the image's shorter side.
        steps: places of the patch along the longer side; steps² predictions at most.
    """

    predictor: Predictor
    preprocess: PreprocessSpec
    postprocess: PostprocessSpec
    patch: float = 0.2
    steps: int = 16

    def __post_init__(self) -> None:
        """Raises UsageError when patch or steps are out of range."""
        if not 0 < self.patch < 1 or not 2 <= self.steps <= 256:
            raise UsageError(
                f"explain: patch = {self.patch}, steps = {self.steps},"
                " expected patch above 0 and below 1, steps 2 to 256",
                hint="0.2 and 16 are good starts",
            )

    def explain(self, image: NDArray[np.uint8], *, rank: int = 0) -> Explanation:
        """Explains the result of the ``rank``-th best class or box.

        Args:
            image: uint8 BGR (height, width, 3) or gray (height, width).
            rank: 0 is the best one.

        Raises:
            DataError: there are not so many classes or boxes, or it is no such image.
        """
        result = self._result(image)
        which, box, score_of = _subject(result, rank)
        base = score_of(result)
        height, width = image.shape[:2]
        side = max(1, round(self.patch * min(height, width)))
        total = np.zeros((height, width), np.float64)
        times = np.zeros((height, width), np.int64)
        gray = np.asarray(image.reshape(height * width, -1).mean(axis=0), np.float64)
        for y in _places(height, side, self.steps):
            for x in _places(width, side, self.steps):
                hidden = image.copy()
                hidden[y : y + side, x : x + side] = np.rint(gray).astype(np.uint8).squeeze()
                total[y : y + side, x : x + side] += base - score_of(self._result(hidden))
                times[y : y + side, x : x + side] += 1
        return Explanation((total / np.maximum(times, 1)).astype(np.float32), which, base, box)

    def _result(self, image: NDArray[np.uint8]) -> Classification | Detections:
        tensor = self.predictor.inputs[0]
        array, frame_map = Preprocessor(self.preprocess.image, tensor)(image)
        outputs = self.predictor.predict({tensor.name: array})
        return decode(self.postprocess, outputs, self.predictor.outputs, frame_map)


def _subject(
    result: Classification | Detections, rank: int
) -> tuple[int, NDArray[np.float32] | None, Callable[[Classification | Detections], float]]:
    """The class and box to explain, and how to find their score in another result."""
    count = len(result.scores)
    if not 0 <= rank < count:
        raise DataError(
            f"there is no result of rank {rank}, the model gave {count}",
            hint="choose a smaller rank, or lower the score threshold",
        )
    if isinstance(result, Classification):
        which = int(np.argsort(-result.scores, kind="stable")[rank])
        return which, None, lambda other: float(other.scores[which])
    which, box = int(result.classes[rank]), result.boxes[rank]

    def best(other: Classification | Detections) -> float:
        if isinstance(other, Classification):
            return 0.0
        near = (other.classes == which) & (iou_matrix(other.boxes, box[None])[:, 0] >= _SAME_BOX)
        return float(other.scores[near].max(initial=0.0))

    return which, box, best


def _places(length: int, side: int, steps: int) -> list[int]:
    """Up to ``steps`` starts that spread evenly and reach both ends."""
    return sorted({int(at) for at in np.rint(np.linspace(0, length - side, steps))})
