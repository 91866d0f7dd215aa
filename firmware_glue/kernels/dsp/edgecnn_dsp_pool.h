/* SPDX-License-Identifier: Apache-2.0 */
/* AVERAGE_POOL_2D, MAX_POOL_2D and MEAN of int8: four channels at a time, at least four of them.
 *
 * Sums of up to 256 values fit 16 bits. An average is ((factor * sum >> 16) + 2^15) >> 16, with a
 * factor a little above 2^32 / count, so that ties go away from zero on either side; sums of one or
 * two values are taken four times, so that factors fit 32 bits. A MEAN has TFLite's two roundings.
 * compiler/fast/dsp/pool.py tries both on every sum that there is. */
#ifndef EDGECNN_DSP_POOL_H
#define EDGECNN_DSP_POOL_H

#include "edgecnn_dsp_linear.h"
#include "edgecnn_pool2d.h"

/* NOLINTBEGIN(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

/* factors, an argument: NULL for the maximum; one for each number of taps from 1 up, where windows
 * are clipped; else one. */
typedef struct {
    ec_window window;
    int32_t reverse, act_min, act_max;
} ec_dsp_pool_params;

/* `outer` times: `count` lines of `inner` values to one line. addend: half of 2^shift, and the
 * output's zero point times that. */
typedef struct {
    int32_t outer, count, inner, sum_offset, multiplier, addend, shift;
} ec_dsp_mean_params;

/* The larger ones of four bytes each. */
EC_INLINE uint32_t ec_max_bytes(uint32_t a, uint32_t b) {
#if EC_DSP
    uint32_t differences;
    __asm__("ssub8 %1, %0, %2\n\tsel %0, %0, %2" : "+r"(a), "=&r"(differences) : "r"(b));
    return a;
#else
    uint32_t result = 0;
    for (int32_t i = 0; i < 32; i += 8) {
        const int8_t one = (int8_t)(uint8_t)(a >> i), two = (int8_t)(uint8_t)(b >> i);
        result |= (uint32_t)(uint8_t)(one > two ? one : two) << i;
    }
    return result;
#endif
}

/* Adds the bytes 0 and 2 of a word to a pair; ror8: bytes 1 and 3. */
EC_INLINE uint32_t ec_sxtab16(uint32_t pair, uint32_t word) {
#if EC_DSP
    uint32_t sum;
    __asm__("sxtab16 %0, %1, %2" : "=r"(sum) : "r"(pair), "r"(word));
    return sum;
#else
    return ec_pair(
        ec_pair_low(pair) + (int8_t)(uint8_t)word,
        ec_pair_high(pair) + (int8_t)(uint8_t)(word >> 16));
#endif
}

EC_INLINE uint32_t ec_sxtab16_ror8(uint32_t pair, uint32_t word) {
#if EC_DSP
    uint32_t sum;
    __asm__("sxtab16 %0, %1, %2, ror #8" : "=r"(sum) : "r"(pair), "r"(word));
    return sum;
#else
    return ec_sxtab16(pair, word >> 8);
#endif
}

/* The means of two sums, as a pair. */
EC_INLINE uint32_t ec_dsp_means(uint32_t sums, int32_t factor) {
    const uint32_t low = (uint32_t)ec_smlawb(factor, sums, 1 << 15);
    const uint32_t high = (uint32_t)ec_smlawt(factor, sums, 1 << 15);
    return (high & 0xFFFF0000u) | low >> 16;
}

/* Four times both halves, within 16 bits. */
EC_INLINE uint32_t ec_four_times(uint32_t pair) {
    return ec_pair(4 * ec_pair_low(pair), 4 * ec_pair_high(pair));
}

/* Four channels of a window: their largest values in result[0], or the sums of the bytes 0 and 2,
 * and of the bytes 1 and 3. step: channels. */
EC_INLINE void ec_dsp_window(
    const ec_pool2d_walk *w, const int8_t *from, int32_t step, int32_t average,
    uint32_t result[2]) {
    const uint32_t first = ec_load4(from);
    uint32_t a = average ? ec_sxtb16(first) : first, b = average ? ec_sxtb16_ror8(first) : 0;
    int32_t columns = w->columns - 1;
    for (int32_t rows = w->rows;;) {
        for (; columns > 0; --columns) {
            from += step;
            const uint32_t word = ec_load4(from);
            a = average ? ec_sxtab16(a, word) : ec_max_bytes(a, word);
            b = average ? ec_sxtab16_ror8(b, word) : b;
        }
        if (--rows <= 0) {
            break;
        }
        from += rows == w->turn ? w->back : w->gap; /* To just before the next row's first. */
        columns = w->columns;
    }
    result[0] = a;
    result[1] = b;
}

EC_INLINE uint32_t ec_dsp_average_four(
    const ec_pool2d_walk *w, const int8_t *from, int32_t step) {
    uint32_t sums[2];
    ec_dsp_window(w, from, step, 1, sums);
    if (w->rows * w->columns < 3) {
        sums[0] = ec_four_times(sums[0]);
        sums[1] = ec_four_times(sums[1]);
    }
    sums[0] = ec_dsp_means(sums[0], w->factor);
    sums[1] = ec_dsp_means(sums[1], w->factor);
    return (sums[0] & 0x00FF00FFu) | (sums[1] & 0x00FF00FFu) << 8;
}

EC_INLINE uint32_t ec_dsp_max_four(
    const ec_pool2d_walk *w, const int8_t *from, int32_t step) {
    uint32_t best[2];
    ec_dsp_window(w, from, step, 0, best);
    return best[0];
}

/* Four channels of one pixel. */
EC_INLINE uint32_t ec_dsp_pool_four(
    const ec_dsp_pool_params *p, const ec_pool2d_walk *w, const int8_t *from, int32_t average) {
    const int32_t step = p->window.in_c;
    const uint32_t four =
        average ? ec_dsp_average_four(w, from, step) : ec_dsp_max_four(w, from, step);
    const uint32_t low = (uint32_t)(uint8_t)p->act_min, high = (uint32_t)(uint8_t)p->act_max;
    if (p->act_min == -128 && p->act_max == 127) {
        return four;
    }
    return ec_clamp_bytes(four, low * 0x01010101u, high * 0x01010101u);
}

/* All channels of one pixel. None is used after its own output is written: of the last four, some
 * may be read once more, but these are not written again. */
EC_INLINE void ec_dsp_pool_walked(
    const ec_dsp_pool_params *p, const ec_pool2d_walk *w, const int8_t *from, int8_t *out,
    int32_t average) {
    const int32_t groups = p->window.in_c / 4, rest = p->window.in_c % 4;
    const int32_t steps = groups + (rest > 0);
    for (int32_t i = 0; i < steps; ++i) {
        const int32_t c = 4 * ec_turn(p->reverse, i, steps);
        if (rest == 0 || c < 4 * groups) {
            ec_store4(out + c, ec_dsp_pool_four(p, w, from + c, average));
        } else {
            uint32_t last = ec_dsp_pool_four(p, w, from + c + rest - 4, average);
            last >>= 8 * (4 - rest);
            for (int32_t j = 0; j < rest; ++j) {
                out[c + j] = (int8_t)(uint8_t)last;
                last >>= 8;
            }
        }
    }
}

EC_INLINE void ec_dsp_pool_pixel(
    const ec_dsp_pool_params *p, const ec_taps *t, const int8_t *image, const int32_t *factors,
    int8_t *out) {
    const ec_window *g = &p->window;
    const int32_t rows = t->ky1 - t->ky0, columns = t->kx1 - t->kx0, average = factors != NULL;
    const int8_t *from = image + ((t->y + t->ky0) * g->in_w + t->x + t->kx0) * g->in_c;
    const int32_t at = g->clip_h || g->clip_w ? rows * columns - 1 : 0;
    const int32_t factor = average ? factors[at] : 0;
    if (!EC_POOL_COMPACT && rows == g->k_h && columns == g->k_w) {
        /* With constants for the loops' counts. */
        const ec_pool2d_walk w = ec_pool2d_walk_of(g, t, g->k_h, g->k_w, factor);
        ec_dsp_pool_walked(p, &w, from, out, average);
    } else {
        const ec_pool2d_walk w = ec_pool2d_walk_of(g, t, rows, columns, factor);
        ec_dsp_pool_walked(p, &w, from, out, average);
    }
}

/* Some output rows of one image. */
EC_INLINE void ec_dsp_pool_band(
    const ec_dsp_pool_params *p, const int8_t *in, const int32_t *factors, int8_t *out,
    ec_rows rows) {
    const ec_window *g = &p->window;
    for (int32_t i = 0; i < rows.end - rows.first; ++i) {
        const int32_t oy = rows.first + ec_turn(p->reverse, i, rows.end - rows.first);
        const int32_t shift = ec_ring_shift(g, oy, rows.in_rows);
        const int32_t to = rows.out_rows == g->out_h ? oy : ec_ring(oy, rows.out_rows);
        for (int32_t j = 0; j < g->out_w; ++j) {
            const int32_t ox = ec_turn(p->reverse, j, g->out_w);
            ec_taps t = ec_pool2d_clip(g, oy, ox);
            t.y -= shift;
            t.ring = rows.in_rows == g->in_h ? 0 : rows.in_rows;
            ec_dsp_pool_pixel(p, &t, in, factors, out + (to * g->out_w + ox) * g->out_c);
        }
    }
}

/* params are copied: no output can be taken for them. */
EC_KERNEL(ec_dsp_pool_rows) void ec_dsp_pool_rows(
    const ec_dsp_pool_params *params, const int8_t *in, const int32_t *factors, int8_t *out,
    ec_rows rows) {
    const ec_dsp_pool_params p = *params;
    ec_dsp_pool_band(&p, in, factors, out, rows);
}

/* The whole tensor. */
EC_KERNEL(ec_dsp_pool) void ec_dsp_pool(
    const ec_dsp_pool_params *params, const int8_t *in, const int32_t *factors, int8_t *out) {
    const ec_dsp_pool_params p = *params;
    const ec_window *g = &p.window;
    const ec_rows all = {0, g->out_h, g->in_h, g->out_h};
    for (int32_t i = 0; i < g->batches; ++i) {
        const int32_t n = ec_turn(p.reverse, i, g->batches);
        ec_dsp_pool_band(
            &p, in + n * g->in_h * g->in_w * g->in_c, factors,
            out + n * g->out_h * g->out_w * g->out_c, all);
    }
}

/* Of the last four values some may be read once more, but are not written again. */
EC_KERNEL(ec_dsp_mean)
void ec_dsp_mean(const ec_dsp_mean_params *params, const int8_t *in, int8_t *out) {
    const ec_dsp_mean_params p = *params;
    const ec_pool2d_walk w = {1, p.count, 0, 0, 0, 0};
    for (int32_t i = 0; i < p.outer; ++i) {
        for (int32_t c = 0; c < p.inner; c += 4) {
            const int32_t again = p.inner % 4 != 0 && p.inner - c < 4 ? c + 4 - p.inner : 0;
            uint32_t sums[2];
            ec_dsp_window(&w, in + c - again, p.inner, 1, sums);
            for (int32_t j = again; j < 4; ++j) {
                const uint32_t pair = sums[j & 1];
                const int32_t sum = j < 2 ? ec_pair_low(pair) : ec_pair_high(pair);
                *out++ = (int8_t)ec_dsp_twice(
                    sum + p.sum_offset, p.multiplier, p.addend, p.shift);
            }
        }
        in += p.count * p.inner;
    }
}

/* NOLINTEND(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

#endif
