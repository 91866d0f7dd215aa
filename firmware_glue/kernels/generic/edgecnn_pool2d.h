/* SPDX-License-Identifier: Apache-2.0 */
/* AVERAGE_POOL_2D, MAX_POOL_2D (s8, u8, s16, f32) and L2_POOL_2D (f32), NHWC; padding counts
 * neither in the sum nor in the divisor. */
#ifndef EDGECNN_POOL2D_H
#define EDGECNN_POOL2D_H

#include "edgecnn_common.h"
#include "edgecnn_math.h"

/* NOLINTBEGIN(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

/* reverse: 1 to write the output from the last element to the first. */
typedef struct {
    ec_window window;
    int32_t reverse, act_min, act_max;
} ec_pool2d_params;

typedef struct {
    ec_window window;
    int32_t reverse;
    float act_min, act_max;
} ec_pool2d_float_params;

/* Whether windows that are inside and those that are not run the same code: the smaller. Else the
 * former are unrolled, some channels at a time; more of them want more registers than Armv6-M has,
 * or hinder the compiler's own vectors. */
#if defined(EDGECNN_SHARE_ALL) || defined(__OPTIMIZE_SIZE__)
#define EC_POOL_COMPACT 1
#else
#define EC_POOL_COMPACT 0
#endif
#if !EC_POOL_COMPACT && (defined(__ARM_ARCH_6M__) || defined(__ARM_FEATURE_MVE))
#define EC_POOL_LANES 1
#else
#define EC_POOL_LANES 2
#endif

enum { EC_POOL_MAX, EC_POOL_AVERAGE, EC_POOL_L2 };

/* How a window is walked over, for each channel alike. */
typedef struct {
    int32_t rows, columns;
    int32_t gap;        /* elements from behind a row of taps to the next one */
    int32_t turn, back; /* with so many rows to come: the same, where the ring turns */
    int32_t factor;
} ec_pool2d_walk;

EC_INLINE ec_pool2d_walk ec_pool2d_walk_of(
    const ec_window *g, const ec_taps *t, int32_t rows, int32_t columns, int32_t factor) {
    ec_pool2d_walk w;
    w.rows = rows;
    w.columns = columns;
    w.gap = (g->in_w - columns) * g->in_c;
    /* No ring: no row is the one before it turns. */
    w.turn = t->ring == 0 ? 0 : t->y + t->ky1 - t->ring;
    w.back = w.gap - t->ring * g->in_w * g->in_c;
    w.factor = factor;
    return w;
}

/* The taps inside the input. Pools are not dilated: no division. */
EC_INLINE ec_taps ec_pool2d_clip(const ec_window *g, int32_t oy, int32_t ox) {
    ec_taps t;
    t.y = oy * g->stride_h - g->pad_top;
    t.x = ox * g->stride_w - g->pad_left;
    t.ky0 = g->clip_h && t.y < 0 ? -t.y : 0;
    t.ky1 = g->clip_h && g->in_h - t.y < g->k_h ? g->in_h - t.y : g->k_h;
    t.kx0 = g->clip_w && t.x < 0 ? -t.x : 0;
    t.kx1 = g->clip_w && g->in_w - t.x < g->k_w ? g->in_w - t.x : g->k_w;
    t.ring = 0;
    return t;
}

/* sum / count to nearest, ties away from zero. */
EC_INLINE int32_t ec_rounded_mean(int32_t sum, int32_t count, int32_t factor) {
    (void)factor;
    return ec_wrap_add(sum, sum > 0 ? count / 2 : -(count / 2)) / count;
}

/* The same for sums of 8-bit values by a multiplication, where factor is not 0: 2^23 / count, a
 * little more. Being more, it takes ties away from zero on either side. And what it adds, at most
 * |sum|, is less than what other sums lack to the next quotient, 2^23 / (2 * count): while
 * 510 * count^2 < 2^23. */
EC_INLINE int32_t ec_mean_factor(int32_t kind, int32_t count) {
    return kind == EC_POOL_MAX || count > 128 ? 0 : (1 << 23) / count + 1;
}

EC_INLINE int32_t ec_mean_8(int32_t sum, int32_t count, int32_t factor) {
    return factor != 0 ? (sum * factor + (1 << 22)) >> 23 : ec_rounded_mean(sum, count, 0);
}

#define EC_NO_FACTOR(kind, count) 0

#define EC_PARAMS ec_pool2d_params
#define EC_ACC int32_t
#define EC_ADD ec_wrap_add
#define EC_FACTOR ec_mean_factor
#define EC_MEAN ec_mean_8
#define EC_CLAMP ec_clamp
#define EC_VALUE int8_t
#define EC_LOWEST INT8_MIN
#define EC_V(name) name##_s8
#include "edgecnn_pool2d_body.h"
#undef EC_VALUE
#undef EC_LOWEST
#undef EC_V
#define EC_VALUE uint8_t
#define EC_LOWEST 0
#define EC_V(name) name##_u8
#include "edgecnn_pool2d_body.h"
#undef EC_VALUE
#undef EC_LOWEST
#undef EC_V
#undef EC_FACTOR
#undef EC_MEAN
#define EC_FACTOR EC_NO_FACTOR
#define EC_MEAN ec_rounded_mean
#define EC_VALUE int16_t
#define EC_LOWEST INT16_MIN
#define EC_V(name) name##_s16
#include "edgecnn_pool2d_body.h"
#undef EC_VALUE
#undef EC_LOWEST
#undef EC_V
#undef EC_PARAMS
#undef EC_ACC
#undef EC_ADD
#undef EC_FACTOR
#undef EC_MEAN
#undef EC_CLAMP

EC_INLINE float ec_pool_add_f32(float a, float b) {
    return a + b;
}

EC_INLINE float ec_mean_f32(float sum, int32_t count, int32_t factor) {
    (void)factor;
    return sum / (float)count;
}

#define EC_PARAMS ec_pool2d_float_params
#define EC_ACC float
#define EC_ADD ec_pool_add_f32
#define EC_FACTOR EC_NO_FACTOR
#define EC_MEAN ec_mean_f32
#define EC_CLAMP ec_clampf
#define EC_VALUE float
#define EC_LOWEST (-3.40282347e+38f)
#define EC_V(name) name##_f32
#include "edgecnn_pool2d_body.h"
#undef EC_PARAMS
#undef EC_ACC
#undef EC_ADD
#undef EC_FACTOR
#undef EC_MEAN
#undef EC_CLAMP
#undef EC_VALUE
#undef EC_LOWEST
#undef EC_V

EC_KERNEL(ec_l2_pool2d_f32)
void ec_l2_pool2d_f32(const ec_pool2d_float_params *p, const float *in, float *out) {
    ec_pool2d_f32(p, in, out, EC_POOL_L2);
}

EC_KERNEL(ec_l2_pool2d_rows_f32) void ec_l2_pool2d_rows_f32(
    const ec_pool2d_float_params *p, const float *in, float *out, ec_rows rows) {
    ec_pool2d_rows_f32(p, in, out, rows, EC_POOL_L2);
}

/* NOLINTEND(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

#endif
