/* SPDX-License-Identifier: Apache-2.0 */
/* L2_NORMALIZATION over the last dimension. Works in place. */
#ifndef EDGECNN_L2_NORMALIZATION_H
#define EDGECNN_L2_NORMALIZATION_H

#include "edgecnn_common.h"
#include "edgecnn_math.h"

/* NOLINTBEGIN(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

typedef struct {
    int32_t rows, depth, offset;
} ec_l2_normalization_params;

/* 1 / sqrt(x) as multiplier / 2^31 * 2^shift, x >= 0: five Newton-Raphson steps on Q3.28
 * (TFLite's, which treats 0 as 1). */
EC_INLINE void ec_inverse_sqrt(int32_t x, int32_t *multiplier, int32_t *shift) {
    int32_t right = 11, pairs, guess = 1 << 28;
    if (x <= 1) {
        *multiplier = INT32_MAX;
        *shift = 0;
        return;
    }
    while (x >= 1 << 29) {
        x /= 4;
        ++right;
    }
    pairs = (ec_leading_zeros((uint32_t)x) - 1) / 2 - 1;
    right -= pairs;
    x = ec_shift_left(x, 2 * pairs) >> 1;
    for (int i = 0; i < 5; ++i) {
        const int32_t square = ec_high_mul_sat(guess, guess);
        const int32_t cube = ec_shift_left_sat(ec_high_mul_sat(square, guess), 6);
        const int32_t half = ec_round_shift_positive(x, 1);
        const int32_t three_halves = (1 << 28) + (1 << 27);
        guess = ec_shift_left_sat(
            ec_high_mul_sat(three_halves, guess) - ec_high_mul_sat(half, cube), 3);
    }
    guess = ec_high_mul_sat(guess, 1518500250); /* sqrt(1/2) */
    *multiplier = right < 0 ? ec_shift_left(guess, -right) : guess;
    *shift = right < 0 ? 0 : -right;
}

EC_INLINE int32_t ec_l2_scaled_s8(int32_t value, int32_t multiplier, int32_t shift) {
    return ec_requant(value, multiplier, shift + 7);
}

EC_INLINE int32_t ec_l2_scaled_u8(int32_t value, int32_t multiplier, int32_t shift) {
    return 128 + ec_requant(128 * value, multiplier, shift);
}

#define EC_L2_NORMALIZATION(SUFFIX, TYPE, LOW, HIGH)                                          \
    EC_KERNEL(ec_l2_normalization_##SUFFIX) void ec_l2_normalization_##SUFFIX(                \
        const ec_l2_normalization_params *p, const TYPE *in, TYPE out[]) {                    \
        for (int32_t r = 0; r < p->rows; ++r) {                                               \
            int32_t sum = 0, multiplier, shift;                                               \
            for (int32_t i = 0; i < p->depth; ++i) {                                          \
                const int32_t v = in[i] + p->offset;                                          \
                sum += v * v;                                                                 \
            }                                                                                 \
            ec_inverse_sqrt(sum, &multiplier, &shift);                                        \
            for (int32_t i = 0; i < p->depth; ++i) {                                          \
                const int32_t v = in[i] + p->offset;                                          \
                out[i] = (TYPE)ec_clamp(                                                      \
                    ec_l2_scaled_##SUFFIX(v, multiplier, shift), LOW, HIGH);                  \
            }                                                                                 \
            in += p->depth;                                                                   \
            out += p->depth;                                                                  \
        }                                                                                     \
    }

EC_L2_NORMALIZATION(s8, int8_t, -128, 127)
EC_L2_NORMALIZATION(u8, uint8_t, 0, 255)

EC_KERNEL(ec_l2_normalization_f32) void ec_l2_normalization_f32(
    const ec_l2_normalization_params *p, const float *in, float *out) {
    for (int32_t r = 0; r < p->rows; ++r) {
        float sum = 0.0f, norm;
        for (int32_t i = 0; i < p->depth; ++i) {
            sum += in[i] * in[i];
        }
        norm = ec_sqrtf(sum);
        norm = norm > 1e-6f ? norm : 1e-6f;
        for (int32_t i = 0; i < p->depth; ++i) {
            out[i] = in[i] / norm;
        }
        in += p->depth;
        out += p->depth;
    }
}

/* NOLINTEND(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

#endif
