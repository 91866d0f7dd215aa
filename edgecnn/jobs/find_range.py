"""Finds out what a byte of an image means to a bare model; where it is not clear, it asks.

In this order: what the user says; what labelled images say (the convention that the model predicts
best with); what the file says (the codes of a quantized input, a scaling of its own, what its
first batch normalization saw in training). Where the labels leave several open, the file decides
among them. What is still open then is an error that names the option.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgecnn.core.conventions import Convention, by_names, image_channels
from edgecnn.core.errors import DataError
from edgecnn.core.imaging import Image
from edgecnn.core.input_codes import coded_conventions
from edgecnn.core.metric import paired_interval
from edgecnn.core.postprocess import ClassifySpec
from edgecnn.core.progress import Progress
from edgecnn.core.runtime import Predictor, TensorInfo
from edgecnn.core.sample import Dataset
from edgecnn.core.tflite.model import TfModel
from edgecnn.evaluation.range_trial import InputReading, Trial, Tried, try_candidates
from edgecnn.jobs.input_range import (
    SAY_RANGE,
    ImageFinder,
    InputRange,
    RangeOptions,
    Source,
    colours_for,
    conventions_for,
    image_input,
)
from edgecnn.jobs.input_samples import labelled_images, some_images
from quantization.input_evidence import (
    InputScaling,
    NormFit,
    admitted,
    graph_affine,
    keras_affine,
    norm_fit,
)

# Another numbering of the classes is the likelier fault where it gives this much more.
_REORDERED = 0.2
# Channels in the wrong order change statistics little: what is surely more than chance, in nats.
_COLOUR_RATIO, _COLOUR_NOISE = 3.0, 0.005
# How much better labels must find another convention than the one that a scaling layer says.
_OVERRULES = 0.1


@dataclass(frozen=True)
class Subject:
    """The model whose input is in question.

    Attributes:
        predictor: runs it.
        scores: which output scores the classes; None: it cannot be judged by labels.
        graph: its .tflite; None where there is none.
        keras_model: what it was made from; None where that is not at hand.
    """

    predictor: Predictor
    scores: ClassifySpec | None = None
    graph: TfModel | None = None
    keras_model: Any = None


def range_finder(
    subject: Callable[[Sequence[Dataset]], Subject],
    options: RangeOptions,
    progress: Progress,
    *,
    seed: int = 42,
) -> ImageFinder:
    """:func:`find_input_range` of a model that is opened when it is needed; says what it found."""

    def find(parts: Sequence[Dataset]) -> InputRange:
        found = find_input_range(subject(parts), parts, options, progress, seed=seed)
        progress.say(found.line)
        return found

    return find


def find_input_range(
    subject: Subject,
    parts: Sequence[Dataset],
    options: RangeOptions,
    progress: Progress,
    *,
    seed: int = 42,
) -> InputRange:
    """What the bytes of an image become for the model.

    Args:
        subject: a model of one image input.
        parts: images, the first part first; labelled ones are used as such where ``subject.scores``
            is known.
        options: what the user says is not questioned.
        progress: told of each trial.
        seed: of the choice of images.

    Raises:
        ModelError: the model does not take one image.
        UsageError: an option that does not go with a gray image.
        DataError: it is not clear.
    """
    info = image_input(subject.predictor.inputs)
    gray = image_channels(info.shape) == 1
    codes = None if options.input_range else coded_conventions(info, subject.graph)
    conventions = conventions_for(options, gray, codes)
    candidates = [
        InputReading(item, colour)
        for item in conventions
        for colour in colours_for(item, options, gray=gray)
    ]
    if len(candidates) == 1:
        return _certain(candidates[0], options, codes is not None)
    trial = None
    if subject.scores is not None and parts:
        images = labelled_images(info, parts, subject.scores, seed)
        trial = try_candidates(subject.predictor, candidates, images, subject.scores, progress)
    if len(conventions) == 1:
        why = "as --input-range says" if options.input_range else _CODES
        source: Source = "option" if options.input_range else "file"
        return _coloured(conventions[0], source, why, candidates, trial)
    evidence = _evidence(subject, parts, candidates)
    return _decided(candidates, trial, evidence)


_CODES = "by the file: the scale and zero point of its quantized input"


def _certain(candidate: InputReading, options: RangeOptions, coded: bool) -> InputRange:
    """The only candidate there is."""
    if coded:
        return _taken(candidate, "file", _CODES)
    flags = [
        flag
        for flag, value in (("--input-range", options.input_range), ("--colour", options.colour))
        if value is not None
    ]
    return _taken(candidate, "option", f"as {' and '.join(flags)} say{'s' * (len(flags) == 1)}")


@dataclass(frozen=True)
class _Evidence:
    """What a float file says: names that its own scaling admits, and the batch normalization."""

    affine: InputScaling | None
    names: tuple[str, ...]
    norm: NormFit | None

    def clear(self, candidates: Sequence[InputReading]) -> tuple[str, str] | None:
        """The one name among the candidates' that the file tells, and the reason."""
        names = {item.convention.name for item in candidates}
        left = [name for name in self.names if name in names]
        if self.affine is not None and len(left) == 1:
            return left[0], f"the model begins with {self.affine}"
        if self.norm is None:
            return None
        narrowed = [item for item in candidates if item.convention.name in (left or names)]
        distance = {item: self.norm.distance[item] for item in narrowed}
        fit = NormFit(self.norm.layer, distance)
        name = fit.clear({item: item.convention.name for item in narrowed})
        if name is None:
            return None
        best = {
            other: min(value for item, value in distance.items() if item.convention.name == other)
            for other in {item.convention.name for item in narrowed}
        }
        text = f"its first batch normalization is {best[name]:.2g} nats from its training data"
        others = sorted((value, other) for other, value in best.items() if other != name)
        return name, text + (f", with {others[0][1]} {others[0][0]:.2g}" if others else "")


def _evidence(
    subject: Subject, parts: Sequence[Dataset], candidates: Sequence[InputReading]
) -> _Evidence:
    info = subject.predictor.inputs[0]
    names = tuple(dict.fromkeys(item.convention.name for item in candidates))
    model = subject.keras_model
    affine = keras_affine(model) if model is not None else None
    if affine is None and subject.graph is not None:
        affine = graph_affine(subject.graph)
    images = some_images(info, parts)
    if affine is not None:
        bytes_ = (
            np.stack(images).reshape(-1, image_channels(info.shape))[:, ::-1]
            if images
            else _TYPICAL
        )
        names = admitted(affine, by_names(names), bytes_.mean(axis=0), bytes_.std(axis=0))
    norm = None
    if model is not None and images:
        batches = {item: _batch(item, info, images) for item in candidates}
        norm = norm_fit(model, batches)
    return _Evidence(affine, names, norm)


# Bytes of no image in particular, where no data are at hand: mean 120, standard deviation 60.
_TYPICAL = np.array([[60.0], [180.0]])


def _batch(candidate: InputReading, info: TensorInfo, images: Sequence[Image]) -> Any:
    """Images (n, height, width, channels) as a candidate makes them, float32."""
    scale, offset = candidate.convention.in_order(candidate.colour)
    pixels = np.stack(images).astype(np.float32)
    if candidate.colour == "rgb":
        pixels = pixels[..., ::-1]
    return pixels * np.asarray(scale, np.float32) + np.asarray(offset, np.float32)


def _decided(
    candidates: Sequence[InputReading], trial: Trial | None, evidence: _Evidence
) -> InputRange:
    """The convention that labels or the file single out.

    Raises:
        DataError: neither does.
    """
    if trial is None or not trial.skilled:
        found = evidence.clear(candidates)
        if found is None:
            raise _unclear(trial, evidence)
        text = f"by the file: {found[1]}"
        if trial is not None:
            text += f" ({_chance(trial)})"
        return _coloured(by_names(found[:1])[0], "file", text, candidates, None, trial, evidence)
    rows = trial.open
    names = list(dict.fromkeys(row.candidate.convention.name for row in rows))
    if not set(names) & set(evidence.names):
        return _against_the_file(candidates, trial, evidence)
    if len(names) == 1:
        convention = trial.best.candidate.convention
        text = f"by labels: {_figures(trial)}"
        return _coloured(convention, "labels", text, candidates, trial, trial, evidence)
    found = evidence.clear([row.candidate for row in rows])
    if found is not None:
        text = f"by the file: {found[1]}; labels leave {', '.join(names)} open"
        return _coloured(by_names(found[:1])[0], "file", text, candidates, trial, trial, evidence)
    if all((row.guesses == trial.best.guesses).all() for row in rows):
        equal = [row.candidate for row in rows if row.candidate.convention.name in evidence.names]
        first = next(item for item in candidates if item in equal)
        text = f"by labels: {_figures(trial)}; {', '.join(names)} give the same answers"
        return _taken(first, "labels", text, trial, evidence)
    raise _unclear(trial, evidence)


def _against_the_file(
    candidates: Sequence[InputReading], trial: Trial, evidence: _Evidence
) -> InputRange:
    """Labels and the model's own scaling disagree: labels decide only where they are very sure.

    A model that has learned little may do a bit better on values that it was not made for.
    """
    best = trial.best
    told = [row for row in trial.rows if row.candidate.convention.name in evidence.names]
    rival = max(told, key=lambda row: row.accuracy)
    text = f"the model begins with {evidence.affine}"
    if _gap(best, rival)[0] < _OVERRULES:
        convention = rival.candidate.convention
        text = f"by the file: {text}; labels alone: {_against(best, rival)}"
        return _coloured(convention, "file", text, candidates, trial, trial, evidence)
    text = (
        f"by labels: {_against(best, rival)}; {text}, which looks like"
        f" {' or '.join(evidence.names)}: the labels decide"
    )
    return _coloured(best.candidate.convention, "labels", text, candidates, trial, trial, evidence)


def _coloured(
    convention: Convention,
    source: Source,
    why: str,
    candidates: Sequence[InputReading],
    trial: Trial | None,
    shown: Trial | None = None,
    evidence: _Evidence | None = None,
) -> InputRange:
    """Takes a convention, with the order of channels that labels tell, else the usual one."""
    mine = [item for item in candidates if item.convention == convention]
    shown = shown or trial
    if len(mine) == 1:
        return _taken(mine[0], source, why, shown, evidence)
    if trial is not None and trial.skilled:
        rows = sorted(
            (row for row in trial.rows if row.candidate in mine), key=lambda row: -row.accuracy
        )
        low, high = _gap(rows[0], rows[1])
        if low > 0:
            if source != "labels":
                why += f"; {rows[0].candidate.colour} by labels: {_against(rows[0], rows[1])}"
            return _taken(rows[0].candidate, source, why, shown, evidence)
        why += (
            f"; rgb and bgr are not told apart by {len(rows[0].right)} images"
            f" ({100 * low:+.1f} … {100 * high:+.1f} points): {mine[0].colour} is taken"
        )
        return _taken(mine[0], source, why, shown, evidence)
    fitting = _colour_by_norm(mine, evidence.norm if evidence else None)
    if fitting is not None:
        return _taken(fitting[0], source, f"{why}; {fitting[1]}", shown, evidence)
    why += f"; {mine[0].colour} is assumed, the usual order"
    return _taken(mine[0], source, why, shown, evidence)


def _colour_by_norm(
    candidates: Sequence[InputReading], norm: NormFit | None
) -> tuple[InputReading, str] | None:
    """The order of channels that is far nearer to the batch normalization's training data."""
    if norm is None:
        return None
    near, far = sorted(candidates, key=norm.distance.__getitem__)[:2]
    low, high = norm.distance[near], norm.distance[far]
    if not high >= _COLOUR_RATIO * max(low, _COLOUR_NOISE):
        return None
    text = (
        f"{near.colour} by its first batch normalization ({low:.2g} nats, {far.colour} {high:.2g})"
    )
    return near, text


def _taken(
    candidate: InputReading,
    source: Source,
    why: str,
    trial: Trial | None = None,
    evidence: _Evidence | None = None,
) -> InputRange:
    scale, offset = candidate.convention.in_order(candidate.colour)
    return InputRange(
        candidate.convention.name, scale, offset, candidate.colour, source, why,
        _rows(trial, evidence),
    )  # fmt: skip


def _rows(trial: Trial | None, evidence: _Evidence | None) -> tuple[dict[str, Any], ...]:
    norm = evidence.norm if evidence else None
    if trial is None and norm is None:
        return ()
    tried: list[tuple[InputReading, Tried | None]] = [
        (row.candidate, row) for row in (trial.rows if trial else ())
    ]
    if trial is None and norm is not None:
        tried = [(item, None) for item in sorted(norm.distance, key=norm.distance.__getitem__)]
    rows = []
    for item, row in tried:
        scale, offset = item.convention.in_order(item.colour)
        distance = norm.distance[item] if norm else None
        rows.append(
            {
                "name": item.convention.name,
                "scale": list(scale),
                "offset": list(offset),
                "colour": item.colour,
                "accuracy": row.accuracy if row else None,
                "n": len(row.right) if row else 0,
                "behind95": list(row.behind) if row and row.behind else None,
                "norm_distance": distance if np.isfinite(distance or 0.0) else None,
            }
        )
    return tuple(rows)


def _figures(trial: Trial) -> str:
    """The winner, and the best of another convention."""
    best = trial.best
    others = [row for row in trial.rows if row.candidate.convention != best.candidate.convention]
    if not others:
        return f"{100 * best.accuracy:.1f} % of {len(best.right)} images"
    # The nearest one is the one that was followed longest.
    nearest = max(others, key=lambda row: (len(row.right), row.accuracy))
    return _against(best, nearest)


def _against(best: Tried, other: Tried) -> str:
    low, high = _gap(best, other)
    seen = f" of {len(other.right)}" if len(other.right) < len(best.right) else ""
    return (
        f"{100 * best.accuracy:.1f} % of {len(best.right)} images are right, next {other.candidate}"
        f" {100 * other.accuracy:.1f} %{seen}"
        f" (95 % interval of the difference {100 * low:+.1f} … {100 * high:+.1f} points)"
    )


def _gap(best: Tried, other: Tried) -> tuple[float, float]:
    count = min(len(best.right), len(other.right))
    return paired_interval(best.right[:count], other.right[:count])


def _chance(trial: Trial) -> str:
    best = trial.best
    return (
        f"labels do not tell: the best, {best.candidate}, gets {100 * best.accuracy:.1f} % of"
        f" {len(best.right)} images, the commonest class is {100 * trial.share:.1f} %"
    )


def _unclear(trial: Trial | None, evidence: _Evidence) -> DataError:
    """What was tried and why it does not decide."""
    start, hint = "what a byte means to the model is not clear", SAY_RANGE
    file = "the model has no scaling of its own"
    if evidence.affine is not None:
        file = f"it begins with {evidence.affine}, which does not decide it"
    if evidence.norm is not None:
        file += ", and its batch normalization fits none, or several, of them"
    else:
        file += " and no batch normalization to compare with"
    if trial is None:
        return DataError(f"{start}: there are no labels that fit its classes, {file}", hint=hint)
    if not trial.skilled:
        text = f"{start}: no convention beats chance ({_chance(trial)})"
        if trial.reordered >= trial.share + _REORDERED:
            text += (
                f"; with its classes in another order {100 * trial.reordered:.1f} % would be right"
            )
            hint = f"name the classes in the model's order (--labels or --postprocess), or {hint}"
        return DataError(text, hint=hint)
    rows = trial.open
    return DataError(f"{start}: {_against(rows[0], _rival(rows))}, and {file}", hint=hint)


def _rival(rows: Sequence[Tried]) -> Tried:
    """The best row of another convention than the first's."""
    first = rows[0].candidate.convention
    return next((row for row in rows if row.candidate.convention != first), rows[1])
