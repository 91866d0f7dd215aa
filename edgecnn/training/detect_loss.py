"""The detector's loss, in keras.ops so that it runs on every backend.

Classes: quality focal loss (Li et al. 2020): the target of a candidate that answers for a box is
how well its box fits, so that the score ranks boxes by fit. Boxes: generalised IoU (Rezatofighi et
al. 2019) plus a little smooth L1, which has a gradient where boxes do not meet.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from edgecnn.core.postprocess import DetectSpec
from edgecnn.training.detect_targets import candidates

BOX_WEIGHT = 1.5
L1_WEIGHT = 0.5
_EPS = 1e-6
_MAX_LOG_SIZE = 4.0


class DetectorLoss:
    """Loss of a batch of a detector of ``spec``.

    Args:
        spec: how the outputs are laid out and coded.
    """

    def __init__(self, spec: DetectSpec) -> None:
        every = candidates(spec.levels)
        self._spec = spec
        self._centres, self._anchors = every.centres, every.anchors
        self._units = every.units

    def corners(self, codes: Any) -> Any:
        """Box codes (n, candidates, 4) → x1, y1, x2, y2 in input pixels, with a gradient."""
        from keras import ops

        spec = self._spec
        if spec.coding == "ltrb":
            reach = codes * (self._units[:, None] * np.float32(spec.box_scale))
            return ops.concatenate(
                [self._centres - reach[..., :2], self._centres + reach[..., 2:]], axis=-1
            )
        variance = np.asarray(spec.variances, np.float32)
        shift = ops.flip(codes[..., :2] * variance[:2], axis=-1) * self._anchors
        grow = ops.exp(ops.clip(codes[..., 2:] * variance[2:], -_MAX_LOG_SIZE, _MAX_LOG_SIZE))
        middle, half = self._centres + shift, ops.flip(grow, axis=-1) * self._anchors / 2
        return ops.concatenate([middle - half, middle + half], axis=-1)

    def __call__(self, target: Any, scores: Any, boxes: Any) -> dict[str, Any]:
        """Loss of a batch.

        Args:
            target: float32 (n, candidates, labels + 5), see
                :class:`edgecnn.training.detect_targets.Assigner`.
            scores: (n, candidates, labels) logits.
            boxes: (n, candidates, 4) codes.

        Returns:
            Scalars ``loss``, ``class_loss``, ``box_loss``, ``iou``; each a mean per candidate that
            answers for a box.
        """
        from keras import ops

        labels = scores.shape[-1]
        one_hot, wanted = target[..., :labels], target[..., labels : labels + 4]
        weight = target[..., -1]
        mine = ops.max(one_hot, axis=-1)
        count = ops.maximum(ops.sum(mine), 1.0)
        found = self.corners(boxes)
        iou, giou = box_iou(found, wanted)
        quality = one_hot * ops.expand_dims(ops.stop_gradient(iou), -1)
        entropy = ops.relu(scores) - scores * quality + ops.softplus(-ops.abs(scores))
        focus = ops.square(quality - ops.sigmoid(scores))
        class_loss = ops.sum(ops.sum(entropy * focus, axis=-1) * weight) / count
        far = ops.abs(found - wanted) / self._units[:, None]
        smooth = ops.mean(ops.where(far < 1.0, 0.5 * far * far, far - 0.5), axis=-1)
        cost = BOX_WEIGHT * (1.0 - giou) + L1_WEIGHT * smooth
        box_loss = ops.sum(mine * weight * cost) / count
        return {
            "loss": class_loss + box_loss,
            "class_loss": class_loss,
            "box_loss": box_loss,
            "iou": ops.sum(mine * iou) / count,
        }


def box_iou(a: Any, b: Any) -> tuple[Any, Any]:
    """IoU and generalised IoU of boxes, pair by pair.

    Args:
        a: (…, 4) x1, y1, x2, y2; a box turned inside out counts as empty.
        b: likewise.

    Returns:
        Two tensors (…,): IoU in [0, 1] and generalised IoU in [-1, 1].
    """
    from keras import ops

    def area(low: Any, high: Any) -> Any:
        sides = ops.relu(high - low)
        return sides[..., 0] * sides[..., 1]

    low_a, high_a, low_b, high_b = a[..., :2], a[..., 2:], b[..., :2], b[..., 2:]
    shared = area(ops.maximum(low_a, low_b), ops.minimum(high_a, high_b))
    hull = area(ops.minimum(low_a, low_b), ops.maximum(high_a, high_b))
    union = area(low_a, high_a) + area(low_b, high_b) - shared
    iou = shared / (union + _EPS)
    return iou, iou - (hull - union) / (hull + _EPS)
