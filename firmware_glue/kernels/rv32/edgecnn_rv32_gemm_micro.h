/* SPDX-License-Identifier: Apache-2.0 */
/* The inner loops of the matrix products for RV32IM: four output channels of six, of three pixels
 * and of one pixel.
 *
 * Three pixels p, q, r share two 32-bit words, x = p + (r << 21) and y = q + (r << 10), so that two
 * multiplications by a weight make three products. The sums of w * x and w * y, modulo 2^32, are
 * those of one another's sums: S = P + (R << 21), T = Q + (R << 10). If P and Q fit 21 bits and R
 * 22, signed, P is the sign-extended lower part of S; what is left is R's lower 11 bits, and T less
 * those is Q + (R' << 21) with R's others. That is 16/9 instructions per product in all, and no
 * rounding anywhere.
 *
 * P, Q and R are whole accumulators, start included, where those fit 21 bits for any input; of
 * other layers, parts of the inputs whose sums do are added one after the other (the loops named
 * sums).
 *
 * filters: for each four channels, for each input, a byte of each; zeros behind the last channel.
 * numbers: per channel, up to a multiple of four, EC_RV32_WORDS(form) words: S and T for P = Q =
 * R = start (in parts, and of layers of one pixel: start and 0), then m, C and (not affine) s of
 * edgecnn_rv32_common.h. Of a layer of one pixel whose channels have the latter in common, these
 * alone, and then the channels' starts (shared). */
#ifndef EDGECNN_RV32_GEMM_MICRO_H
#define EDGECNN_RV32_GEMM_MICRO_H

#include "edgecnn_rv32_common.h"

/* NOLINTBEGIN(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

/* What a loop does: all channels of some pixels, or with `sums` four channels.
 * x, x_end: for six pixels, four words per input, for three two of them. bytes: for one pixel, its
 * `depth` inputs. out: where the pixels' outputs begin. sums: by threes of pixels, by channels.
 * whole: 1 if numbers begin with S and T, 0 if with the start alone. shared: 1 where they are
 * those of all channels, else 0. The order of the members is the assembly's. */
typedef struct {
    const uint32_t *x, *x_end;
    const int8_t *bytes;
    int32_t depth;
    const int8_t *filters;
    const int32_t *numbers;
    int8_t *out[6];
    int32_t channels;
    ec_rv32_finish finish;
    int32_t *sums;
    int32_t whole, shared;
} ec_rv32_job;

/* Words of a channel's numbers. */
#define EC_RV32_WORDS(FORM) ((FORM) == EC_RV32_AFFINE ? 4 : 5)

typedef void (*ec_rv32_loop)(const ec_rv32_job *);

#include "edgecnn_rv32_gemm_asm.h"

/* Sums of three pixels. */
typedef struct {
    uint32_t s, t;
} ec_rv32_sums;

EC_INLINE void ec_rv32_add(ec_rv32_sums *a, uint32_t x, uint32_t y, int32_t w) {
    a->s += x * (uint32_t)w;
    a->t += y * (uint32_t)w;
}

EC_INLINE int32_t ec_rv32_low(uint32_t word) {
    return (int32_t)(word << 11) >> 11;
}

/* P, Q and R. */
EC_INLINE void ec_rv32_part(const ec_rv32_sums *a, int32_t to[3]) {
    const uint32_t low = (a->s - (uint32_t)ec_rv32_low(a->s)) >> 21;
    const uint32_t rest = a->t - (low << 10);
    to[0] = ec_rv32_low(a->s);
    to[1] = ec_rv32_low(rest);
    to[2] = ((int32_t)(rest - (uint32_t)to[1]) >> 10) + (int32_t)low;
}

EC_INLINE ec_rv32_sums ec_rv32_start(const int32_t *numbers) {
    const ec_rv32_sums sums = {(uint32_t)numbers[0], (uint32_t)numbers[1]};
    return sums;
}

/* Four channels' sums. */
typedef struct {
    ec_rv32_sums a, b, c, d;
} ec_rv32_four;

EC_INLINE void ec_rv32_add_four(ec_rv32_four *sums, const uint32_t *x, const int8_t *w) {
    const uint32_t x0 = x[0], y0 = x[1];
    ec_rv32_add(&sums->a, x0, y0, w[0]);
    ec_rv32_add(&sums->b, x0, y0, w[1]);
    ec_rv32_add(&sums->c, x0, y0, w[2]);
    ec_rv32_add(&sums->d, x0, y0, w[3]);
    EC_RV32_FENCE();
}

/* Four channels of the three pixels whose words are at x, `step` apart. */
EC_INLINE void ec_rv32_multiply(
    const uint32_t *x, const uint32_t *end, int32_t step, const int8_t *w,
    ec_rv32_sums a[4]) {
    ec_rv32_four sums = {a[0], a[1], a[2], a[3]};
    if ((end - x) / step % 2 != 0) {
        ec_rv32_add_four(&sums, x, w);
        x += step;
        w += 4;
    }
    EC_ROLLED
    for (; x != end; x += 2 * step) {
        ec_rv32_add_four(&sums, x, w);
        ec_rv32_add_four(&sums, x + step, w + 4);
        w += 8;
    }
    a[0] = sums.a;
    a[1] = sums.b;
    a[2] = sums.c;
    a[3] = sums.d;
}

/* All channels of three of the pixels; words: of the numbers. */
EC_INLINE void ec_rv32_three_pixels(
    const ec_rv32_job *job, int32_t first, int32_t step, int32_t form) {
    const int32_t words = EC_RV32_WORDS(form), depth = (int32_t)(job->x_end - job->x) / step;
    const ec_rv32_finish f = job->finish;
    const int32_t *q = job->numbers;
    const int8_t *w = job->filters;
    const int32_t skip = first / 3 * 2;
    for (int32_t c = 0; c < job->channels; c += 4) {
        ec_rv32_sums a[4];
        a[0] = ec_rv32_start(q);
        a[1] = ec_rv32_start(q + words);
        a[2] = ec_rv32_start(q + 2 * words);
        a[3] = ec_rv32_start(q + 3 * words);
        ec_rv32_multiply(job->x + skip, job->x_end + skip, step, w, a);
        for (int32_t i = 0; i < 4 && c + i < job->channels; ++i) {
            const ec_rv32_scale scale = ec_rv32_scale_of(q + 2, form);
            int32_t sums[3];
            ec_rv32_part(&a[i], sums);
            for (int32_t k = 0; k < 3; ++k) {
                job->out[first + k][c + i] = ec_rv32_output(sums[k], scale, form, &f);
            }
            q += words;
        }
        w += 4 * depth;
    }
}

/* Four channels of three of the pixels: their sums. */
EC_INLINE void ec_rv32_three_sums_of(const ec_rv32_job *job, int32_t first, int32_t step) {
    const int32_t skip = first / 3 * 2;
    int32_t *to = job->sums + 4 * first;
    ec_rv32_sums a[4] = {{0, 0}, {0, 0}, {0, 0}, {0, 0}};
    ec_rv32_multiply(job->x + skip, job->x_end + skip, step, job->filters, a);
    EC_ROLLED
    for (int32_t i = 0; i < 4; ++i) {
        int32_t part[3];
        ec_rv32_part(&a[i], part);
        to[0] += part[0];
        to[1] += part[1];
        to[2] += part[2];
        to += 3;
    }
}

/* Sums of up to eight channels of one pixel. */
typedef struct {
    uint32_t a0, a1, a2, a3, a4, a5, a6, a7;
} ec_rv32_eight;

EC_INLINE uint32_t ec_rv32_more(uint32_t sum, int32_t x, int32_t w) {
    return sum + (uint32_t)(x * w);
}

/* An input times weights of four channels at w and of four at v, if there are eight. */
EC_INLINE void ec_rv32_add_eight(
    ec_rv32_eight *a, int32_t x, const int8_t *w, const int8_t *v, int32_t eight) {
    a->a0 = ec_rv32_more(a->a0, x, w[0]);
    a->a1 = ec_rv32_more(a->a1, x, w[1]);
    a->a2 = ec_rv32_more(a->a2, x, w[2]);
    a->a3 = ec_rv32_more(a->a3, x, w[3]);
    if (eight) {
        a->a4 = ec_rv32_more(a->a4, x, v[0]);
        a->a5 = ec_rv32_more(a->a5, x, v[1]);
        a->a6 = ec_rv32_more(a->a6, x, v[2]);
        a->a7 = ec_rv32_more(a->a7, x, v[3]);
    }
    EC_RV32_FENCE();
}

/* One pixel, which shares no word: plain products. */
EC_INLINE void ec_rv32_plain(
    const int8_t *x, int32_t depth, const int8_t *w, int32_t eight, uint32_t to[8]) {
    ec_rv32_eight a = {0, 0, 0, 0, 0, 0, 0, 0};
    const int8_t *end = x + (depth & 3), *v = w + 4 * depth;
    EC_ROLLED
    for (; x != end; ++x) {
        ec_rv32_add_eight(&a, x[0], w, v, eight);
        w += 4;
        v += 4;
    }
    EC_ROLLED
    for (end += depth & ~3; x != end; x += 4) {
        ec_rv32_add_eight(&a, x[0], w, v, eight);
        ec_rv32_add_eight(&a, x[1], w + 4, v + 4, eight);
        ec_rv32_add_eight(&a, x[2], w + 8, v + 8, eight);
        ec_rv32_add_eight(&a, x[3], w + 12, v + 12, eight);
        w += 16;
        v += 16;
    }
    to[0] = a.a0;
    to[1] = a.a1;
    to[2] = a.a2;
    to[3] = a.a3;
    to[4] = a.a4;
    to[5] = a.a5;
    to[6] = a.a6;
    to[7] = a.a7;
}

EC_RV32_SHARED void ec_rv32_plain_four(
    const int8_t *x, int32_t depth, const int8_t *w, uint32_t *to) {
    ec_rv32_plain(x, depth, w, 0, to);
}

EC_RV32_SHARED void ec_rv32_plain_eight(
    const int8_t *x, int32_t depth, const int8_t *w, uint32_t *to) {
    ec_rv32_plain(x, depth, w, 1, to);
}

EC_INLINE void ec_rv32_one_pixel(const ec_rv32_job *job, int32_t form) {
    const int32_t words = EC_RV32_WORDS(form), whole = job->whole;
    const int32_t step = job->shared ? 0 : words, start_step = job->shared ? 1 : words;
    const ec_rv32_finish f = job->finish;
    const int32_t *starts = job->shared ? job->numbers + words - 2 : job->numbers;
    const int32_t *q = job->shared ? job->numbers : job->numbers + 2;
    const int8_t *w = job->filters;
    int8_t *out = job->out[0];
    EC_ROLLED
    for (int32_t left = job->channels; left > 0; left -= 8) {
        uint32_t sums[8];
        const uint32_t *sum = sums;
        if (left > 4) {
            ec_rv32_plain_eight(job->bytes, job->depth, w, sums);
        } else {
            ec_rv32_plain_four(job->bytes, job->depth, w, sums);
        }
        w += 8 * job->depth;
        EC_ROLLED
        for (int8_t *end = out + (left < 8 ? left : 8); out != end; ++out) {
            const uint32_t first = (uint32_t)*starts;
            const uint32_t start = whole ? (uint32_t)ec_rv32_low(first) : first;
            *out = ec_rv32_output(
                (int32_t)(*sum++ + start), ec_rv32_scale_of(q, form), form, &f);
            q += step;
            starts += start_step;
        }
    }
}

/* clang-format off */
#if EC_RV32_ASM
EC_RV32_LONG_STRINGS
EC_RV32_SIX(ec_rv32_six_affine, EC_RV32_OUT_AFFINE, EC_RV32_NUMBERS_4, "16")
EC_RV32_SIX(ec_rv32_six_twice, EC_RV32_OUT_TWICE, EC_RV32_NUMBERS_5, "20")
EC_RV32_SIX(ec_rv32_six_once, EC_RV32_OUT_ONCE, EC_RV32_NUMBERS_5, "20")
EC_RV32_SIX_SUMS(ec_rv32_six_sums)
EC_RV32_SHORT_STRINGS
#define EC_RV32_SIX_IN_C(NAME, FORM)
#else
#define EC_RV32_SIX_IN_C(NAME, FORM)                                   \
    EC_RV32_SHARED void ec_rv32_six_##NAME(const ec_rv32_job *job) {   \
        ec_rv32_three_pixels(job, 0, 4, FORM);                         \
        ec_rv32_three_pixels(job, 3, 4, FORM);                         \
    }
EC_RV32_SHARED void ec_rv32_six_sums(const ec_rv32_job *job) {
    ec_rv32_three_sums_of(job, 0, 4);
    ec_rv32_three_sums_of(job, 3, 4);
}
#endif

EC_RV32_SHARED void ec_rv32_three_sums(const ec_rv32_job *job) {
    ec_rv32_three_sums_of(job, 0, 2);
}

#define EC_RV32_LOOPS(NAME, FORM)                                      \
    EC_RV32_SIX_IN_C(NAME, FORM)                                       \
    EC_RV32_SHARED void ec_rv32_three_##NAME(const ec_rv32_job *job) { \
        ec_rv32_three_pixels(job, 0, 2, FORM);                         \
    }                                                                  \
    EC_RV32_SHARED void ec_rv32_one_##NAME(const ec_rv32_job *job) {   \
        ec_rv32_one_pixel(job, FORM);                                  \
    }

EC_RV32_LOOPS(affine, EC_RV32_AFFINE)
EC_RV32_LOOPS(twice, EC_RV32_TWICE)
EC_RV32_LOOPS(once, EC_RV32_ONCE)
/* clang-format on */

/* NOLINTEND(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

#endif
