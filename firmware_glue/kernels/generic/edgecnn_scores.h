/* SPDX-License-Identifier: Apache-2.0 */
/* Scores: raw outputs -> probabilities, without libm. */
#ifndef EDGECNN_SCORES_H
#define EDGECNN_SCORES_H

#include "edgecnn_common.h"

/* NOLINTBEGIN(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

/* What is done to the values: EC_SCORE_POWERS: they are exponentials already, softmax only divides
 * them by their sum. */
enum { EC_SCORE_NONE, EC_SCORE_SIGMOID, EC_SCORE_SOFTMAX, EC_SCORE_POWERS };

/* element_bytes: 1 (8 bits: the table holds the value of each) or 4 (float). flip: 128 for int8, so
 * that the table's index grows with the value; else 0. stride: elements from one value to the
 * next. */
typedef struct {
    int32_t count, element_bytes, flip, activation, stride;
} ec_score_params;

/* exp(x) for x <= 88, to about 1 unit in the last place; 0 below -104 and for NaN. */
EC_INLINE float ec_exp(float x) {
    float power = 1.0f, base, r, sum;
    int32_t k;
    if (!(x > -104.0f)) {
        return 0.0f;
    }
    /* x = k * ln 2 + r; the first part of ln 2 is short, so that its product with k is exact. */
    k = (int32_t)(x * 1.44269504f + (x < 0 ? -0.5f : 0.5f));
    r = (x - (float)k * 0.693359375f) + (float)k * 2.12194440e-4f;
    sum = 1.0f / 5040;
    sum = sum * r + 1.0f / 720;
    sum = sum * r + 1.0f / 120;
    sum = sum * r + 1.0f / 24;
    sum = sum * r + 1.0f / 6;
    sum = sum * r + 0.5f;
    sum = (sum * r) * r + r + 1.0f;
    base = k < 0 ? 0.5f : 2.0f;
    for (k = k < 0 ? -k : k; k > 0; k >>= 1) {
        power = (k & 1) != 0 ? power * base : power;
        base = k > 1 ? base * base : base;
    }
    return sum * power;
}

EC_INLINE float ec_sigmoid(float x) {
    const float small = ec_exp(x < 0 ? x : -x);
    return x < 0 ? small / (1.0f + small) : 1.0f / (1.0f + small);
}

/* Clipped to [0, 1]; NaN stays. */
EC_INLINE float ec_probability(float x) {
    return x < 0.0f ? 0.0f : x > 1.0f ? 1.0f : x;
}

/* A finite value to the nearest integer, halves to the even one, limited to +-2^22. */
EC_INLINE int32_t ec_round_even(float x) {
    const float inside = x < -4194304.0f ? -4194304.0f : x > 4194304.0f ? 4194304.0f : x;
    const volatile float shifted = inside + 12582912.0f; /* 1.5 * 2^23: no fraction is left */
    return (int32_t)(shifted - 12582912.0f);
}

/* Value i before the activation. */
EC_INLINE float ec_value(
    const ec_score_params *p, const void *raw, const float *table, int32_t i) {
    if (p->element_bytes == 1) {
        return table[((const uint8_t *)raw)[i * p->stride] ^ p->flip];
    }
    return ((const float *)raw)[i * p->stride];
}

/* What softmax divides by. The sum is compensated: its error does not grow with the classes. */
EC_INLINE float ec_powers_sum(
    const ec_score_params *p, const void *raw, const float *table, float max) {
    volatile float total = 0.0f, term;
    float lost = 0.0f;
    for (int32_t i = 0; i < p->count; ++i) {
        float value = ec_value(p, raw, table, i);
        float next;
        if (p->activation == EC_SCORE_SOFTMAX) {
            value = ec_exp(value - max);
        }
        term = value - lost;
        next = total + term;
        lost = (next - total) - term;
        total = next;
    }
    return total;
}

/* The largest value; no number if there is one that is none. */
EC_INLINE float ec_max_value(const ec_score_params *p, const void *raw, const float *table) {
    float max = ec_value(p, raw, table, 0);
    for (int32_t i = 1; i < p->count; ++i) {
        const float value = ec_value(p, raw, table, i);
        max = value > max || value != value ? value : max;
    }
    return max;
}

/* A value's probability; max and sum are those of its row, for softmax. */
EC_INLINE float ec_activate(const ec_score_params *p, float value, float max, float sum) {
    if (p->activation == EC_SCORE_SIGMOID) {
        return ec_sigmoid(value);
    }
    if (p->activation == EC_SCORE_SOFTMAX) {
        return ec_exp(value - max) / sum;
    }
    return p->activation == EC_SCORE_POWERS ? value / sum : value;
}

/* The best class from column `first` on (of equal ones the first one), counted from there, and its
 * probability: no number if one of the values is none. */
EC_INLINE int32_t ec_best_class(
    const ec_score_params *p, int32_t first, const void *raw, const float *table, float *score) {
    const uint8_t *bytes = (const uint8_t *)raw;
    int32_t best = first;
    float value = ec_value(p, raw, table, best);
    float max, sum = 1.0f;
    for (int32_t c = first + 1; c < p->count; ++c) {
        /* Bytes are compared as they are: the table can map different ones to one value. */
        if (p->element_bytes == 1) {
            const int more = (bytes[c * p->stride] ^ p->flip) > (bytes[best * p->stride] ^ p->flip);
            best = more ? c : best;
        } else {
            const float other = ec_value(p, raw, table, c);
            best = other > value || other != other ? c : best;
            value = other > value || other != other ? other : value;
        }
    }
    value = ec_value(p, raw, table, best);
    max = value;
    if (p->activation == EC_SCORE_SOFTMAX || p->activation == EC_SCORE_POWERS) {
        max = first > 0 ? ec_max_value(p, raw, table) : max;
        sum = ec_powers_sum(p, raw, table, max);
    }
    *score = value == value ? ec_activate(p, value, max, sum) : value;
    return best - first;
}

/* NOLINTEND(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

#endif
