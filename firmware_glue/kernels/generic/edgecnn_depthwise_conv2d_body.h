/* SPDX-License-Identifier: Apache-2.0 */
/* DEPTHWISE_CONV_2D. Included by edgecnn_depthwise_conv2d.h, once per dtype: EC_V(name) is the name
 * with the dtype's suffix, EC_PARAMS the parameter struct. */

/* NOLINTBEGIN(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

/* One output channel of one window: any depth multiplier. */
EC_INLINE EC_V(ec_acc) EC_V(ec_depthwise_acc1)(
    const EC_PARAMS *p, const ec_taps *t, const EC_V(ec_in) *image,
    const EC_V(ec_filter) *filters, int32_t oc, EC_V(ec_acc) acc) {
    const ec_window *g = &p->window;
    const int32_t ic = p->depth_multiplier == 1 ? oc : oc / p->depth_multiplier;
    for (int32_t ky = t->ky0; ky < t->ky1; ++ky) {
        const int32_t y = ec_tap_row(g, t, ky);
        for (int32_t kx = t->kx0; kx < t->kx1; ++kx) {
            const int32_t x = t->x + kx * g->dilation_w;
            acc = EC_V(ec_mac)(
                &p->finish, acc, image[(y * g->in_w + x) * g->in_c + ic],
                filters[(ky * g->k_w + kx) * g->out_c + oc]);
        }
    }
    return acc;
}

/* Four neighbouring channels of one window; depth multiplier 1. */
EC_INLINE void EC_V(ec_depthwise_acc4)(
    const EC_PARAMS *p, const ec_taps *t, const EC_V(ec_in) *image,
    const EC_V(ec_filter) *filters, int32_t oc, EC_V(ec_acc) acc[4]) {
    const ec_window *g = &p->window;
    EC_V(ec_acc) a0 = acc[0], a1 = acc[1], a2 = acc[2], a3 = acc[3];
    for (int32_t ky = t->ky0; ky < t->ky1; ++ky) {
        const int32_t y = ec_tap_row(g, t, ky);
        const int32_t first_x = t->x + t->kx0 * g->dilation_w;
        const EC_V(ec_in) *v = image + (y * g->in_w + first_x) * g->in_c + oc;
        const EC_V(ec_filter) *w = filters + (ky * g->k_w + t->kx0) * g->out_c + oc;
        EC_ROLLED
        for (int32_t kx = t->kx0; kx < t->kx1; ++kx) {
            a0 = EC_V(ec_mac)(&p->finish, a0, v[0], w[0]);
            a1 = EC_V(ec_mac)(&p->finish, a1, v[1], w[1]);
            a2 = EC_V(ec_mac)(&p->finish, a2, v[2], w[2]);
            a3 = EC_V(ec_mac)(&p->finish, a3, v[3], w[3]);
            v += g->dilation_w * g->in_c;
            w += g->out_c;
        }
    }
    acc[0] = a0;
    acc[1] = a1;
    acc[2] = a2;
    acc[3] = a3;
}

/* All channels of one pixel: quads, then the rest; backwards the other way round, so that a
 * channel's inputs are read before they may be overwritten. */
EC_INLINE void EC_V(ec_depthwise_pixel)(
    const EC_PARAMS *p, const ec_taps *t, const EC_V(ec_in) *image,
    const EC_V(ec_filter) *filters, const EC_V(ec_bias) *bias, const int32_t *multipliers,
    const int8_t *shifts, EC_V(ec_in) *out) {
    const int32_t out_c = p->window.out_c;
    const int32_t quads = p->depth_multiplier == 1 ? out_c / 4 : 0;
    const int32_t blocks = out_c - 3 * quads;
    for (int32_t i = 0; i < blocks; ++i) {
        const int32_t block = ec_turn(p->reverse, i, blocks);
        if (block < quads) {
            const int32_t oc = 4 * block;
            EC_V(ec_acc) acc[4];
            for (int32_t j = 0; j < 4; ++j) {
                acc[j] = EC_V(ec_start)(bias, oc + j);
            }
            EC_V(ec_depthwise_acc4)(p, t, image, filters, oc, acc);
            for (int32_t j = 0; j < 4; ++j) {
                out[oc + j] =
                    EC_V(ec_output)(&p->finish, acc[j], bias, multipliers, shifts, oc + j);
            }
        } else {
            const int32_t oc = block + 3 * quads;
            const EC_V(ec_acc) acc = EC_V(ec_depthwise_acc1)(
                p, t, image, filters, oc, EC_V(ec_start)(bias, oc));
            out[oc] = EC_V(ec_output)(&p->finish, acc, bias, multipliers, shifts, oc);
        }
    }
}

#define EC_WALK EC_V(ec_depthwise_conv2d)
#define EC_PIXEL EC_V(ec_depthwise_pixel)
#define EC_REACH ec_taps
#define EC_FIND ec_clip_window
#define EC_WALK_ROWS EC_V(ec_depthwise_conv2d_rows)
#include "edgecnn_walk_body.h"

/* NOLINTEND(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */
