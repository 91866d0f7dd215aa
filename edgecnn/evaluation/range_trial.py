"""Which input convention a classifier predicts best with, on the same labelled images.

All candidates see the same images. After each round those that are clearly worse than the best one
leave, so that a hopeless one costs a few dozen inferences; the verdict rests on the last round.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.conventions import Convention
from edgecnn.core.decode import classify
from edgecnn.core.imaging import Image, Preprocessor
from edgecnn.core.metric import paired_interval, wilson_interval
from edgecnn.core.postprocess import ClassifySpec
from edgecnn.core.preprocess import Colour
from edgecnn.core.progress import Progress
from edgecnn.core.runtime import Predictor
from edgecnn.evaluation.chance import best_matching

#: Samples after which the candidates are compared. From the third on an interval decides.
ROUNDS = (24, 64, 200, 400, 800)
LEAST = 24
_ENOUGH = 200
# A few samples can be matched by any numbering of many classes.
_LONG = 100
#: Early rounds drop a candidate only at 99.9 %: they look often and at few samples.
_Z_EARLY, _Z95 = 3.29, 1.959964


@dataclass(frozen=True)
class InputReading:
    """A convention in one order of channels."""

    convention: Convention
    colour: Colour

    def __str__(self) -> str:
        """For messages: ``0..255 rgb``."""
        if self.colour == "gray":
            return self.convention.name
        return f"{self.convention.name} {self.colour}"


@dataclass(frozen=True)
class Tried:
    """How a candidate did.

    Attributes:
        right: 1.0 for each sample that it got right, in the samples' order; as many as it saw.
        guesses: the class that the model said, for each.
        behind: 95 % interval of how much better the winner is on the same samples; None for the
            winner.
    """

    candidate: InputReading
    right: NDArray[np.float64] = field(compare=False)
    guesses: NDArray[np.int64] = field(compare=False)
    behind: tuple[float, float] | None = None

    @property
    def accuracy(self) -> float:
        """Share of the samples that it got right."""
        return float(self.right.mean())

    @property
    def separated(self) -> bool:
        """Whether the winner is better for certain."""
        return self.behind is not None and self.behind[0] > 0


@dataclass(frozen=True)
class Trial:
    """What the labels say.

    Attributes:
        rows: all candidates, the best first.
        share: of the largest class among the samples.
        reordered: the best accuracy of a row if the model's classes were numbered so as to fit.
    """

    rows: tuple[Tried, ...]
    share: float
    reordered: float

    @property
    def best(self) -> Tried:
        """The winner of the last round."""
        return self.rows[0]

    @property
    def open(self) -> tuple[Tried, ...]:
        """The winner and those that it is not certainly better than."""
        return (self.best, *(row for row in self.rows[1:] if not row.separated))

    @property
    def skilled(self) -> bool:
        """Whether the winner does better than always saying the largest class, for certain."""
        right = self.best.right
        return wilson_interval(float(right.sum()), len(right))[0] > self.share


def try_candidates(
    predictor: Predictor,
    candidates: Sequence[InputReading],
    samples: Iterator[tuple[Image, int]],
    scores: ClassifySpec,
    progress: Progress,
) -> Trial | None:
    """Runs the candidates until one is better than each other one, or the samples end.

    Args:
        predictor: of one image input.
        candidates: in the order of preference among equals.
        samples: images of the input's size (BGR or gray), and the model's class of each.
        scores: which output has the classes' scores.
        progress: told of each inference.

    Returns:
        None with fewer than :data:`LEAST` samples.
    """
    runs = [_Run(predictor, candidate, scores) for candidate in candidates]
    images: list[Image] = []
    truth: list[int] = []
    for goal in ROUNDS:
        for image, label in islice(samples, goal - len(images)):
            images.append(image)
            truth.append(label)
        if len(images) < LEAST:
            return None
        final = len(images) < goal or goal == ROUNDS[-1]
        contenders = [run for run in runs if not run.left]
        progress.stage(f"try input ranges on {len(images)} images", len(contenders))
        for run in contenders:
            run.extend(images, truth)
            progress.advance(note=f"{run.candidate} {100 * run.accuracy:.1f} %")
        ranked = sorted(contenders, key=lambda run: -run.accuracy)
        best, decides = ranked[0], final or len(images) >= _ENOUGH
        kept = () if decides else _rivals(ranked)
        for run in ranked[1:]:
            worse = run.behind(best, _Z95 if decides else _Z_EARLY)[0] > 0
            run.left = worse and run not in kept
        if final or (decides and all(run.left for run in ranked[1:])):
            break
    rows = sorted(runs, key=lambda run: (run is not best, run.left, -run.accuracy))
    tried = tuple(run.tried(best) for run in rows)
    known = np.asarray(truth, np.int64)
    long = [row for row in tried if len(row.guesses) >= _LONG]
    matched = [
        best_matching(known[: len(row.guesses)], row.guesses, len(scores.labels)) for row in long
    ]
    share = float(np.bincount(known).max() / len(known))
    return Trial(tried, share, max(matched, default=0.0))


def _rivals(ranked: Sequence[_Run]) -> tuple[_Run, ...]:
    """The second, and the best of another convention: the verdict is about them.

    They see at least 200 images, where there are as many.
    """
    best = ranked[0].candidate.convention
    others = [run for run in ranked[1:] if run.candidate.convention != best]
    return (*ranked[1:2], *others[:1])


class _Run:
    """One candidate's answers so far."""

    def __init__(self, predictor: Predictor, candidate: InputReading, scores: ClassifySpec) -> None:
        info = predictor.inputs[0]
        spec = candidate.convention.image(info, candidate.colour)
        self.candidate = candidate
        self.left = False
        self.guesses: list[int] = []
        self.right: list[bool] = []
        self._prepare = Preprocessor(spec, info)
        self._predictor = predictor
        self._scores = scores
        self._output = next(item for item in predictor.outputs if item.name == scores.scores)

    @property
    def accuracy(self) -> float:
        return float(np.mean(self.right))

    def extend(self, images: Sequence[Image], truth: Sequence[int]) -> None:
        """Runs the images that it has not seen yet."""
        name = self._predictor.inputs[0].name
        for k in range(len(self.guesses), len(images)):
            outputs = self._predictor.predict({name: self._prepare(images[k])[0]})
            guess = classify(self._scores, outputs[self._scores.scores], self._output).best
            self.guesses.append(guess)
            self.right.append(guess == truth[k])

    def behind(self, best: _Run, z: float = _Z95) -> tuple[float, float]:
        """How much better the best one is on the samples that both saw."""
        count = len(self.right)
        return paired_interval(np.array(best.right[:count]), np.array(self.right), z)

    def tried(self, best: _Run) -> Tried:
        """As plain data."""
        return Tried(
            self.candidate,
            np.array(self.right, np.float64),
            np.array(self.guesses, np.int64),
            None if self is best else self.behind(best),
        )
