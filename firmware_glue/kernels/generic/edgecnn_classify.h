/* SPDX-License-Identifier: Apache-2.0 */
/* Class probabilities from the raw scores. The Python twin is edgecnn/core/decode/classify.py. */
#ifndef EDGECNN_CLASSIFY_H
#define EDGECNN_CLASSIFY_H

#include "edgecnn_scores.h"

/* NOLINTBEGIN(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

/* The class with the highest probability (the first of equal ones). score and scores (one per
 * class) may be NULL. */
EC_KERNEL(ec_classify) int ec_classify(
    const ec_score_params *p, const void *raw, const float *table, float *score, float *scores) {
    const int softmax =
        p->activation == EC_SCORE_SOFTMAX || p->activation == EC_SCORE_POWERS;
    const float max = softmax ? ec_max_value(p, raw, table) : 0.0f;
    const float sum = softmax ? ec_powers_sum(p, raw, table, max) : 1.0f;
    float top = 0.0f;
    int best = 0;
    for (int32_t i = 0; i < p->count; ++i) {
        const float value = ec_activate(p, ec_value(p, raw, table, i), max, sum);
        if (i == 0 || value > top) {
            top = value;
            best = i;
        }
        if (scores != NULL) {
            scores[i] = value;
        }
    }
    if (score != NULL) {
        *score = top;
    }
    return best;
}

/* NOLINTEND(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

#endif
