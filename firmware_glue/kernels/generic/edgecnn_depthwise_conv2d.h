/* SPDX-License-Identifier: Apache-2.0 */
/* DEPTHWISE_CONV_2D, NHWC, filters 1HWC; stride, dilation, any depth multiplier. Kernels
 * ec_depthwise_conv2d_s8, _u8, _s16, _f32. */
#ifndef EDGECNN_DEPTHWISE_CONV2D_H
#define EDGECNN_DEPTHWISE_CONV2D_H

#include "edgecnn_channels.h"

/* NOLINTBEGIN(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

/* reverse: 1 to write the output from the last element to the first. */
typedef struct {
    ec_window window;
    int32_t depth_multiplier, reverse;
    ec_quantized finish;
} ec_depthwise_conv2d_params;

typedef struct {
    ec_window window;
    int32_t depth_multiplier, reverse;
    ec_float_range finish;
} ec_depthwise_conv2d_float_params;

#define EC_PARAMS ec_depthwise_conv2d_params
#define EC_V(name) name##_s8
#include "edgecnn_depthwise_conv2d_body.h"
#undef EC_V
#define EC_V(name) name##_u8
#include "edgecnn_depthwise_conv2d_body.h"
#undef EC_V
#define EC_V(name) name##_s16
#include "edgecnn_depthwise_conv2d_body.h"
#undef EC_V
#undef EC_PARAMS
#define EC_PARAMS ec_depthwise_conv2d_float_params
#define EC_V(name) name##_f32
#include "edgecnn_depthwise_conv2d_body.h"
#undef EC_V
#undef EC_PARAMS

/* NOLINTEND(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

#endif
