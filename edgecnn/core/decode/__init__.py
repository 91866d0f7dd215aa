"""Outputs to results: what :mod:`edgecnn.core.postprocess`'s spec says, done; a file per kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.decode.cells import CellLayout, cell_layout
from edgecnn.core.decode.centers import decode_centers
from edgecnn.core.decode.centroids import centroids, decode_centroids
from edgecnn.core.decode.classify import classify, decode_classes
from edgecnn.core.decode.dense import detect
from edgecnn.core.decode.listed import decode_listed
from edgecnn.core.decode.outputs import Outputs
from edgecnn.core.decode.points import decode_points
from edgecnn.core.decode.poses import decode_poses
from edgecnn.core.decode.segment import decode_segments
from edgecnn.core.detections import Centroids, Classification, Detections, Segmentation
from edgecnn.core.imaging import FrameMap
from edgecnn.core.postprocess import PostprocessSpec
from edgecnn.core.runtime import TensorInfo

__all__ = ["CellLayout", "Decoded", "cell_layout", "centroids", "classify", "decode"]

Decoded = Classification | Detections | Centroids | Segmentation

_DECODERS: Mapping[str, Callable[[Any, Outputs, FrameMap | None], Decoded]] = {
    "classify": decode_classes,
    "detect": detect,
    "listed": decode_listed,
    "centroids": decode_centroids,
    "centers": decode_centers,
    "points": decode_points,
    "poses": decode_poses,
    "segment": decode_segments,
}


def decode(
    spec: PostprocessSpec,
    outputs: Mapping[str, NDArray[Any]],
    infos: Sequence[TensorInfo],
    frame_map: FrameMap | None,
) -> Decoded:
    """One frame's result.

    Args:
        spec: what the outputs mean.
        outputs: name → raw array, batch 1, as a Predictor gives them.
        infos: the model's outputs.
        frame_map: from tensor to frame pixels; None: boxes stay in tensor pixels, unclipped.

    Raises:
        BundleError: the spec does not fit the model's outputs.
    """
    # A float model may say infinity or no number: that finds nothing, without a word on stderr.
    with np.errstate(all="ignore"):
        return _DECODERS[spec.kind](spec, Outputs(outputs, infos), frame_map)
