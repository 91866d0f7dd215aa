"""Coordinates of one object's points in a single output, as face alignment nets give them."""

from __future__ import annotations

import math

import numpy as np

from edgecnn.core.postprocess import PointsSpec, to_json
from edgecnn.recognition.facts import Facts
from edgecnn.recognition.found import Answer, Incomplete, InputHabit, Recognised
from edgecnn.recognition.points import numbered
from edgecnn.recognition.pose_outputs import are_chances, says

#: Numbers of points that published face sets have (300-W, WFLW, JD, MediaPipe).
_FACES = (68, 98, 106, 468, 478)
_MOST = 1000
_HABIT = InputHabit("face alignment nets such as PFLD: RGB, 0..1, a crop stretched", "0..1")
_WORDS = ("landmark", "keypoint", "key_point", "joint", "coord", "pts")


def coordinates(facts: Facts) -> Answer | None:
    """One output of x, y pairs: so called, or of a published count and no probabilities."""
    if len(facts.outputs) != 1 or facts.image is None:
        return None
    info = facts.outputs[0]
    size = math.prod(info.shape)
    count = size // 2
    alone = max(info.shape[1:], default=0) == size or info.shape[-1:] == (2,)
    if size != 2 * count or count < 2 or not alone:
        return None
    named = says(facts, info.name, *_WORDS)
    values = facts.values(info.name)
    shares = values is not None and _are_shares(values.reshape(-1))
    if count > _MOST or are_chances(values):
        return None
    if not named and not (shares and count in _FACES):
        return None
    width, height = facts.size
    pixels = values is not None and bool(np.isfinite(values).all()) and float(values.max()) > 4
    label = "face" if count in _FACES else "object"
    spec = PointsSpec(
        info.name,
        (label,),
        numbered(count),
        values=2,
        axes="xy",
        units=(1.0, 1.0) if pixels else (float(width), float(height)),
        point_score=-1,
        score_threshold=0.0,
    )
    evidence = [
        f"one output '{info.name}' {list(info.shape)}: {size} numbers are {count} points"
        f" {'by its name' if named else 'as in a published face set'}"
    ]
    if values is not None and np.isfinite(values).all():
        evidence.append(
            f"values from {values.min():.3g} to {values.max():.3g}, sum {values.sum():.3g}: no"
            f" probabilities but {'input pixels' if pixels else 'shares of the input'}"
        )
    if not shares and not pixels:
        draft = {key: item for key, item in to_json(spec).items() if key not in _UNKNOWN}
        missing = {"units": "input pixels (x, y) that 1.0 of a coordinate stands for"}
        return Incomplete(
            "coordinates of key points", missing, draft, tuple(evidence), _HABIT, named
        )
    warnings = ("x comes first and points go pair by pair, as most do: the file does not say",)
    return Recognised(
        "coordinates of key points", spec, tuple(evidence), _HABIT, warnings, sure=True
    )


_UNKNOWN = ("schema", "units")


def _are_shares(values: np.ndarray) -> bool:
    """Whether values may be places in 0..1 but not probabilities of classes."""
    if not np.isfinite(values).all() or values.min() < -0.25 or values.max() > 1.25:
        return False
    return bool(0.2 < values.mean() < 0.8 and values.std() > 0.05)
