/* SOFTMAX, int8, over the last dimension, in TFLite's reference fixed point. */
#ifndef EDGECNN_SOFTMAX_H
#define EDGECNN_SOFTMAX_H

#include "edgecnn_common.h"

/* exp_count: entries of the table exp_q31[d] = exp(-d * scale * beta) in Q0.31; beyond it the
 * exponential counts as 0. */
typedef struct {
    int32_t rows, depth, exp_count;
} ec_softmax_params;

/* 1 / (1 + a) for a in [0, 1), both Q0.31: three Newton-Raphson steps on Q2.29. */
EC_INLINE int32_t ec_reciprocal_1p(int32_t a) {
    const int32_t half_denominator = (int32_t)(((int64_t)a + INT32_MAX + 1) >> 1);
    int32_t x = 1515870810 + ec_high_mul_sat(half_denominator, -1010580540);
    for (int i = 0; i < 3; ++i) {
        const int32_t error = ((int32_t)1 << 29) - ec_high_mul_sat(half_denominator, x);
        x += ec_shift_left_sat(ec_high_mul_sat(x, error), 2);
    }
    return ec_shift_left_sat(x, 1);
}

EC_KERNEL void ec_softmax_s8(
    const ec_softmax_params *p, const int8_t *in, const int32_t *exp_q31, int8_t *out) {
    for (int32_t r = 0; r < p->rows; ++r) {
        int32_t max = -128;
        uint32_t sum = 0; /* Q13.19, saturated */
        int32_t leading_zeros = 0;
        int32_t scale;
        for (int32_t i = 0; i < p->depth; ++i) {
            max = in[i] > max ? in[i] : max;
        }
        for (int32_t i = 0; i < p->depth; ++i) {
            const int32_t below = max - in[i];
            if (below < p->exp_count && sum < 0xFFF00000u) {
                sum += (uint32_t)ec_round_shift_positive(exp_q31[below], 12);
            }
        }
        while ((sum << leading_zeros) < 0x80000000u) {
            ++leading_zeros;
        }
        scale = ec_reciprocal_1p((int32_t)((sum << leading_zeros) - 0x80000000u));
        for (int32_t i = 0; i < p->depth; ++i) {
            const int32_t below = max - in[i];
            int32_t value = 0;
            /* From a sum of 512 on, every quotient rounds to 0 (the reference aborts there). */
            if (below < p->exp_count && leading_zeros >= 4) {
                value = ec_round_shift(ec_high_mul(exp_q31[below], scale), 35 - leading_zeros);
            }
            out[i] = (int8_t)ec_clamp(value - 128, -128, 127);
        }
        in += p->depth;
        out += p->depth;
    }
}

#endif
