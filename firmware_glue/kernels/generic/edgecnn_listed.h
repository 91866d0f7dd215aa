/* SPDX-License-Identifier: Apache-2.0 */
/* Boxes that the model itself has chosen, read from its list. The Python twin is
 * edgecnn/core/decode/listed.py:
 *
 * 1. of the rows the first `count` are read, without such an output all of them;
 * 2. rows go whose score is no finite number or below its class's threshold, whose class is none of
 *    the labels, or whose box has a number that is not finite;
 * 3. the rest in order of score (of equal ones the first), at most max_detections; with an iou
 *    below 1 after greedy suppression per class;
 * 4. boxes are mapped to the frame and clipped; those with nothing left inside it go.
 */
#ifndef EDGECNN_LISTED_H
#define EDGECNN_LISTED_H

#include "edgecnn_boxes.h"

/* NOLINTBEGIN(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

/* The order of a box's numbers. */
enum { EC_LIST_YXYX, EC_LIST_XYXY, EC_LIST_CXCYWH };

/* Where the outputs begin; those that a model does not have are not read. */
typedef struct {
    const void *scores, *boxes, *classes, *count, *keypoints;
} ec_list_outputs;

/* class_offset: the number of the first label's class. classes.bytes and count.bytes: 0 if there is
 * no such output. Zero points count after the flip. */
typedef struct {
    ec_score_params scores;
    ec_columns boxes, classes, count;
    ec_point_params points;
    int32_t score_step, rows, labels, class_offset, max_candidates, max_detections, order;
    int32_t box_zero, class_zero, count_zero, point_zero;
    float box_scale, class_scale, count_scale, point_scale;
    float unit[2];
    float threshold, iou;
} ec_listed_params;

/* How many rows are filled. */
EC_INLINE int32_t ec_filled_rows(const ec_listed_params *p, const ec_list_outputs *outputs) {
    float count = (float)p->rows;
    if (p->count.bytes > 0) {
        count = ec_real(&p->count, p->count_zero, p->count_scale, outputs->count, 0, 0);
    }
    return !(count > 0) ? 0 : count < (float)p->rows ? ec_round_even(count) : p->rows;
}

/* The label of a row; -1: none. */
EC_INLINE int32_t ec_row_label(
    const ec_listed_params *p, const ec_list_outputs *outputs, int32_t row) {
    float number = 0.0f;
    int32_t label;
    if (p->classes.bytes == 0) {
        return 0;
    }
    number = ec_real(&p->classes, p->class_zero, p->class_scale, outputs->classes, row, 0);
    label = ec_finite(number) ? ec_round_even(number) - p->class_offset : -1;
    return label < p->labels ? label : -1;
}

/* Reads a row's box; whether all of its numbers are finite. */
EC_INLINE int ec_row_box(
    const ec_listed_params *p, const ec_list_outputs *outputs, int32_t row, ec_box *box) {
    const int32_t swapped = p->order == EC_LIST_YXYX;
    float side[4];
    int good = 1;
    for (int32_t i = 0; i < 4; ++i) {
        const float value =
            ec_real(&p->boxes, p->box_zero, p->box_scale, outputs->boxes, row, i);
        side[i ^ swapped] = ec_product(value, p->unit[(i ^ swapped) % 2]);
        good = good && ec_finite(value);
    }
    box->x1 = side[0];
    box->y1 = side[1];
    box->x2 = side[2];
    box->y2 = side[3];
    if (p->order == EC_LIST_CXCYWH) {
        ec_centred_box(
            box, side[0], side[1], side[2] > 0 ? side[2] / 2 : 0.0f,
            side[3] > 0 ? side[3] / 2 : 0.0f);
    }
    return good;
}

/* Lists the rows that count, best first; returns how many. */
EC_INLINE int32_t ec_list_rows(
    const ec_listed_params *p, const ec_list_outputs *outputs, const float *table,
    const float *thresholds, ec_candidate *list, int32_t room) {
    const uint8_t *scores = (const uint8_t *)outputs->scores;
    const int32_t filled = ec_filled_rows(p, outputs);
    int32_t count = 0;
    for (int32_t row = 0; row < filled; ++row) {
        const float value = ec_value(
            &p->scores, scores + row * p->score_step * p->scores.element_bytes, table, 0);
        const float score = ec_activate(&p->scores, value, 0.0f, 1.0f);
        const int32_t label = ec_row_label(p, outputs, row);
        ec_candidate one = {score < 1.0f ? score : 1.0f, row, (int16_t)label};
        ec_box box;
        if (label >= 0 && ec_finite(value)
            && one.score >= (thresholds == NULL ? p->threshold : thresholds[label])
            && ec_row_box(p, outputs, row, &box)) {
            count = ec_insert(list, count, room, &one);
        }
    }
    return count;
}

/* Returns the number of boxes, best first. map may be NULL: tensor pixels, unclipped. points: room
 * for those of max_boxes; not used where rows have none. */
EC_KERNEL(ec_listed) int ec_listed(
    const ec_listed_params *p, const ec_list_outputs *outputs, const float *table,
    const float *thresholds, const ec_frame_map *map, ec_box *boxes, ec_keypoint *points,
    int32_t max_boxes, ec_candidate *list, int32_t max_list) {
    const float shift[2] = {0.0f, 0.0f};
    const int32_t most = max_boxes < p->max_detections ? max_boxes : p->max_detections;
    const int32_t room = max_list < p->max_candidates ? max_list : p->max_candidates;
    const int32_t count = ec_list_rows(p, outputs, table, thresholds, list, room);
    int32_t kept = 0;
    for (int32_t i = 0; i < count && kept < most; ++i) {
        ec_box *box = &boxes[kept];
        box->score = list[i].score;
        box->label = list[i].label;
        ec_row_box(p, outputs, list[i].index, box);
        if (p->iou >= 1.0f || !ec_suppressed(boxes, kept, box, p->iou)) {
            for (int32_t k = 0; k < p->points.count; ++k) {
                points[kept * p->points.count + k] = ec_decode_point(
                    &p->points, p->point_zero, p->point_scale, outputs->keypoints, list[i].index,
                    k, p->points.unit, shift, box->score);
            }
            ++kept;
        }
    }
    return map == NULL ? kept : ec_map_boxes(map, boxes, kept, points, p->points.count);
}

/* NOLINTEND(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

#endif
