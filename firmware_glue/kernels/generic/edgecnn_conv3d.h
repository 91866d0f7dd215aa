/* SPDX-License-Identifier: Apache-2.0 */
/* CONV_3D, float32, NDHWC, filters DHWIO; stride, dilation, any padding. Triples are (depth,
 * height, width). */
#ifndef EDGECNN_CONV3D_H
#define EDGECNN_CONV3D_H

#include "edgecnn_common.h"

/* NOLINTBEGIN(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

/* reverse: 1 to write the output pixels from the last to the first. */
typedef struct {
    int32_t batches, in_c, out_c;
    int32_t in[3], out[3], kernel[3], stride[3], dilation[3], pad[3];
    int32_t reverse;
    float act_min, act_max;
} ec_conv3d_params;

EC_INLINE int32_t ec_conv3d_start(const ec_conv3d_params *p, int32_t axis, int32_t at) {
    return at * p->stride[axis] - p->pad[axis];
}

EC_INLINE int32_t ec_conv3d_first(const ec_conv3d_params *p, int32_t axis, int32_t at) {
    return ec_first_tap(ec_conv3d_start(p, axis, at), p->dilation[axis]);
}

EC_INLINE int32_t ec_conv3d_end(const ec_conv3d_params *p, int32_t axis, int32_t at) {
    return ec_end_tap(
        ec_conv3d_start(p, axis, at), p->dilation[axis], p->in[axis], p->kernel[axis]);
}

/* One output channel of one window, at out[3]. */
EC_INLINE float ec_conv3d_sum(
    const ec_conv3d_params *p, const int32_t *at, const float *volume, const float *filters,
    int32_t oc) {
    float acc = 0.0f;
    for (int32_t kz = ec_conv3d_first(p, 0, at[0]); kz < ec_conv3d_end(p, 0, at[0]); ++kz) {
        const int32_t z = ec_conv3d_start(p, 0, at[0]) + kz * p->dilation[0];
        for (int32_t ky = ec_conv3d_first(p, 1, at[1]); ky < ec_conv3d_end(p, 1, at[1]); ++ky) {
            const int32_t y = ec_conv3d_start(p, 1, at[1]) + ky * p->dilation[1];
            for (int32_t kx = ec_conv3d_first(p, 2, at[2]); kx < ec_conv3d_end(p, 2, at[2]);
                 ++kx) {
                const int32_t x = ec_conv3d_start(p, 2, at[2]) + kx * p->dilation[2];
                const float *v = volume + ((z * p->in[1] + y) * p->in[2] + x) * p->in_c;
                const float *w =
                    filters + ((kz * p->kernel[1] + ky) * p->kernel[2] + kx) * p->in_c * p->out_c;
                for (int32_t ic = 0; ic < p->in_c; ++ic) {
                    acc += v[ic] * w[ic * p->out_c + oc];
                }
            }
        }
    }
    return acc;
}

EC_KERNEL(ec_conv3d_f32) void ec_conv3d_f32(
    const ec_conv3d_params *p, const float *in, const float *filters, const float *bias,
    float *out) {
    const int32_t pixels = p->batches * p->out[0] * p->out[1] * p->out[2];
    for (int32_t i = 0; i < pixels; ++i) {
        const int32_t pixel = ec_turn(p->reverse, i, pixels);
        const int32_t row = pixel / p->out[2];
        const int32_t plane = row / p->out[1];
        const int32_t n = plane / p->out[0];
        const int32_t at[3] = {plane % p->out[0], row % p->out[1], pixel % p->out[2]};
        const float *volume = in + n * p->in[0] * p->in[1] * p->in[2] * p->in_c;
        for (int32_t oc = 0; oc < p->out_c; ++oc) {
            const float acc = ec_conv3d_sum(p, at, volume, filters, oc);
            out[pixel * p->out_c + oc] =
                ec_clampf(acc + (bias != NULL ? bias[oc] : 0.0f), p->act_min, p->act_max);
        }
    }
}

/* NOLINTEND(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

#endif
