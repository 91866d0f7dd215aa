/* SPDX-License-Identifier: Apache-2.0 */
/* DEPTHWISE_CONV_2D, int8, any window, stride and dilation, four channels of a pixel at a time.
 *
 * A table points to the pixels of a window, those outside to a pixel of padding; it serves all
 * channels of an output pixel. Exact: sums of raw inputs (their zero point is in the bias), then a
 * requantization that the compiler has proven (compiler/fast/requant.py).
 *
 * records, per four input channels and output channel of each: four biases; two words per tap, the
 * pairs of filter values of channels 0 and 2, and 1 and 3; four multipliers, addends, shifts. The
 * number of taps is made even by a tap of zeros. The last four channels overlap those before where
 * their number is no multiple of four.
 */
#ifndef EDGECNN_DSP_DEPTHWISE_ANY_H
#define EDGECNN_DSP_DEPTHWISE_ANY_H

#include "edgecnn_dsp_common.h"

/* NOLINTBEGIN(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

/* multiplier: output channels per input channel. form: 1 for the affine form, 0: rounds twice, -1:
 * once. taps: of the window, made even. in_zero: the input's zero point. clamp: the activation
 * leaves less than int8's range. reverse: 1 to compute the last pixel first. */
typedef struct {
    ec_window window;
    int32_t multiplier, form, taps, in_zero;
    int32_t clamp, act_min, act_max, reverse;
} ec_dsp_depthwise_any_params;

/* Four channels of a window: the first one, how to round, bytes between outputs, where these go. */
typedef struct {
    int32_t channel, form, step;
    int8_t *out;
} ec_dsp_quad;

#if EC_DSP
/* A pixel's four channels X times the pairs of filter values at r2. */
#define EC_DSP_QUAD_TAP(X)                                                              \
    "ldr " X ", [" X ", r3]\n\tldrd r10, r11, [r2], #8\n\tsxtb16 r12, " X "\n\t"        \
    "sxtb16 " X ", " X ", ror #8\n\tsmlabb r4, r12, r10, r4\n\tsmlatt r6, r12, r10, r6\n\t" \
    "smlabb r5, " X ", r11, r5\n\tsmlatt r7, " X ", r11, r7\n\t"

/* r0: table, r1: its end, r2: record, r3: channel; sums in r4 to r7. */
EC_NAKED void ec_dsp_depthwise_quad(
    const int8_t *const *table EC_UNUSED, const int8_t *const *end EC_UNUSED,
    const int32_t *record EC_UNUSED, const ec_dsp_quad *quad EC_UNUSED) {
    __asm__ volatile(
        "push {r3-r11, lr}\n\tldm r2!, {r4-r7}\n\tldr r3, [r3]\n"
        "1:\n\tldrd r8, r9, [r0], #8\n\t" EC_DSP_QUAD_TAP("r8") EC_DSP_QUAD_TAP("r9")
        "cmp r0, r1\n\tbne 1b\n\t"
        "ldr r3, [sp]\n\tldr r0, [r3, #4]\n\tcmp r0, #0\n\t"
        "ldm r2!, {r8-r11}\n\tldm r2!, {r0, r1, r12, lr}\n\tbgt 3f\n\tblt 2f\n\t"
        "add r0, r0, r4, asr #31\n\tadd r1, r1, r5, asr #31\n\t"
        "add r12, r12, r6, asr #31\n\tadd lr, lr, r7, asr #31\n\t"
        "lsl r4, r4, #1\n\tlsl r5, r5, #1\n\tlsl r6, r6, #1\n\tlsl r7, r7, #1\n\t"
        "smmlar r4, r4, r8, r0\n\tsmmlar r5, r5, r9, r1\n\t"
        "smmlar r6, r6, r10, r12\n\tsmmlar r7, r7, r11, lr\n\tb 4f\n"
        "2:\n\tlsl r4, r4, #1\n\tlsl r5, r5, #1\n\tlsl r6, r6, #1\n\tlsl r7, r7, #1\n"
        "3:\n\tsmmla r4, r4, r8, r0\n\tsmmla r5, r5, r9, r1\n\t"
        "smmla r6, r6, r10, r12\n\tsmmla r7, r7, r11, lr\n"
        "4:\n\tldm r2, {r8-r11}\n\tldrd r1, r0, [r3, #8]\n\t"
        "asr r4, r4, r8\n\tasr r5, r5, r9\n\tasr r6, r6, r10\n\tasr r7, r7, r11\n\t"
        "ssat r4, #8, r4\n\tssat r5, #8, r5\n\tssat r6, #8, r6\n\tssat r7, #8, r7\n\t"
        "strb r4, [r0]\n\tstrb r5, [r0, r1]\n\tadd r0, r0, r1, lsl #1\n\t"
        "strb r6, [r0]\n\tstrb r7, [r0, r1]\n\tpop {r3-r11, pc}");
}
#else
EC_INLINE int32_t ec_dsp_quad_finish(int32_t form, int32_t sum, const int32_t *last) {
    return form > 0    ? ec_dsp_affine(sum, last[0], last[4], last[8])
           : form == 0 ? ec_dsp_twice(sum, last[0], last[4], last[8])
                       : ec_dsp_once(sum, last[0], last[4], last[8]);
}

static EC_NOINLINE EC_UNUSED void ec_dsp_depthwise_quad(
    const int8_t *const *table, const int8_t *const *end, const int32_t *record,
    const ec_dsp_quad *quad) {
    const int32_t *w = record + 4;
    int32_t sums[4] = {record[0], record[1], record[2], record[3]};
    for (; table != end; ++table) {
        for (int32_t i = 0; i < 4; ++i) {
            const uint32_t pair = (uint32_t)w[i & 1];
            const int32_t value = i < 2 ? ec_pair_low(pair) : ec_pair_high(pair);
            sums[i] = ec_wrap_add(sums[i], (*table)[quad->channel + i] * value);
        }
        w += 2;
    }
    for (int32_t i = 0; i < 4; ++i) {
        quad->out[i * quad->step] = (int8_t)ec_dsp_quad_finish(quad->form, sums[i], w + i);
    }
}
#endif

/* Points to the pixels of a window. */
static EC_NOINLINE EC_UNUSED void ec_dsp_depthwise_look(
    const ec_window *g, const ec_taps *t, const int8_t *in, int32_t in_rows,
    const int8_t *padding, const int8_t **table) {
    const int32_t step = g->dilation_w * g->in_c;
    for (int32_t ky = 0; ky < g->k_h; ++ky) {
        const int32_t y = t->y + ky * g->dilation_h;
        const int32_t row = (y < in_rows ? y : y % in_rows) * g->in_w * g->in_c;
        int32_t at = row + t->x * g->in_c;
        const int32_t first = ky >= t->ky0 && ky < t->ky1 ? t->kx0 : g->k_w;
        EC_ROLLED
        for (int32_t kx = 0; kx < g->k_w; ++kx) {
            *table++ = kx >= first && kx < t->kx1 ? in + at : padding;
            at += step;
        }
    }
}

/* All channels of a pixel. */
static EC_NOINLINE EC_UNUSED void ec_dsp_depthwise_pixel(
    const ec_dsp_depthwise_any_params *p, const int8_t *const *table, const int32_t *records,
    int8_t *out) {
    const ec_window *g = &p->window;
    ec_dsp_quad quad = {0, p->form, p->multiplier, NULL};
    for (int32_t first = 0; first < g->in_c; first += 4) {
        quad.channel = first + 4 > g->in_c ? g->in_c - 4 : first;
        EC_ROLLED
        for (int32_t i = 0; i < p->multiplier; ++i) {
            quad.out = out + quad.channel * p->multiplier + i;
            ec_dsp_depthwise_quad(table, table + p->taps, records, &quad);
            records += 16 + 2 * p->taps;
        }
    }
}

/* An output row. before: its last window, or none: windows that lie inside differ by a step. */
EC_INLINE void ec_dsp_depthwise_any_row(
    const ec_dsp_depthwise_any_params *p, const int8_t *in, const int32_t *records,
    const int8_t *padding, const int8_t **table, int8_t *out, int32_t y, int32_t in_rows) {
    const ec_window *g = &p->window;
    const int32_t step = p->reverse ? -g->stride_w * g->in_c : g->stride_w * g->in_c;
    int32_t same = 0;
    for (int32_t j = 0; j < g->out_w; ++j) {
        const int32_t x = ec_turn(p->reverse, j, g->out_w);
        const ec_taps taps = ec_clip_window(g, y, x);
        const int32_t inside = (taps.kx1 - taps.kx0) * (taps.ky1 - taps.ky0) == g->k_h * g->k_w;
        if (same && inside) {
            EC_ROLLED
            for (int32_t i = 0; i < g->k_h * g->k_w; ++i) {
                table[i] += step;
            }
        } else {
            ec_dsp_depthwise_look(g, &taps, in, in_rows, padding, table);
        }
        same = inside;
        ec_dsp_depthwise_pixel(p, table, records, out + x * g->out_c);
    }
    if (p->clamp) {
        ec_dsp_clamp(out, g->out_w * g->out_c, p->act_min, p->act_max);
    }
}

/* The code that all layers share: rows of one image. scratch: the table, then the padding. */
static EC_NOINLINE EC_UNUSED void ec_dsp_depthwise_any_run(
    const ec_dsp_depthwise_any_params *p, const int8_t *in, const int32_t *records,
    int8_t *scratch, int8_t *out, ec_rows rows) {
    const ec_window *g = &p->window;
    const uintptr_t over = (uintptr_t)scratch % sizeof(const int8_t *);
    int8_t *start = over ? scratch + sizeof(const int8_t *) - over : scratch;
    const int8_t **table = (const int8_t **)(void *)start;
    int8_t *padding = (int8_t *)(void *)(table + p->taps);
    EC_ROLLED
    for (int32_t c = 0; c < g->in_c; ++c) {
        padding[c] = (int8_t)p->in_zero;
    }
    table[p->taps - 1] = padding;
    for (int32_t i = 0; i < rows.end - rows.first; ++i) {
        const int32_t y = rows.first + ec_turn(p->reverse, i, rows.end - rows.first);
        const int32_t at = y < rows.out_rows ? y : y % rows.out_rows;
        ec_dsp_depthwise_any_row(
            p, in, records, padding, table, out + at * g->out_w * g->out_c, y, rows.in_rows);
    }
}

EC_KERNEL(ec_dsp_depthwise_any_rows) void ec_dsp_depthwise_any_rows(
    const ec_dsp_depthwise_any_params *p, const int8_t *in, const int32_t *records,
    int8_t *scratch, int8_t *out, ec_rows rows) {
    ec_dsp_depthwise_any_run(p, in, records, scratch, out, rows);
}

EC_KERNEL(ec_dsp_depthwise_any) void ec_dsp_depthwise_any(
    const ec_dsp_depthwise_any_params *p, const int8_t *in, const int32_t *records,
    int8_t *scratch, int8_t *out) {
    const ec_window *g = &p->window;
    const ec_rows rows = {0, g->out_h, g->in_h, g->out_h};
    for (int32_t i = 0; i < g->batches; ++i) {
        const int32_t n = ec_turn(p->reverse, i, g->batches);
        ec_dsp_depthwise_any_run(
            p, in + n * g->in_h * g->in_w * g->in_c, records, scratch,
            out + n * g->out_h * g->out_w * g->out_c, rows);
    }
}

/* NOLINTEND(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

#endif
