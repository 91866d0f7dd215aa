"""explain: what a model was recognised as, by what evidence, and what is missing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from edgecnn.core import postprocess as post
from edgecnn.core.errors import EdgecnnError, UsageError
from edgecnn.core.postprocess import PostprocessSpec
from edgecnn.core.preprocess import PreprocessSpec
from edgecnn.core.runtime import TensorInfo
from edgecnn.jobs.bare_specs import SpecFiles, understand
from edgecnn.jobs.input_range import InputRange
from edgecnn.jobs.photo import photo_for
from edgecnn.jobs.reference import ModelRef
from edgecnn.jobs.spec_toml import write_spec_toml
from edgecnn.jobs.specs import open_bare_subject, open_runnable
from edgecnn.jobs.unknown_model import missing_keys, unknown_model
from edgecnn.recognition.found import Answer, Incomplete, Recognised


@dataclass(frozen=True)
class Explanation:
    """``edgecnn.explain/1``.

    Attributes:
        model: the file or folder.
        name: what it was recognised as; empty: nothing was.
        evidence: a sentence each.
        warnings: likewise.
        missing: keys of the postprocess spec that only the user can fill, and what each is.
        draft: the postprocess spec as far as it is known, without a schema.
        inputs, outputs: of the model.
        preprocess, postprocess: None: not known.
        input_range: what a byte of an image means, and why.
        problem: why it cannot be used as it is; None: it can.
    """

    model: Path
    name: str
    evidence: tuple[str, ...]
    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]
    preprocess: PreprocessSpec | None
    postprocess: PostprocessSpec | None
    warnings: tuple[str, ...] = ()
    missing: Mapping[str, str] = field(default_factory=dict)
    draft: Mapping[str, Any] = field(default_factory=dict)
    input_range: InputRange | None = None
    problem: EdgecnnError | None = None

    def to_json(self) -> dict[str, Any]:
        """The object of ``edgecnn detect --explain-model --json``."""
        after = self.postprocess
        return {
            "schema": "edgecnn.explain/1",
            "model": str(self.model),
            "recognised": self.name or None,
            "evidence": list(self.evidence),
            "warnings": list(self.warnings),
            "missing": [{"key": key, "what": what} for key, what in self.missing.items()],
            "inputs": [asdict(info) for info in self.inputs],
            "outputs": [asdict(info) for info in self.outputs],
            "input_range": self.input_range.to_json() if self.input_range else None,
            "preprocess": self.preprocess.to_json() if self.preprocess else None,
            "postprocess": post.to_json(after) if after is not None else None,
            "problem": self.problem.message if self.problem else None,
        }


def explain(reference: ModelRef, files: SpecFiles, source: str | None = None) -> Explanation:
    """Looks at a model and says what it is.

    Args:
        reference: the model.
        files: what the user says of it.
        source: a file whose first frame shows what values the outputs take; None: a drawn picture.

    Raises:
        ModelError: it cannot be read or run, or fits several kinds.
        DataError, BundleError: a spec or label file that cannot be used.
    """
    if reference.bundle is not None:
        runnable = open_runnable(reference, variant=None, files=files)
        return Explanation(
            reference.path,
            "an edgecnn bundle",
            ("its preprocess.json and postprocess.json say what it takes and gives",),
            runnable.predictor.inputs,
            runnable.predictor.outputs,
            runnable.preprocess,
            runnable.postprocess,
        )
    bare, _ = open_bare_subject(reference, files)
    known = understand(bare, files, take_photo=lambda: photo_for(source))
    outputs = known.facts.outputs
    problem = known.unclear
    if known.postprocess is None:
        problem = unknown_model(reference.path, known.facts, known.answer)
    return Explanation(
        reference.path,
        _name(known.answer, known.postprocess),
        (*_evidence(known.answer, known.postprocess), *bare.changes, *known.assumed),
        known.facts.inputs,
        outputs,
        known.preprocess,
        known.postprocess,
        known.answer.warnings if isinstance(known.answer, Recognised) else (),
        missing_keys(known.answer) if known.postprocess is None else {},
        known.answer.draft if isinstance(known.answer, Incomplete) else {},
        known.input_range,
        problem,
    )


def _name(answer: Answer | None, after: PostprocessSpec | None) -> str:
    if answer is not None:
        return answer.name
    return f"a spec of the kind '{after.kind}'" if after is not None else ""


def _evidence(answer: Answer | None, after: PostprocessSpec | None) -> tuple[str, ...]:
    if answer is not None:
        return answer.evidence
    return ("the file carries the spec, or it was given",) if after is not None else ()


def write_start(explanation: Explanation, path: Path) -> None:
    """Writes the TOML that holds what is known, its missing keys as comments.

    Raises:
        UsageError: it cannot be written, or is there already: what was filled in stays.
    """
    if path.exists():
        raise UsageError(f"'{path}' is there already", hint="choose another name, or remove it")
    after = explanation.postprocess
    draft = post.to_json(after) if after is not None else dict(explanation.draft)
    shown = [
        f"{side} {info.name} {list(info.shape)} {info.dtype}"
        for side, infos in (("input", explanation.inputs), ("output", explanation.outputs))
        for info in infos
    ]
    remarks = (
        f"What '{explanation.model.name}' takes and gives, for --spec; its keys: docs/specs.md",
        *([f"recognised as: {explanation.name}"] if explanation.name else []),
        *shown,
    )
    before = explanation.preprocess
    write_spec_toml(
        path,
        before.to_json() if before is not None else None,
        draft,
        remarks=tuple(line.replace("\n", " ").replace("\r", " ") for line in remarks),
        missing=explanation.missing,
    )
