/* SPDX-License-Identifier: Apache-2.0 */
/* CONV_2D and the DEPTHWISE_CONV_2D that reads it as one kernel, int8, on the DSP extension. What
 * lies between them are not NHWC bytes but the planes that the second one reads
 * (edgecnn_dsp_planes.h), of all channels and as many rows as a band of outputs needs. The first
 * one's assembly writes them; the next band goes on with the last row pair.
 *
 * Exact as the two alone (edgecnn_dsp_gemm.h, edgecnn_dsp_depthwise.h). An input row is not read
 * any more once a band has been written that needs none before the next one's first. */
#ifndef EDGECNN_DSP_PAIR_H
#define EDGECNN_DSP_PAIR_H

#include "edgecnn_dsp_depthwise.h"
#include "edgecnn_dsp_gemm.h"

/* NOLINTBEGIN(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

/* Convolution and depthwise convolution. group: words of the planes of four channels; groups: their
 * number, of which the last may have channels to spare. */
typedef struct {
    ec_dsp_gemm_params first;
    ec_dsp_depthwise_params second;
    int32_t group, groups;
} ec_dsp_pair_params;

/* What the two kernels are called with, and the assembly between them. */
typedef struct {
    const ec_dsp_pair_params *p;
    ec_dsp_job job;
    ec_dsp_depthwise_call call;
    ec_dsp_two_planes two;
} ec_dsp_pair;

/* Where the planes have pixel `column` of row `row`: its first channel. */
EC_INLINE int8_t *ec_dsp_pair_at(const ec_dsp_pair *c, int32_t row, int32_t column) {
    uint32_t *to = c->call.planes + (column >> 1) * (c->p->second.pitch / 4) + (row >> 1) * 8;
    return (int8_t *)(to + (row & 1)) + (column & 1) * 2;
}

/* An output pixel of the convolution, and where it lies in the planes. */
typedef struct {
    int32_t y, x;
    int8_t *to;
} ec_dsp_spot;

EC_INLINE ec_dsp_spot ec_dsp_pair_spot(
    const ec_dsp_pair *c, int32_t y, int32_t x, int32_t row) {
    const int32_t column = x + c->p->second.window.pad_left;
    const ec_dsp_spot spot = {y, x, ec_dsp_pair_at(c, row, column)};
    return spot;
}

/* The window of a pixel, if it is inside; else NULL. */
EC_INLINE const int8_t *ec_dsp_pair_inside(
    const ec_dsp_pair *c, const int8_t *in, const ec_dsp_spot *spot) {
    const ec_window *g = &c->p->first.window;
    int32_t split;
    const int8_t *row = ec_dsp_inner_row(&c->p->first, in, g->in_h, spot->y, &split);
    const int32_t x = spot->x * g->stride_w - g->pad_left;
    return row == NULL || x < 0 || x + g->k_w > g->in_w ? NULL : row + x * g->in_c;
}

/* Two pixels, anywhere. */
EC_SHARED void ec_dsp_pair_spots(
    const ec_dsp_pair *c, const int8_t *in, const ec_dsp_spot *a, const ec_dsp_spot *b) {
    const ec_dsp_gemm_params *p = &c->p->first;
    const ec_dsp_runs runs = {p->runs, p->run_bytes, p->run_skip};
    const int8_t *first = ec_dsp_pair_inside(c, in, a), *second = ec_dsp_pair_inside(c, in, b);
    uint32_t *x = c->job.x;
    if (first != NULL && second != NULL) {
        c->job.gather(x, first, second, &runs);
    } else {
        ec_dsp_patch(&c->job, in, p->window.in_h, a->y, a->x, x, 2);
        ec_dsp_patch(&c->job, in, p->window.in_h, b->y, b->x, x + 1, 2);
    }
    c->two(
        x, c->job.w, a->to, b->to, x + 2 * p->pairs, c->job.w + c->p->groups * p->quad_words,
        4 * c->p->group);
}

/* `count` times two pixels of a row whose windows are inside; from: the first one's. */
EC_SHARED void ec_dsp_pair_inner(
    const ec_dsp_pair *c, const int8_t *from, int8_t *to0, int8_t *to1, int32_t count) {
    const ec_dsp_gemm_params *p = &c->p->first;
    const ec_dsp_runs runs = {p->runs, p->run_bytes, p->run_skip};
    const uint32_t *x_end = c->job.x + 2 * p->pairs;
    const int32_t *w_end = c->job.w + c->p->groups * p->quad_words;
    const int32_t pitch = c->p->second.pitch, group = 4 * c->p->group;
    const int32_t step = p->window.stride_w * p->window.in_c;
    for (; count > 0; --count) {
        c->job.gather(c->job.x, from, from + step, &runs);
        c->two(c->job.x, c->job.w, to0, to1, x_end, w_end, group);
        from += 2 * step;
        to0 += pitch;
        to1 += pitch;
    }
}

/* Output row y of the convolution as row `row` of the planes, but for the last of an odd number of
 * pixels. */
EC_SHARED void ec_dsp_pair_row(
    const ec_dsp_pair *c, const int8_t *in, int32_t y, int32_t row) {
    const ec_window *g = &c->p->first.window;
    const int32_t room = g->in_w + g->pad_left - g->k_w;
    /* Columns before `end` have their window inside, but for some of the first. */
    const int32_t last = room < 0 ? 0 : room / g->stride_w + 1;
    const int32_t end = last < g->out_w ? last : g->out_w;
    for (int32_t x = 0; x + 1 < g->out_w;) {
        const ec_dsp_spot a = ec_dsp_pair_spot(c, y, x, row);
        const ec_dsp_spot b = ec_dsp_pair_spot(c, y, x + 1, row);
        const int8_t *from = ec_dsp_pair_inside(c, in, &a);
        if (from != NULL && x + 1 < end) {
            ec_dsp_pair_inner(c, from, a.to, b.to, (end - x) / 2);
            x += (end - x) / 2 * 2;
        } else {
            ec_dsp_pair_spots(c, in, &a, &b);
            x += 2;
        }
    }
}

/* A pixel pair of two rows of four channels. */
typedef struct {
    uint32_t words[8];
} ec_dsp_block;

EC_INLINE ec_dsp_block *ec_dsp_pair_blocks(const ec_dsp_pair *c, int32_t column) {
    return (ec_dsp_block *)(void *)(c->call.planes + column * (c->p->second.pitch / 4));
}

/* Row `row` of the planes as padding. */
EC_SHARED void ec_dsp_pair_pad_row(const ec_dsp_pair *c, int32_t row) {
    const ec_dsp_depthwise_params *p = &c->p->second;
    const uint32_t zero = ec_pair(p->in_zero, p->in_zero);
    uint32_t *to = c->call.planes + (row >> 1) * 8 + (row & 1);
    for (int32_t i = c->p->groups * p->column_pairs; i > 0; --i) {
        to[0] = zero;
        to[2] = zero;
        to[4] = zero;
        to[6] = zero;
        to += p->pitch / 4;
    }
}

/* The column pairs [first, end) as padding. Pixels of the image in them will be written over. */
EC_SHARED void ec_dsp_pair_pad_columns(const ec_dsp_pair *c, int32_t first, int32_t end) {
    const ec_dsp_depthwise_params *p = &c->p->second;
    const uint32_t zero = ec_pair(p->in_zero, p->in_zero);
    const ec_dsp_block pad = {{zero, zero, zero, zero, zero, zero, zero, zero}};
    const int32_t size = (int32_t)sizeof pad, count = (end - first) * p->pitch / size;
    for (int32_t group = 0; group < c->p->groups; ++group) {
        ec_dsp_block *to = ec_dsp_pair_blocks(c, group * p->column_pairs + first);
        for (int32_t i = count; i > 0; --i) {
            *to++ = pad;
        }
    }
}

/* The last row pair of a band, `last`, becomes the first of the next. */
EC_SHARED void ec_dsp_pair_keep(const ec_dsp_pair *c, int32_t last) {
    const int32_t pitch = c->p->second.pitch / (int32_t)sizeof(ec_dsp_block);
    ec_dsp_block *to = ec_dsp_pair_blocks(c, 0);
    for (int32_t i = c->p->groups * c->p->second.column_pairs; i > 0; --i) {
        *to = to[last];
        to += pitch;
    }
}

/* Rows [row, end) of the planes; row 0 is output row `top` of the convolution. Where rows have an
 * odd number of pixels, the last ones of two rows go together. */
EC_SHARED void ec_dsp_pair_fill(
    const ec_dsp_pair *c, const int8_t *in, int32_t top, int32_t row, int32_t end) {
    const ec_window *g = &c->p->first.window;
    const int32_t x = g->out_w - 1;
    int32_t waiting = -1;
    for (; row < end; ++row) {
        if (top + row < 0 || top + row >= g->out_h) {
            ec_dsp_pair_pad_row(c, row);
            continue;
        }
        ec_dsp_pair_row(c, in, top + row, row);
        if (g->out_w % 2 != 0 && waiting >= 0) {
            const ec_dsp_spot a = ec_dsp_pair_spot(c, top + waiting, x, waiting);
            const ec_dsp_spot b = ec_dsp_pair_spot(c, top + row, x, row);
            ec_dsp_pair_spots(c, in, &a, &b);
        }
        waiting = waiting < 0 ? row : -1;
    }
    if (g->out_w % 2 != 0 && waiting >= 0) {
        const ec_dsp_spot a = ec_dsp_pair_spot(c, top + waiting, x, waiting);
        ec_dsp_pair_spots(c, in, &a, &a);
    }
}

/* Output rows [first, end), a band, at `out`. */
EC_SHARED void ec_dsp_pair_band(
    const ec_dsp_pair *c, const int8_t *in, int8_t *out, int32_t first, int32_t end) {
    const ec_dsp_depthwise_params *p = &c->p->second;
    const ec_window *g = &p->window;
    const int32_t count = end - first, top = first * g->stride_h - g->pad_top;
    const int32_t rows = (count - 1) * g->stride_h + 3, multiplier = p->multiplier;
    if (first != 0) {
        ec_dsp_pair_keep(c, ((p->band - 1) * g->stride_h + 2) / 2);
    }
    ec_dsp_pair_fill(c, in, top, first == 0 ? 0 : 3 - g->stride_h, rows);
    for (int32_t i = 0, oc = 0; i < g->in_c; ++i) {
        const uint32_t *planes = c->call.planes + i / 4 * c->p->group + i % 4 * 2;
        for (int32_t k = 0; k < multiplier; ++k, ++oc) {
            ec_dsp_depthwise_channel(&c->call, planes, oc, out, count);
        }
    }
    if (p->clamp) {
        ec_dsp_clamp(out, count * g->out_w * g->out_c, p->act_min, p->act_max);
    }
}

/* x: scratch of the convolution. two: its assembly; rows, row: those of the other. */
EC_KERNEL(ec_dsp_conv2d_depthwise3) void ec_dsp_conv2d_depthwise3(
    const ec_dsp_pair_params *p, const int8_t *in, const int32_t *w, uint32_t *x,
    const int32_t *records, uint32_t *planes, int8_t *out, ec_dsp_gather gather,
    ec_dsp_two_planes two, ec_dsp_depthwise_kernel rows, ec_dsp_depthwise_kernel row) {
    const ec_window *g = &p->second.window, *window = &p->first.window;
    ec_dsp_pair c;
    c.p = p;
    c.job.p = &p->first;
    c.job.w = w;
    c.job.x = x;
    c.job.gather = gather;
    c.two = two;
    c.call.p = &p->second;
    c.call.records = records;
    c.call.record_words = 6 + (p->second.shift % EC_DSP_DEPTHWISE_ONCE == 0);
    c.call.planes = planes;
    c.call.two = rows;
    c.call.one = row;
    if (window->clip_h || window->clip_w) {
        ec_dsp_fill_pad(&c.job);
    }
    ec_dsp_pair_pad_columns(&c, 0, (g->pad_left + 1) / 2);
    ec_dsp_pair_pad_columns(&c, (g->pad_left + g->in_w) / 2, p->second.column_pairs);
    for (int32_t y = 0; y < g->out_h; y += p->second.band) {
        const int32_t end = g->out_h - y < p->second.band ? g->out_h : y + p->second.band;
        ec_dsp_pair_band(&c, in, out + y * g->out_w * g->out_c, y, end);
    }
}

/* NOLINTEND(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

#endif
