"""Boxes, key points and masks from tensor pixels to frame pixels."""

from __future__ import annotations

from dataclasses import replace

from edgecnn.core.detections import Detections
from edgecnn.core.imaging import FrameMap


def to_frame(found: Detections, frame_map: FrameMap | None) -> Detections:
    """Detections in frame pixels, boxes clipped; those with nothing left inside it go.

    Key points may lie outside the frame. Without a map everything stays in tensor pixels.
    """
    if frame_map is None or not len(found):
        return found
    boxes = frame_map.to_frame(found.boxes)
    inside = ((boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])).nonzero()[0]
    keypoints, masks = found.keypoints, found.masks
    if keypoints is not None:
        keypoints = keypoints[inside].copy()
        keypoints[..., :2] = frame_map.points(keypoints[..., :2])
    if masks is not None:
        masks = tuple(masks[k].on(frame_map) for k in inside)
    return replace(
        found,
        boxes=boxes[inside],
        scores=found.scores[inside],
        classes=found.classes[inside],
        keypoints=keypoints,
        masks=masks,
    )
