/* SPDX-License-Identifier: Apache-2.0 */
/* Functions of one value that are no tables: float32 ones, and the integer ones that ignore scales.
 * All work in place. */
#ifndef EDGECNN_UNARY_H
#define EDGECNN_UNARY_H

#include "edgecnn_math_special.h"

/* NOLINTBEGIN(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

/* a, b, step: LEAKY_RELU's slope; the limits of a RELU; scales of SQRT; FAKE_QUANT's range. */
typedef struct {
    int32_t count;
    float a, b, step;
} ec_unary_params;

/* One kernel: y is an expression of x and p. */
#define EC_UNARY(name, type, y)                                                                   \
    EC_KERNEL(ec_##name) void ec_##name(const ec_unary_params *p, const void *in, void *out) {    \
        typedef type element;                                                                     \
        const element *read = (const element *)in;                                                \
        element *write = (element *)out;                                                          \
        for (int32_t i = 0; i < p->count; ++i) {                                                  \
            const element x = read[i];                                                            \
            write[i] = (y);                                                                       \
        }                                                                                         \
    }

EC_INLINE float ec_logistic(float x) {
    return x < -9.0f ? ec_expf(x) : 1.0f / (1.0f + ec_expf(-x));
}

EC_INLINE float ec_hard_swish(float x) {
    return x * ec_clampf(x + 3.0f, 0.0f, 6.0f) / 6.0f;
}

EC_INLINE float ec_gelu(float x) {
    return 0.5f * x * ec_erfcf(x * -0.707106769f);
}

EC_INLINE float ec_gelu_tanh(float x) {
    return 0.5f * x * (1.0f + ec_tanhf(0.797884583f * (x + 0.044715f * x * x * x)));
}

EC_INLINE float ec_sign(float x) {
    return x > 0.0f ? 1.0f : x < 0.0f ? -1.0f : ec_is_nan(x) ? x : 0.0f;
}

EC_INLINE float ec_fake_quant(const ec_unary_params *p, float x) {
    const float steps = (ec_clampf(x, p->a, p->b) - p->a) * (1.0f / p->step);
    return ec_round_awayf(steps) * p->step + p->a;
}

/* Cut off, not rounded; |q| * scale is far below 2^31 wherever it fits the output. */
EC_INLINE int16_t ec_sqrt_s16_value(const ec_unary_params *p, int16_t x) {
    const float y = x > 0 ? ec_sqrtf(p->a * (float)x) / p->b : 0.0f;
    return (int16_t)(y < 32767.0f ? (int32_t)y : INT16_MAX);
}

EC_UNARY(relu_f32, float, x < 0.0f ? 0.0f : x)
EC_UNARY(clip_f32, float, ec_clampf(x, p->a, p->b))
EC_UNARY(leaky_relu_f32, float, x > 0.0f ? x : x * p->a)
EC_UNARY(elu_f32, float, x < 0.0f ? ec_expm1f(x) : x)
EC_UNARY(hard_swish_f32, float, ec_hard_swish(x))
EC_UNARY(gelu_f32, float, ec_gelu(x))
EC_UNARY(gelu_tanh_f32, float, ec_gelu_tanh(x))
EC_UNARY(logistic_f32, float, ec_logistic(x))
EC_UNARY(tanh_f32, float, ec_tanhf(x))
EC_UNARY(abs_f32, float, ec_fabsf(x))
EC_UNARY(neg_f32, float, -x)
EC_UNARY(exp_f32, float, ec_expf(x))
EC_UNARY(log_f32, float, ec_logf(x))
EC_UNARY(sqrt_f32, float, ec_sqrtf(x))
EC_UNARY(rsqrt_f32, float, ec_rsqrtf(x))
EC_UNARY(square_f32, float, x * x)
EC_UNARY(sin_f32, float, ec_sinf(x))
EC_UNARY(cos_f32, float, ec_cosf(x))
EC_UNARY(floor_f32, float, ec_floorf(x))
EC_UNARY(ceil_f32, float, ec_ceilf(x))
EC_UNARY(round_f32, float, ec_roundf(x))
EC_UNARY(fake_quant_f32, float, ec_fake_quant(p, x))
EC_UNARY(sign_f32, float, ec_sign(x))
EC_UNARY(zeros_f32, float, ((void)x, 0.0f))

/* Negation wraps: that of the lowest value is itself. */
EC_UNARY(neg_s8, int8_t, (int8_t)-x)
EC_UNARY(neg_s16, int16_t, (int16_t)-x)
EC_UNARY(neg_s32, int32_t, (int32_t)(0u - (uint32_t)x))
EC_UNARY(neg_s64, int64_t, (int64_t)(0u - (uint64_t)x))
EC_UNARY(sqrt_s16, int16_t, ec_sqrt_s16_value(p, x))
EC_UNARY(abs_s16, int16_t, (int16_t)(x < 0 ? -x : x))
EC_UNARY(abs_s32, int32_t, x < 0 ? (int32_t)(0u - (uint32_t)x) : x)
EC_UNARY(sign_s32, int32_t, (x > 0) - (x < 0))
EC_UNARY(zeros_s32, int32_t, ((void)x, 0))
EC_UNARY(zeros_s64, int64_t, ((void)x, 0))
EC_UNARY(not_bool, uint8_t, x == 0)

/* NOLINTEND(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

#endif
