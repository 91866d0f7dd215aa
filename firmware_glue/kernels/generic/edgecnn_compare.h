/* SPDX-License-Identifier: Apache-2.0 */
/* Comparisons, with broadcasting; the result is bool. Quantized operands of different scales are
 * brought to one scale first. */
#ifndef EDGECNN_COMPARE_H
#define EDGECNN_COMPARE_H

#include "edgecnn_broadcast.h"

/* NOLINTBEGIN(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

typedef struct {
    ec_broadcast shape;
} ec_compare_params;

typedef struct {
    ec_broadcast shape;
    int32_t offset1, offset2, left_shift, multiplier1, shift1, multiplier2, shift2;
} ec_compare_scaled_params;

EC_INLINE int32_t ec_compare_left(const ec_compare_scaled_params *p, int32_t x) {
    return ec_requant(ec_shift_left(x + p->offset1, p->left_shift), p->multiplier1, p->shift1);
}

EC_INLINE int32_t ec_compare_right(const ec_compare_scaled_params *p, int32_t x) {
    return ec_requant(ec_shift_left(x + p->offset2, p->left_shift), p->multiplier2, p->shift2);
}

/* Macros, not functions: their operands have any type. */
#define EC_EQUAL(P, A, B) ((void)(P), (A) == (B))
#define EC_NOT_EQUAL(P, A, B) ((void)(P), (A) != (B))
#define EC_LESS(P, A, B) ((void)(P), (A) < (B))
#define EC_LESS_EQUAL(P, A, B) ((void)(P), (A) <= (B))
#define EC_GREATER(P, A, B) ((void)(P), (A) > (B))
#define EC_GREATER_EQUAL(P, A, B) ((void)(P), (A) >= (B))

#define EC_EQUAL_SCALED(P, A, B) (ec_compare_left((P), (A)) == ec_compare_right((P), (B)))
#define EC_NOT_EQUAL_SCALED(P, A, B) (ec_compare_left((P), (A)) != ec_compare_right((P), (B)))
#define EC_LESS_SCALED(P, A, B) (ec_compare_left((P), (A)) < ec_compare_right((P), (B)))
#define EC_LESS_EQUAL_SCALED(P, A, B) (ec_compare_left((P), (A)) <= ec_compare_right((P), (B)))
#define EC_GREATER_SCALED(P, A, B) (ec_compare_left((P), (A)) > ec_compare_right((P), (B)))
#define EC_GREATER_EQUAL_SCALED(P, A, B) (ec_compare_left((P), (A)) >= ec_compare_right((P), (B)))

#define EC_COMPARE_KERNELS(PARAMS, T, S, X)                                                     \
    EC_BINARY_KERNEL(ec_equal_##S, PARAMS, T, uint8_t, EC_EQUAL##X)                             \
    EC_BINARY_KERNEL(ec_not_equal_##S, PARAMS, T, uint8_t, EC_NOT_EQUAL##X)                     \
    EC_BINARY_KERNEL(ec_less_##S, PARAMS, T, uint8_t, EC_LESS##X)                               \
    EC_BINARY_KERNEL(ec_less_equal_##S, PARAMS, T, uint8_t, EC_LESS_EQUAL##X)                   \
    EC_BINARY_KERNEL(ec_greater_##S, PARAMS, T, uint8_t, EC_GREATER##X)                         \
    EC_BINARY_KERNEL(ec_greater_equal_##S, PARAMS, T, uint8_t, EC_GREATER_EQUAL##X)

EC_COMPARE_KERNELS(ec_compare_scaled_params, int8_t, s8, _SCALED)
EC_COMPARE_KERNELS(ec_compare_scaled_params, uint8_t, u8, _SCALED)
EC_COMPARE_KERNELS(ec_compare_scaled_params, int16_t, scaled_s16, _SCALED)
EC_COMPARE_KERNELS(ec_compare_params, int16_t, s16, )
EC_COMPARE_KERNELS(ec_compare_params, int32_t, s32, )
EC_COMPARE_KERNELS(ec_compare_params, int64_t, s64, )
EC_COMPARE_KERNELS(ec_compare_params, float, f32, )
EC_COMPARE_KERNELS(ec_compare_params, uint8_t, bool, )

/* NOLINTEND(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

#endif
