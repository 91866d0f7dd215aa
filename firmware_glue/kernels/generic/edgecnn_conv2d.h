/* SPDX-License-Identifier: Apache-2.0 */
/* CONV_2D, NHWC, filters OHWI; stride, dilation, groups, any padding. Kernels ec_conv2d_s8, _u8,
 * _s16, _s16b32, _f32. */
#ifndef EDGECNN_CONV2D_H
#define EDGECNN_CONV2D_H

#include "edgecnn_channels.h"

/* NOLINTBEGIN(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

/* reverse: 1 to write the output pixels from the last to the first. */
typedef struct {
    ec_window window;
    int32_t group_in_c, group_out_c, reverse;
    ec_quantized finish;
} ec_conv2d_params;

typedef struct {
    ec_window window;
    int32_t group_in_c, group_out_c, reverse;
    ec_float_range finish;
} ec_conv2d_float_params;

#define EC_PARAMS ec_conv2d_params
#define EC_V(name) name##_s8
#include "edgecnn_conv2d_body.h"
#undef EC_V
#define EC_V(name) name##_u8
#include "edgecnn_conv2d_body.h"
#undef EC_V
#define EC_V(name) name##_s16
#include "edgecnn_conv2d_body.h"
#undef EC_V
#define EC_V(name) name##_s16b32
#include "edgecnn_conv2d_body.h"
#undef EC_V
#undef EC_PARAMS
#define EC_PARAMS ec_conv2d_float_params
#define EC_V(name) name##_f32
#include "edgecnn_conv2d_body.h"
#undef EC_V
#undef EC_PARAMS

/* NOLINTEND(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

#endif
