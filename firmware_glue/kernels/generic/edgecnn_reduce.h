/* SPDX-License-Identifier: Apache-2.0 */
/* MEAN, SUM, REDUCE_MAX, REDUCE_MIN, REDUCE_PROD, REDUCE_ANY and REDUCE_ALL over any axes.
 *
 * An output element is written after all of its inputs were read, outputs in order.
 */
#ifndef EDGECNN_REDUCE_H
#define EDGECNN_REDUCE_H

#include "edgecnn_common.h"
#include "edgecnn_math.h"

/* NOLINTBEGIN(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

/* kept_*: the dimensions that stay, in output order; reduced_*: those that vanish; strides in
 * elements. count: inputs per output. sum_offset: what is added to the sum (products: to each
 * factor). scale and bias: the requantization in float32 of ec_reduce_sum_real_*; of float32
 * extremes: whether to start from the first input, and the size of what to start from else. */
typedef struct {
    int32_t kept_rank, kept_dims[EC_MAX_DIMS], kept_strides[EC_MAX_DIMS];
    int32_t reduced_rank, reduced_dims[EC_MAX_DIMS], reduced_strides[EC_MAX_DIMS];
    int32_t count, sum_offset, multiplier, shift, out_offset;
    float scale, bias;
} ec_reduce_params;

EC_INLINE int32_t ec_wrap_mul(int32_t a, int32_t b) {
    return (int32_t)((uint32_t)a * (uint32_t)b);
}

EC_INLINE int64_t ec_wrap_add64(int64_t a, int64_t b) {
    return (int64_t)((uint64_t)a + (uint64_t)b);
}

EC_INLINE int64_t ec_wrap_mul64(int64_t a, int64_t b) {
    return (int64_t)((uint64_t)a * (uint64_t)b);
}

EC_INLINE int32_t ec_reduce_requant(
    const ec_reduce_params *p, int32_t sum, int32_t low, int32_t high) {
    const int32_t scaled = ec_requant(ec_wrap_add(sum, p->sum_offset), p->multiplier, p->shift);
    return ec_clamp(ec_wrap_add(scaled, p->out_offset), low, high);
}

/* In float32, ties away from zero: LiteRT's optimized kernel. */
EC_INLINE int32_t ec_reduce_requant_real(
    const ec_reduce_params *p, int32_t sum, int32_t low, int32_t high) {
    /* volatile: the product is rounded before the sum, whatever the compiler may fuse. */
    const volatile float product = (float)sum * p->scale;
    const float rounded = ec_round_awayf(product + p->bias);
    const float limit = 1073741824.0f;
    const float inside = rounded < -limit ? -limit : rounded > limit ? limit : rounded;
    return ec_clamp((int32_t)inside + p->out_offset, low, high);
}

/* One factor of a product of quantized values, scaled at every step as in TFLite. */
EC_INLINE int32_t ec_reduce_factor(const ec_reduce_params *p, int32_t product, int32_t value) {
    return ec_requant_wide(
        (int64_t)product * (value + p->sum_offset), p->multiplier, p->shift);
}

EC_INLINE int32_t ec_reduce_product(
    const ec_reduce_params *p, int32_t product, int32_t low, int32_t high) {
    const int32_t scaled = ec_requant_wide(product, p->multiplier, p->shift);
    return ec_clamp(ec_wrap_add(scaled, p->out_offset), low, high);
}

/* A kernel: FIRST starts an output, NEXT takes the value v into acc, LAST makes the output. */
#define EC_REDUCE(NAME, TYPE, ACC, FIRST, NEXT, LAST)                                         \
    EC_KERNEL(NAME) void NAME(const ec_reduce_params *p, const TYPE *in, TYPE out[]) {        \
        const int32_t outer = p->reduced_rank - 1;                                            \
        const int32_t count = p->reduced_dims[outer], step = p->reduced_strides[outer];       \
        int32_t kept[EC_MAX_DIMS] = {0};                                                      \
        int32_t start = 0, unused = 0;                                                        \
        do {                                                                                  \
            const TYPE *begin = in + start;                                                   \
            int32_t index[EC_MAX_DIMS] = {0};                                                 \
            int32_t at = 0;                                                                   \
            ACC acc = FIRST;                                                                  \
            do {                                                                              \
                const TYPE *from = begin + at;                                                \
                for (int32_t i = 0; i < count; ++i) {                                         \
                    const TYPE v = from[i * step];                                            \
                    acc = NEXT;                                                               \
                }                                                                             \
            } while (ec_next(                                                                 \
                outer, p->reduced_dims, index, p->reduced_strides, &at, p->reduced_strides,   \
                &unused));                                                                    \
            *out++ = (TYPE)(LAST);                                                            \
        } while (ec_next(                                                                     \
            p->kept_rank, p->kept_dims, kept, p->kept_strides, &start, p->kept_strides,       \
            &unused));                                                                        \
    }

#define EC_REDUCE_EXTREMES(SUFFIX, TYPE)                                                      \
    EC_REDUCE(ec_reduce_max_##SUFFIX, TYPE, TYPE, *begin, v > acc ? v : acc, acc)             \
    EC_REDUCE(ec_reduce_min_##SUFFIX, TYPE, TYPE, *begin, v < acc ? v : acc, acc)

#define EC_REDUCE_SUM(SUFFIX, TYPE, LOW, HIGH)                                                \
    EC_REDUCE(                                                                                \
        ec_reduce_sum_##SUFFIX, TYPE, int32_t, 0, ec_wrap_add(acc, v),                        \
        ec_reduce_requant(p, acc, LOW, HIGH))

#define EC_REDUCE_SUM_REAL(SUFFIX, TYPE, LOW, HIGH)                                           \
    EC_REDUCE(                                                                                \
        ec_reduce_sum_real_##SUFFIX, TYPE, int32_t, 0, ec_wrap_add(acc, v),                   \
        ec_reduce_requant_real(p, acc, LOW, HIGH))

#define EC_REDUCE_PRODUCT(SUFFIX, TYPE, LOW, HIGH)                                            \
    EC_REDUCE(                                                                                \
        ec_reduce_product_##SUFFIX, TYPE, int32_t, 0,                                         \
        from == begin && i == 0 ? v + p->sum_offset : ec_reduce_factor(p, acc, v),            \
        ec_reduce_product(p, acc, LOW, HIGH))

EC_REDUCE_EXTREMES(s8, int8_t)
EC_REDUCE_EXTREMES(u8, uint8_t)
EC_REDUCE_EXTREMES(s16, int16_t)
EC_REDUCE_EXTREMES(s32, int32_t)
EC_REDUCE_EXTREMES(s64, int64_t)
/* As in TFLite: NaN is passed over; infinities count only where all dimensions are reduced. */
EC_REDUCE(
    ec_reduce_max_f32, float, float, p->scale > 0.0f ? *begin : -p->bias, v > acc ? v : acc, acc)
EC_REDUCE(
    ec_reduce_min_f32, float, float, p->scale > 0.0f ? *begin : p->bias, v < acc ? v : acc, acc)

/* Quantized: the sum, times scale_in / scale_out (and 1 / count for MEAN). */
EC_REDUCE_SUM(s8, int8_t, -128, 127)
EC_REDUCE_SUM(u8, uint8_t, 0, 255)
EC_REDUCE_SUM(s16, int16_t, -32768, 32767)
EC_REDUCE_SUM_REAL(s8, int8_t, -128, 127)
EC_REDUCE_SUM_REAL(s16, int16_t, -32768, 32767)
EC_REDUCE_PRODUCT(s8, int8_t, -128, 127)
EC_REDUCE_PRODUCT(s16, int16_t, -32768, 32767)

/* Plain numbers: integers wrap around. */
EC_REDUCE(ec_reduce_add_s32, int32_t, int32_t, 0, ec_wrap_add(acc, v), acc)
EC_REDUCE(ec_reduce_add_s64, int64_t, int64_t, 0, ec_wrap_add64(acc, v), acc)
EC_REDUCE(ec_reduce_add_f32, float, float, 0.0f, acc + v, acc)
EC_REDUCE(ec_reduce_mean_s32, int32_t, int64_t, 0, ec_wrap_add64(acc, v), acc / p->count)
EC_REDUCE(ec_reduce_mean_s64, int64_t, int64_t, 0, ec_wrap_add64(acc, v), acc / p->count)
EC_REDUCE(ec_reduce_mean_f32, float, float, 0.0f, acc + v, acc / (float)p->count)
EC_REDUCE(ec_reduce_mul_s8, int8_t, int32_t, 1, ec_wrap_mul(acc, v), acc)
EC_REDUCE(ec_reduce_mul_u8, uint8_t, int32_t, 1, ec_wrap_mul(acc, v), acc)
EC_REDUCE(ec_reduce_mul_s16, int16_t, int32_t, 1, ec_wrap_mul(acc, v), acc)
EC_REDUCE(ec_reduce_mul_s32, int32_t, int32_t, 1, ec_wrap_mul(acc, v), acc)
EC_REDUCE(ec_reduce_mul_s64, int64_t, int64_t, 1, ec_wrap_mul64(acc, v), acc)
EC_REDUCE(ec_reduce_mul_f32, float, float, 1.0f, acc * v, acc)

/* NOLINTEND(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

#endif
