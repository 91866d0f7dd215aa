"""FOMO: a coarse grid of class scores (Edge Impulse 2022).

Edge Impulse cuts MobileNetV2 at a stride of 8, adds a convolution called ``head``, one called
``logits`` and a softmax over the background and the classes (its documentation of FOMO in expert
mode); its SDK skips column 0 and joins neighbouring cells of 0.5 and more
(``fill_result_struct_f32_fomo`` in ei_fill_result_struct.h). Nothing enlarges the map, which a
segmentation of such a stride needs.
"""

from __future__ import annotations

import numpy as np

from edgecnn.core.postprocess import CentroidSpec, GridLevel
from edgecnn.core.postprocess.base import Activation
from edgecnn.recognition.area_maps import AreaMap, area_maps, state_of
from edgecnn.recognition.facts import Facts
from edgecnn.recognition.found import Incomplete, InputHabit, Recognised
from edgecnn.recognition.labels import class_labels

_STRIDES = (4, 8, 16, 32)
_USUAL = (8, 16)
_MOST_COLUMNS = 101
_EMPTY = 0.5
_LAYERS = ("head", "logits")
_HABIT = InputHabit("Edge Impulse", "0..1")
_NAME = "FOMO, a grid of class scores"


def fomo(facts: Facts) -> Recognised | Incomplete | None:
    """One output (1, rows, cols, background and classes) at a stride of 8, or another power."""
    maps = area_maps(facts)
    if len(maps) != 1 or len(facts.outputs) != 1:
        return None
    found = maps[0]
    if found.enlarged or found.whole_stride not in _STRIDES:
        return None
    if len(found.info.shape) != 4 or found.first or found.columns > _MOST_COLUMNS:
        return None
    state, reason = state_of(found)
    named = _named(facts)
    evidence = [
        f"one output '{found.info.name}' {list(found.info.shape)}: {found.shown}",
        reason,
        *([named] if named else []),
        *_mostly_background(found),
    ]
    plain = found.enlarged is False
    if plain:
        evidence.append("no map is smaller and enlarged again, as those of segmentations are")
    if state == "softmax" and (named or (plain and found.whole_stride in _USUAL)):
        return _grid(facts, found, "none", evidence, sure=bool(named))
    if state == "logits" and named and found.columns > 1:
        return _grid(facts, found, "softmax", evidence, sure=False)
    if state in ("softmax", "sigmoid") and found.whole_stride in _STRIDES:
        return _unclear(found, state, evidence)
    return None


def _grid(
    facts: Facts, found: AreaMap, activation: Activation, evidence: list[str], *, sure: bool
) -> Recognised:
    spec = CentroidSpec(
        found.info.name,
        class_labels(facts, found.columns - 1),
        GridLevel(found.rows, found.cols, float(found.whole_stride)),
        background=True,
        activation=activation,
    )
    return Recognised(_NAME, spec, tuple(evidence), _HABIT, sure=sure)


def _unclear(found: AreaMap, state: str, evidence: list[str]) -> Incomplete:
    draft = {"scores": found.info.name, "activation": "none"}
    missing = {
        "kind": "centroids, if cells say where objects are; segment, if they are areas",
        "labels": f"one name for each of {found.columns} columns (of centroids with"
        " background = true one less)",
        "level": f"of centroids: rows = {found.rows}, cols = {found.cols},"
        f" stride = {found.whole_stride}; of segment instead rows and cols",
    }
    name = f"a grid of {state} scores, of objects or of areas"
    return Incomplete(name, missing, draft, tuple(evidence), _HABIT)


def _named(facts: Facts) -> str:
    """What FOMO's own layers at the end are called, in a sentence; empty: they are not there."""
    if facts.graph is None:
        return ""
    parts = {
        part
        for op in facts.graph.main.operators[-8:]
        for index in op.outputs
        for part in facts.graph.main.tensors[index].name.replace(";", "/").split("/")
    }
    there = all(layer in parts for layer in _LAYERS)
    return "layers called 'head' and 'logits', as Edge Impulse's" if there else ""


def _mostly_background(found: AreaMap) -> list[str]:
    if found.values is None or found.columns < 2:
        return []
    share = float(np.mean(found.values.argmax(axis=1) == 0))
    if share < _EMPTY:
        return []
    return [f"the first column, the background, is the highest in {share * 100:.0f} % of cells"]
