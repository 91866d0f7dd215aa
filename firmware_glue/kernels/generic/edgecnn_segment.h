/* SPDX-License-Identifier: Apache-2.0 */
/* Classes of the cells of a map, a row at a time. The Python twin is edgecnn/core/decode/segment.py,
 * which cuts large cells further where classes meet; here each cell is as the model says:
 *
 * 1. of several columns a cell's class is the one with the highest value (the first of equal ones);
 *    of one column it is the only class where its score reaches the threshold; of class numbers it
 *    is the number, its score 1;
 * 2. cells of the background, of a number without a label, with a score below the threshold, and
 *    cells whose value is no finite number, have no class.
 */
#ifndef EDGECNN_SEGMENT_H
#define EDGECNN_SEGMENT_H

#include "edgecnn_scores.h"

/* NOLINTBEGIN(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

/* What a cell holds: scores, or the number of its class (with the table of an 8-bit output, or as
 * an integer or a float). */
enum { EC_CELL_SCORES, EC_CELL_TABLE, EC_CELL_INT32, EC_CELL_INT64, EC_CELL_FLOAT };

/* step: elements from one cell to the next. background: a class that is not reported; -1: all are.
 * labels: how many classes there are. */
typedef struct {
    ec_score_params scores;
    int32_t cols, step, holds, labels, background;
    float threshold;
} ec_segment_params;

/* The number that a cell holds; -1 if it is none of a label. */
EC_INLINE int32_t ec_cell_number(
    const ec_segment_params *p, const void *raw, const float *table, int32_t at) {
    float real;
    if (p->holds == EC_CELL_INT32) {
        const int32_t number = ((const int32_t *)raw)[at];
        return number >= 0 && number < p->labels ? number : -1;
    }
    if (p->holds == EC_CELL_INT64) {
        const int64_t number = ((const int64_t *)raw)[at];
        return number >= 0 && number < p->labels ? (int32_t)number : -1;
    }
    real = p->holds == EC_CELL_TABLE ? table[((const uint8_t *)raw)[at] ^ p->scores.flip]
                                     : ((const float *)raw)[at];
    if (!(real >= -0.5f && real < (float)p->labels)) {
        return -1;
    }
    at = ec_round_even(real);
    return at < p->labels ? at : -1;
}

/* Fills in the classes of a row (-1: none) and their scores, which may be NULL. */
EC_KERNEL(ec_segment) void ec_segment(
    const ec_segment_params *p, const void *raw, const float *table, int32_t row,
    int16_t *classes, float *scores) {
    for (int32_t col = 0; col < p->cols; ++col) {
        const int32_t at = (row * p->cols + col) * p->step;
        int32_t label = 0;
        float score = 1.0f;
        if (p->holds == EC_CELL_SCORES) {
            const uint8_t *cell = (const uint8_t *)raw + at * p->scores.element_bytes;
            float value;
            label = ec_best_class(&p->scores, 0, cell, table, &score);
            value = ec_value(&p->scores, cell, table, label);
            score = p->scores.count > 1 ? ec_probability(score) : score;
            score = value - value == 0 ? score : -1.0f;
        } else {
            label = ec_cell_number(p, raw, table, at);
        }
        if (label == p->background || !(score >= p->threshold)) {
            label = -1;
        }
        classes[col] = (int16_t)label;
        if (scores != NULL) {
            scores[col] = label < 0 ? 0.0f : score < 1.0f ? score : 1.0f;
        }
    }
}

/* NOLINTEND(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

#endif
