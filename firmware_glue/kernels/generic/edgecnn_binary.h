/* SPDX-License-Identifier: Apache-2.0 */
/* Quantized ops of two operands, with broadcasting: ADD, SUB, MUL, DIV, SQUARED_DIFFERENCE. */
#ifndef EDGECNN_BINARY_H
#define EDGECNN_BINARY_H

#include "edgecnn_broadcast.h"

/* NOLINTBEGIN(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

/* multiplier1/2, shift1/2: of the inputs (sums and differences); multiplier, shift: of the
 * result. */
typedef struct {
    ec_broadcast shape;
    int32_t offset1, offset2, out_offset, left_shift;
    int32_t multiplier1, shift1, multiplier2, shift2, multiplier, shift;
    int32_t act_min, act_max;
} ec_binary_params;

EC_INLINE int32_t ec_binary_result(const ec_binary_params *p, int32_t value) {
    return ec_clamp(ec_wrap_add(value, p->out_offset), p->act_min, p->act_max);
}

EC_INLINE int32_t ec_binary_sum(
    const ec_binary_params *p, int32_t x1, int32_t x2, int32_t sign) {
    x1 = ec_shift_left(x1 + p->offset1, p->left_shift);
    x2 = ec_shift_left(x2 + p->offset2, p->left_shift);
    x1 = ec_requant(x1, p->multiplier1, p->shift1);
    x2 = ec_requant(x2, p->multiplier2, p->shift2);
    return x1 + sign * x2;
}

EC_INLINE int32_t ec_add_value(const ec_binary_params *p, int32_t x1, int32_t x2) {
    const int32_t sum = ec_binary_sum(p, x1, x2, 1);
    return ec_binary_result(p, ec_requant(sum, p->multiplier, p->shift));
}

EC_INLINE int32_t ec_sub_value(const ec_binary_params *p, int32_t x1, int32_t x2) {
    const int32_t difference = ec_binary_sum(p, x1, x2, -1);
    return ec_binary_result(p, ec_requant(difference, p->multiplier, p->shift));
}

EC_INLINE int32_t ec_mul_value(const ec_binary_params *p, int32_t x1, int32_t x2) {
    const int32_t product = (x1 + p->offset1) * (x2 + p->offset2);
    return ec_binary_result(p, ec_requant(product, p->multiplier, p->shift));
}

EC_INLINE int32_t ec_squared_difference_value(
    const ec_binary_params *p, int32_t x1, int32_t x2) {
    const int32_t difference = ec_binary_sum(p, x1, x2, -1);
    const int32_t square = difference * difference;
    return ec_binary_result(p, ec_requant(square, p->multiplier, p->shift));
}

/* x1 / x2 through a reciprocal of x2; 0 where x2 stands for 0 (TFLite stops there). */
EC_INLINE int32_t ec_div_value(const ec_binary_params *p, int32_t x1, int32_t x2) {
    int32_t zeros, headroom, quotient, shift;
    x1 += p->offset1;
    x2 += p->offset2;
    if (x2 == 0) {
        return ec_binary_result(p, 0);
    }
    if (x2 < 0) {
        x1 = -x1;
        x2 = -x2;
    }
    zeros = ec_leading_zeros((uint32_t)x2);
    headroom = x1 == 0 || x1 == -1 ? 31 : ec_leading_zeros((uint32_t)(x1 < 0 ? ~x1 : x1)) - 1;
    quotient = ec_reciprocal_1p((int32_t)(((uint32_t)x2 << zeros) - 0x80000000u));
    quotient = ec_requant(x1, quotient, headroom);
    shift = p->shift - (31 - zeros) - headroom;
    if (shift < -31) {
        /* TFLite shifts by more bits than there are. This is what it gets on x86. */
        quotient = ec_high_mul(quotient, p->multiplier);
        return ec_binary_result(p, (quotient >> (-shift & 31)) + (quotient >= 0));
    }
    return ec_binary_result(p, ec_requant(quotient, p->multiplier, shift));
}

EC_BINARY_KERNEL(ec_add_s8, ec_binary_params, int8_t, int8_t, ec_add_value)
EC_BINARY_KERNEL(ec_add_u8, ec_binary_params, uint8_t, uint8_t, ec_add_value)
EC_BINARY_KERNEL(ec_add_s16, ec_binary_params, int16_t, int16_t, ec_add_value)
EC_BINARY_KERNEL(ec_sub_s8, ec_binary_params, int8_t, int8_t, ec_sub_value)
EC_BINARY_KERNEL(ec_sub_u8, ec_binary_params, uint8_t, uint8_t, ec_sub_value)
EC_BINARY_KERNEL(ec_sub_s16, ec_binary_params, int16_t, int16_t, ec_sub_value)
EC_BINARY_KERNEL(ec_mul_s8, ec_binary_params, int8_t, int8_t, ec_mul_value)
EC_BINARY_KERNEL(ec_mul_u8, ec_binary_params, uint8_t, uint8_t, ec_mul_value)
EC_BINARY_KERNEL(ec_mul_s16, ec_binary_params, int16_t, int16_t, ec_mul_value)
EC_BINARY_KERNEL(ec_div_s8, ec_binary_params, int8_t, int8_t, ec_div_value)
EC_BINARY_KERNEL(ec_div_u8, ec_binary_params, uint8_t, uint8_t, ec_div_value)
EC_BINARY_KERNEL(ec_div_s16, ec_binary_params, int16_t, int16_t, ec_div_value)
EC_BINARY_KERNEL(
    ec_squared_difference_s8, ec_binary_params, int8_t, int8_t, ec_squared_difference_value)

/* int16 whose scales are powers of two: operands are shifted right by shift1, shift2. */
typedef struct {
    ec_broadcast shape;
    int32_t shift1, shift2, act_min, act_max;
} ec_binary_shift_params;

EC_INLINE int32_t ec_binary_shift_value(
    const ec_binary_shift_params *p, int32_t x1, int32_t x2, int32_t sign) {
    const int32_t sum = ec_round_shift(x1, p->shift1) + sign * ec_round_shift(x2, p->shift2);
    return ec_clamp(ec_clamp(sum, INT16_MIN, INT16_MAX), p->act_min, p->act_max);
}

EC_INLINE int32_t ec_add_shift_value(
    const ec_binary_shift_params *p, int32_t x1, int32_t x2) {
    return ec_binary_shift_value(p, x1, x2, 1);
}

EC_INLINE int32_t ec_sub_shift_value(
    const ec_binary_shift_params *p, int32_t x1, int32_t x2) {
    return ec_binary_shift_value(p, x1, x2, -1);
}

EC_BINARY_KERNEL(ec_add_shift_s16, ec_binary_shift_params, int16_t, int16_t, ec_add_shift_value)
EC_BINARY_KERNEL(ec_sub_shift_s16, ec_binary_shift_params, int16_t, int16_t, ec_sub_shift_value)

/* NOLINTEND(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

#endif
