"""Which detections count: of which classes, and from which score on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches

import numpy as np

from edgecnn.camera.result import Item
from edgecnn.core.errors import UsageError
from edgecnn.core.postprocess import (
    CenterSpec,
    CentroidSpec,
    ClassifySpec,
    DetectSpec,
    ListedSpec,
    PostprocessSpec,
    SegmentSpec,
)

#: Whether a detection counts.
Keeps = Callable[[Item], bool]

_SHOWN = 20


@dataclass(frozen=True)
class ClassLimits:
    """How outputs are decoded, and what becomes of a decoded item.

    Attributes:
        postprocess: the model's spec, with the least scores that are decoded.
        floor: the least score of a classification.
        limits: the least score of each class, in the order of the labels; a class that is not
            wanted has 1.
        keeps: whether an item counts; None: all that are decoded do.
        candidates: items below their class's limit are decoded too, for a tracker alone.
    """

    postprocess: PostprocessSpec
    floor: float
    limits: tuple[float, ...]
    keeps: Keeps | None = None
    candidates: bool = False

    def of(self, items: tuple[Item, ...]) -> tuple[Item, ...]:
        """The items that count; candidates are marked."""
        if self.keeps is not None:
            items = tuple(filter(self.keeps, items))
        if not self.candidates:
            return items
        return tuple(
            replace(item, candidate=item.score < self.limits[item.class_index]) for item in items
        )


@dataclass(frozen=True)
class ClassChoice:
    """What ``--classes`` and ``--threshold CLASS=SCORE`` ask for.

    Attributes:
        classes: names as they were given, each perhaps several with commas between them; empty:
            all classes.
        thresholds: name of a class → its least score, instead of the model's own.
    """

    classes: tuple[str, ...] = ()
    thresholds: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Raises UsageError when a threshold is no score."""
        for name, score in self.thresholds.items():
            if not 0 <= score <= 1:
                raise UsageError(
                    f"the score threshold of '{name}' is {score}, expected 0 to 1",
                    hint=f"for example --threshold {name}=0.5",
                )

    def on(self, spec: PostprocessSpec, least: float | None) -> ClassLimits:
        """How a model's outputs are decoded so that what counts is found.

        A threshold of a class replaces the model's own, be that higher or lower, where decoders
        judge each class or object by itself. A segmentation judges pixels: there it is the least
        mean score of the class's pixels.

        Args:
            spec: the model's, ``least`` already in it where it has a threshold.
            least: the least score of all classes; None: the model's own.

        Raises:
            UsageError: a class that the model does not have.
        """
        wanted = chosen_labels(self.classes, spec.labels)
        own = {
            known_label(name, spec.labels, "--threshold"): float(np.float32(score))
            for name, score in self.thresholds.items()
        }
        floor = least or 0.0
        judged: Mapping[str, float] = {}
        if isinstance(spec, ClassifySpec):
            judged = {label: own.get(label, floor) for label in spec.labels} if own else {}
            floor = min(floor, *own.values()) if own else floor
        elif isinstance(spec, DetectSpec | CentroidSpec | CenterSpec | ListedSpec):
            spec = _per_class(spec, own, wanted)
        elif len(set(spec.labels)) == 1 and own:
            spec = spec.with_threshold(min(own.values()))
        elif isinstance(spec, SegmentSpec):
            judged = own
        elif own:
            before = float(np.float32(spec.score_threshold))
            judged = {label: own.get(label, before) for label in spec.labels}
            spec = spec.with_threshold(min(spec.score_threshold, *own.values()))
        limits = _limits(spec, floor, judged, wanted)
        if not wanted and not judged:
            return ClassLimits(spec, floor, limits)
        names = frozenset(wanted)

        def keeps(item: Item) -> bool:
            if names and item.label not in names:
                return False
            return item.score >= judged.get(item.label, 0.0)

        return ClassLimits(spec, floor, limits, keeps)


def with_candidates(judgement: ClassLimits, score: float) -> ClassLimits:
    """Finds objects from ``score`` on; those below their class's limit are candidates.

    Raises:
        UsageError: the model finds no objects.
    """
    spec, limits = judgement.postprocess, judgement.limits
    if isinstance(spec, ClassifySpec | SegmentSpec):
        raise UsageError(
            "--track follows objects, and the model judges whole frames or pixels",
            hint="leave --track, --line and --zone out, or take a detector",
        )
    if isinstance(spec, DetectSpec | CentroidSpec | CenterSpec | ListedSpec):
        low = tuple(limit if limit >= 1 else min(limit, score) for limit in limits)
        return replace(judgement, postprocess=replace(spec, thresholds=low), candidates=True)
    wanted = frozenset(label for label, limit in zip(spec.labels, limits, strict=True) if limit < 1)
    lowered = spec.with_threshold(min(spec.score_threshold, score))
    return replace(
        judgement,
        postprocess=lowered,
        keeps=lambda item: item.label in wanted,
        candidates=True,
    )


def _limits(
    spec: PostprocessSpec,
    floor: float,
    judged: Mapping[str, float],
    wanted: tuple[str, ...],
) -> tuple[float, ...]:
    """The least score of each class."""
    if isinstance(spec, DetectSpec | CentroidSpec | CenterSpec | ListedSpec):
        own: tuple[float, ...] = spec.thresholds or (spec.score_threshold,) * len(spec.labels)
    else:
        before = floor if isinstance(spec, ClassifySpec) else spec.score_threshold
        own = tuple(judged.get(label, before) for label in spec.labels)
    return tuple(
        1.0 if wanted and label not in wanted else float(np.float32(limit))
        for label, limit in zip(spec.labels, own, strict=True)
    )


def _per_class(
    spec: DetectSpec | CentroidSpec | CenterSpec | ListedSpec,
    own: Mapping[str, float],
    wanted: tuple[str, ...],
) -> PostprocessSpec:
    """The spec with a threshold for each class; what is not wanted has to score 1.

    So the decoder sorts nearly all of it out by itself, and it takes no place among the best
    candidates.
    """
    if not own and not wanted:
        return spec
    before = spec.thresholds or (spec.score_threshold,) * len(spec.labels)
    scores = tuple(
        1.0 if wanted and label not in wanted else own.get(label, score)
        for label, score in zip(spec.labels, before, strict=True)
    )
    return replace(spec, thresholds=scores)


def chosen_labels(given: tuple[str, ...], labels: tuple[str, ...]) -> tuple[str, ...]:
    """The model's names of the given classes.

    Labels may hold commas themselves (``tench, Tinca tinca``): the longest name that fits wins.

    >>> chosen_labels(("cat,person",), ("person", "dog", "cat"))
    ('cat', 'person')

    Args:
        given: names, each perhaps several with commas between them.
        labels: of the model.

    Raises:
        UsageError: a class that the model does not have.
    """
    found: list[str] = []
    for text in given:
        pieces = text.split(",")
        while pieces:
            size = len(pieces)
            while size > 1 and _match(",".join(pieces[:size]), labels) is None:
                size -= 1
            name = ",".join(pieces[:size])
            if name.strip() or size > 1:
                found.append(known_label(name, labels, "--classes"))
            pieces = pieces[size:]
    if given and not found:
        raise UsageError("--classes names no class", hint="for example --classes person,cat")
    return tuple(dict.fromkeys(found))


def known_label(name: str, labels: tuple[str, ...], option: str) -> str:
    """The model's spelling of a class's name; upper and lower case count only where they must.

    Raises:
        UsageError: the model has no such class.
    """
    match = _match(name, labels)
    if match is not None:
        return match
    name = name.strip()
    near = get_close_matches(name, labels, n=1, cutoff=0.4)
    hint = f"did you mean '{near[0]}'? " if near else ""
    more = " …" if len(labels) > _SHOWN else ""
    raise UsageError(
        f"{option} names the class '{name}', which the model does not have",
        hint=f"{hint}its {len(labels)} classes: {', '.join(labels[:_SHOWN])}{more}",
    )


def _match(name: str, labels: tuple[str, ...]) -> str | None:
    name = name.strip()
    if name in labels:
        return name
    folded = {label for label in labels if label.casefold() == name.casefold()}
    return folded.pop() if len(folded) == 1 else None
