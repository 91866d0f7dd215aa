/* SPDX-License-Identifier: Apache-2.0 */
/* AVERAGE_POOL_2D and MAX_POOL_2D of int8: eight and sixteen channels at a time.
 *
 * Averages: sums of up to 256 values fit 16 bits. A sum is divided by a multiplication: for b >=
 * 0, b / n = (4 * b * reciprocals[n - 1]) >> 32, reciprocals[n - 1] = ceil(2^30 / n); b is the
 * sum with 128 * n added, so that it is not below 0, and half of n, so that it is rounded: the
 * compiler tried all sums. Ties go away from zero: below 0 one is taken off if n is even. Where
 * b / n = (b * r) >> 16 too, r = ceil(2^16 / n), for all sums of every n (narrow: the compiler tried
 * these as well), the table has r and eight averages are made at once. */
#ifndef EDGECNN_MVE_POOL_H
#define EDGECNN_MVE_POOL_H

#include "edgecnn_mve_common.h"

/* NOLINTBEGIN(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

typedef struct {
    ec_window window;
    int32_t act_min, act_max, narrow;
} ec_mve_pool_params;

#if EC_MVE
/* Taps of a window that lie inside: a constant where no window is clipped, so that the loops over
 * them are straight code. */
EC_INLINE int32_t ec_mve_pool_columns(const ec_window *g, const ec_taps *t) {
    return g->clip_w ? t->kx1 - t->kx0 : g->k_w;
}

EC_INLINE int32_t ec_mve_pool_lines(const ec_window *g, const ec_taps *t) {
    return g->clip_h ? t->ky1 - t->ky0 : g->k_h;
}

/* Where the i-th of these lines begins. */
EC_INLINE const int8_t *ec_mve_pool_line(
    const ec_window *g, const ec_taps *t, const int8_t *from, int32_t i) {
    const int32_t ky = g->clip_h ? t->ky0 + i : i, kx = g->clip_w ? t->kx0 : 0;
    return from + (ec_tap_row(g, t, ky) * g->in_w + t->x + kx) * g->in_c;
}

/* Four averages of sums of n values. */
EC_INLINE int32x4_t ec_mve_averages(int32x4_t sums, int32_t n, int32_t reciprocal) {
    if (n % 2 == 0) {
        sums = vaddq_s32(sums, vshrq_n_s32(sums, 31));
    }
    sums = vshlq_n_s32(vaddq_n_s32(sums, 128 * n + n / 2), 2);
    return vsubq_n_s32(vmulhq_s32(sums, vdupq_n_s32(reciprocal)), 128);
}

/* Eight averages of sums of n values, narrow. */
EC_INLINE int16x8_t ec_mve_averages8(int16x8_t sums, int32_t n, int32_t reciprocal) {
    if (n % 2 == 0) {
        sums = vaddq_s16(sums, vshrq_n_s16(sums, 15));
    }
    const uint16x8_t raised =
        vaddq_n_u16(vreinterpretq_u16_s16(sums), (uint16_t)(128 * n + n / 2));
    const uint16x8_t codes = vmulhq_u16(raised, vdupq_n_u16((uint16_t)reciprocal));
    return vsubq_n_s16(vreinterpretq_s16_u16(codes), 128);
}

EC_INLINE void ec_mve_average_channels(
    const ec_mve_pool_params *p, const ec_taps *t, const int8_t *from, int32_t reciprocal,
    mve_pred16_t some, int8_t *out) {
    const ec_window *g = &p->window;
    const int32_t columns = ec_mve_pool_columns(g, t), lines = ec_mve_pool_lines(g, t);
    const int32_t n = lines * columns;
    int16x8_t sums = vdupq_n_s16(0);
    for (int32_t i = 0; i < lines; ++i) {
        const int8_t *at = ec_mve_pool_line(g, t, from, i);
        for (int32_t kx = columns; kx > 0; --kx) {
            sums = vaddq_s16(sums, vldrbq_z_s16(at, some));
            at += g->in_c;
        }
    }
    int16x8_t v;
    if (p->narrow) {
        v = ec_mve_averages8(sums, n, reciprocal);
    } else {
        const int32x4_t even = ec_mve_averages(vmovlbq_s16(sums), n, reciprocal);
        const int32x4_t odd = ec_mve_averages(vmovltq_s16(sums), n, reciprocal);
        v = vmovntq_s32(vmovnbq_s32(vdupq_n_s16(0), even), odd);
    }
    v = vmaxq_s16(v, vdupq_n_s16((int16_t)p->act_min));
    v = vminq_s16(v, vdupq_n_s16((int16_t)p->act_max));
    vstrbq_p_s16(out, v, some);
}

EC_INLINE void ec_mve_max_channels(
    const ec_mve_pool_params *p, const ec_taps *t, const int8_t *from, mve_pred16_t some,
    int8_t *out) {
    const ec_window *g = &p->window;
    const int32_t columns = ec_mve_pool_columns(g, t), lines = ec_mve_pool_lines(g, t);
    int8x16_t best = vdupq_n_s8((int8_t)p->act_min);
    for (int32_t i = 0; i < lines; ++i) {
        const int8_t *at = ec_mve_pool_line(g, t, from, i);
        for (int32_t kx = columns; kx > 0; --kx) {
            best = vmaxq_s8(best, vldrbq_z_s8(at, some));
            at += g->in_c;
        }
    }
    vstrbq_p_s8(out, vminq_s8(best, vdupq_n_s8((int8_t)p->act_max)), some);
}
#endif

/* All channels of one pixel; reciprocals: NULL for the maximum. */
EC_INLINE void ec_mve_pool_pixel(
    const ec_mve_pool_params *p, const ec_taps *t, const int8_t *image,
    const int32_t *reciprocals, int8_t *out) {
    const ec_window *g = &p->window;
    const int32_t n = (t->ky1 - t->ky0) * (t->kx1 - t->kx0), clips = g->clip_h || g->clip_w;
    const int32_t reciprocal = reciprocals == NULL ? 0 : reciprocals[clips ? n - 1 : 0];
#if EC_MVE
    const int32_t lanes = reciprocals == NULL ? 16 : 8;
    for (int32_t c = 0; c < g->in_c; c += lanes) {
        const uint32_t left = (uint32_t)(g->in_c - c);
        if (reciprocals == NULL) {
            ec_mve_max_channels(p, t, image + c, vctp8q(left), out + c);
        } else {
            ec_mve_average_channels(p, t, image + c, reciprocal, vctp16q(left), out + c);
        }
    }
#else
    for (int32_t c = 0; c < g->in_c; ++c) {
        int32_t sum = 0, best = p->act_min;
        for (int32_t i = 0; i < n; ++i) {
            const int32_t y = ec_tap_row(g, t, t->ky0 + i / (t->kx1 - t->kx0));
            const int32_t x = t->x + t->kx0 + i % (t->kx1 - t->kx0);
            const int32_t value = (int32_t)image[(y * g->in_w + x) * g->in_c + c];
            sum += value;
            best = value > best ? value : best;
        }
        if (reciprocals != NULL) {
            const int32_t b = sum - (n % 2 == 0 && sum < 0) + 128 * n + n / 2;
            best = (p->narrow ? (int32_t)(((uint32_t)b * (uint32_t)reciprocal) >> 16)
                              : (int32_t)(((int64_t)(4 * b) * reciprocal) >> 32)) - 128;
        }
        out[c] = (int8_t)ec_clamp(best, p->act_min, p->act_max);
    }
#endif
}

/* Some output rows of one image. */
EC_KERNEL(ec_mve_pool_rows) void ec_mve_pool_rows(
    const ec_mve_pool_params *p, const int8_t *in, const int32_t *reciprocals, int8_t *out,
    ec_rows rows) {
    const ec_window *g = &p->window;
    for (int32_t oy = rows.first; oy < rows.end; ++oy) {
        const int32_t shift = ec_ring_shift(g, oy, rows.in_rows);
        const int32_t to = rows.out_rows == g->out_h ? oy : ec_ring(oy, rows.out_rows);
        for (int32_t ox = 0; ox < g->out_w; ++ox) {
            ec_taps t = ec_clip_window(g, oy, ox);
            t.y -= shift;
            t.ring = rows.in_rows == g->in_h ? 0 : rows.in_rows;
            ec_mve_pool_pixel(p, &t, in, reciprocals, out + (to * g->out_w + ox) * g->out_c);
        }
    }
}

/* The whole tensor. */
EC_KERNEL(ec_mve_pool) void ec_mve_pool(
    const ec_mve_pool_params *p, const int8_t *in, const int32_t *reciprocals, int8_t *out) {
    const ec_window *g = &p->window;
    const ec_rows all = {0, g->out_h, g->in_h, g->out_h};
    for (int32_t i = 0; i < g->batches; ++i) {
        ec_mve_pool_rows(
            p, in + i * g->in_h * g->in_w * g->in_c, reciprocals,
            out + i * g->out_h * g->out_w * g->out_c, all);
    }
}

/* NOLINTEND(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

#endif
