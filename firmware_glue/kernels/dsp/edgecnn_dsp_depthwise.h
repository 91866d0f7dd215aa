/* SPDX-License-Identifier: Apache-2.0 */
/* DEPTHWISE_CONV_2D, int8, 3x3 (or smaller, widened with zeros), stride 1 or 2, over planes.
 *
 * Four channels of a few input rows become planes with padding in place; then each channel runs in
 * assembly, two rows at a time. Exact: sums of raw inputs (their zero point is in the bias), then a
 * requantization that the compiler has proven (compiler/fast/requant.py).
 *
 * records, per output channel: bias, multiplier, addend, and three words of filter, a row each,
 * bytes w0, w1, w1, w2; where the form is not affine a seventh word, the channel's shift.
 * planes: scratch, see ec_dsp_depthwise_params.
 */
#ifndef EDGECNN_DSP_DEPTHWISE_H
#define EDGECNN_DSP_DEPTHWISE_H

#include "edgecnn_dsp_depthwise_asm.h"
#include "edgecnn_dsp_planes.h"

/* NOLINTBEGIN(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

/* multiplier: output channels per input channel. band: output rows per filling of the planes, even.
 * column_pairs, pitch: of the planes, pitch in bytes; behind them lies a pixel of padding. shift: S
 * of the affine form; 0: rounds twice, 24: once. in_zero: the input's zero point. clamp: the
 * activation leaves less than int8's range. reverse: 1 to compute the last rows first. */
typedef struct {
    ec_window window;
    int32_t multiplier, band, column_pairs, pitch, shift, in_zero;
    int32_t clamp, act_min, act_max, reverse;
} ec_dsp_depthwise_params;

/* Some output rows of a channel: what EC_DSP_DEPTHWISE3 defines. */
typedef void (*ec_dsp_depthwise_kernel)(
    const uint32_t *planes, int8_t *out, const int32_t *record, int32_t times);

enum { EC_DSP_DEPTHWISE_ROW_PAIRS = 16, EC_DSP_DEPTHWISE_ONCE = 24 };

/* Runs once in a while: compiled for size. */
#if defined(__GNUC__)
#define EC_DSP_RARE __attribute__((cold))
#else
#define EC_DSP_RARE
#endif

/* What all bands of a call have in common. */
typedef struct {
    const ec_dsp_depthwise_params *p;
    const int32_t *records;
    uint32_t *planes;
    int8_t *padding;
    ec_dsp_depthwise_kernel two, one;
    ec_rows rows;
    ec_planes_run run;
    int32_t first_column, record_words;
} ec_dsp_depthwise_call;

/* Where row y of the planes begins. */
EC_INLINE const uint32_t *ec_dsp_depthwise_at(const uint32_t *planes, int32_t y) {
    return planes + (y >> 1) * 8 + (y & 1);
}

#if !EC_DSP
typedef struct {
    int32_t stride, shift, out_w, out_c, pitch;
} ec_dsp_depthwise_shape;

EC_INLINE int32_t ec_dsp_depthwise_finish(int32_t shift, int32_t sum, const int32_t *record) {
    if (shift % EC_DSP_DEPTHWISE_ONCE) {
        return ec_dsp_affine(sum, record[1], record[2], shift);
    }
    return shift ? ec_dsp_once(sum, record[1], record[2], record[6])
                 : ec_dsp_twice(sum, record[1], record[2], record[6]);
}

/* One row of one output channel; y: of the output, within the planes. */
EC_INLINE void ec_dsp_depthwise_row(
    const ec_dsp_depthwise_shape *s, const uint32_t *planes, int32_t y, int8_t *out,
    const int32_t *record) {
    uint32_t w[6];
    for (int32_t i = 0; i < 3; ++i) {
        w[2 * i] = ec_sxtb16((uint32_t)record[3 + i]);
        w[2 * i + 1] = ec_sxtb16_ror8((uint32_t)record[3 + i]);
    }
    for (int32_t x = 0; x < s->out_w; ++x) {
        const int32_t left = x * s->stride, odd = left & 1;
        int32_t sum = record[0];
        for (int32_t i = 0; i < 3; ++i) {
            const uint32_t *row =
                ec_dsp_depthwise_at(planes, y * s->stride + i) + (left >> 1) * (s->pitch / 4);
            const uint32_t a = *row, b = row[s->pitch / 4];
            /* x0 alone, then x1 and x2; or x0 and x1, then x2 alone. */
            const uint32_t one = odd ? ec_pair(ec_pair_high(a), 0) : ec_pair(0, ec_pair_low(b));
            sum = ec_smlad(odd ? b : a, w[2 * i + odd], sum);
            sum = ec_smlad(one, w[2 * i + 1 - odd], sum);
        }
        *out = (int8_t)ec_dsp_depthwise_finish(s->shift, sum, record);
        out += s->out_c;
    }
}

#define EC_DSP_DEPTHWISE3_CODE(NAME, ROWS, STRIDE, SHIFT)
#define EC_DSP_DEPTHWISE3(NAME, ROWS, STRIDE, SHIFT, OUT_W, OUT_C, PITCH)                  \
    static EC_NOINLINE EC_UNUSED void NAME(                                                \
        const uint32_t *planes, int8_t *out, const int32_t *record, int32_t times) {       \
        static const ec_dsp_depthwise_shape shape = {STRIDE, SHIFT, OUT_W, OUT_C, PITCH};  \
        for (int32_t y = 0; y < (ROWS) * times; ++y) {                                     \
            ec_dsp_depthwise_row(&shape, planes, y, out + y * (OUT_W) * (OUT_C), record);  \
        }                                                                                  \
    }
#define EC_DSP_DEPTHWISE3_SHARED EC_DSP_DEPTHWISE3
#endif

/* Input row y of the image, or a row of padding. */
static EC_NOINLINE EC_UNUSED EC_DSP_RARE const int8_t *ec_dsp_depthwise_input(
    const ec_dsp_depthwise_call *call, const int8_t *in, int32_t y, int32_t *step) {
    const ec_window *g = &call->p->window;
    const int32_t in_rows = call->rows.in_rows;
    *step = 0;
    if (y < 0 || y >= g->in_h) {
        return call->padding;
    }
    *step = g->in_c;
    return in + (y < in_rows ? y : y % in_rows) * g->in_w * g->in_c;
}

/* Column pairs that are padding from top to bottom, the same for all channels. */
static EC_NOINLINE EC_UNUSED EC_DSP_RARE void ec_dsp_depthwise_pad_columns(
    const ec_dsp_depthwise_call *call, int32_t first, int32_t end) {
    const int32_t zero = call->p->in_zero;
    for (int32_t column = first; column < end; ++column) {
        uint32_t *to = call->planes + column * (call->p->pitch / 4);
        EC_ROLLED
        for (int32_t i = 0; i < call->p->pitch / 4; ++i) {
            to[i] = ec_pair(zero, zero);
        }
    }
}

/* Everything that the bands share; fills in the padding. */
static EC_NOINLINE EC_UNUSED EC_DSP_RARE void ec_dsp_depthwise_prepare(
    ec_dsp_depthwise_call *call) {
    const ec_dsp_depthwise_params *p = call->p;
    const ec_window *g = &p->window;
    const int32_t room = 2 * p->column_pairs - g->pad_left;
    const int32_t inside = (g->in_w < room ? g->in_w : room) - (g->pad_left & 1);
    call->first_column = g->pad_left / 2;
    call->record_words = 6 + (p->shift % EC_DSP_DEPTHWISE_ONCE == 0);
    call->run.pad = (uint32_t)(uint8_t)p->in_zero * 0x01010101u;
    call->run.pitch = p->pitch;
    call->run.left = g->pad_left & 1;
    call->run.bytes = inside / 2 * p->pitch;
    call->run.right = inside & 1;
    call->padding = (int8_t *)(void *)(call->planes + p->column_pairs * (p->pitch / 4));
    EC_ROLLED
    for (int32_t c = 0; c < g->in_c; ++c) {
        call->padding[c] = (int8_t)p->in_zero;
    }
    ec_dsp_depthwise_pad_columns(call, 0, call->first_column);
    ec_dsp_depthwise_pad_columns(
        call, call->first_column + call->run.left + inside / 2 + call->run.right,
        p->column_pairs);
}

/* One output channel of `count` rows. */
EC_INLINE void ec_dsp_depthwise_channel(
    const ec_dsp_depthwise_call *call, const uint32_t *planes, int32_t oc, int8_t *out,
    int32_t count) {
    const ec_dsp_depthwise_params *p = call->p;
    const ec_window *g = &p->window;
    const int32_t *record = call->records + oc * call->record_words;
    if (count > 1) {
        call->two(planes, out + oc, record, count / 2);
    }
    if (count & 1) {
        call->one(
            ec_dsp_depthwise_at(planes, (count - 1) * g->stride_h),
            out + (count - 1) * g->out_w * g->out_c + oc, record, 1);
    }
}

/* Output rows [first, end), at most a band, that follow each other in `out`. */
static EC_NOINLINE EC_UNUSED void ec_dsp_depthwise_band(
    ec_dsp_depthwise_call *call, const int8_t *in, int8_t *out, int32_t first, int32_t end) {
    const ec_dsp_depthwise_params *p = call->p;
    const ec_window *g = &p->window;
    const int32_t count = end - first, top = first * g->stride_h - g->pad_top;
    ec_planes_rows rows[EC_DSP_DEPTHWISE_ROW_PAIRS];
    call->run.row_pairs = ((count - 1) * g->stride_h + 4) / 2;
    EC_ROLLED
    for (int32_t i = 0; i < call->run.row_pairs; ++i) {
        rows[i].a = ec_dsp_depthwise_input(call, in, top + 2 * i, &rows[i].a_step);
        rows[i].b = ec_dsp_depthwise_input(call, in, top + 2 * i + 1, &rows[i].b_step);
    }
    for (int32_t c = 0; c < g->in_c; c += 4) {
        /* The last four channels overlap those before where their number is no multiple of 4. */
        const int32_t done = c + 4 > g->in_c ? c + 4 - g->in_c : 0;
        ec_planes_fill(
            &call->run, call->planes + call->first_column * (p->pitch / 4), rows, c - done);
        for (int32_t lane = done; lane < 4; ++lane) {
            for (int32_t i = 0; i < p->multiplier; ++i) {
                ec_dsp_depthwise_channel(
                    call, call->planes + 2 * lane, (c - done + lane) * p->multiplier + i, out,
                    count);
            }
        }
    }
    if (p->clamp) {
        ec_dsp_clamp(out, count * g->out_w * g->out_c, p->act_min, p->act_max);
    }
}

/* The rows of one image. */
EC_INLINE void ec_dsp_depthwise_image(
    ec_dsp_depthwise_call *call, const int8_t *in, int8_t *out) {
    const ec_dsp_depthwise_params *p = call->p;
    const ec_rows *rows = &call->rows;
    const int32_t bytes = p->window.out_w * p->window.out_c;
    const int32_t bands = (rows->end - rows->first + p->band - 1) / p->band;
    for (int32_t i = 0; i < bands; ++i) {
        const int32_t first = rows->first + ec_turn(p->reverse, i, bands) * p->band;
        const int32_t last = first + p->band < rows->end ? first + p->band : rows->end;
        int32_t y = first;
        while (y < last) {
            /* In a ring, up to its end. */
            const int32_t at = y < rows->out_rows ? y : y % rows->out_rows;
            const int32_t room = y + rows->out_rows - at;
            const int32_t end = last < room ? last : room;
            ec_dsp_depthwise_band(call, in, out + at * bytes, y, end);
            y = end;
        }
    }
}

/* The code that all layers share. two: two rows at a time;
 * one: one row, NULL where all bands are even. */
static EC_NOINLINE EC_UNUSED void ec_dsp_depthwise_run(
    const ec_dsp_depthwise_params *p, const int8_t *in, const int32_t *records,
    uint32_t *planes, int8_t *out, ec_rows rows, ec_dsp_depthwise_kernel two,
    ec_dsp_depthwise_kernel one) {
    ec_dsp_depthwise_call call;
    call.p = p;
    call.records = records;
    call.planes = planes;
    call.two = two;
    call.one = one;
    call.rows = rows;
    ec_dsp_depthwise_prepare(&call);
    ec_dsp_depthwise_image(&call, in, out);
}

EC_KERNEL(ec_dsp_depthwise3_rows) void ec_dsp_depthwise3_rows(
    const ec_dsp_depthwise_params *p, const int8_t *in, const int32_t *records,
    uint32_t *planes, int8_t *out, ec_rows rows, ec_dsp_depthwise_kernel two,
    ec_dsp_depthwise_kernel one) {
    ec_dsp_depthwise_run(p, in, records, planes, out, rows, two, one);
}

EC_KERNEL(ec_dsp_depthwise3) void ec_dsp_depthwise3(
    const ec_dsp_depthwise_params *p, const int8_t *in, const int32_t *records,
    uint32_t *planes, int8_t *out, ec_dsp_depthwise_kernel two, ec_dsp_depthwise_kernel one) {
    const ec_window *g = &p->window;
    const ec_rows rows = {0, g->out_h, g->in_h, g->out_h};
    for (int32_t i = 0; i < g->batches; ++i) {
        const int32_t n = ec_turn(p->reverse, i, g->batches);
        ec_dsp_depthwise_run(
            p, in + n * g->in_h * g->in_w * g->in_c, records, planes,
            out + n * g->out_h * g->out_w * g->out_c, rows, two, one);
    }
}

/* NOLINTEND(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

#endif
