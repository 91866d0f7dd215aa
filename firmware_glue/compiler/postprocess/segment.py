"""Stage of the kind ``segment``."""

from __future__ import annotations

import numpy as np

from edgecnn.core.postprocess import SegmentSpec
from edgecnn.core.runtime import TensorInfo
from firmware_glue.compiler.ops.spec import Params
from firmware_glue.compiler.postprocess.outputs import (
    ELEMENT_BYTES,
    FLIP,
    Float,
    LeftOut,
    ModelOutputs,
    no_scores,
    scores,
)
from firmware_glue.compiler.postprocess.stage import SegmentStage

# As the enum in edgecnn_segment.h.
_SCORES, _TABLE, _INT32, _INT64, _FLOAT = range(5)
_NUMBERS = {
    "int32": _INT32, "int64": _INT64, "float32": _FLOAT,
    "int8": _TABLE, "uint8": _TABLE, "bool": _TABLE,
}  # fmt: skip


def segment_stage(spec: SegmentSpec, outputs: ModelOutputs) -> SegmentStage:
    """Classes of the cells of a map.

    Raises:
        LeftOut: the output is no such map.
    """
    columns = 1 if spec.class_numbers else len(spec.labels)
    dtypes = tuple(_NUMBERS) if spec.class_numbers else tuple(ELEMENT_BYTES)
    found = outputs.values(
        spec.scores, spec.rows * spec.cols, columns, transposed=spec.transposed, dtypes=dtypes
    )
    if spec.class_numbers:
        holds, table = _NUMBERS[found.info.dtype], _labels(found.info, len(spec.labels))
        params = no_scores(FLIP.get(found.info.dtype, 0))
    else:
        holds = _SCORES
        params, table = scores(found.info, spec.activation, columns, found.stride)
    fields = (
        ("scores", params),
        ("cols", spec.cols),
        ("step", found.step),
        ("holds", holds),
        ("labels", len(spec.labels)),
        ("background", spec.background if spec.background >= 0 else -1),
        ("threshold", float(spec.score_threshold)),
    )
    return SegmentStage(spec, found.place, Params("ec_segment_params", fields), table)


def _labels(info: TensorInfo, count: int) -> Float | None:
    """The label that each byte stands for, −1: none; None for wider values."""
    if info.dtype in ("int32", "int64") and info.scale is not None:
        raise LeftOut(f"the class numbers of '{info.name}' are quantized {info.dtype}")
    if _NUMBERS[info.dtype] != _TABLE:
        return None
    limits = np.iinfo("uint8" if info.dtype == "bool" else info.dtype)
    number = np.rint(info.dequantize(np.arange(limits.min, limits.max + 1)))
    return np.where((number >= 0) & (number < count), number, -1).astype(np.float32)
