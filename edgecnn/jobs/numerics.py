"""What a model's numerics cost: its quality beside the reference's, on the bundle's own data."""

from __future__ import annotations

from typing import Any

from edgecnn.core.progress import Progress
from edgecnn.jobs.evaluate import EvalRequest, run
from edgecnn.jobs.reference import ModelRef

REFERENCE = "litert-ref"
_MOST_IMAGES = 2000


def quality_beside_reference(
    reference: ModelRef, variant: str | None, numerics: str, progress: Progress
) -> dict[str, Any] | None:
    """The model's C under ``numerics`` and under the reference's, on the same test images.

    Returns:
        ``{"metric", "reference", "compiled", "n"}``; None without a bundle that names its data.

    Raises:
        MissingExtraError, ToolError, TargetError: the C cannot be built for this machine.
        DataError: the data cannot be read.
    """
    if reference.bundle is None or not reference.bundle.manifest.data.get("source"):
        return None
    values = {}
    for kind in (REFERENCE, numerics):
        progress.stage(f"evaluate {kind}")
        request = EvalRequest(reference, None, variant=variant, limit=_MOST_IMAGES, numerics=kind)
        metric = run(request, progress).metric
        values[kind] = metric
    return {
        "metric": values[numerics].name,
        "reference": values[REFERENCE].value,
        "compiled": values[numerics].value,
        "n": values[numerics].n,
    }
