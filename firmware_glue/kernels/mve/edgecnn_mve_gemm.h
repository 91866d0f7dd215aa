/* SPDX-License-Identifier: Apache-2.0 */
/* CONV_2D as one blocked matrix product: two pixels by four output channels at a time, 16 products
 * each per VMLADAVA.
 *
 * filters, per four channels: their biases (16 bytes), then per 16 taps (of K = k_h * k_w * in_c,
 * in the order of the patch; the last ones filled up with zeros) 16 bytes of each channel. So bytes
 * behind a patch do not matter. Channels come in groups of eight, first the even ones of a group,
 * then the odd ones, as VQSHRNB and VQSHRNT put them side by side; up to four left over are a group
 * of their own. finish: edgecnn_mve_common.h, in the same order.
 *
 * A pixel's patch is read where it lies (direct: 1x1, stride 1), or gathered into scratch. Padding
 * is gathered as the input's zero point: the biases hold its share.
 *
 * Exact: sums of products of bytes wrap around at 32 bits and end within them; how they become
 * outputs is proven by the compiler on every sum that a channel can have. */
#ifndef EDGECNN_MVE_GEMM_H
#define EDGECNN_MVE_GEMM_H

#include "edgecnn_mve_gemm_core.h"

/* NOLINTBEGIN(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

/* direct: patches are read in place. chunks: of 16 taps. trips: rounds of the core's inner loop.
 * tile: patches that scratch holds, `pitch` bytes from one to the next: their rows are copied by
 * 16 bytes, so that the last one of each needs room. line: bytes of an input row with its
 * borders, where patches are made of such copies; else 0. */
typedef struct {
    ec_window window;
    int32_t direct, chunks, trips, tile, pitch, line, in_zero, act_min, act_max, reverse;
} ec_mve_gemm_params;

/* The constant arrays. */
typedef struct {
    const int8_t *filters;
    const int32_t *finish;
} ec_mve_tables;

/* `count` neighbouring pixels, `pixel` bytes from patch to patch; backwards in reverse. */
static EC_NOINLINE EC_UNUSED void ec_mve_gemm_pixels(
    const ec_mve_gemm_params *p, const ec_mve_tables *tables, const int8_t *x, int32_t pixel,
    int32_t count, int8_t *out, ec_mve_core core) {
    const int32_t out_c = p->window.out_c, pairs = count / 2;
    const int32_t turn = p->reverse ? -2 : 2, first = p->reverse ? (pairs - 1) * 2 : 0;
    ec_mve_block block;
    block.trips = p->trips;
    block.x_step = turn * pixel;
    block.out_step = turn * out_c - out_c / 8 * 8;
    block.filters = tables->filters;
    block.finish = tables->finish;
    block.end = tables->filters + (out_c + 3) / 4 * (16 + p->chunks * 64);
    block.tail = out_c % 8;
    block.act_min = p->act_min;
    block.act_max = p->act_max;
    for (int32_t i = 0; i < 2; ++i) {
        /* The last one of an odd number is computed twice. */
        const int32_t single = p->reverse ? i == 0 : i == 1;
        const int32_t at = single ? count - 1 : first;
        block.pairs = single ? count % 2 : pairs;
        block.x0 = x + at * pixel;
        block.x1 = single ? block.x0 : block.x0 + pixel;
        block.out0 = out + at * out_c;
        block.out1 = single ? block.out0 : block.out0 + out_c;
        if (block.pairs > 0) {
            core(&block);
        }
    }
}

/* `count` pixels at x, of which a core may read all bytes before x + readable. */
static EC_NOINLINE EC_UNUSED void ec_mve_gemm_direct(
    const ec_mve_gemm_params *p, const ec_mve_tables *tables, const int8_t *x, int32_t readable,
    int32_t count, int8_t *scratch, int8_t *out, ec_mve_core core) {
    const int32_t in_c = p->window.in_c, patch = p->chunks * 16;
    const int32_t whole = readable < patch ? 0 : (readable - patch) / in_c + 1;
    const int32_t safe = whole < count ? whole : count;
    for (int32_t i = 0; i < 2; ++i) {
        if ((i == 0) != (p->reverse != 0)) {
            ec_mve_gemm_pixels(p, tables, x, in_c, safe, out, core);
        } else if (safe < count) {
            ec_mve_copy(scratch, x + safe * in_c, (count - safe) * in_c);
            ec_mve_gemm_pixels(
                p, tables, scratch, in_c, count - safe, out + safe * p->window.out_c, core);
        }
    }
}

/* A row of one patch: the taps at input columns x, x + dilation_w ... of an input row, of which
 * some may lie outside; row NULL: all do. */
static EC_NOINLINE EC_UNUSED void ec_mve_gemm_line(
    const ec_mve_gemm_params *p, const int8_t *row, int32_t x, int8_t *to) {
    const ec_window *g = &p->window;
    if (row != NULL && g->dilation_w > 1) {
        for (int32_t k = 0; k < g->k_w; ++k) {
            const int32_t at = x + k * g->dilation_w;
            if (at < 0 || at >= g->in_w) {
                ec_mve_fill(to + k * g->in_c, p->in_zero, g->in_c);
            } else {
                ec_mve_copy(to + k * g->in_c, row + at * g->in_c, g->in_c);
            }
        }
    } else {
        const int32_t first = row == NULL ? g->k_w : ec_clamp(-x, 0, g->k_w);
        const int32_t end = ec_clamp(g->in_w - x, first, g->k_w);
        ec_mve_fill(to, p->in_zero, first * g->in_c);
        if (first < end) {
            ec_mve_copy(to + first * g->in_c, row + (x + first) * g->in_c, (end - first) * g->in_c);
        }
        ec_mve_fill(to + end * g->in_c, p->in_zero, (g->k_w - end) * g->in_c);
    }
}

/* Behind the last output column whose window lies inside an input row, and may be copied by sixteen
 * bytes where `readable` ones lie from the row's first byte on. */
EC_INLINE int32_t ec_mve_gemm_inside(const ec_mve_gemm_params *p, int32_t readable) {
    const ec_window *g = &p->window;
    const int32_t run = (g->k_w * g->in_c + 15) / 16 * 16;
    const int32_t room = g->in_w - g->k_w + g->pad_left;
    const int32_t inside = room < 0 ? 0 : room / g->stride_w + 1;
    if (readable < g->in_w * g->in_c + 15) {
        const int32_t spare = readable - run + g->pad_left * g->in_c;
        const int32_t held = spare < 0 ? 0 : spare / (g->stride_w * g->in_c) + 1;
        return held < inside ? held : inside;
    }
    return inside;
}

/* One row each of `count` patches that lie inside the row at `from`. */
EC_INLINE void ec_mve_gemm_inner_lines(
    const ec_mve_gemm_params *p, const int8_t *from, int32_t count, int8_t *to) {
    const ec_window *g = &p->window;
    EC_ROLLED for (int32_t n = count; n > 0; --n) {
        for (int32_t i = 0; i < g->k_w * g->in_c; i += 16) {
            ec_mve_copy16(to + i, from + i);
        }
        from += g->stride_w * g->in_c;
        to += p->pitch;
    }
}

/* The same from output column ox on, where the first and the last ones may reach outside. */
EC_INLINE void ec_mve_gemm_outer_lines(
    const ec_mve_gemm_params *p, const int8_t *row, int32_t readable, int32_t ox, int32_t count,
    int8_t *to) {
    const ec_window *g = &p->window;
    const int32_t none = row == NULL || g->dilation_w > 1;
    const int32_t inside = none ? 0 : ec_mve_gemm_inside(p, readable);
    const int32_t first = ec_clamp((g->pad_left + g->stride_w - 1) / g->stride_w - ox, 0, count);
    const int32_t end = ec_clamp(inside - ox, first, count);
    if (first < end) {
        const int32_t x = (ox + first) * g->stride_w - g->pad_left;
        ec_mve_gemm_inner_lines(p, row + x * g->in_c, end - first, to + first * p->pitch);
    }
    EC_ROLLED for (int32_t j = first > 0 ? 0 : end; j < count; j = j + 1 == first ? end : j + 1) {
        ec_mve_gemm_line(p, row, (ox + j) * g->stride_w - g->pad_left, to + j * p->pitch);
    }
}

/* The same by a copy of the row with its borders: cheaper where rows are short. */
EC_INLINE void ec_mve_gemm_bordered_lines(
    const ec_mve_gemm_params *p, const int8_t *row, int32_t ox, int32_t count, int8_t *line,
    int8_t *to) {
    const ec_window *g = &p->window;
    const int32_t left = g->pad_left * g->in_c, middle = g->in_w * g->in_c;
    ec_mve_fill(line, p->in_zero, row == NULL ? p->line : left);
    if (row != NULL) {
        ec_mve_copy(line + left, row, middle);
        ec_mve_fill(line + left + middle, p->in_zero, p->line - left - middle);
    }
    ec_mve_gemm_inner_lines(p, line + ox * g->stride_w * g->in_c, count, to);
}

/* Patches of `count` output pixels of row oy from column ox on. */
EC_INLINE void ec_mve_gemm_gather(
    const ec_mve_gemm_params *p, const int8_t *in, int32_t in_rows, int32_t oy, int32_t ox,
    int32_t count, int8_t *line, int8_t *to) {
    const ec_window *g = &p->window;
    EC_ROLLED for (int32_t k = 0; k < g->k_h; ++k) {
        const int32_t y = oy * g->stride_h - g->pad_top + k * g->dilation_h;
        const int32_t outside = g->clip_h && (y < 0 || y >= g->in_h);
        const int32_t at = outside || in_rows == g->in_h ? y : y % in_rows;
        const int32_t pitch = g->in_w * g->in_c;
        const int8_t *row = outside ? NULL : in + at * pitch;
        if (p->line > 0) {
            ec_mve_gemm_bordered_lines(p, row, ox, count, line, to);
        } else {
            ec_mve_gemm_outer_lines(p, row, (in_rows - at) * pitch, ox, count, to);
        }
        to += g->k_w * g->in_c;
    }
}

/* `count` output pixels of one image from pixel `first` on, which lie side by side at `out`: by
 * tiles of patches in scratch. */
EC_INLINE void ec_mve_gemm_tiles(
    const ec_mve_gemm_params *p, const ec_mve_tables *tables, const int8_t *in, int32_t in_rows,
    int32_t first, int32_t count, int8_t *scratch, int8_t *out, ec_mve_core core) {
    const int32_t tiles = (count + p->tile - 1) / p->tile, out_w = p->window.out_w;
    for (int32_t i = 0; i < tiles; ++i) {
        const int32_t begin = ec_turn(p->reverse, i, tiles) * p->tile;
        const int32_t size = count - begin < p->tile ? count - begin : p->tile;
        int32_t oy = (first + begin) / out_w, ox = (first + begin) % out_w;
        for (int32_t done = 0; done < size;) {
            const int32_t some = out_w - ox < size - done ? out_w - ox : size - done;
            ec_mve_gemm_gather(
                p, in, in_rows, oy, ox, some, scratch + p->tile * p->pitch,
                scratch + done * p->pitch);
            done += some;
            ox = 0;
            ++oy;
        }
        ec_mve_gemm_pixels(
            p, tables, scratch, p->pitch, size, out + begin * p->window.out_c, core);
    }
}

/* Some output rows of one image. scratch: `tile` patches, `pitch` bytes each, and `line` bytes;
 * direct: one patch of 16 * chunks bytes and 16 bytes more. */
EC_KERNEL(ec_mve_gemm_rows) void ec_mve_gemm_rows(
    const ec_mve_gemm_params *p, const int8_t *in, const int8_t *filters, const int32_t *finish,
    int8_t *scratch, int8_t *out, ec_rows rows, ec_mve_core core) {
    const ec_window *g = &p->window;
    const ec_mve_tables tables = {filters, finish};
    for (int32_t i = rows.first; i < rows.end; ++i) {
        const int32_t oy = ec_turn(p->reverse, i - rows.first, rows.end - rows.first) + rows.first;
        const int32_t to = rows.out_rows == g->out_h ? oy : oy % rows.out_rows;
        int8_t *row = out + to * g->out_w * g->out_c;
        if (p->direct) {
            const int32_t at = rows.in_rows == g->in_h ? oy : oy % rows.in_rows;
            const int32_t pitch = g->in_w * g->in_c;
            ec_mve_gemm_direct(
                p, &tables, in + at * pitch, (rows.in_rows - at) * pitch, g->out_w, scratch, row,
                core);
        } else {
            ec_mve_gemm_tiles(
                p, &tables, in, rows.in_rows, oy * g->out_w, g->out_w, scratch, row, core);
        }
    }
}

/* The whole tensor. */
EC_KERNEL(ec_mve_gemm) void ec_mve_gemm(
    const ec_mve_gemm_params *p, const int8_t *in, const int8_t *filters, const int32_t *finish,
    int8_t *scratch, int8_t *out, ec_mve_core core) {
    const ec_window *g = &p->window;
    const ec_mve_tables tables = {filters, finish};
    if (p->direct) {
        const int32_t pixels = g->batches * g->out_h * g->out_w;
        ec_mve_gemm_direct(p, &tables, in, pixels * g->in_c, pixels, scratch, out, core);
        return;
    }
    for (int32_t i = 0; i < g->batches; ++i) {
        const int32_t n = ec_turn(p->reverse, i, g->batches), pixels = g->out_h * g->out_w;
        ec_mve_gemm_tiles(
            p, &tables, in + n * g->in_h * g->in_w * g->in_c, g->in_h, 0, pixels, scratch,
            out + n * pixels * g->out_c, core);
    }
}

/* NOLINTEND(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

#endif
