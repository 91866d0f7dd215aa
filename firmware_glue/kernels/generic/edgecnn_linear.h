/* SPDX-License-Identifier: Apache-2.0 */
/* int8 ADD, SUB and MUL as one linear form each, which the compiler proved equal to the op on all
 * 65,536 pairs of operands (compiler/fast/linear.py). With broadcasting. */
#ifndef EDGECNN_LINEAR_H
#define EDGECNN_LINEAR_H

#include "edgecnn_broadcast.h"

/* NOLINTBEGIN(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

/* clamp((factor1 * x1 + factor2 * x2 + offset) >> shift): the compiler saw to it that the sum fits
 * in 32 bits; its parts may wrap around. */
typedef struct {
    ec_broadcast shape;
    int32_t factor1, factor2, offset, shift, act_min, act_max;
} ec_linear_params;

EC_INLINE int32_t ec_linear_value(const ec_linear_params *p, int32_t x1, int32_t x2) {
    const uint32_t sum = (uint32_t)x1 * (uint32_t)p->factor1 +
                         (uint32_t)x2 * (uint32_t)p->factor2 + (uint32_t)p->offset;
    return ec_clamp((int32_t)sum >> p->shift, p->act_min, p->act_max);
}

EC_BINARY_KERNEL(ec_linear_s8, ec_linear_params, int8_t, int8_t, ec_linear_value)

/* The same with factors of up to 31 bits, high * 2^9 + low: clamp(((factor1 * x1 >> 9) +
 * (factor2 * (x2 ^ flip2) >> 9) + offset) >> shift); flip2 is -1 for a difference, else 0. */
typedef struct {
    ec_broadcast shape;
    int32_t high1, low1, high2, low2, flip2, offset, shift, act_min, act_max;
} ec_linear_fine_params;

EC_INLINE int32_t ec_linear_fine_value(
    const ec_linear_fine_params *p, int32_t x1, int32_t x2) {
    const int32_t y2 = x2 ^ p->flip2;
    const int32_t sum1 = x1 * p->high1 + (x1 * p->low1 >> 9);
    const int32_t sum2 = y2 * p->high2 + (y2 * p->low2 >> 9);
    const int32_t sum = (int32_t)((uint32_t)sum1 + (uint32_t)sum2 + (uint32_t)p->offset);
    return ec_clamp(sum >> p->shift, p->act_min, p->act_max);
}

EC_BINARY_KERNEL(ec_linear_fine_s8, ec_linear_fine_params, int8_t, int8_t, ec_linear_fine_value)

/* With x = (x1 + offset1) * (x2 + offset2), |x| < 2^17:
 * clamp((x * high + (x * low >> 13) + offset) >> shift), 0 <= low < 2^13: the product with a factor
 * of up to 28 bits, high * 2^13 + low, without 64 bits. below: added to offset where x < 0. */
typedef struct {
    ec_broadcast shape;
    int32_t offset1, offset2, high, low, offset, below, shift, act_min, act_max;
} ec_linear_product_params;

EC_INLINE int32_t ec_linear_product_value(
    const ec_linear_product_params *p, int32_t x1, int32_t x2) {
    const int32_t x = (x1 + p->offset1) * (x2 + p->offset2);
    const uint32_t sum = (uint32_t)x * (uint32_t)p->high + (uint32_t)(x * p->low >> 13) +
                         (uint32_t)p->offset + (uint32_t)(x < 0 ? p->below : 0);
    return ec_clamp((int32_t)sum >> p->shift, p->act_min, p->act_max);
}

EC_BINARY_KERNEL(
    ec_linear_product_s8, ec_linear_product_params, int8_t, int8_t, ec_linear_product_value)

/* NOLINTEND(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

#endif
