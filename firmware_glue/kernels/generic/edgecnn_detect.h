/* SPDX-License-Identifier: Apache-2.0 */
/* Boxes from a dense detector's raw outputs. The Python twin is edgecnn/core/decode/dense.py:
 *
 * 1. a candidate's class is its highest score's (the first of equal ones); with objectness its
 *    score is both probabilities' product; those below the threshold, or that class's own one, and
 *    those whose value is not finite go; if more are left than max_candidates or than the scratch holds, the best stay (of equal ones
 *    the first);
 * 2. in order of score (of equal ones the first) each is decoded to a box in tensor pixels; it goes
 *    if it is not finite, or if one of its class that was kept overlaps it by intersection > iou *
 *    union; with weighted suppression one that is kept becomes the mean of itself and of those that
 *    go because of it, weighted by score, and so do its key points' places;
 * 3. boxes are mapped to the frame and clipped; those with nothing left inside it go.
 */
#ifndef EDGECNN_DETECT_H
#define EDGECNN_DETECT_H

#include "edgecnn_boxes.h"

/* NOLINTBEGIN(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

/* How the four numbers of a box are meant: as in the postprocess spec. */
enum {
    EC_BOX_LTRB,
    EC_BOX_CENTER_SIZE,
    EC_BOX_CENTER_EXP,
    EC_BOX_CENTER_LINEAR,
    EC_BOX_CORNER_LINEAR,
    EC_BOX_CELL_EXP,
    EC_BOX_ANCHOR_EXP,
    EC_BOX_ANCHOR_SQUARE,
    EC_BOX_CXCYWH,
    EC_BOX_XYXY
};

/* What candidates belong to: nothing (their boxes are decoded already), cells, cells with anchors
 * of a width and height each, or anchors of their own (centre x, y, width, height). */
enum { EC_ON_NOTHING, EC_ON_CELLS, EC_ON_CELL_ANCHORS, EC_ON_ANCHORS };

/* How key points are meant: in units, against the anchor, or in cells. */
enum { EC_POINT_UNITS, EC_POINT_ANCHOR, EC_POINT_CELL };

/* One feature map, or all candidates at once: cell-major, then anchor, or with anchors_first the
 * other way round. first_anchor is the place of the first anchor, score_table and object_table those
 * of the 256 values of an 8-bit output. Zero points count after the flip. offset: where in its cell
 * a candidate's centre lies. */
typedef struct {
    int32_t candidates, cols, per_cell, anchors_first, first_anchor, score_table, object_table;
    int32_t box_zero, point_zero;
    float stride, offset, box_scale, point_scale;
} ec_level;

/* Where a level's outputs begin; those that a model does not have are not read. */
typedef struct {
    const void *scores, *boxes, *objectness, *keypoints;
} ec_level_outputs;

/* background: 1 if the first score stands for it. objectness.count: 0 if there is none; the steps
 * lead from one candidate's scores to the next one's. threshold: the lowest of all classes. bins:
 * 0, or the values of each distance. distance_unit: of distances, in strides. variances: of x, y,
 * width and height. */
typedef struct {
    ec_score_params scores;
    ec_score_params objectness;
    ec_columns boxes;
    ec_point_params points;
    int32_t score_step, object_step, background;
    int32_t levels, max_candidates, max_detections;
    int32_t coding, bins, places, weighted, point_coding;
    float distance_unit;
    float unit[2];
    float variances[4];
    float threshold, iou;
} ec_detect_params;

/* Where a candidate lies: its level and its place there, its cell's (or anchor's) centre, its
 * anchor's size. */
typedef struct {
    int32_t level, row;
    float x, y, width, height;
} ec_place;

/* Lists the candidates that pass, best first; returns how many. */
EC_INLINE int32_t ec_list_candidates(
    const ec_detect_params *p, const ec_level_outputs *outputs, const float *tables,
    const float *thresholds, const ec_level *levels, ec_candidate *list, int32_t room) {
    int32_t count = 0, index = 0;
    for (int32_t l = 0; l < p->levels; ++l) {
        const uint8_t *row = (const uint8_t *)outputs[l].scores;
        const uint8_t *object = (const uint8_t *)outputs[l].objectness;
        for (int32_t i = 0; i < levels[l].candidates; ++i, ++index) {
            const int32_t at = i * p->score_step * p->scores.element_bytes;
            const int32_t object_at = i * p->object_step * p->objectness.element_bytes;
            float present = 1.0f;
            ec_candidate one;
            int32_t label;
            if (p->objectness.count > 0) {
                /* A class's probability is at most 1, so the product is at most this. */
                const float real = ec_value(
                    &p->objectness, object + object_at, tables + levels[l].object_table, 0);
                present = ec_probability(ec_activate(&p->objectness, real, 0.0f, 1.0f));
                if (!(present >= p->threshold && ec_finite(real))) {
                    continue;
                }
            }
            label = ec_best_class(
                &p->scores, p->background, row + at, tables + levels[l].score_table, &one.score);
            if (p->objectness.count > 0) {
                one.score = ec_product(ec_probability(one.score), present);
            }
            if (one.score >= (thresholds == NULL ? p->threshold : thresholds[label])
                && ec_finite(ec_value(
                    &p->scores, row + at, tables + levels[l].score_table,
                    label + p->background))) {
                one.index = index;
                one.label = (int16_t)label;
                count = ec_insert(list, count, room, &one);
            }
        }
    }
    return count;
}

/* Finds a candidate by its number among those of all levels. */
EC_INLINE ec_place ec_find_place(
    const ec_detect_params *p, const ec_level *levels, const float *anchors, int32_t index) {
    ec_place at = {0, index, 0.0f, 0.0f, 0.0f, 0.0f};
    const ec_level *level = levels;
    while (at.level + 1 < p->levels && at.row >= level->candidates) {
        at.row -= level->candidates;
        ++level;
        ++at.level;
    }
    if (p->places == EC_ON_ANCHORS) {
        const float *anchor = anchors + 4 * at.row;
        at.x = anchor[0];
        at.y = anchor[1];
        at.width = anchor[2];
        at.height = anchor[3];
    } else if (p->places != EC_ON_NOTHING) {
        const int32_t cells = level->candidates / level->per_cell;
        const int32_t cell =
            level->anchors_first ? at.row % cells : at.row / level->per_cell;
        const int32_t row = cell / level->cols;
        at.x = ec_product((float)(cell - row * level->cols) + level->offset, level->stride);
        at.y = ec_product((float)row + level->offset, level->stride);
        if (p->places == EC_ON_CELL_ANCHORS) {
            const int32_t which =
                level->anchors_first ? at.row / cells : at.row - cell * level->per_cell;
            const float *anchor = anchors + 2 * (level->first_anchor + which);
            at.width = anchor[0];
            at.height = anchor[1];
        }
    }
    return at;
}

/* One distance: the mean of 0, 1 .. bins - 1 under the softmax of so many values. */
EC_INLINE float ec_bins_mean(
    const ec_detect_params *p, const ec_level *level, const void *raw, int32_t row, int32_t side) {
    const int32_t first = side * p->bins;
    float max = ec_real(&p->boxes, level->box_zero, level->box_scale, raw, row, first);
    float total = 0.0f, sum = 0.0f, spoilt = 0.0f;
    for (int32_t k = 0; k < p->bins; ++k) {
        const float value =
            ec_real(&p->boxes, level->box_zero, level->box_scale, raw, row, first + k);
        max = value > max ? value : max;
        spoilt += value - value; /* NaN if one is not finite */
    }
    for (int32_t k = 0; k < p->bins; ++k) {
        const float value =
            ec_real(&p->boxes, level->box_zero, level->box_scale, raw, row, first + k);
        const float power = ec_exp(value - max);
        total += power;
        sum += ec_product(power, (float)k);
    }
    return sum / total + spoilt;
}

/* The centre and the size of a box on a cell or an anchor, from codes x, y, width, height. */
EC_INLINE void ec_box_on_place(
    const ec_detect_params *p, const ec_level *level, const ec_place *at, const float *code,
    ec_box *box) {
    const float corner[2] = {at->x - level->stride / 2, at->y - level->stride / 2};
    const float centre[2] = {at->x, at->y};
    const float anchor[2] = {at->width, at->height};
    float middle[2], half[2];
    for (int32_t i = 0; i < 2; ++i) {
        if (p->coding == EC_BOX_CELL_EXP) {
            middle[i] = ec_product(code[i], level->stride) + corner[i];
            half[i] = ec_product(ec_grow(code[2 + i]), level->stride) / 2;
        } else if (p->coding == EC_BOX_ANCHOR_EXP) {
            middle[i] = ec_product(ec_sigmoid(code[i]), level->stride) + corner[i];
            half[i] = ec_product(anchor[i], ec_grow(code[2 + i])) / 2;
        } else if (p->coding == EC_BOX_ANCHOR_SQUARE) {
            const float side = 2 * ec_sigmoid(code[2 + i]);
            middle[i] = ec_product(2 * ec_sigmoid(code[i]) - 0.5f, level->stride) + corner[i];
            half[i] = ec_product(anchor[i], ec_product(side, side)) / 2;
        } else {
            const float shift = ec_product(code[i], p->variances[i]);
            const float size = ec_product(code[2 + i], p->variances[2 + i]);
            middle[i] = centre[i] + ec_product(shift, anchor[i]);
            half[i] = p->coding != EC_BOX_CENTER_LINEAR ? ec_product(anchor[i], ec_grow(size)) / 2
                      : size > 0                        ? ec_product(anchor[i], size) / 2
                                                        : 0.0f;
        }
    }
    ec_centred_box(box, middle[0], middle[1], half[0], half[1]);
}

/* Four codes in the order x, y, width, height (or left, top, right, bottom) as a box in tensor
 * pixels. */
EC_INLINE void ec_box_of_codes(
    const ec_detect_params *p, const ec_level *level, const ec_place *at, const float *code,
    ec_box *box) {
    if (p->coding == EC_BOX_LTRB) {
        const float unit = ec_product(p->distance_unit, level->stride);
        box->x1 = at->x - ec_product(code[0] < 0 ? 0.0f : code[0], unit);
        box->y1 = at->y - ec_product(code[1] < 0 ? 0.0f : code[1], unit);
        box->x2 = at->x + ec_product(code[2] < 0 ? 0.0f : code[2], unit);
        box->y2 = at->y + ec_product(code[3] < 0 ? 0.0f : code[3], unit);
    } else if (p->coding == EC_BOX_CORNER_LINEAR) {
        const float left = at->x - at->width / 2, right = at->x + at->width / 2;
        const float top = at->y - at->height / 2, bottom = at->y + at->height / 2;
        box->x1 = left + ec_product(ec_product(code[0], p->variances[0]), at->width);
        box->y1 = top + ec_product(ec_product(code[1], p->variances[1]), at->height);
        box->x2 = right + ec_product(ec_product(code[2], p->variances[2]), at->width);
        box->y2 = bottom + ec_product(ec_product(code[3], p->variances[3]), at->height);
    } else if (p->coding == EC_BOX_XYXY) {
        box->x1 = ec_product(code[0], p->unit[0]);
        box->y1 = ec_product(code[1], p->unit[1]);
        box->x2 = ec_product(code[2], p->unit[0]);
        box->y2 = ec_product(code[3], p->unit[1]);
    } else if (p->coding == EC_BOX_CXCYWH) {
        const float width = ec_product(code[2], p->unit[0]);
        const float height = ec_product(code[3], p->unit[1]);
        ec_centred_box(
            box, ec_product(code[0], p->unit[0]), ec_product(code[1], p->unit[1]),
            width > 0 ? width / 2 : 0.0f, height > 0 ? height / 2 : 0.0f);
    } else {
        ec_box_on_place(p, level, at, code, box);
    }
}

/* Decodes a candidate's box; whether all of it is finite. */
EC_INLINE int ec_decode_box(
    const ec_detect_params *p, const ec_level *level, const ec_level_outputs *outputs,
    const ec_place *at, ec_box *box) {
    const int32_t swapped = p->coding == EC_BOX_CENTER_SIZE; /* codes are dy, dx, dh, dw */
    float code[4];
    int good = 1;
    for (int32_t i = 0; i < 4; ++i) {
        const float value = p->bins > 0
            ? ec_bins_mean(p, level, outputs->boxes, at->row, i)
            : ec_real(&p->boxes, level->box_zero, level->box_scale, outputs->boxes, at->row, i);
        code[i ^ swapped] = value;
        good = good && ec_finite(value);
    }
    ec_box_of_codes(p, level, at, code, box);
    return p->boxes.bytes == 1 || (good && ec_is_finite(box));
}

/* Key point k of a candidate. */
EC_INLINE ec_keypoint ec_candidate_point(
    const ec_detect_params *p, const ec_level *level, const ec_level_outputs *outputs,
    const ec_place *at, int32_t k, float score) {
    float gain[2] = {p->points.unit[0], p->points.unit[1]}, shift[2] = {0.0f, 0.0f};
    if (p->point_coding == EC_POINT_ANCHOR) {
        gain[0] = ec_product(p->variances[0], at->width);
        gain[1] = ec_product(p->variances[1], at->height);
        shift[0] = at->x;
        shift[1] = at->y;
    } else if (p->point_coding == EC_POINT_CELL) {
        gain[0] = 2 * level->stride;
        gain[1] = gain[0];
        shift[0] = at->x - level->stride / 2;
        shift[1] = at->y - level->stride / 2;
    }
    return ec_decode_point(
        &p->points, level->point_zero, level->point_scale, outputs->keypoints, at->row, k, gain,
        shift, score);
}

/* Makes a kept box, list[first], and its points the mean over itself and the later candidates of
 * its class that overlap it; these leave the list. */
EC_INLINE void ec_merge_candidates(
    const ec_detect_params *p, const ec_level_outputs *outputs, const ec_level *levels,
    const float *anchors, ec_box *box, ec_keypoint *points, ec_candidate *list, int32_t first,
    int32_t count) {
    const ec_box alone = *box;
    const int weighs = list[first].score > 0; /* else none does: scores fall */
    float sides[4] = {0.0f, 0.0f, 0.0f, 0.0f};
    float total = 0.0f;
    for (int32_t i = first; i < count; ++i) {
        const ec_place at = ec_find_place(p, levels, anchors, list[i].index);
        const float weight = list[i].score;
        ec_box other = alone;
        if (list[i].label != alone.label) {
            continue;
        }
        if (i > first
            && (!ec_decode_box(p, &levels[at.level], &outputs[at.level], &at, &other)
                || !ec_overlaps(&alone, &other, p->iou))) {
            continue;
        }
        list[i].label = -1;
        if (!weighs) {
            continue;
        }
        total += weight;
        sides[0] += ec_product(other.x1, weight);
        sides[1] += ec_product(other.y1, weight);
        sides[2] += ec_product(other.x2, weight);
        sides[3] += ec_product(other.y2, weight);
        for (int32_t k = 0; k < p->points.count; ++k) {
            const ec_keypoint one = ec_candidate_point(
                p, &levels[at.level], &outputs[at.level], &at, k, weight);
            points[k].x = ec_product(one.x, weight) + (i > first ? points[k].x : 0.0f);
            points[k].y = ec_product(one.y, weight) + (i > first ? points[k].y : 0.0f);
        }
    }
    if (!weighs) {
        return;
    }
    box->x1 = sides[0] / total;
    box->y1 = sides[1] / total;
    box->x2 = sides[2] / total;
    box->y2 = sides[3] / total;
    for (int32_t k = 0; k < p->points.count; ++k) {
        points[k].x /= total;
        points[k].y /= total;
    }
}

/* Returns the number of boxes, best first. map may be NULL: tensor pixels, unclipped. points: room
 * for those of max_boxes; not used where candidates have none. */
EC_KERNEL(ec_detect) int ec_detect(
    const ec_detect_params *p, const ec_level_outputs *outputs, const float *tables,
    const float *thresholds, const ec_level *levels, const float *anchors, const ec_frame_map *map,
    ec_box *boxes, ec_keypoint *points, int32_t max_boxes, ec_candidate *list, int32_t max_list) {
    const int32_t most = max_boxes < p->max_detections ? max_boxes : p->max_detections;
    const int32_t room = max_list < p->max_candidates ? max_list : p->max_candidates;
    const int32_t each = p->points.count;
    const int32_t count =
        ec_list_candidates(p, outputs, tables, thresholds, levels, list, room);
    int32_t kept = 0;
    for (int32_t i = 0; i < count && kept < most; ++i) {
        const ec_place at = ec_find_place(p, levels, anchors, list[i].index);
        const ec_level *level = &levels[at.level];
        ec_box *box = &boxes[kept];
        box->score = list[i].score;
        box->label = list[i].label;
        if (list[i].label < 0 || !ec_decode_box(p, level, &outputs[at.level], &at, box)) {
            continue;
        }
        if (!p->weighted && p->iou < 1.0f && ec_suppressed(boxes, kept, box, p->iou)) {
            continue;
        }
        for (int32_t k = 0; k < each; ++k) {
            points[kept * each + k] =
                ec_candidate_point(p, level, &outputs[at.level], &at, k, box->score);
        }
        if (p->weighted && p->iou < 1.0f) {
            ec_merge_candidates(
                p, outputs, levels, anchors, box, points + kept * each, list, i, count);
        }
        ++kept;
    }
    return map == NULL ? kept : ec_map_boxes(map, boxes, kept, points, each);
}

/* NOLINTEND(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

#endif
