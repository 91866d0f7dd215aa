/* SPDX-License-Identifier: Apache-2.0 */
/* Ops of two operands on plain integers (they wrap around) and bool, with broadcasting. Where a
 * divisor is 0, which TFLite stops at, the result is 0. */
#ifndef EDGECNN_ELEMENTWISE_H
#define EDGECNN_ELEMENTWISE_H

#include "edgecnn_broadcast.h"

/* NOLINTBEGIN(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

/* Fused activation of ADD, SUB, MUL, DIV: with bounds 1 at least act_min, with 2 at most act_max
 * too. */
typedef struct {
    ec_broadcast shape;
    int32_t bounds, act_min, act_max;
} ec_elementwise_params;

EC_INLINE int64_t ec_elementwise_result(const ec_elementwise_params *p, int64_t value) {
    if (p->bounds > 0 && value < p->act_min) {
        return p->act_min;
    }
    return p->bounds > 1 && value > p->act_max ? p->act_max : value;
}

/* base^exponent; INT32_MIN where it does not fit, as x86 converts TFLite's double; 0 for negative
 * exponents, which TFLite stops at. */
EC_INLINE int32_t ec_pow_s32_value(
    const ec_elementwise_params *p, int32_t base, int32_t exponent) {
    int64_t result = 1;
    (void)p;
    if (exponent <= 0) {
        return exponent == 0;
    }
    if (base >= -1 && base <= 1) {
        return base < 0 && exponent % 2 == 0 ? 1 : base;
    }
    for (; exponent > 0; --exponent) {
        result *= base;
        if (result > INT32_MAX || result < INT32_MIN) {
            return INT32_MIN;
        }
    }
    return (int32_t)result;
}

/* The same modulo 2^32. */
EC_INLINE int32_t ec_pow_wrapping_s32_value(
    const ec_elementwise_params *p, int32_t base, int32_t exponent) {
    uint32_t result = 1, factor = (uint32_t)base;
    (void)p;
    for (int32_t rest = exponent; rest > 0; rest /= 2) {
        result *= rest % 2 != 0 ? factor : 1u;
        factor *= factor;
    }
    return exponent < 0 ? 0 : (int32_t)result;
}

#define EC_ELEMENTWISE(NAME, T) EC_INLINE T NAME(const ec_elementwise_params *p, T a, T b)

/* Order, for a type T of the kernels' suffix S. */
#define EC_ORDER_KERNELS(T, S)                                                                  \
    EC_ELEMENTWISE(ec_maximum_##S##_value, T) {                                                 \
        (void)p;                                                                                \
        return a > b ? a : b;                                                                   \
    }                                                                                           \
    EC_ELEMENTWISE(ec_minimum_##S##_value, T) {                                                 \
        (void)p;                                                                                \
        return a < b ? a : b;                                                                   \
    }                                                                                           \
    EC_BINARY_KERNEL(ec_maximum_##S, ec_elementwise_params, T, T, ec_maximum_##S##_value)       \
    EC_BINARY_KERNEL(ec_minimum_##S, ec_elementwise_params, T, T, ec_minimum_##S##_value)

EC_ORDER_KERNELS(int8_t, s8)
EC_ORDER_KERNELS(uint8_t, u8)
EC_ORDER_KERNELS(int16_t, s16)
EC_ORDER_KERNELS(int32_t, s32)
EC_ORDER_KERNELS(int64_t, s64)

/* Division towards minus infinity. U is the unsigned type of T's size. */
#define EC_FLOOR_KERNELS(T, U, S)                                                               \
    EC_ELEMENTWISE(ec_floor_mod_##S##_value, T) {                                               \
        const T rest = (T)(b == 0 || b == -1 ? 0 : a % b);                                      \
        (void)p;                                                                                \
        return (T)(rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest);                       \
    }                                                                                           \
    EC_ELEMENTWISE(ec_floor_div_##S##_value, T) {                                               \
        (void)p;                                                                                \
        if (b == 0 || b == -1) {                                                                \
            return (T)(b == 0 ? (U)0 : (U)((U)0 - (U)a));                                       \
        }                                                                                       \
        return (T)(a / b - (a % b != 0 && (a < 0) != (b < 0)));                                 \
    }                                                                                           \
    EC_BINARY_KERNEL(ec_floor_mod_##S, ec_elementwise_params, T, T, ec_floor_mod_##S##_value)   \
    EC_BINARY_KERNEL(ec_floor_div_##S, ec_elementwise_params, T, T, ec_floor_div_##S##_value)

EC_FLOOR_KERNELS(int8_t, uint8_t, s8)
EC_FLOOR_KERNELS(int16_t, uint16_t, s16)
EC_FLOOR_KERNELS(int32_t, uint32_t, s32)
EC_FLOOR_KERNELS(int64_t, uint64_t, s64)

/* Arithmetic modulo the type's size; W is unsigned and at least as wide as int, so that products
 * do not overflow. */
#define EC_RING_KERNELS(T, W, S)                                                                \
    EC_ELEMENTWISE(ec_add_##S##_value, T) {                                                     \
        return (T)ec_elementwise_result(p, (T)((W)a + (W)b));                                   \
    }                                                                                           \
    EC_ELEMENTWISE(ec_sub_##S##_value, T) {                                                     \
        return (T)ec_elementwise_result(p, (T)((W)a - (W)b));                                   \
    }                                                                                           \
    EC_ELEMENTWISE(ec_mul_##S##_value, T) {                                                     \
        return (T)ec_elementwise_result(p, (T)((W)a * (W)b));                                   \
    }                                                                                           \
    EC_ELEMENTWISE(ec_squared_difference_##S##_value, T) {                                      \
        const W difference = (W)a - (W)b;                                                       \
        return (T)ec_elementwise_result(p, (T)(difference * difference));                       \
    }                                                                                           \
    EC_BINARY_KERNEL(ec_add_##S, ec_elementwise_params, T, T, ec_add_##S##_value)               \
    EC_BINARY_KERNEL(ec_sub_##S, ec_elementwise_params, T, T, ec_sub_##S##_value)               \
    EC_BINARY_KERNEL(ec_mul_##S, ec_elementwise_params, T, T, ec_mul_##S##_value)               \
    EC_BINARY_KERNEL(                                                                           \
        ec_squared_difference_##S, ec_elementwise_params, T, T, ec_squared_difference_##S##_value)

EC_RING_KERNELS(int16_t, uint32_t, plain_s16)
EC_RING_KERNELS(int32_t, uint32_t, s32)
EC_RING_KERNELS(int64_t, uint64_t, s64)

EC_ELEMENTWISE(ec_div_s32_value, int32_t) {
    const int64_t quotient = b == 0 ? 0 : (int64_t)a / b;
    return (int32_t)ec_elementwise_result(p, (int32_t)quotient);
}

EC_ELEMENTWISE(ec_logical_and_value, uint8_t) {
    (void)p;
    return a != 0 && b != 0;
}

EC_ELEMENTWISE(ec_logical_or_value, uint8_t) {
    (void)p;
    return a != 0 || b != 0;
}

EC_BINARY_KERNEL(ec_div_s32, ec_elementwise_params, int32_t, int32_t, ec_div_s32_value)
EC_BINARY_KERNEL(
    ec_pow_wrapping_s32, ec_elementwise_params, int32_t, int32_t, ec_pow_wrapping_s32_value)
EC_BINARY_KERNEL(ec_pow_s32, ec_elementwise_params, int32_t, int32_t, ec_pow_s32_value)
EC_BINARY_KERNEL(ec_logical_and, ec_elementwise_params, uint8_t, uint8_t, ec_logical_and_value)
EC_BINARY_KERNEL(ec_logical_or, ec_elementwise_params, uint8_t, uint8_t, ec_logical_or_value)

/* Bits. A shift to the right is by 0 to the type's bits less 1; others are taken as the nearest. */
#define EC_BIT_KERNELS(T, BITS, S)                                                              \
    EC_ELEMENTWISE(ec_bitwise_xor_##S##_value, T) {                                             \
        (void)p;                                                                                \
        return (T)(a ^ b);                                                                      \
    }                                                                                           \
    EC_ELEMENTWISE(ec_right_shift_##S##_value, T) {                                             \
        (void)p;                                                                                \
        return (T)(a >> ec_clamp((int32_t)b, 0, (BITS) - 1));                                   \
    }                                                                                           \
    EC_BINARY_KERNEL(                                                                           \
        ec_bitwise_xor_##S, ec_elementwise_params, T, T, ec_bitwise_xor_##S##_value)            \
    EC_BINARY_KERNEL(ec_right_shift_##S, ec_elementwise_params, T, T, ec_right_shift_##S##_value)

EC_BIT_KERNELS(int8_t, 8, s8)
EC_BIT_KERNELS(uint8_t, 8, u8)
EC_BIT_KERNELS(int16_t, 16, s16)
EC_BIT_KERNELS(int32_t, 32, s32)

/* NOLINTEND(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

#endif
