/* SPDX-License-Identifier: Apache-2.0 */
/* DEPTHWISE_CONV_2D, one channel at a time on a plane (edgecnn_mve_planes.h), by the windows of
 * edgecnn_mve_depthwise_core.h.
 *
 * filters: per output channel its taps row by row, then a 0. places: for each vector of taps (for
 * each block of 4 x 4 of the window, for each parity of the row that its stride has, for each of
 * the column) 16 indices into a channel's filters. bias: edgecnn_mve_common.h. finish: multiplier,
 * addend, and but for the affine form minus the shift, per output channel.
 *
 * Exact: sums of products of bytes end within 32 bits; how they become outputs is proven by the
 * compiler on every sum that a channel can have. */
#ifndef EDGECNN_MVE_DEPTHWISE_H
#define EDGECNN_MVE_DEPTHWISE_H

#include "edgecnn_mve_depthwise_core.h"

/* NOLINTBEGIN(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

/* What is the same for all channels of a band. rows: 2, or 1 for a row alone. single: the two
 * rows are the same one. */
EC_INLINE ec_mve_plane ec_mve_plane_of(
    const ec_mve_depthwise_params *p, const uint8_t *places, int32_t rows, int32_t single) {
    const ec_window *g = &p->window;
    const int32_t columns = 8 / rows;
    ec_mve_plane c;
    c.row_step = rows * g->stride_h / 2 * p->pitch;
    c.out_step = rows * p->out_y;
    c.step = columns * p->out_x;
    c.columns = g->out_w / columns;
    c.tail = 0;
    c.act_min = p->act_min;
    c.act_max = p->act_max;
    c.next = single ? 0 : g->stride_h / 2 * p->pitch;
    c.places = places;
    for (int32_t lane = 0; lane < 8; ++lane) {
        const int32_t column = ec_mve_lane_column(rows, lane);
        const int32_t row = single ? 0 : lane % rows;
        c.at[lane] = (uint16_t)(column * p->out_x + row * p->out_y);
        c.tail |= column < g->out_w % columns ? 3 << (2 * lane) : 0;
    }
    c.offsets = NULL;
    c.vectors = NULL;
    c.blocks = p->blocks_h * p->blocks_w;
    for (uint32_t i = 0; i < 4; ++i) {
        c.words[i] = i / 2 * (uint32_t)p->pitch + i % 2 * 4;
    }
    return c;
}

/* The constant arrays. */
typedef struct {
    const int8_t *filters;
    const uint8_t *places;
    const int32_t *bias, *finish;
} ec_mve_taps;

#define EC_MVE_BLOCKS 16

/* The vectors of taps of a channel, for cores that want them in scratch; alone: of the second
 * row of a pair those of the first. */
static EC_NOINLINE EC_UNUSED void ec_mve_spread(
    const ec_mve_depthwise_params *p, const int8_t *filters, const uint8_t *places, int32_t alone,
    int8_t *to) {
    for (int32_t i = 0; i < p->vectors; ++i) {
        const uint8_t *at = places + (alone ? i & ~2 : i) * 16;
#if EC_MVE
        vstrbq_s8(to + i * 16, vldrbq_gather_offset_s8(filters, vldrbq_u8(at)));
#else
        for (int32_t j = 0; j < 16; ++j) {
            to[i * 16 + j] = filters[at[j]];
        }
#endif
    }
}

/* A band of output rows, channel by channel. c: what its rounds are made with, last: what is left
 * of an odd number of rows. vectors: of taps, in scratch, if any. */
typedef struct {
    ec_mve_plane c, last;
    ec_mve_plane_core core, row;
    int32_t rounds, odd;
    int8_t *vectors;
} ec_mve_band;

/* Of `count` rows; row: the core for what is left of an odd number. */
static EC_NOINLINE EC_UNUSED void ec_mve_band_start(
    ec_mve_band *band, const ec_mve_depthwise_params *p, const ec_mve_taps *taps, int32_t count,
    ec_mve_plane_core core, ec_mve_plane_core row) {
    const int32_t alone = p->window.stride_h == 1 && p->vectors == 0;
    band->c = ec_mve_plane_of(p, taps->places, 2, 0);
    band->last = ec_mve_plane_of(p, taps->places, alone ? 1 : 2, 1);
    band->core = core;
    band->row = row;
    band->rounds = count / p->rows;
    band->odd = count % p->rows;
    band->vectors = NULL;
    band->c.filters = taps->filters;
    band->c.finish = taps->finish;
}

/* The next output channel, of a plane that is filled, at `out`. */
EC_INLINE void ec_mve_band_channel(
    ec_mve_band *band, const ec_mve_depthwise_params *p, int8_t *plane, int32_t bias,
    int8_t *out) {
    ec_mve_plane *c = &band->c, *last = &band->last;
    c->bias = bias;
    if (band->rounds > 0) {
        if (band->vectors != NULL) {
            ec_mve_spread(p, c->filters, c->places, 0, band->vectors);
        }
        c->plane = plane - 4;
        c->out = out;
        c->rounds = band->rounds;
        band->core(c, p);
    }
    if (band->odd) {
        if (band->vectors != NULL) {
            ec_mve_spread(p, c->filters, c->places, p->window.stride_h == 1, band->vectors);
        }
        last->bias = bias;
        last->plane = plane - 4 + band->rounds * c->row_step;
        last->out = out + band->rounds * c->out_step;
        last->rounds = 1;
        last->filters = c->filters;
        last->finish = c->finish;
        band->row(last, p);
    }
    c->filters += p->taps;
    c->finish += p->words;
}

/* Output rows [first, end) of one image, at `out`. */
static EC_NOINLINE EC_UNUSED void ec_mve_depthwise_band(
    const ec_mve_depthwise_params *p, const int8_t *in, int32_t in_rows, const ec_mve_taps *taps,
    int8_t *scratch, int8_t *out, int32_t first, int32_t end, ec_mve_plane_core core,
    ec_mve_plane_core row) {
    const ec_window *g = &p->window;
    int8_t *plane = scratch + p->vectors * 16 + 4;
    const int32_t channels = g->out_c, multiplier = p->multiplier, *bias = taps->bias;
    ec_mve_band band;
    int32_t offsets[EC_MVE_BLOCKS];
    ec_mve_runs runs;
    ec_mve_band_start(&band, p, taps, end - first, core, row);
    runs.step = p->in_x;
    runs.count = g->in_w;
    runs.pitch = p->pitch;
    /* Not more rows than these outputs are made of: a ring holds no others. */
    ec_mve_find_runs(
        &runs, first * g->stride_h - g->pad_top,
        (end - first - 1) * g->stride_h + (g->k_h - 1) * g->dilation_h + 1, g->in_h, in_rows,
        p->in_y, plane + 2 * g->pad_left);
    ec_mve_fill(plane, p->in_zero, p->plane);
    if (p->vectors > 0) {
        for (int32_t i = 0; i < band.c.blocks; ++i) {
            offsets[i] = i / p->blocks_w * 2 * p->pitch + i % p->blocks_w * 8;
        }
        band.vectors = scratch;
        band.c.vectors = band.last.vectors = scratch;
        band.c.offsets = band.last.offsets = offsets;
    }
    EC_ROLLED for (int32_t i = 0, j = 0; i < channels; ++i) {
        if (runs.size > 0 && j == 0) {
            ec_mve_zip(&runs, in++);
        }
        j = j + 1 == multiplier ? 0 : j + 1;
        ec_mve_band_channel(&band, p, plane, bias[i], out + i);
    }
}

/* Some output rows of one image. scratch: the vectors of taps, four bytes, the plane. row: the
 * core for what is left of an odd number of rows. */
EC_KERNEL(ec_mve_depthwise_rows) void ec_mve_depthwise_rows(
    const ec_mve_depthwise_params *p, const int8_t *in, const int8_t *filters,
    const uint8_t *places, const int32_t *bias, const int32_t *finish, int8_t *scratch,
    int8_t *out, ec_rows rows, ec_mve_plane_core core, ec_mve_plane_core row) {
    const ec_mve_taps taps = {filters, places, bias, finish};
    for (int32_t y = rows.first; y < rows.end;) {
        /* A band ends where the output's ring does. */
        const int32_t at = rows.out_rows == p->window.out_h ? y : y % rows.out_rows;
        const int32_t band = rows.out_rows - at < p->band ? rows.out_rows - at : p->band;
        const int32_t end = rows.end - y < band ? rows.end : y + band;
        ec_mve_depthwise_band(
            p, in, rows.in_rows, &taps, scratch, out + at * p->out_y, y, end, core, row);
        y = end;
    }
}

/* The whole tensor. */
EC_KERNEL(ec_mve_depthwise) void ec_mve_depthwise(
    const ec_mve_depthwise_params *p, const int8_t *in, const int8_t *filters,
    const uint8_t *places, const int32_t *bias, const int32_t *finish, int8_t *scratch,
    int8_t *out, ec_mve_plane_core core, ec_mve_plane_core row) {
    const ec_window *g = &p->window;
    const ec_rows all = {0, g->out_h, g->in_h, g->out_h};
    for (int32_t i = 0; i < g->batches; ++i) {
        ec_mve_depthwise_rows(
            p, in + i * g->in_h * g->in_w * g->in_c, filters, places, bias, finish,
            scratch, out + i * g->out_h * g->out_w * g->out_c, all, core, row);
    }
}

/* NOLINTEND(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

#endif
