/* SPDX-License-Identifier: Apache-2.0 */
/* TRANSPOSE_CONV, NHWC, filters OHWI. Kernels ec_transpose_conv_s8, _u8, _s16,
 * _s16b32, _f32.
 *
 * TFLite scatters each input over the outputs; here each output gathers its inputs, in the same
 * order, so that no accumulators need memory and floats round alike. */
#ifndef EDGECNN_TRANSPOSE_CONV_H
#define EDGECNN_TRANSPOSE_CONV_H

#include "edgecnn_channels.h"

/* NOLINTBEGIN(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

/* reverse: 1 to write the output pixels from the last to the first. */
typedef struct {
    ec_window window;
    int32_t reverse;
    ec_quantized finish;
} ec_transpose_conv_params;

typedef struct {
    ec_window window;
    int32_t reverse;
    ec_float_range finish;
} ec_transpose_conv_float_params;

/* Inputs [y0, y1) x [x0, x1) reach one output pixel; input y does so by tap y_tap - y * stride. */
typedef struct {
    int32_t y_tap, x_tap;
    int32_t y0, y1, x0, x1;
} ec_sources;

EC_INLINE int32_t ec_first_source(int32_t tap, int32_t taps, int32_t stride) {
    return tap < taps ? 0 : (tap - taps) / stride + 1;
}

EC_INLINE int32_t ec_end_source(int32_t tap, int32_t stride, int32_t size) {
    const int32_t end = tap / stride + 1;
    return end < size ? end : size;
}

EC_INLINE ec_sources ec_find_sources(const ec_window *g, int32_t oy, int32_t ox) {
    ec_sources s;
    s.y_tap = oy + g->pad_top;
    s.x_tap = ox + g->pad_left;
    s.y0 = ec_first_source(s.y_tap, g->k_h, g->stride_h);
    s.y1 = ec_end_source(s.y_tap, g->stride_h, g->in_h);
    s.x0 = ec_first_source(s.x_tap, g->k_w, g->stride_w);
    s.x1 = ec_end_source(s.x_tap, g->stride_w, g->in_w);
    return s;
}

#define EC_PARAMS ec_transpose_conv_params
#define EC_V(name) name##_s8
#include "edgecnn_transpose_conv_body.h"
#undef EC_V
#define EC_V(name) name##_u8
#include "edgecnn_transpose_conv_body.h"
#undef EC_V
#define EC_V(name) name##_s16
#include "edgecnn_transpose_conv_body.h"
#undef EC_V
#define EC_V(name) name##_s16b32
#include "edgecnn_transpose_conv_body.h"
#undef EC_V
#undef EC_PARAMS
#define EC_PARAMS ec_transpose_conv_float_params
#define EC_V(name) name##_f32
#include "edgecnn_transpose_conv_body.h"
#undef EC_V
#undef EC_PARAMS

/* NOLINTEND(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

#endif
