"""Key points that many models share, by name."""

from __future__ import annotations

from edgecnn.core.postprocess import Skeleton

_COCO_NAMES = (
    "nose", "left eye", "right eye", "left ear", "right ear", "left shoulder", "right shoulder",
    "left elbow", "right elbow", "left wrist", "right wrist", "left hip", "right hip",
    "left knee", "right knee", "left ankle", "right ankle",
)  # fmt: skip
_COCO_EDGES = (
    (0, 1), (0, 2), (1, 3), (2, 4), (5, 6), (5, 7), (7, 9), (6, 8), (8, 10), (5, 11), (6, 12),
    (11, 12), (11, 13), (13, 15), (12, 14), (14, 16),
)  # fmt: skip

#: The 17 points of COCO (Lin et al. 2014), in the order of its annotations.
COCO = Skeleton(_COCO_NAMES, _COCO_EDGES)


def numbered(count: int) -> Skeleton:
    """Points without names."""
    return COCO if count == len(COCO.names) else Skeleton(tuple(str(k) for k in range(count)))
