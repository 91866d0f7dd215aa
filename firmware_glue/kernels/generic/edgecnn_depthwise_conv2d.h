/* DEPTHWISE_CONV_2D, int8, NHWC, filters 1HWC; stride, dilation, any depth multiplier. */
#ifndef EDGECNN_DEPTHWISE_CONV2D_H
#define EDGECNN_DEPTHWISE_CONV2D_H

#include "edgecnn_common.h"

typedef struct {
    ec_window window;
    int32_t depth_multiplier;
    int32_t in_offset, out_offset, act_min, act_max;
    int32_t per_channel, all_right;
} ec_depthwise_params;

EC_INLINE int8_t ec_depthwise_output(
    const ec_depthwise_params *p, int32_t acc, const int32_t *multipliers, const int8_t *shifts,
    int32_t oc) {
    const int32_t c = p->per_channel ? oc : 0;
    const int32_t scaled = p->all_right ? ec_requant_right(acc, multipliers[c], shifts[c])
                                        : ec_requant(acc, multipliers[c], shifts[c]);
    return (int8_t)ec_clamp(scaled + p->out_offset, p->act_min, p->act_max);
}

/* One output channel of one window: any depth multiplier. */
EC_INLINE int32_t ec_depthwise_acc1(
    const ec_depthwise_params *p, const ec_taps *t, const int8_t *image, const int8_t *filters,
    int32_t oc, int32_t acc) {
    const ec_window *g = &p->window;
    const int32_t ic = p->depth_multiplier == 1 ? oc : oc / p->depth_multiplier;
    for (int32_t ky = t->ky0; ky < t->ky1; ++ky) {
        const int32_t y = t->y + ky * g->dilation_h;
        for (int32_t kx = t->kx0; kx < t->kx1; ++kx) {
            const int32_t x = t->x + kx * g->dilation_w;
            acc += (image[(y * g->in_w + x) * g->in_c + ic] + p->in_offset) *
                   filters[(ky * g->k_w + kx) * g->out_c + oc];
        }
    }
    return acc;
}

/* Four neighbouring channels of one window; depth multiplier 1. */
EC_INLINE void ec_depthwise_acc4(
    const ec_depthwise_params *p, const ec_taps *t, const int8_t *image, const int8_t *filters,
    int32_t oc, int32_t acc[4]) {
    const ec_window *g = &p->window;
    int32_t a0 = acc[0], a1 = acc[1], a2 = acc[2], a3 = acc[3];
    for (int32_t ky = t->ky0; ky < t->ky1; ++ky) {
        const int32_t y = t->y + ky * g->dilation_h;
        const int32_t first_x = t->x + t->kx0 * g->dilation_w;
        const int8_t *v = image + (y * g->in_w + first_x) * g->in_c + oc;
        const int8_t *w = filters + (ky * g->k_w + t->kx0) * g->out_c + oc;
        for (int32_t kx = t->kx0; kx < t->kx1; ++kx) {
            a0 += (v[0] + p->in_offset) * w[0];
            a1 += (v[1] + p->in_offset) * w[1];
            a2 += (v[2] + p->in_offset) * w[2];
            a3 += (v[3] + p->in_offset) * w[3];
            v += g->dilation_w * g->in_c;
            w += g->out_c;
        }
    }
    acc[0] = a0;
    acc[1] = a1;
    acc[2] = a2;
    acc[3] = a3;
}

EC_KERNEL void ec_depthwise_conv2d_s8(
    const ec_depthwise_params *p, const int8_t *in, const int8_t *filters, const int32_t *bias,
    const int32_t *multipliers, const int8_t *shifts, int8_t *out) {
    const ec_window *g = &p->window;
    const int32_t quads = p->depth_multiplier == 1 ? g->out_c / 4 : 0;
    for (int32_t n = 0; n < g->batches; ++n) {
        const int8_t *image = in + n * g->in_h * g->in_w * g->in_c;
        for (int32_t oy = 0; oy < g->out_h; ++oy) {
            for (int32_t ox = 0; ox < g->out_w; ++ox) {
                const ec_taps t = ec_clip_window(g, oy, ox);
                int32_t oc = 0;
                for (int32_t quad = 0; quad < quads; ++quad) {
                    int32_t acc[4] = {0, 0, 0, 0};
                    for (int32_t j = 0; bias != NULL && j < 4; ++j) {
                        acc[j] = bias[oc + j];
                    }
                    ec_depthwise_acc4(p, &t, image, filters, oc, acc);
                    for (int32_t j = 0; j < 4; ++j) {
                        out[oc + j] = ec_depthwise_output(p, acc[j], multipliers, shifts, oc + j);
                    }
                    oc += 4;
                }
                for (int32_t rest = 4 * quads; rest < g->out_c; ++rest) {
                    const int32_t start = bias != NULL ? bias[oc] : 0;
                    const int32_t acc = ec_depthwise_acc1(p, &t, image, filters, oc, start);
                    out[oc] = ec_depthwise_output(p, acc, multipliers, shifts, oc);
                    oc += 1;
                }
                out += g->out_c;
            }
        }
    }
}

#endif
