/* SPDX-License-Identifier: Apache-2.0 */
/* LOG_SOFTMAX over the last dimension: TFLite's reference fixed point, or float32. In place. */
#ifndef EDGECNN_LOG_SOFTMAX_H
#define EDGECNN_LOG_SOFTMAX_H

#include "edgecnn_common.h"
#include "edgecnn_math.h"
#include "edgecnn_softmax.h"

/* NOLINTBEGIN(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

/* exp_count: as in ec_softmax_params. multiplier and shift: input differences to Q5.26.
 * back_multiplier and back_shift: the other way. diff_min: the lowest difference that counts. */
typedef struct {
    int32_t rows, depth, exp_count, multiplier, shift, back_multiplier, back_shift, diff_min;
} ec_log_softmax_params;

typedef struct {
    int32_t rows, depth;
} ec_log_softmax_f32_params;

/* ln(x) in Q5.26 of x >= 1 in Q12.19: halvings of x and of x sqrt(1/2), whichever is nearer, and a
 * rational function of the rest (gemmlowp's and TFLite's steps). */
EC_INLINE int32_t ec_ln_q12(int32_t x) {
    const int32_t sqrt_half = 1518500250, fourth_root_half = 1805811301, quarter = 8388608;
    const int32_t zeros_a = ec_leading_zeros((uint32_t)x);
    const int32_t scaled_a = ec_high_mul(ec_shift_left_sat(x, zeros_a - 1), sqrt_half);
    const int32_t r_a = ec_shift_left_sat(scaled_a, 1);
    const int32_t power_a = (12 - zeros_a) * (1 << 25) + quarter;
    const int32_t zeros_b = ec_leading_zeros((uint32_t)ec_high_mul(x, sqrt_half)) - 1;
    const int32_t r_b = ec_shift_left_sat(x, zeros_b);
    const int32_t power_b = (12 - zeros_b) * (1 << 25) - quarter;
    const int32_t r = r_a < r_b ? r_a : r_b;
    const int32_t power = power_a > power_b ? power_a : power_b;
    const int32_t p = (int32_t)(((int64_t)r + fourth_root_half + 1) / 2);
    const int32_t q = 2 * (r - fourth_root_half);
    const int32_t square = ec_high_mul(q, q);
    const int32_t numerator =
        ec_high_mul(q, r) + ec_high_mul(ec_high_mul(q, square), 117049297);
    const int32_t denominator =
        ec_high_mul(p, 1057819769 + q + ec_high_mul(127690142, square))
        + ec_high_mul(q, 638450708);
    const int32_t rest =
        ec_high_mul(ec_round_shift_positive(numerator, 6), ec_reciprocal_1p(denominator));
    return ec_shift_left_sat(ec_high_mul(power, 1488522236) + rest, 1);
}

#define EC_LOG_SOFTMAX(NAME, TYPE, LOW, HIGH)                                                 \
    EC_KERNEL(NAME) void NAME(                                                                \
        const ec_log_softmax_params *p, const TYPE *in, const int32_t *exp_q31, TYPE out[]) { \
        for (int32_t r = 0; r < p->rows; ++r) {                                               \
            int32_t max = (int32_t)in[0], log_sum, least;                                     \
            uint32_t sum = 0;                                                                 \
            for (int32_t i = 1; i < p->depth; ++i) {                                          \
                max = in[i] > max ? in[i] : max;                                              \
            }                                                                                 \
            for (int32_t i = 0; i < p->depth; ++i) {                                          \
                const int32_t below = max - in[i];                                            \
                sum = ec_add_exponential(sum, exp_q31, p->exp_count, below, p->depth);        \
            }                                                                                 \
            log_sum = ec_ln_q12(sum > 0x7FFFFFFFu ? INT32_MAX : (int32_t)sum);                \
            least = ec_requant(log_sum + INT32_MIN, p->back_multiplier, p->back_shift);       \
            least = least > p->diff_min - 1 ? least : p->diff_min - 1;                        \
            for (int32_t i = 0; i < p->depth; ++i) {                                          \
                const int32_t below = in[i] - max;                                            \
                int32_t value = LOW;                                                          \
                if (below > least) {                                                          \
                    const int32_t real = ec_requant(below, p->multiplier, p->shift) - log_sum; \
                    value = ec_round_shift_positive(real, 22) + (HIGH);                       \
                }                                                                             \
                out[i] = (TYPE)ec_clamp(value, LOW, HIGH);                                    \
            }                                                                                 \
            in += p->depth;                                                                   \
            out += p->depth;                                                                  \
        }                                                                                     \
    }

EC_LOG_SOFTMAX(ec_log_softmax_s8, int8_t, -128, 127)
EC_LOG_SOFTMAX(ec_log_softmax_u8, uint8_t, 0, 255)

/* exp(x), x <= 0, correctly rounded but for rare cases. Where one value dominates, the sum is
 * 1 plus a little, and the logarithm is that little: the last bit of each term counts. */
EC_MATH float ec_exp_rounded(float x) {
    int32_t n;
    if (!(x > -100.0f)) {
        return ec_expf(x);
    }
    n = (int32_t)(x * 1.44269504f - 0.5f);
    return ec_exp_double((double)x - (double)n * 0.6931471805599453094, n);
}

EC_KERNEL(ec_log_softmax_f32) void ec_log_softmax_f32(
    const ec_log_softmax_f32_params *p, const float *in, float *out) {
    for (int32_t r = 0; r < p->rows; ++r) {
        float max = in[0], sum = 0.0f, log_sum;
        for (int32_t i = 1; i < p->depth; ++i) {
            max = in[i] > max ? in[i] : max;
        }
        for (int32_t i = 0; i < p->depth; ++i) {
            sum += ec_exp_rounded(in[i] - max);
        }
        log_sum = ec_logf(sum);
        for (int32_t i = 0; i < p->depth; ++i) {
            out[i] = in[i] - max - log_sum;
        }
        in += p->depth;
        out += p->depth;
    }
}

/* NOLINTEND(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

#endif
