"""What a model's numerics cost: its quality beside the reference's, on labelled data."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from edgecnn.core.progress import Progress
from edgecnn.jobs.bare_specs import SpecFiles
from edgecnn.jobs.evaluate import EvalRequest, run, same_range
from edgecnn.jobs.input_range import InputRange, RangeOptions
from edgecnn.jobs.place import Place
from edgecnn.jobs.reference import ModelRef

REFERENCE = "litert-ref"
_MOST_IMAGES = 2000


@dataclass(frozen=True)
class QualityData:
    """What the quality is measured on.

    Attributes:
        source: labelled data; None: the bundle's own.
        input: what the user says a byte of an image means to a bare model.
    """

    source: str | None = None
    input: RangeOptions = field(default_factory=RangeOptions)


def quality_beside_reference(
    reference: ModelRef,
    variant: str | None,
    numerics: str | None,
    progress: Progress,
    data: QualityData | None = None,
) -> dict[str, Any] | None:
    """The model's C under ``numerics`` and under the reference's, on the same test images.

    Args:
        reference: the model.
        variant: of a bundle; None: its default.
        numerics: of the C; None: LiteRT runs the model, and its figure stands for both.
        progress: told of each image.
        data: None: the bundle's own test images.

    Returns:
        ``{"metric", "reference", "compiled", "n", "input_range"}``; None without data, and
        without a bundle that names its own.

    Raises:
        MissingExtraError, ToolError, TargetError: the C cannot be built for this machine.
        DataError: the data cannot be read.
    """
    data = data or QualityData()
    own = reference.bundle.manifest.data.get("source") if reference.bundle else None
    if not (data.source or own):
        return None
    values, files = {}, SpecFiles(input=data.input)
    found: InputRange | None = None
    for kind in dict.fromkeys((numerics and REFERENCE, numerics)):
        progress.stage(f"evaluate {kind or 'with LiteRT'}")
        request = EvalRequest(
            reference, data.source, variant=variant, limit=_MOST_IMAGES,
            place=Place(numerics=kind), files=files,
        )  # fmt: skip
        result = run(request, progress)
        values[kind], found = result.metric, found or result.input_range
        files = same_range(files, found) or files
    right, measured = values[numerics and REFERENCE], values[numerics]
    return {
        "metric": measured.name,
        "reference": right.value,
        "compiled": measured.value,
        "n": measured.n,
        "input_range": found.to_json() if found is not None else None,
    }
