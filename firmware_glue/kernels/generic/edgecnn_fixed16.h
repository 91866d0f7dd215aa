/* SPDX-License-Identifier: Apache-2.0 */
/* exp, logistic and tanh of 16-bit fixed point, step by step as gemmlowp's fixedpoint.h does it.
 *
 * Qm.n: m integer bits, n = 15 - m fraction bits. Results are Q0.15, where 1 is 32767. */
#ifndef EDGECNN_FIXED16_H
#define EDGECNN_FIXED16_H

#include "edgecnn_common.h"

/* NOLINTBEGIN(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

/* a * b / 2^15 to nearest, saturated: bits of both formats add up. */
EC_INLINE int32_t ec_mul_q15(int32_t a, int32_t b) {
    const int32_t product = (a * b + (1 << 14)) >> 15;
    return product > INT16_MAX ? INT16_MAX : product;
}

EC_INLINE int32_t ec_clamp16(int32_t x) {
    return ec_clamp(x, INT16_MIN, INT16_MAX);
}

/* x * 2^left, saturated to 16 bits. */
EC_INLINE int32_t ec_shift_left_q15(int32_t x, int32_t left) {
    return ec_clamp16(x * (1 << left));
}

/* exp(x), Q0.15, for -1/4 <= x < 0: a Taylor series around -1/8. */
EC_INLINE int32_t ec_exp_quarter_q15(int32_t x) {
    const int32_t exp_eighth = 28918, third = 10923;
    const int32_t x1 = x + (1 << 12), x2 = ec_mul_q15(x1, x1);
    const int32_t x3 = ec_mul_q15(x2, x1), x4 = ec_mul_q15(x2, x2);
    const int32_t tail = ec_mul_q15(ec_round_shift_positive(x4, 2) + x3, third) + x2;
    return ec_clamp16(
        exp_eighth + ec_mul_q15(exp_eighth, x1 + ec_round_shift_positive(tail, 1)));
}

/* exp(x) for x <= 0 with `bits` integer bits, 1 to 7: a quarter at a time, then the rest. */
EC_INLINE int32_t ec_exp_q15(int32_t x, int32_t bits) {
    /* exp(-2^e), e = -2 ... 3; exp(-16) is 0. */
    static const int16_t powers[6] = {25520, 19875, 12055, 4435, 600, 11};
    const int32_t fraction = 15 - bits, quarter = 1 << (fraction - 2);
    const int32_t rest = (x & (quarter - 1)) - quarter;
    int32_t result = ec_exp_quarter_q15(ec_shift_left_q15(rest, bits));
    if (x == 0) {
        return INT16_MAX;
    }
    for (int32_t e = -2; e < bits && e < 4; ++e) {
        if ((((rest - x) >> (fraction + e)) & 1) != 0) {
            result = ec_mul_q15(result, powers[e + 2]);
        }
    }
    if (bits > 4 && (((rest - x) >> (fraction + 4)) & 1) != 0) {
        return 0;
    }
    return bits > 5 && x < -(1 << (20 - bits)) ? 0 : result;
}

/* About 2 / (1 + x), Q2.13, for 0 <= x <= 1: three Newton-Raphson steps. */
EC_INLINE int32_t ec_two_over_one_plus_q13(int32_t x) {
    const int32_t half = (x + INT16_MAX + 1) / 2; /* (1 + x) / 2, Q0.15 */
    int32_t y = 23130 + ec_mul_q15(half, -15420);  /* 48/17 - 32/17 half */
    for (int i = 0; i < 3; ++i) {
        const int32_t error = (1 << 13) - ec_mul_q15(half, y);
        y += ec_shift_left_q15(ec_mul_q15(y, error), 2);
    }
    return y;
}

/* 1 / (1 + exp(-x)), x with `bits` integer bits. */
EC_INLINE int32_t ec_logistic_q15(int32_t x, int32_t bits) {
    const int32_t power = ec_exp_q15(x > 0 ? -x : x, bits);
    const int32_t positive = ec_shift_left_q15(ec_two_over_one_plus_q13(power), 1);
    if (x == 0) {
        return 1 << 14;
    }
    return x > 0 ? positive : INT16_MAX - positive;
}

/* tanh(x), x with `bits` integer bits, 0 to 6. */
EC_INLINE int32_t ec_tanh_q15(int32_t x, int32_t bits) {
    const int32_t power = ec_exp_q15(x > 0 ? -x : x, bits + 1);
    const int32_t size = ec_shift_left_q15(ec_two_over_one_plus_q13(power) - (1 << 13), 2);
    return x == 0 ? 0 : x > 0 ? size : -size;
}

/* NOLINTEND(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

#endif
