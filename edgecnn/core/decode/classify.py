"""Class probabilities of a whole frame."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from edgecnn.core.activation import activate
from edgecnn.core.decode.outputs import Outputs, misfit
from edgecnn.core.detections import Classification
from edgecnn.core.imaging import FrameMap
from edgecnn.core.postprocess import ClassifySpec
from edgecnn.core.runtime import TensorInfo


def decode_classes(spec: ClassifySpec, outputs: Outputs, _: FrameMap | None) -> Classification:
    """The result of one frame; see :func:`classify`."""
    return classify(spec, *outputs.raw(spec.scores))


def classify(spec: ClassifySpec, raw: NDArray[Any], info: TensorInfo) -> Classification:
    """Class probabilities from the raw scores (1, classes).

    Raises:
        BundleError: another number of scores than labels.
    """
    if raw.size != len(spec.labels):
        misfit(spec.scores, raw, f"{len(spec.labels)} scores, one per label")
    return Classification(activate(info.dequantize(raw).reshape(-1), spec.activation))
