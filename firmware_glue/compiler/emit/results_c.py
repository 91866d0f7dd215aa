"""The function ``<name>_postprocess`` and its declaration, for each form of results."""

from __future__ import annotations

from collections.abc import Mapping

from firmware_glue.compiler.emit.call_c import fields
from firmware_glue.compiler.postprocess import (
    AfterStage,
    BoxStage,
    CentroidStage,
    ClassifyStage,
    OutputPlace,
    PoseStage,
    SegmentStage,
)

_CLASSIFY_API = """\
/* The class with the highest score. score gets that score, scores all {n}_CLASSES of them; both
 * may be NULL. Returns the class, or
 * {n}_BAD_ARGUMENT.
 *
 *     float score;
 *     const int best = {n}_postprocess(&state, &score, NULL);
 *     if (best >= 0 && score > 0.5f) {{
 *         show({n}_labels[best]);
 *     }}
 */
int {n}_postprocess(const {n}_state *state, float *score, float *scores);
"""

_BOX_API = """\
/* Boxes on the frame, best first.
 *
 * map: what {n}_preprocess filled in for this frame; boxes are then in frame pixels, clipped to
 * the frame. NULL: they are in pixels of the input tensor, unclipped.
 * boxes: room for max_boxes; at most {n}_MAX_DETECTIONS are used.
{point_text} * scratch: room for max_candidates. If more pass the threshold, the best ones stay;
 * with {n}_CANDIDATES none can be lost.
 * Returns how many boxes there are; {n}_BAD_ARGUMENT: state was not initialised, a pointer is
 * null, a size is below 1, or the map is empty.
 *
 *     static ec_box boxes[10];
{point_example} *     static ec_candidate scratch[64];
 *     const int count = {n}_postprocess(&state, &map, boxes,{point_given} 10, scratch, 64);
 *     for (int i = 0; i < count; ++i) {{
 *         draw(boxes[i].x1, boxes[i].y1, boxes[i].x2, boxes[i].y2, {n}_labels[boxes[i].label]);
{point_use} *     }}
 */
int {n}_postprocess(
    const {n}_state *state, const ec_frame_map *map, ec_box *boxes,{point_argument}
    int max_boxes, ec_candidate *scratch, int max_candidates);
"""
_POINT_WORDS = {
    "point_text": (
        " * keypoints: room for max_boxes * {n}_KEYPOINTS; those of boxes[i] begin at"
        " i * {n}_KEYPOINTS,\n * in the order of {n}_keypoints.\n"
    ),
    "point_example": " *     static ec_keypoint points[10 * {n}_KEYPOINTS];\n",
    "point_given": " points,",
    "point_use": " *         dot(points[i * {n}_KEYPOINTS].x, points[i * {n}_KEYPOINTS].y);\n",
    "point_argument": " ec_keypoint *keypoints,",
    "point_check": " || keypoints == NULL",
}

_CENTROID_API = """\
/* Points on the frame, one per object, best first.
 *
 * map: what {n}_preprocess filled in for this frame; points are then in frame pixels, inside the
 * frame. NULL: they are in pixels of the input tensor.
 * points: room for max_points; at most {n}_MAX_POINTS are used.
 * scratch: room for {n}_CELLS.
 * Returns how many objects there are; {n}_BAD_ARGUMENT: state was not initialised, a pointer is
 * null, max_points is below 1, or the map is empty.
 *
 *     static ec_point points[10];
 *     static ec_cell scratch[{n}_CELLS];
 *     const int count = {n}_postprocess(&state, &map, points, 10, scratch);
 *     for (int i = 0; i < count; ++i) {{
 *         dot(points[i].x, points[i].y, {n}_labels[points[i].label]);
 *     }}
 */
int {n}_postprocess(
    const {n}_state *state, const ec_frame_map *map, ec_point *points, int max_points,
    ec_cell *scratch);
"""

_POSE_API = """\
/* The object on the frame, if there is one, and its key points ({n}_keypoints has their names).
 *
 * map: what {n}_preprocess filled in for this frame; places are then in frame pixels, and the box
 * is clipped to the frame. NULL: they are in pixels of the input tensor.
 * box: the rectangle around the points that are sure enough.
 * keypoints: room for {n}_KEYPOINTS.
 * Returns 1 if there is an object, 0 if there is none; {n}_BAD_ARGUMENT: state was not
 * initialised, a pointer is null, or the map is empty.
 *
 *     ec_box box;
 *     static ec_keypoint points[{n}_KEYPOINTS];
 *     if ({n}_postprocess(&state, &map, &box, points) == 1) {{
 *         dot(points[0].x, points[0].y, points[0].score);
 *     }}
 */
int {n}_postprocess(
    const {n}_state *state, const ec_frame_map *map, ec_box *box, ec_keypoint *keypoints);
"""

_SEGMENT_API = """\
/* The classes of one row of cells, as the model says them: a map of the whole frame may not fit.
 *
 * row: 0 to {n}_ROWS - 1. Cell (row, col) lies over the input's pixels from
 * (col * {stride_x:g}, row * {stride_y:g}) on.
 * classes: room for {n}_COLS; -1: none of {n}_labels.
 * scores: likewise, how sure each class is; or NULL.
 * Returns {n}_OK; {n}_BAD_ARGUMENT: state was not initialised, classes is null, or there is no such
 * row.
 *
 *     static int16_t classes[{n}_COLS];
 *     for (int row = 0; row < {n}_ROWS; ++row) {{
 *         if ({n}_postprocess(&state, row, classes, NULL) == {n}_OK) {{
 *             paint(row, classes);
 *         }}
 *     }}
 */
int {n}_postprocess(const {n}_state *state, int row, int16_t *classes, float *scores);
"""

_CLASSIFY = """\
int {n}_postprocess(const {n}_state *state, float *score, float *scores) {{
    static const {struct} params = {{
{params}
    }};
    if (state == NULL || state->arena == NULL) {{
        return {n}_BAD_ARGUMENT;
    }}
    return ec_classify(&params, {place}, {tables}, score, scores);
}}
"""

_MAP_CHECK = """\
    if (map != NULL && (map->fit_width < 1 || map->fit_height < 1)) {{
        return {n}_BAD_ARGUMENT;
    }}
"""

_BOXES = """\
int {n}_postprocess(
    const {n}_state *state, const ec_frame_map *map, ec_box *boxes,{point_argument}
    int max_boxes, ec_candidate *scratch, int max_candidates) {{
    static const {struct} params = {{
{params}
    }};
    {outputs_struct} outputs[{rows}];
    if (state == NULL || state->arena == NULL || boxes == NULL{point_check} ||
        scratch == NULL || max_boxes < 1 || max_candidates < 1) {{
        return {n}_BAD_ARGUMENT;
    }}
{map_check}{outputs}
    return {kernel}(
        &params, outputs, {data},
        map, boxes, {points}, max_boxes, scratch, max_candidates);
}}
"""

_CENTROIDS = """\
int {n}_postprocess(
    const {n}_state *state, const ec_frame_map *map, ec_point *points, int max_points,
    ec_cell *scratch) {{
    static const {struct} params = {{
{params}
    }};
    if (state == NULL || state->arena == NULL || points == NULL || scratch == NULL ||
        max_points < 1) {{
        return {n}_BAD_ARGUMENT;
    }}
{map_check}    return ec_centroids(
        &params, {place}, {tables}, {thresholds}, map, points, max_points, scratch);
}}
"""

_POSE = """\
int {n}_postprocess(
    const {n}_state *state, const ec_frame_map *map, ec_box *box, ec_keypoint *keypoints) {{
    static const {struct} params = {{
{params}
    }};
    ec_pose_outputs outputs;
    if (state == NULL || state->arena == NULL || box == NULL || keypoints == NULL) {{
        return {n}_BAD_ARGUMENT;
    }}
{map_check}{outputs}
    return {kernel}(&params, &outputs, map, box, keypoints);
}}
"""

_SEGMENT = """\
int {n}_postprocess(const {n}_state *state, int row, int16_t *classes, float *scores) {{
    static const {struct} params = {{
{params}
    }};
    if (state == NULL || state->arena == NULL || classes == NULL || row < 0 || row >= {n}_ROWS) {{
        return {n}_BAD_ARGUMENT;
    }}
    ec_segment(&params, {place}, {tables}, row, classes, scores);
    return {n}_OK;
}}
"""
_DATA = {
    "ec_detect": ("tables", "thresholds", "levels", "anchors"),
    "ec_listed": ("tables", "thresholds"),
    "ec_centers": ("tables", "thresholds"),
}
"""What a kernel of boxes gets between the outputs and the map."""


def api(stage: AfterStage, name: str) -> str:
    """The comment and the declaration in the header."""
    if isinstance(stage, ClassifyStage):
        return _CLASSIFY_API.format(n=name)
    if isinstance(stage, CentroidStage):
        return _CENTROID_API.format(n=name)
    if isinstance(stage, PoseStage):
        return _POSE_API.format(n=name)
    if isinstance(stage, SegmentStage):
        x, y = stage.spec.stride
        return _SEGMENT_API.format(n=name, stride_x=x, stride_y=y)
    return _BOX_API.format(n=name, **_point_words(stage, name))


def function(stage: AfterStage, name: str) -> str:
    """The definition of ``<name>_postprocess``."""
    known = {
        "n": name,
        "struct": stage.params.struct,
        "params": fields(stage.params, "        "),
        "map_check": _MAP_CHECK.format(n=name),
        "tables": "NULL" if stage.table is None else f"{name}_tables",
        "thresholds": f"{name}_thresholds" if getattr(stage.spec, "thresholds", ()) else "NULL",
    }
    if isinstance(stage, BoxStage):
        return _boxes(stage, name, known)
    if isinstance(stage, PoseStage):
        outputs = _pointers("outputs", stage.outputs, name)
        return _POSE.format(**known, outputs=outputs, kernel=stage.kernel)
    templates = {CentroidStage: _CENTROIDS, SegmentStage: _SEGMENT, ClassifyStage: _CLASSIFY}
    return templates[type(stage)].format(**known, place=_pointer(stage.place, name))


def _boxes(stage: BoxStage, name: str, known: dict[str, str]) -> str:
    known["levels"] = f"{name}_levels"
    known["anchors"] = "NULL" if stage.anchors is None else f"{name}_anchors"
    rows = (_pointers(f"outputs[{row}]", places, name) for row, places in enumerate(stage.outputs))
    return _BOXES.format(
        **known,
        **_point_words(stage, name),
        outputs_struct=stage.struct,
        rows=len(stage.outputs),
        outputs="\n".join(rows),
        kernel=stage.kernel,
        data=", ".join(known[key] for key in _DATA[stage.kernel]),
        points="keypoints" if stage.keypoints else "NULL",
    )


def _point_words(stage: BoxStage, name: str) -> dict[str, str]:
    return {
        key: text.format(n=name) if stage.keypoints else "" for key, text in _POINT_WORDS.items()
    }


def _pointers(struct: str, places: Mapping[str, OutputPlace | None], name: str) -> str:
    """Statements that fill in the pointers, after the state was looked at."""
    return "\n".join(
        f"    {struct}.{field} = {_pointer(place, name)};" for field, place in places.items()
    )


def _pointer(place: OutputPlace | None, name: str) -> str:
    if place is None:
        return "NULL"
    start = f"{name}_output{place.output}(state)"
    return f"{start} + {place.first}" if place.first else start
