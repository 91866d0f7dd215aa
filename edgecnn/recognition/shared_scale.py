"""Boxes and scores in one quantized tensor: why such a model finds nothing."""

from __future__ import annotations

import numpy as np

from edgecnn.core.postprocess import DetectSpec, ListedSpec, PostprocessSpec
from edgecnn.recognition.facts import Facts

# Scores are told apart from this many codes on.
_ENOUGH_CODES = 20


def shared_scale_warnings(facts: Facts, spec: PostprocessSpec) -> tuple[str, ...]:
    """What one scale for boxes and scores costs; nothing where they have scales of their own."""
    if not isinstance(spec, DetectSpec | ListedSpec) or spec.scores != spec.boxes:
        return ()
    info = next((item for item in facts.outputs if item.name == spec.scores), None)
    if info is None:
        return ()
    if info.scale is None:
        kind = np.dtype(info.dtype).kind if info.dtype != "bfloat16" else "f"
        # Boxes from 0 to 1 and scores reach equally far: one scale serves both.
        if kind == "f" and isinstance(spec, DetectSpec) and spec.box_units == (1.0, 1.0):
            return (
                f"boxes and scores share the tensor '{info.name}': quantized to int8 they would"
                " share one scale, and scores would lose most of their codes; export them as two"
                " outputs before quantizing",
            )
        return ()
    codes = 1 / info.scale
    if codes >= _ENOUGH_CODES:
        return (
            f"boxes and scores share the tensor '{info.name}' and its scale {info.scale:.4g}:"
            f" a score has {codes:.0f} codes between 0 and 1, a box as many from edge to edge",
        )
    return (
        f"boxes and scores share the tensor '{info.name}' and its scale {info.scale:.4g}: scores"
        f" between 0 and 1 have only {int(codes) + 1} code{'s' * (codes >= 1)} and the model will"
        " find little or nothing; export boxes and scores as two outputs",
    )
