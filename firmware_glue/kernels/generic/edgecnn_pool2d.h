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

enum { EC_POOL_MAX, EC_POOL_AVERAGE, EC_POOL_L2 };

/* sum / count to nearest, ties away from zero. */
EC_INLINE int32_t ec_rounded_mean(int32_t sum, int32_t count) {
    return ec_wrap_add(sum, sum > 0 ? count / 2 : -(count / 2)) / count;
}

#define EC_PARAMS ec_pool2d_params
#define EC_ACC int32_t
#define EC_ADD ec_wrap_add
#define EC_MEAN ec_rounded_mean
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
#undef EC_MEAN
#undef EC_CLAMP

EC_INLINE float ec_pool_add_f32(float a, float b) {
    return a + b;
}

EC_INLINE float ec_mean_f32(float sum, int32_t count) {
    return sum / (float)count;
}

#define EC_PARAMS ec_pool2d_float_params
#define EC_ACC float
#define EC_ADD ec_pool_add_f32
#define EC_MEAN ec_mean_f32
#define EC_CLAMP ec_clampf
#define EC_VALUE float
#define EC_LOWEST (-3.40282347e+38f)
#define EC_V(name) name##_f32
#include "edgecnn_pool2d_body.h"
#undef EC_PARAMS
#undef EC_ACC
#undef EC_ADD
#undef EC_MEAN
#undef EC_CLAMP
#undef EC_VALUE
#undef EC_LOWEST
#undef EC_V

EC_KERNEL void ec_l2_pool2d_f32(const ec_pool2d_float_params *p, const float *in, float *out) {
    ec_pool2d_f32(p, in, out, EC_POOL_L2);
}

EC_KERNEL void ec_l2_pool2d_rows_f32(
    const ec_pool2d_float_params *p, const float *in, float *out, ec_rows rows) {
    ec_pool2d_rows_f32(p, in, out, rows, EC_POOL_L2);
}

/* NOLINTEND(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

#endif
