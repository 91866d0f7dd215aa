"""compare: two .tflite files side by side."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from edgecnn.core.progress import Progress
from edgecnn.jobs.input_range import InputRange
from edgecnn.jobs.model_samples import DataRequest, load_samples
from edgecnn.jobs.reference import ModelRef, model_file
from quantization.inspection.compare import Comparison, compare


@dataclass(frozen=True)
class CompareRequest:
    """What to compare; without a data source both get the same random values.

    Attributes:
        a: counts as right.
        b: the other one.
        variant: of bundles; None: their default.
    """

    a: ModelRef
    b: ModelRef
    data: DataRequest = field(default_factory=DataRequest)
    variant: str | None = None


@dataclass(frozen=True)
class CompareOutcome:
    """``edgecnn.compare/1``."""

    a: str
    b: str
    source: str | None
    found: Comparison
    input_range: InputRange | None = None

    def to_json(self) -> dict[str, Any]:
        """The object of ``edgecnn compare --json``."""
        found = self.found.to_json()
        names = {"schema": found.pop("schema"), "files": [self.a, self.b], "data": self.source}
        taken = self.input_range.to_json() if self.input_range else None
        return names | found | {"input_range": taken}


def run(request: CompareRequest, progress: Progress) -> CompareOutcome:
    """Compares two models.

    Raises:
        ModelError: a file is damaged or does not run.
        DataError: data that do not fit.
    """
    left = model_file(request.a, request.variant if request.a.bundle else None)
    right = model_file(request.b, request.variant if request.b.bundle else None)
    given = load_samples(request.a, left, request.data, progress)
    found = compare(left.data, right.data, given.samples, progress)
    found = replace(found, notes=(*given.notes, *found.notes))
    a, b = str(request.a.path), str(request.b.path)
    return CompareOutcome(a, b, given.source, found, given.input_range)
