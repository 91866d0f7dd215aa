/* CONV_2D, int8, NHWC, filters OHWI; stride, dilation, groups, any padding. */
#ifndef EDGECNN_CONV2D_H
#define EDGECNN_CONV2D_H

#include "edgecnn_common.h"

/* per_channel: multipliers and shifts have one entry per output channel, else one entry.
 * all_right: every shift is negative. */
typedef struct {
    ec_window window;
    int32_t group_in_c, group_out_c;
    int32_t in_offset, out_offset, act_min, act_max;
    int32_t per_channel, all_right;
} ec_conv2d_params;

EC_INLINE int8_t ec_conv2d_output(
    const ec_conv2d_params *p, int32_t acc, const int32_t *multipliers, const int8_t *shifts,
    int32_t oc) {
    const int32_t c = p->per_channel ? oc : 0;
    const int32_t scaled = p->all_right ? ec_requant_right(acc, multipliers[c], shifts[c])
                                        : ec_requant(acc, multipliers[c], shifts[c]);
    return (int8_t)ec_clamp(scaled + p->out_offset, p->act_min, p->act_max);
}

/* Adds one window to `lanes` (4 or 1) neighbouring output channels. In-bounds taps of a row are one
 * run of memory, unless dilated or grouped. image: at the group's first channel. */
EC_INLINE void ec_conv2d_window(
    const ec_conv2d_params *p, const ec_taps *t, const int8_t *image, const int8_t *filters,
    int32_t lanes, int32_t acc[4]) {
    const ec_window *g = &p->window;
    const int32_t depth = p->group_in_c;
    const int32_t row = g->k_w * depth;
    const int32_t one_run = g->dilation_w == 1 && depth == g->in_c;
    const int32_t runs = one_run ? 1 : t->kx1 - t->kx0;
    const int32_t count = one_run ? (t->kx1 - t->kx0) * depth : depth;
    for (int32_t ky = t->ky0; ky < t->ky1; ++ky) {
        const int32_t y = t->y + ky * g->dilation_h;
        for (int32_t r = 0; r < runs; ++r) {
            const int32_t kx = t->kx0 + r;
            const int32_t x = t->x + kx * g->dilation_w;
            const int8_t *from = image + (y * g->in_w + x) * g->in_c;
            const int8_t *w = filters + ky * row + kx * depth;
            if (lanes == 4) {
                ec_dot4(from, w, count, g->k_h * row, p->in_offset, 0, acc);
            } else {
                acc[0] = ec_dot1(from, w, count, p->in_offset, 0, acc[0]);
            }
        }
    }
}

EC_KERNEL void ec_conv2d_s8(
    const ec_conv2d_params *p, const int8_t *in, const int8_t *filters, const int32_t *bias,
    const int32_t *multipliers, const int8_t *shifts, int8_t *out) {
    const ec_window *g = &p->window;
    const int32_t filter = g->k_h * g->k_w * p->group_in_c;
    const int32_t groups = g->in_c / p->group_in_c;
    for (int32_t n = 0; n < g->batches; ++n) {
        const int8_t *image = in + n * g->in_h * g->in_w * g->in_c;
        for (int32_t oy = 0; oy < g->out_h; ++oy) {
            for (int32_t ox = 0; ox < g->out_w; ++ox) {
                const ec_taps t = ec_clip_window(g, oy, ox);
                for (int32_t group = 0; group < groups; ++group) {
                    const int8_t *from = image + group * p->group_in_c;
                    int32_t oc = group * p->group_out_c;
                    for (int32_t quad = 0; quad < p->group_out_c / 4; ++quad) {
                        int32_t acc[4] = {0, 0, 0, 0};
                        for (int32_t j = 0; bias != NULL && j < 4; ++j) {
                            acc[j] = bias[oc + j];
                        }
                        ec_conv2d_window(p, &t, from, filters + oc * filter, 4, acc);
                        for (int32_t j = 0; j < 4; ++j) {
                            out[oc + j] =
                                ec_conv2d_output(p, acc[j], multipliers, shifts, oc + j);
                        }
                        oc += 4;
                    }
                    for (int32_t rest = 0; rest < p->group_out_c % 4; ++rest) {
                        int32_t acc[4] = {bias != NULL ? bias[oc] : 0, 0, 0, 0};
                        ec_conv2d_window(p, &t, from, filters + oc * filter, 1, acc);
                        out[oc] = ec_conv2d_output(p, acc[0], multipliers, shifts, oc);
                        oc += 1;
                    }
                }
                out += g->out_c;
            }
        }
    }
}

#endif
