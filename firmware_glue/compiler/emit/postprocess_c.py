"""``<name>_postprocess.{h,c}``: the model's outputs to a class, or to boxes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from firmware_glue.compiler.emit import text
from firmware_glue.compiler.emit.call_c import fields
from firmware_glue.compiler.specs import AfterStage, CentroidStage, ClassifyStage, DetectStage
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

{api}
#ifdef __cplusplus
}}
#endif

#endif
"""

_CLASSIFY_API = """\
/* The class with the highest score. score gets that score, scores all {n}_CLASSES of them; both
 * may be NULL. Returns the class, or
 * {n}_BAD_ARGUMENT. */
int {n}_postprocess(const {n}_state *state, float *score, float *scores);
"""

_DETECT_API = """\
/* Boxes on the frame, best first.
 *
 * map: what {n}_preprocess filled in for this frame; boxes are then in frame pixels, clipped to the
 * frame. NULL: they are in pixels of the input tensor, unclipped.
 * boxes: room for max_boxes; at most {n}_MAX_DETECTIONS are used.
 * scratch: room for max_candidates. If more pass the threshold, the best max_candidates are kept;
 * with {n}_CANDIDATES none can be lost.
 * Returns how many boxes there are; {n}_BAD_ARGUMENT: state was not initialised, a pointer is null,
 * a size is below 1, or the map is empty. */
int {n}_postprocess(
    const {n}_state *state, const ec_frame_map *map, ec_box *boxes, int max_boxes,
    ec_candidate *scratch, int max_candidates);
"""

_C = """\
/* What {n}'s outputs mean. */
#include "{n}_postprocess.h"

#include "{kernel}"

{check}

const char *const {n}_labels[{n}_CLASSES] = {{
{labels}
}};
{data}
"""

_CLASSIFY = """\
int {n}_postprocess(const {n}_state *state, float *score, float *scores) {{
    static const ec_score_params params = {{
{params}
    }};
    if (state == NULL || state->arena == NULL) {{
        return {n}_BAD_ARGUMENT;
    }}
    return ec_classify(&params, {n}_output{k}(state), {table}, score, scores);
}}
"""

_DETECT = """\
int {n}_postprocess(
    const {n}_state *state, const ec_frame_map *map, ec_box *boxes, int max_boxes,
    ec_candidate *scratch, int max_candidates) {{
    static const ec_detect_params params = {{
{params}
    }};
    if (state == NULL || state->arena == NULL || boxes == NULL || scratch == NULL ||
        max_boxes < 1 || max_candidates < 1) {{
        return {n}_BAD_ARGUMENT;
    }}
    if (map != NULL && (map->fit_width < 1 || map->fit_height < 1)) {{
        return {n}_BAD_ARGUMENT;
    }}
    return ec_detect(
        &params, {n}_output{scores}(state), {n}_output{boxes}(state), {table}, {thresholds},
        {n}_levels, {anchors}, map, boxes, max_boxes, scratch, max_candidates);
}}
"""


_POINT_API = """\
/* Points on the frame, one per object, best first.
 *
 * map: what {n}_preprocess filled in for this frame; points are then in frame pixels, inside the
 * frame. NULL: they are in pixels of the input tensor.
 * points: room for max_points; at most {n}_MAX_POINTS are used.
 * scratch: room for {n}_CELLS.
 * Returns how many objects there are; {n}_BAD_ARGUMENT: state was not initialised, a pointer is
 * null, max_points is below 1, or the map is empty. */
int {n}_postprocess(
    const {n}_state *state, const ec_frame_map *map, ec_point *points, int max_points,
    ec_cell *scratch);
"""

_POINTS = """\
int {n}_postprocess(
    const {n}_state *state, const ec_frame_map *map, ec_point *points, int max_points,
    ec_cell *scratch) {{
    static const ec_centroid_params params = {{
{params}
    }};
    if (state == NULL || state->arena == NULL || points == NULL || scratch == NULL ||
        max_points < 1) {{
        return {n}_BAD_ARGUMENT;
    }}
    if (map != NULL && (map->fit_width < 1 || map->fit_height < 1)) {{
        return {n}_BAD_ARGUMENT;
    }}
    return ec_centroids(
        &params, {n}_output{k}(state), {table}, {thresholds}, map, points, max_points, scratch);
}}
"""

_KERNELS: dict[type, str] = {
    ClassifyStage: "edgecnn_classify.h",
    DetectStage: "edgecnn_detect.h",
    CentroidStage: "edgecnn_centroids.h",
}


def kernel(stage: AfterStage) -> str:
    """The kernel header that a stage needs."""
    return _KERNELS[type(stage)]


def postprocess_files(stage: AfterStage, name: str) -> dict[str, str]:
    """File name → text."""
    defines, api, include, data = "", _CLASSIFY_API, "", ""
    if isinstance(stage, DetectStage):
        api, include = _DETECT_API, '\n#include "edgecnn_image.h"\n'
        defines = (
            f"#define {name}_CANDIDATES {stage.spec.candidates}\n"
            f"#define {name}_MAX_DETECTIONS {stage.spec.max_detections}\n"
        )
        data = _levels(stage, name)
    elif isinstance(stage, CentroidStage):
        api, include = _POINT_API, '\n#include "edgecnn_image.h"\n'
        defines = (
            f"#define {name}_CELLS {stage.spec.level.rows * stage.spec.level.cols}\n"
            f"#define {name}_MAX_POINTS {stage.spec.max_detections}\n"
        )
    if not isinstance(stage, ClassifyStage) and stage.spec.thresholds:
        limits = np.asarray(stage.spec.thresholds, np.float32)
        data += _array(f"{name}_thresholds", limits, "The lowest score of each class.")
    if stage.table is not None:
        data += _array(f"{name}_score_table", stage.table, "Output byte -> value; ascending.")
    header = _H.format(
        n=name, guard=f"{name.upper()}_POSTPROCESS_H", include=include, defines=defines,
        classes=len(stage.spec.labels), api=api.format(n=name),
    )  # fmt: skip
    source = _C.format(
        n=name, kernel=kernel(stage), check=same_version(), data=data,
        labels="\n".join(f"    {_string(label)}," for label in stage.spec.labels),
    )  # fmt: skip
    return {
        f"{name}_postprocess.h": header,
        f"{name}_postprocess.c": source + _function(stage, name),
    }


def _function(stage: AfterStage, name: str) -> str:
    params = fields(stage.params, "        ")
    table = "NULL" if stage.table is None else f"{name}_score_table"
    if isinstance(stage, ClassifyStage):
        return _CLASSIFY.format(n=name, params=params, k=stage.output, table=table)
    thresholds = f"{name}_thresholds" if stage.spec.thresholds else "NULL"
    if isinstance(stage, CentroidStage):
        return _POINTS.format(
            n=name, params=params, k=stage.output, table=table, thresholds=thresholds
        )
    scores, boxes = stage.outputs
    anchors = f"{name}_anchors" if stage.anchors else "NULL"
    return _DETECT.format(
        n=name, params=params, scores=scores, boxes=boxes, table=table, anchors=anchors,
        thresholds=thresholds,
    )  # fmt: skip


def _levels(stage: DetectStage, name: str) -> str:
    rows = [f"    {{\n{fields(level, '        ')}\n    }}," for level in stage.levels]
    head = f"static const ec_level {name}_levels[{len(rows)}] = {{"
    data = "\n".join(["", head, *rows, "};", ""])
    if stage.anchors:
        sides = np.asarray(stage.anchors, np.float32)
        data += _array(f"{name}_anchors", sides, "Width, height of each anchor, tensor pixels.")
    return data


def _array(symbol: str, values: NDArray[np.float32], comment: str) -> str:
    head = f"static const float {symbol}[{values.size}] = {{"
    return "\n".join(["", f"/* {comment} */", head, text.array_body(values), "};", ""])


def _string(label: str) -> str:
    """A C string literal: ASCII; '?' escaped, since two of them start a trigraph."""
    # Octal: an escape of at most three digits cannot swallow what follows.
    return '"' + "".join(map(_character, label.encode("utf-8", "replace"))) + '"'


def _character(byte: int) -> str:
    if 32 <= byte < 127 and chr(byte) not in '"\\?':
        return chr(byte)
    return f"\\{byte:03o}"
