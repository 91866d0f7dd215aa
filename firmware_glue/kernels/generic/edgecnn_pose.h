/* SPDX-License-Identifier: Apache-2.0 */
/* One object's key points: from coordinates, from scores of places along x and y, or from heat maps.
 * The Python twins are points.py and poses.py of edgecnn/core/decode:
 *
 * 1. each point's place and score are read; where one is no finite number, there is no object;
 * 2. the object's score is that of its own output, or the mean of its points'; below the threshold
 *    there is no object;
 * 3. the box is the rectangle around the points that reach point_threshold (around all of them if
 *    fewer than two do); box and points are mapped to the frame.
 */
#ifndef EDGECNN_POSE_H
#define EDGECNN_POSE_H

#include "edgecnn_boxes.h"

/* NOLINTBEGIN(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

/* Where the outputs begin; those that a model does not have are not read. */
typedef struct {
    const void *points, *vertical, *offsets, *score;
} ec_pose_outputs;

/* The object's own score; columns.bytes: 0 if there is none. Zero points count after the flip. */
typedef struct {
    ec_columns columns;
    int32_t zero, sigmoid;
    float scale;
} ec_object_score;

/* Points as coordinates. */
typedef struct {
    ec_point_params points;
    ec_object_score score;
    int32_t zero;
    float scale, threshold, point_threshold;
} ec_points_params;

/* A point lies at the best of its bins along x and along y. */
typedef struct {
    ec_columns x, y;
    ec_object_score score;
    int32_t count, x_bins, y_bins, x_zero, y_zero, sigmoid;
    float x_scale, y_scale;
    float unit[2];
    float threshold, point_threshold;
} ec_bins_params;

/* A point lies at the highest cell of its map. offsets.bytes: 0 if there are none. yx: y comes first
 * among them. stride: tensor pixels per cell (x, y); offset_unit: cells per 1.0 of an offset;
 * origin: what lies between a cell's corner and its place; peak_shift: cells towards the higher
 * neighbour. */
typedef struct {
    ec_columns heat, offsets;
    int32_t count, rows, cols, heat_zero, offset_zero, yx, sigmoid;
    float heat_scale, offset_scale;
    float stride[2];
    float offset_unit[2];
    float origin, peak_shift, threshold, point_threshold;
} ec_heat_params;

/* A point's score from its real value; -1 if that is no number. */
EC_INLINE float ec_point_score(float value, int32_t sigmoid) {
    if (value != value) {
        return -1.0f;
    }
    return ec_probability(sigmoid ? ec_sigmoid(value) : value);
}

/* The score of the object's own output, else `mean`. */
EC_INLINE float ec_read_object_score(const ec_object_score *p, const void *raw, float mean) {
    if (p->columns.bytes == 0) {
        return mean;
    }
    return ec_point_score(ec_real(&p->columns, p->zero, p->scale, raw, 0, 0), p->sigmoid);
}

/* The mean of the points' scores; -1 if a point has none, or no place. */
EC_INLINE float ec_mean_score(const ec_keypoint *points, int32_t count) {
    float sum = 0.0f;
    for (int32_t k = 0; k < count; ++k) {
        if (!(points[k].score >= 0 && ec_finite(points[k].x) && ec_finite(points[k].y))) {
            return -1.0f;
        }
        sum += points[k].score;
    }
    return sum / (float)count;
}

/* The object that points make up, mapped to the frame; 0 if nothing of it is inside. */
EC_INLINE int ec_pose_object(
    const ec_frame_map *map, ec_box *box, ec_keypoint *points, int32_t count, float score,
    float point_threshold) {
    int32_t sure = 0, first = 1;
    for (int32_t k = 0; k < count; ++k) {
        sure += points[k].score >= point_threshold;
    }
    for (int32_t k = 0; k < count; ++k) {
        const float x = points[k].x, y = points[k].y;
        if (sure < 2 || points[k].score >= point_threshold) {
            box->x1 = first || x < box->x1 ? x : box->x1;
            box->y1 = first || y < box->y1 ? y : box->y1;
            box->x2 = first || x > box->x2 ? x : box->x2;
            box->y2 = first || y > box->y2 ? y : box->y2;
            first = 0;
        }
    }
    box->score = score;
    box->label = 0;
    if (map == NULL) {
        return 1;
    }
    ec_map_keypoints(map, points, count);
    return ec_map_box(map, box);
}

/* Returns whether there is an object. map may be NULL: tensor pixels. */
EC_KERNEL(ec_points) int ec_points(
    const ec_points_params *p, const ec_pose_outputs *outputs, const ec_frame_map *map,
    ec_box *box, ec_keypoint *points) {
    const ec_point_params *q = &p->points;
    float score, mean;
    for (int32_t k = 0; k < q->count; ++k) {
        const int32_t at = k * q->step;
        const float x = ec_real(&q->columns, p->zero, p->scale, outputs->points, 0, at + q->x);
        const float y = ec_real(&q->columns, p->zero, p->scale, outputs->points, 0, at + q->y);
        points[k].x = ec_product(x, q->unit[0]);
        points[k].y = ec_product(y, q->unit[1]);
        points[k].score = 1.0f;
        if (q->score >= 0) {
            points[k].score = ec_point_score(
                ec_real(&q->columns, p->zero, p->scale, outputs->points, 0, at + q->score),
                q->sigmoid);
        }
    }
    mean = ec_mean_score(points, q->count);
    score = ec_read_object_score(&p->score, outputs->score, mean);
    if (mean < 0 || !(score >= p->threshold)) {
        return 0;
    }
    for (int32_t k = 0; k < q->count && q->score < 0; ++k) {
        points[k].score = score; /* as sure as the object */
    }
    return ec_pose_object(map, box, points, q->count, score, p->point_threshold);
}

/* The best bin of a row (of equal ones the first) and its real value, no number if one of the values
 * is none. */
EC_INLINE int32_t ec_best_bin(
    const ec_columns *c, int32_t zero, float scale, const void *raw, int32_t row, int32_t bins,
    float *best) {
    int32_t place = 0;
    float spoilt = 0.0f;
    *best = ec_real(c, zero, scale, raw, row, 0);
    for (int32_t i = 0; i < bins; ++i) {
        const float value = ec_real(c, zero, scale, raw, row, i);
        spoilt = value != value ? value : spoilt;
        place = value > *best ? i : place;
        *best = value > *best ? value : *best;
    }
    *best = spoilt == spoilt ? *best : spoilt;
    return place;
}

/* As ec_points, of points as scores of bins. */
EC_KERNEL(ec_bins) int ec_bins(
    const ec_bins_params *p, const ec_pose_outputs *outputs, const ec_frame_map *map, ec_box *box,
    ec_keypoint *points) {
    float mean, score;
    for (int32_t k = 0; k < p->count; ++k) {
        float across, down, least;
        const int32_t x =
            ec_best_bin(&p->x, p->x_zero, p->x_scale, outputs->points, k, p->x_bins, &across);
        const int32_t y =
            ec_best_bin(&p->y, p->y_zero, p->y_scale, outputs->vertical, k, p->y_bins, &down);
        points[k].x = ec_product((float)x, p->unit[0]);
        points[k].y = ec_product((float)y, p->unit[1]);
        least = across < down || across != across ? across : down;
        points[k].score = ec_finite(least) ? ec_point_score(least, p->sigmoid) : -1.0f;
    }
    mean = ec_mean_score(points, p->count);
    score = ec_read_object_score(&p->score, outputs->score, mean);
    if (mean < 0 || !(score >= p->threshold)) {
        return 0;
    }
    return ec_pose_object(map, box, points, p->count, score, p->point_threshold);
}

/* Something that is in the order of a map's values; what is no finite number lies lowest. */
EC_INLINE float ec_heat_order(
    const ec_heat_params *p, const void *raw, int32_t row, int32_t col, int32_t k) {
    const float value = ec_real(&p->heat, 0, 1.0f, raw, row * p->cols + col, k);
    return ec_finite(value) ? value : -1e9f;
}

/* -1, 0 or 1: which of two values is higher. */
EC_INLINE float ec_sign_of(float low, float high) {
    return high > low ? 1.0f : high < low ? -1.0f : 0.0f;
}

/* Finds point k: its place in tensor pixels, and its score. */
EC_INLINE void ec_heat_point(
    const ec_heat_params *p, const ec_pose_outputs *outputs, int32_t k, ec_keypoint *point) {
    const void *heat = outputs->points;
    float best = ec_heat_order(p, heat, 0, 0, k);
    float x, y;
    int32_t row = 0, col = 0, at;
    for (int32_t r = 0; r < p->rows; ++r) {
        for (int32_t c = 0; c < p->cols; ++c) {
            const float value = ec_heat_order(p, heat, r, c, k);
            if (value > best) {
                best = value;
                row = r;
                col = c;
            }
        }
    }
    at = row * p->cols + col;
    x = (float)col;
    y = (float)row;
    if (p->offsets.bytes > 0) {
        const int32_t x_at = p->yx ? p->count + k : k, y_at = p->yx ? k : p->count + k;
        x += ec_product(
            ec_real(&p->offsets, p->offset_zero, p->offset_scale, outputs->offsets, at, x_at),
            p->offset_unit[0]);
        y += ec_product(
            ec_real(&p->offsets, p->offset_zero, p->offset_scale, outputs->offsets, at, y_at),
            p->offset_unit[1]);
    } else if (
        p->peak_shift > 0 && row > 1 && row < p->rows - 1 && col > 1 && col < p->cols - 1) {
        x += ec_product(
            p->peak_shift, ec_sign_of(ec_heat_order(p, heat, row, col - 1, k),
                                      ec_heat_order(p, heat, row, col + 1, k)));
        y += ec_product(
            p->peak_shift, ec_sign_of(ec_heat_order(p, heat, row - 1, col, k),
                                      ec_heat_order(p, heat, row + 1, col, k)));
    }
    point->x = ec_product(x + p->origin, p->stride[0]);
    point->y = ec_product(y + p->origin, p->stride[1]);
    best = ec_real(&p->heat, p->heat_zero, p->heat_scale, heat, at, k);
    point->score = ec_point_score(ec_finite(best) ? best : -1e9f, p->sigmoid);
}

/* As ec_points, of points as heat maps. */
EC_KERNEL(ec_heat) int ec_heat(
    const ec_heat_params *p, const ec_pose_outputs *outputs, const ec_frame_map *map, ec_box *box,
    ec_keypoint *points) {
    float score;
    for (int32_t i = 0; p->offsets.bytes == 4 && i < p->rows * p->cols * p->count * 2; ++i) {
        if (!ec_finite(((const float *)outputs->offsets)[i])) {
            return 0;
        }
    }
    for (int32_t k = 0; k < p->count; ++k) {
        ec_heat_point(p, outputs, k, &points[k]);
    }
    score = ec_mean_score(points, p->count);
    if (score < 0 || !(score >= p->threshold)) {
        return 0;
    }
    return ec_pose_object(map, box, points, p->count, score, p->point_threshold);
}

/* NOLINTEND(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

#endif
