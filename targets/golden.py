"""Replays the golden vector on a target and judges what comes back.

Two inputs are replayed: ``lcg:1`` against LiteRT's reference kernels, and the recorded vector of
the bundle (made with the same kernels), whose decoded results are compared as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.decode import decode
from edgecnn.core.detections import Centroids, Classification, Detections, Segmentation
from edgecnn.core.errors import BundleError
from edgecnn.core.lcg import lcg_inputs, outputs_fnv1a
from edgecnn.core.postprocess import ClassifySpec, PostprocessSpec
from edgecnn.core.reference import best_reference
from edgecnn.core.runtime import TensorInfo
from edgecnn.core.tflite.model import DType
from targets.base import ModelFile

Arrays = Mapping[str, NDArray[Any]]
Run = Callable[[Arrays], Arrays]

ACCELERATOR_LSB = 8
FLOAT_RELATIVE = 1e-3
# COCO's strict localisation threshold. Not higher: where two neighbouring candidates score equal to
# an LSB, NMS may keep the other one, whose box differs by what two cells' regressions differ.
SAME_BOX_IOU = 0.75
BORDERLINE = 0.05
# Where two classes score equal to an LSB, a pixel may fall to either.
SAME_PIXELS = 0.98


@dataclass(frozen=True)
class Verdict:
    """How a target's outputs compare with the reference kernels'.

    Attributes:
        bit_exact: equal on ``lcg:1``, byte for byte.
        max_diff_lsb: largest difference over lcg:1 and the golden vector; None for float outputs.
        max_abs_diff, max_rel_diff: the same of float outputs, as numbers and as a fraction of the
            largest reference value; None without any, or where one is no number.
        output_fnv1a: of the target's outputs on ``lcg:1``.
        replayed: everything was replayed and agreed within the tolerance.
        golden_samples: samples of the golden vector that were replayed; 0 for a bare file.
        decoded_equal: same decoded results on the golden vector; None without one.
        reasons: what disagreed, in words, and caveats of the comparison.
    """

    bit_exact: bool
    max_diff_lsb: int | None
    output_fnv1a: str
    replayed: bool
    decoded_equal: bool | None
    reasons: tuple[str, ...] = ()
    max_abs_diff: float | None = None
    max_rel_diff: float | None = None
    golden_samples: int = 0


def lcg_reference(model: ModelFile) -> tuple[dict[str, Any], dict[str, Any]]:
    """The ``lcg:1`` inputs and what LiteRT's reference kernels make of them, by name.

    Raises:
        ModelError: LiteRT refuses the model.
    """
    reference, _ = best_reference(model.data)
    inputs = lcg_inputs(reference.inputs)
    return inputs, reference.predict(inputs)


def judge(run: Run, model: ModelFile, tolerance_lsb: int) -> Verdict:
    """Runs ``lcg:1`` and the golden vector through ``run`` (named raw arrays, batch 1).

    Raises:
        ModelError: LiteRT refuses the model.
        BundleError: the golden vector is not of this model.
    """
    reference, caveats = best_reference(model.data)
    if caveats:
        # Optimised kernels round otherwise: no exact judge, so as with an accelerator.
        tolerance_lsb = max(tolerance_lsb, ACCELERATOR_LSB)
    inputs = lcg_inputs(reference.inputs)
    expected = reference.predict(inputs)
    got = run(inputs)
    # Order is the reference's: a target may return its outputs in another.
    ours = [np.asarray(got[name]) for name in expected]
    exact = all(
        mine.dtype == value.dtype and mine.tobytes() == value.tobytes()
        for mine, value in zip(ours, expected.values(), strict=True)
    )
    compared = [_compare(got, expected)]
    decoded: bool | None = None
    for sample, wanted in golden_samples(model, reference.inputs, reference.outputs):
        result = run(sample)
        compared.append(_compare(result, wanted))
        if model.postprocess is not None:
            same = _same_decoded(model, result, wanted, reference.outputs)
            decoded = same and decoded is not False
    lsbs = [difference.lsb for difference in compared if difference.lsb is not None]
    worst = max(lsbs, default=None)
    floats = [difference for difference in compared if difference.absolute is not None]
    relative = max((difference.relative for difference in floats), default=0.0)
    absolute = max((difference.absolute or 0.0 for difference in floats), default=None)
    reasons = [
        *_lsb_reasons(worst, tolerance_lsb),
        *_float_reasons(relative, float_tolerance(model, tolerance_lsb)),
    ]
    if decoded is False:
        reasons.append("decoded results on the golden vector differ from the reference kernels'")
    return Verdict(
        exact, worst, outputs_fnv1a(ours), not reasons, decoded, (*reasons, *caveats),
        _number(absolute), _number(relative) if floats else None, len(compared) - 1,
    )  # fmt: skip


def _number(value: float | None) -> float | None:
    return value if value is not None and np.isfinite(value) else None


@dataclass(frozen=True)
class _Difference:
    lsb: int | None  # of integer outputs
    relative: float  # of float outputs, against the largest reference value
    absolute: float | None  # of float outputs; None without any


def _compare(got: Arrays, expected: Arrays) -> _Difference:
    lsb: int | None = None
    relative = 0.0
    absolute: float | None = None
    for name, reference in expected.items():
        value = np.asarray(got[name]).reshape(reference.shape)
        if reference.dtype.kind in "iub":
            step = np.abs(value.astype(np.int64) - reference.astype(np.int64))
            lsb = max(lsb or 0, int(step.max(initial=0)))
            continue
        absolute = absolute or 0.0
        if not np.array_equal(value, reference, equal_nan=True):
            size = max(float(np.abs(reference).max(initial=0)), 1e-6)
            gap = float(np.abs(value - reference).max(initial=0))
            gap = gap if np.isfinite(gap) else float("inf")
            absolute, relative = max(absolute, gap), max(relative, gap / size)
    return _Difference(lsb, relative, absolute)


def float_tolerance(model: ModelFile, tolerance_lsb: int) -> float:
    """What float outputs may differ by, as a fraction of their range.

    Where 8-bit weights or activations stand before a float output, as many LSB of 8 bits are
    allowed as for an 8-bit output.
    """
    types = {tensor.dtype for tensor in model.model.main.tensors}
    if types & {DType.INT8, DType.UINT8, DType.INT4}:
        return max(FLOAT_RELATIVE, tolerance_lsb / 256)
    return FLOAT_RELATIVE


def _lsb_reasons(lsb: int | None, tolerance: int) -> list[str]:
    if lsb is None or lsb <= tolerance:
        return []
    return [f"outputs differ from the reference kernels by up to {lsb} LSB (allowed: {tolerance})"]


def _float_reasons(relative: float, tolerance: float) -> list[str]:
    if relative <= tolerance:
        return []
    return [
        f"float outputs differ from the reference kernels by {relative:.2g} of their range"
        f" (allowed: {tolerance:.2g})"
    ]


def golden_samples(
    model: ModelFile, inputs: tuple[TensorInfo, ...], outputs: tuple[TensorInfo, ...]
) -> Iterator[tuple[Arrays, Arrays]]:
    """(inputs, outputs) of each recorded sample, by name in the given order; none without any.

    Raises:
        BundleError: the golden vector is not of this model.
    """
    if model.golden is None:
        return
    for k in range(model.golden.samples):
        yield (
            _sample(model, model.golden.inputs, inputs, k),
            _sample(model, model.golden.outputs, outputs, k),
        )


def _sample(
    model: ModelFile, arrays: Arrays, infos: tuple[TensorInfo, ...], k: int
) -> dict[str, NDArray[Any]]:
    sample = {}
    for info in infos:
        array = arrays.get(info.name)
        if array is None or array.dtype != info.dtype or array[k].size != np.prod(info.shape):
            given = "none" if array is None else f"{array.dtype} {array.shape[1:]}"
            raise BundleError(
                f"the golden vector does not fit '{model.path}': tensor '{info.name}' is"
                f" {info.dtype} {info.shape}, the vector has {given}",
                hint="run edgecnn quantize again",
            )
        sample[info.name] = np.ascontiguousarray(array[k]).reshape(info.shape)
    return sample


def _same_decoded(
    model: ModelFile, got: Arrays, expected: Arrays, infos: tuple[TensorInfo, ...]
) -> bool:
    if model.postprocess is None:
        return True
    shaped = {name: np.asarray(got[name]).reshape(v.shape) for name, v in expected.items()}
    mine = decode(model.postprocess, shaped, infos, None)
    theirs = decode(model.postprocess, expected, infos, None)
    if isinstance(mine, Classification) and isinstance(theirs, Classification):
        # Equal best scores in the reference leave the choice between those classes open.
        return bool(theirs.scores[mine.best] == theirs.scores.max())
    if isinstance(mine, Detections) and isinstance(theirs, Detections):
        return same_detections(mine, theirs, _certain(model.postprocess))
    if isinstance(mine, Centroids) and isinstance(theirs, Centroids):
        mine, theirs = (Detections(c.cells, c.scores, c.classes) for c in (mine, theirs))
        return same_detections(mine, theirs, _certain(model.postprocess))
    if isinstance(mine, Segmentation) and isinstance(theirs, Segmentation):
        return bool(np.mean(mine.classes == theirs.classes) >= SAME_PIXELS)
    return False


def _certain(spec: PostprocessSpec) -> float:
    """The score from which on a difference of one LSB does not decide."""
    if isinstance(spec, ClassifySpec):
        return 0.0
    thresholds: tuple[float, ...] = getattr(spec, "thresholds", ())
    return max(thresholds or (spec.score_threshold,)) + BORDERLINE


def same_detections(mine: Detections, theirs: Detections, certain: float = 0.0) -> bool:
    """Whether both hold the same boxes: each has a partner of its class with IoU > 0.75.

    Boxes that score below ``certain`` may lack a partner: at the score threshold one LSB decides.
    """
    free = list(range(len(theirs)))
    for k in range(len(mine)):
        match = next((j for j in free if _same_box(mine, k, theirs, j)), None)
        if match is not None:
            free.remove(match)
        elif mine.scores[k] >= certain:
            return False
    return all(theirs.scores[j] < certain for j in free)


def _same_box(mine: Detections, k: int, theirs: Detections, j: int) -> bool:
    same_class = bool(mine.classes[k] == theirs.classes[j])
    return same_class and _iou(mine.boxes[k], theirs.boxes[j]) > SAME_BOX_IOU


def _iou(a: NDArray[Any], b: NDArray[Any]) -> float:
    overlap = np.clip(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0, None).prod()
    union = (a[2:] - a[:2]).prod() + (b[2:] - b[:2]).prod() - overlap
    return float(overlap / union) if union > 0 else float(np.array_equal(a, b))
