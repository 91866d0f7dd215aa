"""One frame in, named detections out: preprocess → infer → decode, each timed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from numpy.typing import NDArray

from edgecnn.camera.choice import ClassChoice, with_candidates
from edgecnn.camera.model_thread import ModelThread
from edgecnn.camera.result import Item, edges_of, items_of
from edgecnn.camera.sources.capture import Image
from edgecnn.camera.stats import WAIT
from edgecnn.core.decode import decode
from edgecnn.core.errors import UsageError
from edgecnn.core.feedback import Fed, input_of
from edgecnn.core.imaging import FrameMap, Preprocessor
from edgecnn.core.postprocess import ClassifySpec, PostprocessSpec
from edgecnn.core.preprocess import PreprocessSpec
from edgecnn.core.runtime import Predictor, TensorInfo

#: Gives what is on the frame, best first, boxes in its pixels; its argument gets the milliseconds
#: of ``decode``. To be called once, by any thread, also while the next frame is inferred.
DecodeLater = Callable[[dict[str, float]], tuple[Item, ...]]

#: Runs the network on a frame that was prepared; its argument gets the milliseconds of ``infer``.
#: To be called once, in the order of the frames. The image is not read any more afterwards.
InferLater = Callable[[dict[str, float]], DecodeLater]


class FrameModel(Protocol):
    """What finds things on a frame, in three steps: one network, or several."""

    def prepare(self, image: Image, times: dict[str, float]) -> InferLater:
        """Makes ``image`` (uint8 (H, W, 3) BGR) the network's input.

        Any thread may call it, also ahead of the frames before. ``times`` gets the milliseconds of
        ``preprocess``.
        """

    def reset(self) -> None:
        """Forgets the frames before: the next one is the first of another source."""


def find(model: FrameModel, image: Image, times: dict[str, float]) -> tuple[Item, ...]:
    """What is on ``image``, at once; ``times`` gets the milliseconds of all three stages."""
    return model.prepare(image, times)(times)(times)


class Pipeline:
    """A model with its two specs.

    Args:
        predictor: runs the model.
        preprocess: must describe one image input; beside it there may be states, which get the
            outputs of the frame before.
        postprocess: how outputs become detections.
        score_threshold: instead of the model's own; for classifiers the least score shown.
        choice: which detections count; None: all.
        candidates_from: what scores at least so much and less than counts is given too, marked as
            a candidate, for a tracker; None: it is not.
        thread: runs the predictor for all pipelines that share it; how long that keeps a frame
            waiting are the milliseconds of ``wait``. None: nobody shares it.

    Raises:
        UsageError: the threshold is no probability, or the model does not have a class.
        BundleError: the model does not take one image.
    """

    def __init__(
        self,
        predictor: Predictor,
        preprocess: PreprocessSpec,
        postprocess: PostprocessSpec,
        score_threshold: float | None = None,
        choice: ClassChoice | None = None,
        candidates_from: float | None = None,
        thread: ModelThread | None = None,
    ) -> None:
        image = preprocess.image
        self._fed = Fed(predictor, preprocess.states)
        self._thread = thread
        self._own, self._candidates_from = postprocess, candidates_from
        self.choose(score_threshold, choice or ClassChoice())
        self._edges = edges_of(postprocess)
        self._input = input_of(image, self._fed.inputs)
        self._preprocess = Preprocessor(image, self._input)

    @property
    def limits(self) -> dict[str, float]:
        """Label → the least score that counts; 1 for a class that is not wanted."""
        return dict(zip(self._own.labels, self._judgement.limits, strict=True))

    def choose(self, score_threshold: float | None, choice: ClassChoice) -> None:
        """Changes which detections count, from the next frame on. Any thread may call it.

        Args:
            score_threshold: of all classes; None: the model's own.
            choice: what is said of single classes.

        Raises:
            UsageError: the threshold is no probability, or the model does not have a class; what
                counted before still does.
        """
        if score_threshold is not None and not 0 <= score_threshold <= 1:
            raise UsageError(
                f"the score threshold is {score_threshold}, expected 0 to 1",
                hint="for example 0.5",
            )
        postprocess = self._own
        if score_threshold is not None and not isinstance(postprocess, ClassifySpec):
            postprocess = postprocess.with_threshold(score_threshold)
        judgement = choice.on(postprocess, score_threshold)
        if self._candidates_from is not None:
            judgement = with_candidates(judgement, self._candidates_from)
        self._judgement = judgement

    def reset(self) -> None:
        """See :class:`FrameModel`."""
        self._fed.reset()

    def prepare(self, image: Image, times: dict[str, float]) -> InferLater:
        """See :class:`FrameModel`."""
        with timed(times, "preprocess"):
            tensor, frame_map = self._preprocess(image)
        size = (image.shape[0], image.shape[1])
        return lambda times: self._infer(tensor, frame_map, size, times)

    def _infer(
        self,
        tensor: NDArray[Any],
        frame_map: FrameMap,
        size: tuple[int, int],
        times: dict[str, float],
    ) -> DecodeLater:
        outputs, infos = self._run({self._input.name: tensor}, times)
        judgement = self._judgement

        def decode_later(times: dict[str, float]) -> tuple[Item, ...]:
            with timed(times, "decode"):
                spec = judgement.postprocess
                decoded = decode(spec, outputs, infos, frame_map)
                items = items_of(decoded, spec.labels, size, judgement.floor, self._edges)
                return judgement.of(items)

        return decode_later

    def _run(
        self, inputs: dict[str, NDArray[Any]], times: dict[str, float]
    ) -> tuple[dict[str, NDArray[Any]], tuple[TensorInfo, ...]]:
        """The outputs, and what they are: some have the shapes of their own run."""

        def run() -> tuple[dict[str, NDArray[Any]], tuple[TensorInfo, ...]]:
            with timed(times, "infer"):
                outputs = self._fed.predict(inputs)
            return outputs, self._fed.outputs

        if self._thread is None:
            return run()
        times[WAIT] = 0.0
        start = time.perf_counter()
        result = self._thread.run(run)
        times[WAIT] = (time.perf_counter() - start) * 1e3 - times["infer"]
        return result


@contextmanager
def timed(times: dict[str, float], stage: str) -> Iterator[None]:
    """Notes the block's milliseconds under ``stage``."""
    start = time.perf_counter()
    try:
        yield
    finally:
        times[stage] = (time.perf_counter() - start) * 1e3
