"""The detector's loss, in keras.ops so that it runs on every backend.

Classes: quality focal loss (Li et al. 2020): the target of a cell that answers for a box is how
well its box fits, so that the score ranks boxes by fit. Boxes: generalised IoU (Rezatofighi et al.
2019) plus a little smooth L1, which has a gradient where boxes do not meet.
"""

from __future__ import annotations

from typing import Any

BOX_WEIGHT = 1.5
L1_WEIGHT = 0.5
_EPS = 1e-6


def ltrb_iou(a: Any, b: Any) -> tuple[Any, Any]:
    """IoU and generalised IoU of boxes seen from the same point.

    Args:
        a: (…, 4) distances left, top, right, bottom; a box turned inside out counts as empty.
        b: likewise.

    Returns:
        Two tensors (…,): IoU in [0, 1] and generalised IoU in [-1, 1].
    """
    from keras import ops

    def area(width: Any, height: Any) -> Any:
        return ops.relu(width) * ops.relu(height)

    size_a = area(a[..., 0] + a[..., 2], a[..., 1] + a[..., 3])
    size_b = area(b[..., 0] + b[..., 2], b[..., 1] + b[..., 3])
    low, high = ops.minimum(a, b), ops.maximum(a, b)
    inter = area(low[..., 0] + low[..., 2], low[..., 1] + low[..., 3])
    hull = area(high[..., 0] + high[..., 2], high[..., 1] + high[..., 3])
    union = size_a + size_b - inter
    iou = inter / (union + _EPS)
    return iou, iou - (hull - union) / (hull + _EPS)


def detector_loss(target: Any, scores: Any, boxes: Any) -> dict[str, Any]:
    """Loss of a batch.

    Args:
        target: float32 (n, rows, cols, labels + 4) of :mod:`edgecnn.training.detect_targets`.
        scores: (n, rows, cols, labels) logits.
        boxes: (n, rows, cols, 4) distances.

    Returns:
        Scalars ``loss``, ``class_loss``, ``box_loss``, ``iou``; each a mean per responsible cell.
    """
    from keras import ops

    labels = scores.shape[-1]
    one_hot, wanted = target[..., :labels], target[..., labels:]
    mine = ops.max(one_hot, axis=-1)
    count = ops.maximum(ops.sum(mine), 1.0)
    iou, giou = ltrb_iou(boxes, wanted)
    quality = one_hot * ops.expand_dims(ops.stop_gradient(iou), -1)
    entropy = ops.relu(scores) - scores * quality + ops.softplus(-ops.abs(scores))
    focus = ops.square(quality - ops.sigmoid(scores))
    class_loss = ops.sum(entropy * focus) / count
    far = ops.abs(boxes - wanted)
    smooth = ops.mean(ops.where(far < 1.0, 0.5 * far * far, far - 0.5), axis=-1)
    box_loss = ops.sum(mine * (BOX_WEIGHT * (1.0 - giou) + L1_WEIGHT * smooth)) / count
    return {
        "loss": class_loss + box_loss,
        "class_loss": class_loss,
        "box_loss": box_loss,
        "iou": ops.sum(mine * iou) / count,
    }
