/* SPDX-License-Identifier: Apache-2.0 */
/* SOFTMAX over the last dimension: TFLite's reference fixed point for 8-bit inputs, its tables
 * for int16, float32. All work in place (outputs wider than the input: see the planner). */
#ifndef EDGECNN_SOFTMAX_H
#define EDGECNN_SOFTMAX_H

#include "edgecnn_common.h"
#include "edgecnn_math.h"

/* NOLINTBEGIN(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

/* exp_count: entries of the table exp_q31[d] = exp(-d * scale * beta) in Q0.31; beyond it the
 * exponential counts as 0. */
typedef struct {
    int32_t rows, depth, exp_count;
} ec_softmax_params;

/* multiplier and shift: input differences to units of 10 / 65535. */
typedef struct {
    int32_t rows, depth, multiplier, shift;
} ec_softmax_s16_params;

typedef struct {
    int32_t rows, depth;
    float beta;
} ec_softmax_f32_params;

/* Adds exp(-below) to the sum of up to depth of them in Q13.19, saturated. */
EC_INLINE uint32_t ec_add_exponential(
    uint32_t sum, const int32_t *exp_q31, int32_t exp_count, int32_t below, int32_t depth) {
    /* None adds more than 2^19. */
    if (below < exp_count && (depth < 8191 || sum < 0xFFF00000u)) {
        sum += ((uint32_t)exp_q31[below] + 2048u) >> 12;
    }
    return sum;
}

/* exponential * scale in Q0.31, rounded, then to a multiple of 2^-bits, rounded: by the high 16
 * bits of both where these decide it. `right`: 31 - bits, at least 15. */
EC_INLINE int32_t ec_softmax_quotient(int32_t exponential, int32_t scale, int32_t right) {
    const uint32_t half = (uint32_t)1 << (right - 1);
    if ((uint32_t)exponential < half) {
        return 0; /* The product is no larger. */
    }
#if defined(__ARM_ARCH_6M__) && !defined(__OPTIMIZE_SIZE__)
    {
        /* No product of 64 bits on this core. The halves' product lacks less than 2^17. */
        const uint32_t low =
            (((uint32_t)exponential >> 15) * ((uint32_t)scale >> 15) >> 1) + half;
        const uint32_t high = low + (1u << 16) + 1u;
        if (low >> right == high >> right) {
            return (int32_t)(low >> right);
        }
    }
#endif
    return (int32_t)(((uint32_t)ec_high_mul(exponential, scale) + half) >> right);
}

/* BITS: width of the output, whose lowest value stands for 0. */
#define EC_SOFTMAX(NAME, IN, OUT, BITS, LOW, HIGH)                                            \
    EC_KERNEL(NAME) void NAME(                                                                \
        const ec_softmax_params *p, const IN *in, const int32_t *exp_q31, OUT out[]) {        \
        const int32_t depth = p->depth;                                                       \
        for (int32_t r = p->rows; r > 0; --r) {                                               \
            int32_t max = (int32_t)in[0], count = p->exp_count, zeros, scale;                 \
            uint32_t sum = 0;                                                                 \
            for (int32_t i = 1; i < depth; ++i) {                                             \
                max = in[i] > max ? in[i] : max;                                              \
            }                                                                                 \
            for (int32_t i = 0; i < depth; ++i) {                                             \
                sum = ec_add_exponential(sum, exp_q31, count, max - in[i], depth);            \
            }                                                                                 \
            zeros = ec_leading_zeros(sum);                                                    \
            scale = ec_reciprocal_1p((int32_t)((sum << zeros) - 0x80000000u));                \
            /* 8 bits: from a sum of 512 on, every quotient rounds to 0 (the reference        \
             * aborts there). */                                                              \
            count = zeros >= 12 - (BITS) ? count : 0;                                         \
            for (int32_t i = 0; i < depth; ++i) {                                             \
                const int32_t below = max - in[i];                                            \
                int32_t value = LOW;                                                          \
                if (below < count) {                                                          \
                    value +=                                                                  \
                        ec_softmax_quotient(exp_q31[below], scale, 43 - (BITS) - zeros);      \
                    value = value > (HIGH) ? (HIGH) : value;                                  \
                }                                                                             \
                out[i] = (OUT)value;                                                          \
            }                                                                                 \
            in += depth;                                                                      \
            out += depth;                                                                     \
        }                                                                                     \
    }

EC_SOFTMAX(ec_softmax_s8, int8_t, int8_t, 8, -128, 127)
EC_SOFTMAX(ec_softmax_u8, uint8_t, uint8_t, 8, 0, 255)
EC_SOFTMAX(ec_softmax_s8_s16, int8_t, int16_t, 16, -32768, 32767)
EC_SOFTMAX(ec_softmax_u8_s16, uint8_t, int16_t, 16, -32768, 32767)

/* A table of 513 entries over all int16 values, linear in between. */
EC_INLINE int32_t ec_interpolate_s16(const int16_t *table, int32_t value) {
    const int16_t *entry = table + 256 + (value >> 7);
    return entry[0] + (((entry[1] - entry[0]) * (value & 127) + 64) >> 7);
}

/* exp_table: exp over [-10, 0]; reciprocal_table: 1 / (1 + x) over [0, 1]; both Q0.15. */
EC_KERNEL(ec_softmax_s16) void ec_softmax_s16(
    const ec_softmax_s16_params *p, const int16_t *in, const int16_t *exp_table,
    const int16_t *reciprocal_table, int16_t *out) {
    for (int32_t r = 0; r < p->rows; ++r) {
        int32_t max = in[0], normal, zeros, reciprocal, right;
        uint32_t sum = 0; /* Q17.15 */
        for (int32_t i = 1; i < p->depth; ++i) {
            max = in[i] > max ? in[i] : max;
        }
        for (int32_t i = 0; i < p->depth; ++i) {
            const int32_t scaled = ec_requant(in[i] - max, p->multiplier, p->shift);
            const int32_t at = ec_clamp(ec_wrap_add(scaled, 32767), -32768, 32767);
            const int32_t exponential = ec_interpolate_s16(exp_table, at);
            out[i] = (int16_t)exponential;
            sum += (uint32_t)exponential;
        }
        zeros = ec_leading_zeros(sum);
        normal = (int32_t)(((sum << (zeros - 1)) + (1u << 13)) >> 14) - 98304;
        reciprocal = ec_interpolate_s16(reciprocal_table, ec_clamp(normal, -32768, 32767));
        right = 31 - zeros;
        for (int32_t i = 0; i < p->depth; ++i) {
            const int32_t value = (out[i] * reciprocal + (1 << (right - 1))) >> right;
            out[i] = (int16_t)ec_clamp(value, 0, 32767);
        }
        in += p->depth;
        out += p->depth;
    }
}

EC_KERNEL(ec_softmax_f32)
void ec_softmax_f32(const ec_softmax_f32_params *p, const float *in, float *out) {
    for (int32_t r = 0; r < p->rows; ++r) {
        float max = in[0], sum = 0.0f;
        for (int32_t i = 1; i < p->depth; ++i) {
            max = in[i] > max ? in[i] : max;
        }
        for (int32_t i = 0; i < p->depth; ++i) {
            out[i] = ec_expf((in[i] - max) * p->beta);
            sum += out[i];
        }
        for (int32_t i = 0; i < p->depth; ++i) {
            out[i] /= sum;
        }
        in += p->depth;
        out += p->depth;
    }
}

/* NOLINTEND(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

#endif
