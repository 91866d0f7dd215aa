/* AVERAGE_POOL_2D and MAX_POOL_2D, int8, NHWC; padding counts neither in the sum nor in the
 * divisor. */
#ifndef EDGECNN_POOL2D_H
#define EDGECNN_POOL2D_H

#include "edgecnn_common.h"

typedef struct {
    ec_window window;
    int32_t act_min, act_max;
} ec_pool2d_params;

/* sum / count to nearest, ties away from zero. */
EC_INLINE int32_t ec_rounded_mean(int32_t sum, int32_t count) {
    return (sum > 0 ? sum + count / 2 : sum - count / 2) / count;
}

EC_INLINE void ec_pool2d(
    const ec_pool2d_params *p, const int8_t *in, int8_t *out, int32_t average) {
    const ec_window *g = &p->window;
    for (int32_t n = 0; n < g->batches; ++n) {
        const int8_t *image = in + n * g->in_h * g->in_w * g->in_c;
        for (int32_t oy = 0; oy < g->out_h; ++oy) {
            for (int32_t ox = 0; ox < g->out_w; ++ox) {
                const ec_taps t = ec_clip_window(g, oy, ox);
                const int32_t count = (t.ky1 - t.ky0) * (t.kx1 - t.kx0);
                const int8_t *corner =
                    image + ((t.y + t.ky0) * g->in_w + t.x + t.kx0) * g->in_c;
                for (int32_t c = 0; c < g->in_c; ++c) {
                    int32_t acc = average ? 0 : -128;
                    for (int32_t ky = 0; ky < t.ky1 - t.ky0; ++ky) {
                        const int8_t *from = corner + ky * g->in_w * g->in_c + c;
                        for (int32_t kx = 0; kx < t.kx1 - t.kx0; ++kx) {
                            acc = average ? acc + *from : *from > acc ? *from : acc;
                            from += g->in_c;
                        }
                    }
                    if (average) {
                        acc = ec_rounded_mean(acc, count);
                    }
                    out[c] = (int8_t)ec_clamp(acc, p->act_min, p->act_max);
                }
                out += g->out_c;
            }
        }
    }
}

EC_KERNEL void ec_average_pool2d_s8(const ec_pool2d_params *p, const int8_t *in, int8_t *out) {
    ec_pool2d(p, in, out, 1);
}

EC_KERNEL void ec_max_pool2d_s8(const ec_pool2d_params *p, const int8_t *in, int8_t *out) {
    ec_pool2d(p, in, out, 0);
}

#endif
