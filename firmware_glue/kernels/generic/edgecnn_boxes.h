/* SPDX-License-Identifier: Apache-2.0 */
/* What the decoders of boxes share: raw outputs as numbers, key points, a bounded list of the best
 * candidates, overlap, and the way from tensor to frame pixels. */
#ifndef EDGECNN_BOXES_H
#define EDGECNN_BOXES_H

#include "edgecnn_common.h"
#include "edgecnn_image.h"
#include "edgecnn_scores.h"

/* NOLINTBEGIN(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

/* How values lie in an output: value i of row r is element r * step + i * stride. bytes: 1 (8 bits,
 * flip as for scores) or 4 (float). */
typedef struct {
    int32_t bytes, flip, step, stride;
} ec_columns;

/* The key points of a box: how many; values from one point to the next, and which of them are x, y
 * and the score (-1: it has none of its own); whether scores take a sigmoid; what 1.0 stands for. */
typedef struct {
    int32_t count, step, x, y, score, sigmoid;
    ec_columns columns;
    float unit[2];
} ec_point_params;

/* a * b, rounded to float before anything is added: some compilers would fuse the two, and the same
 * outputs would give other boxes on other cores. */
EC_INLINE float ec_product(float a, float b) {
    volatile float product = a * b;
    return product;
}

/* One value: scale * (code - zero), where zero counts after the flip; a float as it is. */
EC_INLINE float ec_real(
    const ec_columns *c, int32_t zero, float scale, const void *raw, int32_t row, int32_t i) {
    const int32_t at = row * c->step + i * c->stride;
    if (c->bytes == 1) {
        return ec_product((float)((((const uint8_t *)raw)[at] ^ c->flip) - zero), scale);
    }
    return ((const float *)raw)[at];
}

/* exp() of a side: of more than 10 it is no box any more. */
EC_INLINE float ec_grow(float x) {
    return ec_exp(x > 10.0f ? 10.0f : x);
}

/* Whether x is a number, and not infinite. */
EC_INLINE int ec_finite(float x) {
    return x - x == 0;
}

/* Key point k of a row: value * gain + shift, in tensor pixels; at (0, 0) without a score where a
 * value is no number or far away. score: the box's, of points that have none of their own. */
EC_INLINE ec_keypoint ec_decode_point(
    const ec_point_params *p, int32_t zero, float scale, const void *raw, int32_t row, int32_t k,
    const float *gain, const float *shift, float score) {
    const int32_t at = k * p->step;
    const float x = ec_product(ec_real(&p->columns, zero, scale, raw, row, at + p->x), gain[0]);
    const float y = ec_product(ec_real(&p->columns, zero, scale, raw, row, at + p->y), gain[1]);
    ec_keypoint point = {x + shift[0], y + shift[1], score};
    int good = point.x >= -1e9f && point.x <= 1e9f && point.y >= -1e9f && point.y <= 1e9f;
    if (p->score >= 0) {
        point.score = ec_real(&p->columns, zero, scale, raw, row, at + p->score);
        good = good && point.score == point.score;
        point.score = p->sigmoid ? ec_sigmoid(point.score) : point.score;
    }
    point.score = ec_probability(point.score);
    if (!good) {
        point.x = 0.0f;
        point.y = 0.0f;
        point.score = 0.0f;
    }
    return point;
}

/* Puts a candidate into the list, best first; a full list loses its last. Returns the new count. */
EC_INLINE int32_t ec_insert(
    ec_candidate *list, int32_t count, int32_t room, const ec_candidate *one) {
    int32_t at = count < room ? count : room - 1;
    if (count == room && !(one->score > list[at].score)) {
        return count;
    }
    for (; at > 0 && list[at - 1].score < one->score; --at) {
        list[at] = list[at - 1];
    }
    list[at] = *one;
    return count < room ? count + 1 : count;
}

/* Whether all sides are numbers, and none infinite. */
EC_INLINE int ec_is_finite(const ec_box *b) {
    return ec_finite(b->x1) && ec_finite(b->y1) && ec_finite(b->x2) && ec_finite(b->y2);
}

EC_INLINE void ec_centred_box(ec_box *box, float x, float y, float half_width, float half_height) {
    box->x1 = x - half_width;
    box->y1 = y - half_height;
    box->x2 = x + half_width;
    box->y2 = y + half_height;
}

EC_INLINE float ec_area(float x1, float y1, float x2, float y2) {
    return ec_product(x2 - x1 > 0 ? x2 - x1 : 0.0f, y2 - y1 > 0 ? y2 - y1 : 0.0f);
}

/* Whether intersection > iou * union. */
EC_INLINE int ec_overlaps(const ec_box *a, const ec_box *b, float iou) {
    const float shared = ec_area(
        a->x1 > b->x1 ? a->x1 : b->x1, a->y1 > b->y1 ? a->y1 : b->y1,
        a->x2 < b->x2 ? a->x2 : b->x2, a->y2 < b->y2 ? a->y2 : b->y2);
    const float both =
        ec_area(a->x1, a->y1, a->x2, a->y2) + ec_area(b->x1, b->y1, b->x2, b->y2);
    return shared > ec_product(iou, both - shared);
}

/* Whether one of the boxes before `box` is of its class and overlaps it. */
EC_INLINE int ec_suppressed(const ec_box *boxes, int32_t count, const ec_box *box, float iou) {
    int drop = 0;
    for (int32_t k = 0; k < count && !drop; ++k) {
        drop = boxes[k].label == box->label && ec_overlaps(box, &boxes[k], iou);
    }
    return drop;
}

/* One coordinate from tensor to frame pixels, in integers of 2^-24 pixel, which is as exact as the
 * float64 of the rule once rounded to float. NaN and what is far away lie 2^25 pixels off. */
EC_INLINE int64_t ec_frame_place(
    float t, int32_t left, int32_t fit, int32_t start, int32_t size) {
    const int64_t one = (int64_t)1 << 24;
    const float reach = 33554432.0f; /* beyond every frame's edge */
    const float inside = !(t > -reach) ? -reach : t > reach ? reach : t;
    const int64_t at = (int64_t)(inside * 16777216.0f) - left * one;
    return at * size / fit + start * one;
}

/* The same as a float, clipped to [0, limit]. */
EC_INLINE float ec_to_frame(
    float t, int32_t left, int32_t fit, int32_t start, int32_t size, int32_t limit) {
    const int64_t end = limit * ((int64_t)1 << 24);
    const int64_t at = ec_frame_place(t, left, fit, start, size);
    return (float)(at < 0 ? 0 : at > end ? end : at) * (1.0f / 16777216.0f);
}

/* Maps one box to the frame; whether anything of it is inside. */
EC_INLINE int ec_map_box(const ec_frame_map *m, ec_box *b) {
    b->x1 = ec_to_frame(b->x1, m->left, m->fit_width, m->x, m->width, m->frame_width);
    b->x2 = ec_to_frame(b->x2, m->left, m->fit_width, m->x, m->width, m->frame_width);
    b->y1 = ec_to_frame(b->y1, m->top, m->fit_height, m->y, m->height, m->frame_height);
    b->y2 = ec_to_frame(b->y2, m->top, m->fit_height, m->y, m->height, m->frame_height);
    return b->x2 > b->x1 && b->y2 > b->y1;
}

/* Maps key points to the frame; they may lie outside it. */
EC_INLINE void ec_map_keypoints(const ec_frame_map *m, ec_keypoint *points, int32_t count) {
    for (int32_t i = 0; i < count; ++i) {
        ec_keypoint *p = &points[i];
        p->x = (float)ec_frame_place(p->x, m->left, m->fit_width, m->x, m->width);
        p->y = (float)ec_frame_place(p->y, m->top, m->fit_height, m->y, m->height);
        p->x *= 1.0f / 16777216.0f;
        p->y *= 1.0f / 16777216.0f;
    }
}

/* Maps boxes to the frame, with `each` key points a box; drops those outside and returns how many
 * are left. */
EC_INLINE int32_t ec_map_boxes(
    const ec_frame_map *m, ec_box *boxes, int32_t count, ec_keypoint *points, int32_t each) {
    int32_t kept = 0;
    for (int32_t i = 0; i < count; ++i) {
        ec_box b = boxes[i];
        if (ec_map_box(m, &b)) {
            for (int32_t k = 0; k < each; ++k) {
                points[kept * each + k] = points[i * each + k];
            }
            boxes[kept++] = b;
        }
    }
    ec_map_keypoints(m, points, kept * each);
    return kept;
}

/* NOLINTEND(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

#endif
