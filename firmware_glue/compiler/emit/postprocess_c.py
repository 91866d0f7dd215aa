"""``<name>_postprocess.{h,c}``: the model's outputs to a class, or to boxes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from firmware_glue.compiler.emit import text
from firmware_glue.compiler.emit.call_c import fields
from firmware_glue.compiler.emit.results_c import api, function
from firmware_glue.compiler.postprocess import (
    AfterStage,
    BoxStage,
    CentroidStage,
    ClassifyStage,
    PoseStage,
    SegmentStage,
)
from firmware_glue.kernels import same_version

_H = """\
/* What {n}'s outputs mean. */
#ifndef {guard}
#define {guard}

#include "{n}.h"
{include}
#ifdef __cplusplus
extern "C" {{
#endif

#define {n}_CLASSES {classes}
{defines}
/* One name per class, UTF-8. */
extern const char *const {n}_labels[{n}_CLASSES];
{points}
{api}
#ifdef __cplusplus
}}
#endif

#endif
"""

_C = """\
/* What {n}'s outputs mean. */
#include "{n}_postprocess.h"

#include "{kernel}"

{check}

const char *const {n}_labels[{n}_CLASSES] = {{
{labels}
}};
{points}{data}
"""
_IMAGE = '\n#include "edgecnn_image.h"\n'
_POINTS_H = """\
/* And of each key point. */
extern const char *const {n}_keypoints[{n}_KEYPOINTS];
"""
_POINTS_C = """
const char *const {n}_keypoints[{n}_KEYPOINTS] = {{
{names}
}};
"""

_ANCHORS = "Of each anchor: width and height, or centre x, y, width, height; tensor pixels."
_KERNELS: dict[type, str] = {
    ClassifyStage: "edgecnn_classify.h",
    PoseStage: "edgecnn_pose.h",
    SegmentStage: "edgecnn_segment.h",
    CentroidStage: "edgecnn_centroids.h",
}


def kernel(stage: AfterStage) -> str:
    """The kernel header that a stage needs."""
    if isinstance(stage, BoxStage):
        return f"edgecnn_{stage.kernel.removeprefix('ec_')}.h"
    return _KERNELS[type(stage)]


def postprocess_files(stage: AfterStage, name: str) -> dict[str, str]:
    """File name → text."""
    points = getattr(stage, "keypoints", ())
    names = _POINTS_C.format(n=name, names=_strings(points)) if points else ""
    header = _H.format(
        n=name, guard=f"{name.upper()}_POSTPROCESS_H",
        include="" if isinstance(stage, ClassifyStage | SegmentStage) else _IMAGE,
        defines="".join(f"#define {name}_{key} {value}\n" for key, value in _sizes(stage)),
        classes=len(stage.spec.labels), api=api(stage, name),
        points=_POINTS_H.format(n=name) if points else "",
    )  # fmt: skip
    source = _C.format(
        n=name, kernel=kernel(stage), check=same_version(), data=_data(stage, name),
        labels=_strings(stage.spec.labels), points=names,
    )  # fmt: skip
    return {
        f"{name}_postprocess.h": header,
        f"{name}_postprocess.c": source + function(stage, name),
    }


def _sizes(stage: AfterStage) -> list[tuple[str, int]]:
    """Macros that say how large the arrays of the caller have to be."""
    if isinstance(stage, BoxStage):
        most = min(stage.spec.max_detections, stage.candidates)
        sizes = [("CANDIDATES", stage.candidates), ("MAX_DETECTIONS", most)]
        return sizes + [("KEYPOINTS", len(stage.keypoints))] * bool(stage.keypoints)
    if isinstance(stage, PoseStage):
        return [("KEYPOINTS", len(stage.keypoints))]
    if isinstance(stage, SegmentStage):
        return [("ROWS", stage.spec.rows), ("COLS", stage.spec.cols)]
    if isinstance(stage, CentroidStage):
        cells = stage.spec.level.rows * stage.spec.level.cols
        return [("CELLS", cells), ("MAX_POINTS", stage.spec.max_detections)]
    return []


def _data(stage: AfterStage, name: str) -> str:
    """The constant arrays."""
    data = ""
    if isinstance(stage, BoxStage):
        data = _levels(stage, name)
        if stage.anchors is not None:
            data += _array(f"{name}_anchors", stage.anchors, _ANCHORS)
    thresholds = getattr(stage.spec, "thresholds", ())
    if thresholds:
        limits = np.asarray(thresholds, np.float32)
        data += _array(f"{name}_thresholds", limits, "The lowest score of each class.")
    if stage.table is not None:
        data += _array(f"{name}_tables", stage.table, "Output byte -> value; ascending.")
    return data


def _levels(stage: BoxStage, name: str) -> str:
    if not stage.levels:
        return ""
    rows = [f"    {{\n{fields(level, '        ')}\n    }}," for level in stage.levels]
    head = f"static const ec_level {name}_levels[{len(rows)}] = {{"
    return "\n".join(["", head, *rows, "};", ""])


def _array(symbol: str, values: NDArray[np.float32], comment: str) -> str:
    head = f"static const float {symbol}[{values.size}] = {{"
    return "\n".join(["", f"/* {comment} */", head, text.array_body(values), "};", ""])


def _strings(names: Sequence[str]) -> str:
    return "\n".join(f"    {_string(name)}," for name in names)


def _string(label: str) -> str:
    """A C string literal: ASCII; '?' escaped, since two of them start a trigraph."""
    # Octal: an escape of at most three digits cannot swallow what follows.
    return '"' + "".join(map(_character, label.encode("utf-8", "replace"))) + '"'


def _character(byte: int) -> str:
    if 32 <= byte < 127 and chr(byte) not in '"\\?':
        return chr(byte)
    return f"\\{byte:03o}"
