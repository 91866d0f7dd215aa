"""The specs of a bare model: given by the user, carried by the file, or recognised."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from edgecnn.core import postprocess as post
from edgecnn.core.errors import DataError, EdgecnnError
from edgecnn.core.feedback import Fed, state_pairs
from edgecnn.core.imaging import Image
from edgecnn.core.labels import read_labels
from edgecnn.core.postprocess import ClassifySpec, PostprocessSpec
from edgecnn.core.preprocess import ArrayInput, PreprocessSpec
from edgecnn.core.progress import SilentProgress
from edgecnn.core.tflite.cut import CutOp
from edgecnn.core.tflite.file_metadata import FileMetadata
from edgecnn.jobs.assumed_input import assumed_image
from edgecnn.jobs.find_range import Subject, find_input_range
from edgecnn.jobs.input_range import InputRange, RangeOptions, from_spec, with_options
from edgecnn.jobs.spec_toml import read_spec_toml
from edgecnn.recognition.facts import Facts
from edgecnn.recognition.found import Answer, Recognised
from edgecnn.recognition.table import recognise

#: Finds the input range of a model that brings no spec.
Finder = Callable[[Subject], InputRange]
#: A picture on which to look at a model's outputs; made only when it is needed.
TakePhoto = Callable[[], Image | None]


@dataclass(frozen=True)
class SpecFiles:
    """What overrides what the model brings; None: not given.

    Attributes:
        preprocess, postprocess: spec files.
        labels: a label file.
        input: what the user says of the values that the model takes.
        both: a TOML with both specs, or one of them.
        size: width and height of an input whose size the file leaves open.
    """

    preprocess: Path | None = None
    postprocess: Path | None = None
    labels: Path | None = None
    input: RangeOptions = field(default_factory=RangeOptions)
    both: Path | None = None
    size: tuple[int, int] | None = None

    def read(self) -> tuple[PreprocessSpec | None, PostprocessSpec | None]:
        """The specs that were given.

        Raises:
            DataError, BundleError: a file cannot be read, or holds what a spec must not.
        """
        before: PreprocessSpec | None = None
        after: PostprocessSpec | None = None
        if self.both is not None:
            pair = read_spec_toml(self.both)
            before, after = pair.preprocess, pair.postprocess
        if self.preprocess is not None:
            before = PreprocessSpec.from_json(read_spec(self.preprocess))
        if self.postprocess is not None:
            after = post.from_json(read_spec(self.postprocess))
        return before, after


@dataclass(frozen=True)
class BareSubject:
    """A model that comes without a bundle, opened.

    Attributes:
        subject: the model.
        metadata: what its file says of it.
        preprocess, postprocess: the specs that its file carries.
        cut: an op that was cut off its end; None: none was.
        changes: what was changed in the file so that it runs, a sentence each.
    """

    subject: Subject
    metadata: FileMetadata = field(default_factory=FileMetadata)
    preprocess: PreprocessSpec | None = None
    postprocess: PostprocessSpec | None = None
    cut: CutOp | None = None
    changes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Understood:
    """What is known of a bare model, and how.

    Attributes:
        facts: of the model.
        preprocess, postprocess: None: not known.
        answer: what was recognised; None: nothing had to be, or could be.
        input_range: what a byte of an image means, and why; None: no image, or not known.
        unclear: why the preprocess spec is not known.
        assumed: what was taken for granted of other inputs, a sentence each.
    """

    facts: Facts
    preprocess: PreprocessSpec | None
    postprocess: PostprocessSpec | None
    answer: Answer | None = None
    input_range: InputRange | None = None
    unclear: EdgecnnError | None = None
    assumed: tuple[str, ...] = ()


def understand(
    bare: BareSubject,
    files: SpecFiles,
    find: Finder | None = None,
    take_photo: TakePhoto | None = None,
) -> Understood:
    """Finds out what a model's input takes and what its outputs mean.

    Args:
        bare: the model.
        files: what the user says goes before what the file carries, that before what is recognised.
        find: finds what a byte of an image means; None: by the file alone.
        take_photo: a picture to look at the outputs' values on.

    Raises:
        ModelError: the outputs fit several kinds equally well.
        DataError: a label file of the wrong length, or a spec file that cannot be read.
        BundleError: a spec file with a wrong key or value.
        UsageError: options that do not go with the input.
    """
    before, after = files.read()
    before, after = before or bare.preprocess, after or bare.postprocess
    labels = read_labels(files.labels) if files.labels is not None else ()
    facts = Facts(
        bare.subject.predictor,
        bare.subject.graph,
        bare.metadata,
        labels,
        take_photo() if take_photo is not None and after is None else None,
        bare.cut,
    )
    answer = None
    if after is None:
        answer = recognise(facts)
        after = answer.spec if isinstance(answer, Recognised) else None
    elif files.labels is not None:
        after = replace(after, labels=read_labels(files.labels, expected=len(after.labels)))
    known = Understood(facts, None, after, answer)
    if before is not None:
        before = with_options(before, files.input)
        given = files.preprocess is not None
        return replace(
            known, preprocess=before, input_range=from_spec(before, files.input, given=given)
        )
    return _with_input(known, bare.subject, files.input, find)


def _with_input(
    known: Understood, subject: Subject, options: RangeOptions, find: Finder | None
) -> Understood:
    """The input of a model that brings no preprocess spec."""
    facts, after = known.facts, known.postprocess
    others = tuple(info for info in facts.inputs if info is not facts.image)
    pairs = state_pairs(others, facts.outputs)
    if facts.image is None or len(pairs) < len(others):
        # What is no image can still be judged on arrays of real values.
        arrays = tuple(ArrayInput(info.name, info.shape[1:]) for info in facts.inputs)
        return replace(known, preprocess=PreprocessSpec(arrays))
    states = tuple(pair.state for pair in pairs)
    known = replace(known, assumed=tuple(pair.why for pair in pairs))
    subject = replace(subject, predictor=Fed(subject.predictor, states)) if states else subject
    scores = after if isinstance(after, ClassifySpec) else None
    finder = find or _by_the_file(options)
    habit = known.answer.habit if known.answer is not None else None
    try:
        image, found = assumed_image(
            facts, habit, options, lambda: finder(replace(subject, scores=scores))
        )
    except DataError as error:
        return replace(known, unclear=error)
    return replace(known, preprocess=PreprocessSpec((image, *states)), input_range=found)


def _by_the_file(options: RangeOptions) -> Finder:
    return lambda subject: find_input_range(subject, (), options, SilentProgress())


def read_spec(path: Path) -> Any:
    """A spec file's JSON.

    Raises:
        DataError: it cannot be read.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(
            f"cannot read the spec '{path}': {getattr(error, 'strerror', None) or error}",
            hint="give a JSON file as docs/specs.md describes it",
        ) from error
