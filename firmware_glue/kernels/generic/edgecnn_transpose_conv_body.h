/* SPDX-License-Identifier: Apache-2.0 */
/* TRANSPOSE_CONV. Included by edgecnn_transpose_conv.h, once per dtype: EC_V(name) is the name with
 * the dtype's suffix, EC_PARAMS the parameter struct. */

/* NOLINTBEGIN(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

/* Adds all sources of one pixel to `lanes` (4 or 1) neighbouring output channels. */
EC_INLINE void EC_V(ec_transpose_conv_gather)(
    const EC_PARAMS *p, const ec_sources *s, const EC_V(ec_in) *image,
    const EC_V(ec_filter) *filters, int32_t lanes, EC_V(ec_acc) acc[4]) {
    const ec_window *g = &p->window;
    for (int32_t y = s->y0; y < s->y1; ++y) {
        const int32_t ky = s->y_tap - y * g->stride_h;
        for (int32_t x = s->x0; x < s->x1; ++x) {
            const int32_t kx = s->x_tap - x * g->stride_w;
            const EC_V(ec_in) *from = image + (y * g->in_w + x) * g->in_c;
            const EC_V(ec_filter) *w = filters + (ky * g->k_w + kx) * g->in_c;
            if (lanes == 4) {
                EC_V(ec_run4)(&p->finish, from, w, g->in_c, g->k_h * g->k_w * g->in_c, acc);
            } else {
                acc[0] = EC_V(ec_run1)(&p->finish, from, w, g->in_c, acc[0]);
            }
        }
    }
}

/* All output channels of one pixel. */
EC_INLINE void EC_V(ec_transpose_conv_pixel)(
    const EC_PARAMS *p, const ec_sources *s, const EC_V(ec_in) *image,
    const EC_V(ec_filter) *filters, const EC_V(ec_bias) *bias, const int32_t *multipliers,
    const int8_t *shifts, EC_V(ec_in) *out) {
    const ec_window *g = &p->window;
    const int32_t filter = g->k_h * g->k_w * g->in_c;
    int32_t oc = 0;
    for (; oc + 4 <= g->out_c; oc += 4) {
        EC_V(ec_acc) acc[4];
        for (int32_t j = 0; j < 4; ++j) {
            acc[j] = EC_V(ec_start)(bias, oc + j);
        }
        EC_V(ec_transpose_conv_gather)(p, s, image, filters + oc * filter, 4, acc);
        for (int32_t j = 0; j < 4; ++j) {
            out[oc + j] =
                EC_V(ec_output)(&p->finish, acc[j], bias, multipliers, shifts, oc + j);
        }
    }
    for (; oc < g->out_c; ++oc) {
        EC_V(ec_acc) acc[4] = {EC_V(ec_start)(bias, oc), 0, 0, 0};
        EC_V(ec_transpose_conv_gather)(p, s, image, filters + oc * filter, 1, acc);
        out[oc] = EC_V(ec_output)(&p->finish, acc[0], bias, multipliers, shifts, oc);
    }
}

#define EC_WALK EC_V(ec_transpose_conv)
#define EC_PIXEL EC_V(ec_transpose_conv_pixel)
#define EC_REACH ec_sources
#define EC_FIND ec_find_sources
#include "edgecnn_walk_body.h"

/* NOLINTEND(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */
