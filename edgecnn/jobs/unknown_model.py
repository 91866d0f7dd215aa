"""What to tell a user whose model was not recognised: which keys of a spec are missing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from edgecnn.core.errors import ModelError
from edgecnn.core.postprocess import KINDS
from edgecnn.core.runtime import TensorInfo
from edgecnn.recognition.facts import Facts
from edgecnn.recognition.found import Answer, Incomplete

#: What a spec of an unknown kind needs first.
UNKNOWN = {
    "kind": "what the outputs are: " + " | ".join(KINDS),
    "scores": "the output with the scores (of points and poses: points, heatmaps)",
    "labels": "one name per class, or a label file",
}


def missing_keys(answer: Answer | None) -> dict[str, str]:
    """The keys of the postprocess spec that only the user can fill."""
    if answer is None:
        return dict(UNKNOWN)
    return dict(answer.missing) if isinstance(answer, Incomplete) else {}


def unknown_model(path: Path, facts: Facts, answer: Answer | None) -> ModelError:
    """The error that names the missing keys, or the input that is no image."""
    if facts.image is None:
        return ModelError(
            f"'{path.name}' does not have one input for an image of one or three channels:"
            f" {_shown(facts.inputs)}",
            hint="arrays are judged by edgecnn eval, with --postprocess FILE (docs/specs.md)",
        )
    keys = missing_keys(answer)
    named = ", ".join(f"postprocess.{key} ({meaning})" for key, meaning in keys.items())
    hint = (
        f"edgecnn detect --model {path.name} --explain-model --write spec.toml starts a spec file:"
        " fill these keys in (docs/specs.md) and add --spec spec.toml"
    )
    if answer is not None:
        return ModelError(f"'{path.name}' looks like {answer.name}; missing: {named}", hint=hint)
    return ModelError(
        f"the outputs of '{path.name}' are of no kind that is known ({_shown(facts.outputs)});"
        f" missing: {named}",
        hint=hint,
    )


def _shown(infos: Sequence[TensorInfo]) -> str:
    shapes = ", ".join(f"{info.name} {list(info.shape)} {info.dtype}" for info in infos[:8])
    return shapes + (f" and {len(infos) - 8} more" if len(infos) > 8 else "")
