/* SPDX-License-Identifier: Apache-2.0 */
/* Boxes from heat maps that peak at objects' centres. The Python twin is
 * edgecnn/core/decode/centers.py:
 *
 * 1. a value of a heat map is a peak if it reaches its class's threshold and no value of its class
 *    in the window around it is higher; the best peaks stay (of equal ones the first);
 * 2. the cell's size and offset make a box in tensor pixels; where one of them is no finite number,
 *    the peak goes;
 * 3. with an iou below 1 greedy suppression per class;
 * 4. boxes are mapped to the frame and clipped; those with nothing left inside it go.
 */
#ifndef EDGECNN_CENTERS_H
#define EDGECNN_CENTERS_H

#include "edgecnn_boxes.h"

/* NOLINTBEGIN(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

/* How sizes are meant: as in the postprocess spec. */
enum { EC_SIZE_PLAIN, EC_SIZE_LOG, EC_SIZE_LTRB };

/* Where the outputs begin; those that a model does not have are not read. */
typedef struct {
    const void *scores, *sizes, *offsets, *keypoints;
} ec_center_outputs;

/* reach: cells of the window on each side. offsets.bytes: 0 if there are none. yx: height and y come
 * first. origin: what lies between a cell's corner and where offsets count from, in cells.
 * points_in_box: key points are shares of the box, and not cells from the cell's corner. */
typedef struct {
    ec_score_params scores;
    ec_columns sizes, offsets;
    ec_point_params points;
    int32_t score_step, points_in_box;
    int32_t rows, cols, reach, max_candidates, max_detections, coding, yx;
    int32_t size_zero, offset_zero, point_zero;
    float size_scale, offset_scale, point_scale, stride, size_unit, origin;
    float threshold, iou;
} ec_center_params;

/* Whether no value of a class in the window around a cell is higher than the cell's. */
EC_INLINE int ec_is_peak(
    const ec_center_params *p, const void *raw, int32_t row, int32_t col, int32_t label) {
    const int32_t step = p->score_step, first = label * p->scores.stride;
    const int32_t top = row > p->reach ? row - p->reach : 0;
    const int32_t left = col > p->reach ? col - p->reach : 0;
    const int32_t own = (row * p->cols + col) * step + first;
    const uint8_t *bytes = (const uint8_t *)raw;
    const float *reals = (const float *)raw;
    for (int32_t y = top; y <= row + p->reach && y < p->rows; ++y) {
        for (int32_t x = left; x <= col + p->reach && x < p->cols; ++x) {
            const int32_t other = (y * p->cols + x) * step + first;
            const int higher = p->scores.element_bytes == 1
                ? (bytes[other] ^ p->scores.flip) > (bytes[own] ^ p->scores.flip)
                : reals[other] > reals[own];
            if (higher) {
                return 0;
            }
        }
    }
    return 1;
}

/* Lists the peaks, best first; returns how many. */
EC_INLINE int32_t ec_list_peaks(
    const ec_center_params *p, const void *raw, const float *table, const float *thresholds,
    ec_candidate *list, int32_t room) {
    const uint8_t *row = (const uint8_t *)raw;
    int32_t count = 0;
    for (int32_t cell = 0; cell < p->rows * p->cols; ++cell) {
        for (int32_t label = 0; label < p->scores.count; ++label) {
            const int32_t at = cell * p->score_step * p->scores.element_bytes;
            const float value = ec_value(&p->scores, row + at, table, label);
            const float score = ec_activate(&p->scores, value, 0.0f, 1.0f);
            if (value == value && score >= (thresholds == NULL ? p->threshold : thresholds[label])
                && ec_is_peak(p, raw, cell / p->cols, cell % p->cols, label)) {
                const ec_candidate one = {score < 1.0f ? score : 1.0f, cell, (int16_t)label};
                count = ec_insert(list, count, room, &one);
            }
        }
    }
    return count;
}

/* The box of a cell in tensor pixels; whether it is finite. */
EC_INLINE int ec_center_box(
    const ec_center_params *p, const ec_center_outputs *outputs, int32_t cell, ec_box *box) {
    const int32_t count = p->coding == EC_SIZE_LTRB ? 4 : 2;
    const int32_t row = cell / p->cols;
    float centre[2] = {(float)(cell - row * p->cols), (float)row};
    float size[4] = {0.0f, 0.0f, 0.0f, 0.0f};
    int good = 1;
    for (int32_t i = 0; i < 2; ++i) {
        if (p->offsets.bytes > 0) {
            centre[i] += ec_real(
                &p->offsets, p->offset_zero, p->offset_scale, outputs->offsets, cell, i ^ p->yx);
        }
        centre[i] = ec_product(centre[i] + p->origin, p->stride);
    }
    for (int32_t i = 0; i < count; ++i) {
        float value =
            ec_real(&p->sizes, p->size_zero, p->size_scale, outputs->sizes, cell, i ^ p->yx);
        good = good && value == value;
        value = p->coding == EC_SIZE_LOG ? ec_grow(value) : value;
        value = p->coding != EC_SIZE_LTRB && value < 0 ? 0.0f : value;
        size[i] = ec_product(value, p->size_unit);
    }
    if (p->coding == EC_SIZE_LTRB) {
        box->x1 = centre[0] - size[0];
        box->y1 = centre[1] - size[1];
        box->x2 = centre[0] + size[2];
        box->y2 = centre[1] + size[3];
    } else {
        ec_centred_box(box, centre[0], centre[1], size[0], size[1]);
    }
    return good && ec_is_finite(box);
}

/* Key point k of a cell, or of its box. */
EC_INLINE ec_keypoint ec_center_point(
    const ec_center_params *p, const ec_center_outputs *outputs, int32_t cell, const ec_box *box,
    int32_t k) {
    const int32_t row = cell / p->cols;
    float gain[2] = {p->stride, p->stride};
    float shift[2];
    shift[0] = ec_product((float)(cell - row * p->cols), p->stride);
    shift[1] = ec_product((float)row, p->stride);
    if (p->points_in_box) {
        gain[0] = box->x2 - box->x1;
        gain[1] = box->y2 - box->y1;
        shift[0] = box->x1;
        shift[1] = box->y1;
    }
    return ec_decode_point(
        &p->points, p->point_zero, p->point_scale, outputs->keypoints, cell, k, gain, shift,
        box->score);
}

/* Returns the number of boxes, best first. map may be NULL: tensor pixels, unclipped. points: room
 * for those of max_boxes; not used where objects have none. */
EC_KERNEL(ec_centers) int ec_centers(
    const ec_center_params *p, const ec_center_outputs *outputs, const float *table,
    const float *thresholds, const ec_frame_map *map, ec_box *boxes, ec_keypoint *points,
    int32_t max_boxes, ec_candidate *list, int32_t max_list) {
    const int32_t most = max_boxes < p->max_detections ? max_boxes : p->max_detections;
    const int32_t room = max_list < p->max_candidates ? max_list : p->max_candidates;
    const int32_t count = ec_list_peaks(p, outputs->scores, table, thresholds, list, room);
    int32_t kept = 0;
    for (int32_t i = 0; i < count && kept < most; ++i) {
        ec_box *box = &boxes[kept];
        box->score = list[i].score;
        box->label = list[i].label;
        if (ec_center_box(p, outputs, list[i].index, box)
            && (p->iou >= 1.0f || !ec_suppressed(boxes, kept, box, p->iou))) {
            for (int32_t k = 0; k < p->points.count; ++k) {
                points[kept * p->points.count + k] =
                    ec_center_point(p, outputs, list[i].index, box, k);
            }
            ++kept;
        }
    }
    return map == NULL ? kept : ec_map_boxes(map, boxes, kept, points, p->points.count);
}

/* NOLINTEND(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

#endif
