/* SPDX-License-Identifier: Apache-2.0 */
/* Boxes from a dense detector's raw outputs. The Python twin is edgecnn/core/decode.py:
 *
 * 1. a candidate's class is its highest score's (the first of equal ones); those below the
 *    threshold, or that class's own one, go; if more are left than max_candidates or than the
 *    scratch holds, the best stay (of equal ones the first);
 * 2. in order of score (of equal ones the first) each is decoded to a box in tensor pixels, and
 *    goes if one of its class that was kept overlaps it by intersection > iou * union;
 * 3. boxes are mapped to the frame and clipped; those with nothing left inside it go.
 */
#ifndef EDGECNN_DETECT_H
#define EDGECNN_DETECT_H

#include "edgecnn_image.h"
#include "edgecnn_scores.h"

/* NOLINTBEGIN(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

/* One feature map: candidates lie cell-major, then anchor; first_anchor is its place in anchors. */
typedef struct {
    int32_t rows, cols, stride, per_cell, first_anchor;
} ec_level;

/* box_zero: zero point after the flip. box_unit: ltrb distances per stride. */
typedef struct {
    ec_score_params scores;
    int32_t candidates, max_candidates, max_detections, center_size;
    int32_t box_bytes, box_flip, box_zero;
    float box_scale, box_unit;
    float variances[4];
    float threshold, iou;
} ec_detect_params;

/* a * b, rounded to float before anything is added: some compilers would fuse the two, and the same
 * outputs would give other boxes on other cores. */
EC_INLINE float ec_product(float a, float b) {
    volatile float product = a * b;
    return product;
}

/* A candidate's class and score; -1 if it is below the threshold (of its class, where thresholds is
 * not NULL) or not a number. */
EC_INLINE int32_t ec_best_class(
    const ec_detect_params *p, const void *raw, const float *table, const float *thresholds,
    float *score) {
    const ec_score_params *s = &p->scores;
    const uint8_t *bytes = (const uint8_t *)raw;
    float max = ec_value(s, raw, table, 0);
    float sum = 1.0f;
    int32_t best = 0;
    for (int32_t c = 1; c < s->count; ++c) {
        /* Bytes are compared as they are: the table can map different ones to one value. */
        if (s->element_bytes == 1) {
            best = (bytes[c] ^ s->flip) > (bytes[best] ^ s->flip) ? c : best;
        } else {
            const float value = ec_value(s, raw, table, c);
            best = value > max || value != value ? c : best;
            max = value > max || value != value ? value : max;
        }
    }
    max = ec_value(s, raw, table, best);
    if (s->activation == EC_SCORE_SOFTMAX || s->activation == EC_SCORE_POWERS) {
        sum = ec_powers_sum(s, raw, table, max);
    }
    *score = max == max ? ec_activate(s, max, max, sum) : max;
    return *score >= (thresholds == NULL ? p->threshold : thresholds[best]) ? best : -1;
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

EC_INLINE float ec_box_code(const ec_detect_params *p, const void *raw, int32_t i) {
    if (p->box_bytes == 1) {
        const int32_t q = (((const uint8_t *)raw)[i] ^ p->box_flip) - p->box_zero;
        return ec_product((float)q, p->box_scale);
    }
    return ((const float *)raw)[i];
}

/* A candidate's box in tensor pixels. */
EC_INLINE void ec_decode_box(
    const ec_detect_params *p, const ec_level *levels, const float *anchors, const void *raw,
    int32_t index, ec_box *box) {
    const ec_level *level = levels;
    float code[4], x, y, stride;
    int32_t cell = index, place, row;
    while (cell >= level->rows * level->cols * level->per_cell) {
        cell -= level->rows * level->cols * level->per_cell;
        ++level;
    }
    for (int32_t i = 0; i < 4; ++i) {
        code[i] = ec_box_code(p, raw, index * 4 + i);
    }
    stride = (float)level->stride;
    place = cell / level->per_cell;
    row = place / level->cols;
    x = ec_product((float)(place % level->cols) + 0.5f, stride);
    y = ec_product((float)row + 0.5f, stride);
    if (p->center_size) {
        const float *anchor = anchors + 2 * (level->first_anchor + cell % level->per_cell);
        float half[2];
        for (int32_t i = 0; i < 2; ++i) { /* codes are dy, dx, dh, dw */
            const float grow = ec_product(code[3 - i], p->variances[3 - i]);
            half[i] = ec_product(anchor[i], ec_exp(grow > 10.0f ? 10.0f : grow)) / 2;
        }
        x += ec_product(ec_product(code[1], p->variances[1]), anchor[0]);
        y += ec_product(ec_product(code[0], p->variances[0]), anchor[1]);
        box->x1 = x - half[0];
        box->y1 = y - half[1];
        box->x2 = x + half[0];
        box->y2 = y + half[1];
    } else {
        const float unit = ec_product(p->box_unit, stride);
        for (int32_t i = 0; i < 4; ++i) {
            code[i] = ec_product(code[i] < 0 ? 0.0f : code[i], unit);
        }
        box->x1 = x - code[0];
        box->y1 = y - code[1];
        box->x2 = x + code[2];
        box->y2 = y + code[3];
    }
}

EC_INLINE float ec_area(float x1, float y1, float x2, float y2) {
    return ec_product(x2 - x1 > 0 ? x2 - x1 : 0.0f, y2 - y1 > 0 ? y2 - y1 : 0.0f);
}

EC_INLINE int ec_overlaps(const ec_box *a, const ec_box *b, float iou) {
    const float shared = ec_area(
        a->x1 > b->x1 ? a->x1 : b->x1, a->y1 > b->y1 ? a->y1 : b->y1,
        a->x2 < b->x2 ? a->x2 : b->x2, a->y2 < b->y2 ? a->y2 : b->y2);
    const float both =
        ec_area(a->x1, a->y1, a->x2, a->y2) + ec_area(b->x1, b->y1, b->x2, b->y2);
    return shared > ec_product(iou, both - shared);
}

/* One coordinate from tensor to frame pixels, clipped to [0, limit]; in integers of 2^-24 pixel,
 * which is as exact as the float64 of the rule once rounded to float. NaN becomes 0. */
EC_INLINE float ec_to_frame(
    float t, int32_t left, int32_t fit, int32_t start, int32_t size, int32_t limit) {
    const int64_t one = (int64_t)1 << 24;
    const float reach = 33554432.0f; /* beyond every frame's edge */
    const float inside = !(t > -reach) ? -reach : t > reach ? reach : t;
    int64_t at = (int64_t)(inside * 16777216.0f) - left * one;
    at = at * size / fit + start * one;
    at = at < 0 ? 0 : at > limit * one ? limit * one : at;
    return (float)at * (1.0f / 16777216.0f);
}

/* Maps boxes to the frame, drops those outside; returns how many are left. */
EC_INLINE int32_t ec_map_boxes(const ec_frame_map *m, ec_box *boxes, int32_t count) {
    int32_t kept = 0;
    for (int32_t i = 0; i < count; ++i) {
        ec_box b = boxes[i];
        b.x1 = ec_to_frame(b.x1, m->left, m->fit_width, m->x, m->width, m->frame_width);
        b.x2 = ec_to_frame(b.x2, m->left, m->fit_width, m->x, m->width, m->frame_width);
        b.y1 = ec_to_frame(b.y1, m->top, m->fit_height, m->y, m->height, m->frame_height);
        b.y2 = ec_to_frame(b.y2, m->top, m->fit_height, m->y, m->height, m->frame_height);
        if (b.x2 > b.x1 && b.y2 > b.y1) {
            boxes[kept++] = b;
        }
    }
    return kept;
}

/* Returns the number of boxes, best first. map may be NULL: tensor pixels, unclipped. */
EC_KERNEL(ec_detect) int ec_detect(
    const ec_detect_params *p, const void *scores, const void *codes, const float *table,
    const float *thresholds, const ec_level *levels, const float *anchors, const ec_frame_map *map,
    ec_box *boxes, int32_t max_boxes, ec_candidate *list, int32_t max_list) {
    const int32_t most = max_boxes < p->max_detections ? max_boxes : p->max_detections;
    const int32_t room = max_list < p->max_candidates ? max_list : p->max_candidates;
    const uint8_t *row = (const uint8_t *)scores;
    int32_t count = 0, kept = 0;
    for (int32_t i = 0; i < p->candidates; ++i, row += p->scores.count * p->scores.element_bytes) {
        ec_candidate one;
        const int32_t label = ec_best_class(p, row, table, thresholds, &one.score);
        if (label >= 0) {
            one.index = i;
            one.label = (int16_t)label;
            count = ec_insert(list, count, room, &one);
        }
    }
    for (int32_t i = 0; i < count && kept < most; ++i) {
        ec_box *box = &boxes[kept];
        int drop = 0;
        ec_decode_box(p, levels, anchors, codes, list[i].index, box);
        for (int32_t k = 0; k < kept && !drop; ++k) {
            drop = boxes[k].label == list[i].label && ec_overlaps(box, &boxes[k], p->iou);
        }
        if (!drop) {
            box->score = list[i].score;
            box->label = list[i].label;
            ++kept;
        }
    }
    return map == NULL ? kept : ec_map_boxes(map, boxes, kept);
}

/* NOLINTEND(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

#endif
