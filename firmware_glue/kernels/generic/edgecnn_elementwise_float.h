/* SPDX-License-Identifier: Apache-2.0 */
/* Ops of two operands in float32, with broadcasting. */
#ifndef EDGECNN_ELEMENTWISE_FLOAT_H
#define EDGECNN_ELEMENTWISE_FLOAT_H

#include "edgecnn_broadcast.h"
#include "edgecnn_math_special.h"

/* NOLINTBEGIN(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

/* ADD, SUB, MUL and DIV clamp to [act_min, act_max]. */
typedef struct {
    ec_broadcast shape;
    float act_min, act_max;
} ec_elementwise_float_params;

#define EC_ELEMENTWISE_FLOAT(NAME)                                                              \
    EC_INLINE float NAME(const ec_elementwise_float_params *p, float a, float b)

EC_INLINE float ec_float_result(const ec_elementwise_float_params *p, float value) {
    return value < p->act_min ? p->act_min : value > p->act_max ? p->act_max : value;
}

EC_ELEMENTWISE_FLOAT(ec_add_f32_value) {
    return ec_float_result(p, a + b);
}

EC_ELEMENTWISE_FLOAT(ec_sub_f32_value) {
    return ec_float_result(p, a - b);
}

EC_ELEMENTWISE_FLOAT(ec_mul_f32_value) {
    return ec_float_result(p, a * b);
}

EC_ELEMENTWISE_FLOAT(ec_div_f32_value) {
    return ec_float_result(p, a / b);
}

EC_ELEMENTWISE_FLOAT(ec_maximum_f32_value) {
    (void)p;
    return a > b ? a : b;
}

EC_ELEMENTWISE_FLOAT(ec_minimum_f32_value) {
    (void)p;
    return a < b ? a : b;
}

EC_ELEMENTWISE_FLOAT(ec_squared_difference_f32_value) {
    (void)p;
    return (a - b) * (a - b);
}

EC_ELEMENTWISE_FLOAT(ec_pow_f32_value) {
    (void)p;
    return ec_powf(a, b);
}

/* floor(a / b) with the quotient in double, as TFLite has it. */
EC_ELEMENTWISE_FLOAT(ec_floor_div_f32_value) {
    const double quotient = (double)a / (double)b;
    (void)p;
    if (quotient > -4503599627370496.0 && quotient < 4503599627370496.0) {
        const double whole = (double)(int64_t)quotient;
        return (float)(whole > quotient ? whole - 1.0 : whole);
    }
    return (float)quotient;
}

/* The rest of |a| / |b|, exact: subtracts b * 2^k, k from the top down. */
EC_INLINE float ec_fmodf(float a, float b) {
    float rest = ec_fabsf(a);
    const float divisor = ec_fabsf(b);
    if (!(rest < ec_infinity()) || !(divisor > 0.0f)) {
        return ec_nan();
    }
    if (ec_is_nan(b)) {
        return b;
    }
    while (rest >= divisor) {
        float part = divisor;
        while (part <= rest * 0.5f) {
            part *= 2.0f;
        }
        rest -= part;
    }
    return ec_copysignf(rest, a);
}

EC_ELEMENTWISE_FLOAT(ec_floor_mod_f32_value) {
    const float rest = ec_fmodf(a, b);
    (void)p;
    return rest != 0.0f && (rest < 0.0f) != (b < 0.0f) ? rest + b : rest;
}

#define EC_FLOAT_KERNEL(OP)                                                                     \
    EC_BINARY_KERNEL(ec_##OP##_f32, ec_elementwise_float_params, float, float, ec_##OP##_f32_value)

EC_FLOAT_KERNEL(add)
EC_FLOAT_KERNEL(sub)
EC_FLOAT_KERNEL(mul)
EC_FLOAT_KERNEL(div)
EC_FLOAT_KERNEL(maximum)
EC_FLOAT_KERNEL(minimum)
EC_FLOAT_KERNEL(squared_difference)
EC_FLOAT_KERNEL(pow)
EC_FLOAT_KERNEL(floor_div)
EC_FLOAT_KERNEL(floor_mod)

/* NOLINTEND(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

#endif
