/* SPDX-License-Identifier: Apache-2.0 */
/* PRELU: x, or alpha * x where x is negative; alpha is repeated where it is smaller. */
#ifndef EDGECNN_PRELU_H
#define EDGECNN_PRELU_H

#include "edgecnn_broadcast.h"

/* NOLINTBEGIN(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

/* multiplier1, shift1: of x; multiplier2, shift2: of alpha * x. */
typedef struct {
    ec_broadcast shape;
    int32_t offset1, offset2, out_offset, multiplier1, shift1, multiplier2, shift2;
    int32_t act_min, act_max;
} ec_prelu_params;

typedef struct {
    ec_broadcast shape;
} ec_prelu_float_params;

EC_INLINE int32_t ec_prelu_value(const ec_prelu_params *p, int32_t x, int32_t alpha) {
    x += p->offset1;
    if (x >= 0) {
        x = ec_requant(x, p->multiplier1, p->shift1);
    } else {
        x = ec_requant(x * (alpha + p->offset2), p->multiplier2, p->shift2);
    }
    return ec_clamp(ec_wrap_add(x, p->out_offset), p->act_min, p->act_max);
}

EC_INLINE float ec_prelu_float_value(const ec_prelu_float_params *p, float x, float alpha) {
    (void)p;
    return x >= 0.0f ? x : x * alpha;
}

EC_BINARY_KERNEL(ec_prelu_s8, ec_prelu_params, int8_t, int8_t, ec_prelu_value)
EC_BINARY_KERNEL(ec_prelu_u8, ec_prelu_params, uint8_t, uint8_t, ec_prelu_value)
EC_MIXED_KERNEL(ec_prelu_s16, ec_prelu_params, int16_t, int8_t, int16_t, ec_prelu_value)
EC_BINARY_KERNEL(ec_prelu_f32, ec_prelu_float_params, float, float, ec_prelu_float_value)

/* NOLINTEND(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

#endif
