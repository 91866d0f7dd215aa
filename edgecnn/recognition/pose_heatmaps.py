"""Heat maps of one person's or hand's points, without offsets."""

from __future__ import annotations

import math

import numpy as np

from edgecnn.core.postprocess import PosesSpec
from edgecnn.core.runtime import TensorInfo
from edgecnn.recognition.facts import Facts, Real
from edgecnn.recognition.found import InputHabit, Recognised
from edgecnn.recognition.points import numbered
from edgecnn.recognition.pose_outputs import PlacedMaps, grids

#: Numbers of points of published sets: ST's and COCO's bodies, LSP, MPII, hands, faces.
_COUNTS = (13, 14, 15, 16, 17, 18, 19, 21, 29, 68, 98, 106, 133)
_PERSON, _HAND = range(13, 20), 21
_STRIDES = (2, 4, 8)
# ST's model zoo trains on whole square images and reads the middle of the highest cell.
_ST_POINTS = (13, 17)
_ST = InputHabit("ST's model zoo: RGB, 0..1, stretched", "0..1")
_TOP_DOWN = InputHabit(
    "SimpleBaseline and HRNet: RGB, ImageNet's normalisation, a crop", "imagenet", "letterbox"
)


def heat_maps(facts: Facts) -> Recognised | None:
    """One output of heat maps at stride 2, 4 or 8 that is near 0 but for few cells.

    Beside it there may be what the model itself read from them: places and scores.
    """
    for maps in grids(facts, _STRIDES):
        count = maps.maps[0].channels
        others = [info for info in facts.outputs if info.name != maps.maps[0].name]
        read = all(math.prod(info.shape) in (count, 2 * count, 3 * count) for info in others)
        if len(maps.maps) == 1 and read and count in _COUNTS and (answer := _answer(facts, maps)):
            return answer
    return None


def _answer(facts: Facts, maps: PlacedMaps) -> Recognised | None:
    name, count, step = maps.maps[0].name, maps.maps[0].channels, maps.stride
    values = facts.values(name)
    if values is not None and maps.transposed:
        values = values.transpose(0, 2, 3, 1)
    info = next(item for item in facts.outputs if item.name == name)
    if values is None or not _peaked(values, info):
        return None
    square = facts.size[0] == facts.size[1]
    whole = square and count in _ST_POINTS
    spec = PosesSpec(
        name,
        ("person" if count in _PERSON else "hand" if count == _HAND else "object",),
        numbered(count),
        *maps.grid,
        (float(step), float(step)),
        origin="centre" if whole else "corner",
        peak_shift=0.0 if whole else 0.25,
        activation="none",
        transposed=maps.transposed,
    )
    how = (
        "a point lies in the middle of the highest cell (ST's model zoo)"
        if whole
        else "a point lies a quarter of a cell from the highest cell's corner towards the higher"
        " neighbour (SimpleBaseline, HRNet)"
    )
    evidence = (
        f"'{name}': {maps.grid[0]} × {maps.grid[1]} cells at stride"
        f" {step}, {count} channels near 0 (medians up to {_medians(values).max():.2g})"
        f" but for peaks up to {float(values.max()):.2g}",
        how,
    )
    return Recognised("heat maps of key points", spec, evidence, _ST if whole else _TOP_DOWN)


def _medians(values: Real) -> Real:
    medians: Real = np.median(values.reshape(-1, values.shape[-1]), axis=0)
    return medians


def _peaked(values: Real, info: TensorInfo) -> bool:
    """Whether each channel is about 0 nearly everywhere, and none above 1 by much.

    Where all are 0, a quantized output's range tells.
    """
    if not np.isfinite(values).all():
        return False
    flat = values.reshape(-1, values.shape[-1])
    top = flat.max(axis=0)
    spread = (flat > np.maximum(top, 1e-6) / 2).mean(axis=0)
    quiet = np.abs(_medians(values)).max() < 0.15
    ranged = info.scale is not None and 0.3 < info.scale * 255 < 2.2
    inside = flat.min() > -0.6 and top.max() < 1.6 and (top.max() > 0.001 or ranged)
    return bool(quiet and inside and np.median(spread) < 0.25)
