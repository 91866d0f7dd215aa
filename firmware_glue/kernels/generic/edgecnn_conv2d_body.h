/* SPDX-License-Identifier: Apache-2.0 */
/* CONV_2D. Included by edgecnn_conv2d.h, once per dtype: EC_V(name) is the name with the dtype's
 * suffix, EC_PARAMS the parameter struct. */

/* NOLINTBEGIN(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

/* Adds one window to `lanes` (4 or 1) neighbouring output channels. In-bounds taps of a row are one
 * run of memory, unless dilated or grouped. image: at the group's first channel. */
EC_INLINE void EC_V(ec_conv2d_window)(
    const EC_PARAMS *p, const ec_taps *t, const EC_V(ec_in) *image,
    const EC_V(ec_filter) *filters, int32_t lanes, EC_V(ec_acc) acc[4]) {
    const ec_window *g = &p->window;
    const int32_t depth = p->group_in_c;
    const int32_t row = g->k_w * depth;
    const int32_t one_run = g->dilation_w == 1 && depth == g->in_c;
    const int32_t runs = one_run ? 1 : t->kx1 - t->kx0;
    const int32_t count = one_run ? (t->kx1 - t->kx0) * depth : depth;
    for (int32_t ky = t->ky0; ky < t->ky1; ++ky) {
        const int32_t y = ec_tap_row(g, t, ky);
        for (int32_t r = 0; r < runs; ++r) {
            const int32_t kx = t->kx0 + r;
            const int32_t x = t->x + kx * g->dilation_w;
            const EC_V(ec_in) *from = image + (y * g->in_w + x) * g->in_c;
            const EC_V(ec_filter) *w = filters + ky * row + kx * depth;
            if (lanes == 4) {
                EC_V(ec_run4)(&p->finish, from, w, count, g->k_h * row, acc);
            } else {
                acc[0] = EC_V(ec_run1)(&p->finish, from, w, count, acc[0]);
            }
        }
    }
}

/* All output channels of one pixel. */
EC_INLINE void EC_V(ec_conv2d_pixel)(
    const EC_PARAMS *p, const ec_taps *t, const EC_V(ec_in) *image,
    const EC_V(ec_filter) *filters, const EC_V(ec_bias) *bias, const int32_t *multipliers,
    const int8_t *shifts, EC_V(ec_in) *out) {
    const ec_window *g = &p->window;
    const int32_t filter = g->k_h * g->k_w * p->group_in_c;
    const int32_t groups = g->in_c / p->group_in_c;
    for (int32_t group = 0; group < groups; ++group) {
        const EC_V(ec_in) *from = image + group * p->group_in_c;
        int32_t oc = group * p->group_out_c;
        for (int32_t quad = 0; quad < p->group_out_c / 4; ++quad) {
            EC_V(ec_acc) acc[4];
            for (int32_t j = 0; j < 4; ++j) {
                acc[j] = EC_V(ec_start)(bias, oc + j);
            }
            EC_V(ec_conv2d_window)(p, t, from, filters + oc * filter, 4, acc);
            for (int32_t j = 0; j < 4; ++j) {
                out[oc + j] =
                    EC_V(ec_output)(&p->finish, acc[j], bias, multipliers, shifts, oc + j);
            }
            oc += 4;
        }
        for (int32_t rest = 0; rest < p->group_out_c % 4; ++rest) {
            EC_V(ec_acc) acc[4] = {EC_V(ec_start)(bias, oc), 0, 0, 0};
            EC_V(ec_conv2d_window)(p, t, from, filters + oc * filter, 1, acc);
            out[oc] = EC_V(ec_output)(&p->finish, acc[0], bias, multipliers, shifts, oc);
            oc += 1;
        }
    }
}

#define EC_WALK EC_V(ec_conv2d)
#define EC_PIXEL EC_V(ec_conv2d_pixel)
#define EC_REACH ec_taps
#define EC_FIND ec_clip_window
#define EC_WALK_ROWS EC_V(ec_conv2d_rows)
#include "edgecnn_walk_body.h"

/* NOLINTEND(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */
