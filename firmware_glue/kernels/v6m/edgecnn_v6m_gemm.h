/* SPDX-License-Identifier: Apache-2.0 */
/* CONV_2D, int8, as a matrix product for cores that multiply 32 bits by 32 bits and keep 32. Kernels
 * ec_v6m_conv2d (any window, stride, dilation, padding) and ec_v6m_pointwise (1x1, stride 1: pixels
 * that follow each other in input and output), and their _rows forms. NHWC.
 *
 * A block of pixels is gathered as words of two inputs (edgecnn_v6m_gemm_micro.h); then, two output
 * channels at a time, weights are unpacked in the same way and serve all pixels of the block. So a
 * pixel's inputs have been read before it is written.
 *
 * Constant arrays. filters: for each pair of channels, for four inputs i of both, the bytes
 * w[i + 2], w[i + 3], w[i], w[i + 1], all + 128; 128 behind the last input. The last pair of an odd
 * number of channels has the channel before it once more. starts: what the sums start from.
 * numbers: two words per channel, four if kinked (edgecnn_v6m_common.h).
 *
 * Where a window leaves the input, it reads the input's zero point instead; nothing outside the
 * tensor is read. */
#ifndef EDGECNN_V6M_GEMM_H
#define EDGECNN_V6M_GEMM_H

#include "edgecnn_v6m_gemm_micro.h"

/* NOLINTBEGIN(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

/* depth: inputs of a patch; quads: a fourth of it, rounded up. block: pixels of a block.
 * per_row: runs of memory in a row of a patch, of run_bytes: one, or one per tap if dilated.
 * finish: how sums become outputs (edgecnn_v6m_common.h); out_zero: for EC_V6M_EXACT.
 * reverse: 1 to go from the last block to the first.
 * Scratch, words: block * quads * 2; quads * 4 + 16; quads for ec_v6m_conv2d; block * 2 for
 * EC_V6M_EXACT. */
typedef struct {
    ec_window window;
    int32_t depth, quads, block, per_row, run_bytes, in_zero;
    int32_t finish, out_zero, act_min, act_max, reverse;
} ec_v6m_gemm_params;

/* The weights' side: the arrays above, and the inner loop. */
typedef struct {
    const uint32_t *filters;
    const int32_t *starts;
    const uint32_t *numbers;
    ec_v6m_pair pair;
} ec_v6m_weights;

/* The job's w for channels c and c + 1. */
EC_SHARED void ec_v6m_unpack(
    const ec_v6m_gemm_params *p, const ec_v6m_weights *f, const uint32_t *filters, int32_t c,
    uint32_t *w) {
    const int32_t kinked = p->finish == EC_V6M_KINKED, words = kinked ? 4 : 2;
    uint32_t *to = w + 2 + 4 * p->quads;
    w[0] = (uint32_t)f->starts[c];
    w[1] = (uint32_t)f->starts[c + 1];
    ec_v6m_widen_weights(w + 2, filters, to);
    if (p->finish >= EC_V6M_EXACT) {
        return;
    }
    EC_ROLLED
    for (int32_t i = 0; i < 2; ++i) {
        ec_v6m_scale q;
        ec_v6m_scale_of(f->numbers + (c + i) * words, kinked, p->act_min, &q);
        to[0] = q.shift;
        to[1] = q.limit;
        to[2] = q.high;
        to[3] = q.low;
        to[4] = q.add;
        to += 5;
        if (kinked) {
            to[0] = q.kink;
            to[1] = q.drop;
            to += 2;
        }
    }
}

/* Channels c and c + 1 of `count` pixels, by way of their sums. */
EC_SHARED void ec_v6m_finish_sums(
    const ec_v6m_gemm_params *p, const ec_v6m_weights *f, ec_v6m_job *job, int32_t c,
    int32_t count, int8_t *out) {
    uint32_t *sums = (uint32_t *)(void *)job->out;
    f->pair(job);
    for (int32_t i = 0; i < count; ++i) {
        EC_ROLLED
        for (int32_t j = c; j < c + 2; ++j) {
            out[j] = ec_v6m_exact(
                *sums++, f->numbers + 2 * j, p->finish, p->out_zero, p->act_min, p->act_max);
        }
        out += p->window.out_c;
    }
}

/* All output channels of `count` pixels, whose patches are in x. */
EC_SHARED void ec_v6m_multiply(
    const ec_v6m_gemm_params *p, const ec_v6m_weights *f, uint32_t *x, int32_t count,
    int8_t *out) {
    const int32_t channels = p->window.out_c, words = 2 * p->quads;
    const uint32_t *filters = f->filters;
    const int32_t exact = p->finish >= EC_V6M_EXACT;
    uint32_t *w = x + p->block * words, *line = w + 2 * words + 16;
    ec_v6m_job job;
    job.x = x;
    job.x_end = x + count * words;
    job.x_step = (uint32_t)words * 4u;
    job.w = w;
    job.out = (int8_t *)(line + p->quads);
    job.out_step = exact ? 8u : (uint32_t)channels;
    job.skip = ec_v6m_skip((uint32_t)p->quads);
    job.act_min = p->act_min;
    job.act_max = p->act_max;
    for (int32_t i = 0; i < channels; i += 2) {
        const int32_t c = i + 2 > channels ? channels - 2 : i;
        ec_v6m_unpack(p, f, filters, c, w);
        if (exact) {
            ec_v6m_finish_sums(p, f, &job, c, count, out);
        } else {
            job.out = out + c;
            f->pair(&job);
        }
        filters += words;
    }
}

/* Any number of bytes from any address. */
EC_SHARED void ec_v6m_widen(uint32_t *to, const int8_t *from, int32_t bytes) {
    const int32_t rest = bytes & 3;
    uint32_t *end = to + bytes / 4 * 2;
    if (((uintptr_t)from & 3u) == 0u) {
        ec_v6m_widen_words(to, from, end);
    } else {
        ec_v6m_widen_bytes(to, from, end);
    }
    if (rest != 0) {
        int8_t last[4] = {0, 0, 0, 0};
        from += bytes - rest;
        EC_ROLLED
        for (int32_t i = 0; i < rest; ++i) {
            last[i] = from[i];
        }
        ec_v6m_widen_bytes(end, last, end + 2);
    }
}

/* The patches of `count` pixels that follow each other. */
EC_SHARED void ec_v6m_widen_pixels(
    const ec_v6m_gemm_params *p, const int8_t *in, int32_t count, uint32_t *x) {
    if ((p->depth & 3) == 0) {
        ec_v6m_widen(x, in, count * p->depth);
        return;
    }
    for (int32_t i = 0; i < count; ++i) {
        ec_v6m_widen(x, in, p->depth);
        x += 2 * p->quads;
        in += p->depth;
    }
}

EC_SHARED void ec_v6m_pointwise_pixels(
    const ec_v6m_gemm_params *p, const ec_v6m_weights *f, const int8_t *in, uint32_t *x,
    int8_t *out, int32_t count) {
    for (int32_t done = 0; done < count;) {
        const int32_t left = count - done, n = left < p->block ? left : p->block;
        const int32_t at = p->reverse ? left - n : done;
        ec_v6m_widen_pixels(p, in + at * p->depth, n, x);
        ec_v6m_multiply(p, f, x, n, out + at * p->window.out_c);
        done += n;
    }
}

EC_KERNEL(ec_v6m_pointwise) void ec_v6m_pointwise(
    const ec_v6m_gemm_params *p, const int8_t *in, const uint32_t *filters,
    const int32_t *starts, const uint32_t *numbers, uint32_t *scratch, int8_t *out,
    ec_v6m_pair pair) {
    const ec_v6m_weights f = {filters, starts, numbers, pair};
    const int32_t count = p->window.batches * p->window.out_h * p->window.out_w;
    ec_v6m_pointwise_pixels(p, &f, in, scratch, out, count);
}

/* Rows that follow each other in a ring from row y on, end excluded. */
EC_INLINE int32_t ec_v6m_rows_left(int32_t y, int32_t end, int32_t ring) {
    const int32_t turn = ring - ec_ring(y, ring), left = end - y;
    return left < turn ? left : turn;
}

EC_KERNEL(ec_v6m_pointwise_rows) void ec_v6m_pointwise_rows(
    const ec_v6m_gemm_params *p, const int8_t *in, const uint32_t *filters,
    const int32_t *starts, const uint32_t *numbers, uint32_t *scratch, int8_t *out,
    ec_rows rows, ec_v6m_pair pair) {
    const ec_v6m_weights f = {filters, starts, numbers, pair};
    const ec_window *g = &p->window;
    for (int32_t y = rows.first; y < rows.end;) {
        const int32_t together =
            ec_v6m_rows_left(y, y + ec_v6m_rows_left(y, rows.end, rows.in_rows), rows.out_rows);
        ec_v6m_pointwise_pixels(
            p, &f, in + ec_ring(y, rows.in_rows) * g->in_w * g->in_c, scratch,
            out + ec_ring(y, rows.out_rows) * g->out_w * g->out_c, together * g->out_w);
        y += together;
    }
}

EC_INLINE int8_t *ec_v6m_copy(int8_t *to, const int8_t *from, int32_t count) {
    EC_ROLLED
    for (; count >= 4; count -= 4) {
        const int8_t a = from[0], b = from[1], c = from[2], d = from[3];
        to[0] = a;
        to[1] = b;
        to[2] = c;
        to[3] = d;
        from += 4;
        to += 4;
    }
    EC_ROLLED
    for (; count > 0; --count) {
        *to++ = *from++;
    }
    return to;
}

EC_SHARED int8_t *ec_v6m_fill(int8_t *to, int32_t value, int32_t count) {
    EC_ROLLED
    for (; count > 0; --count) {
        *to++ = (int8_t)value;
    }
    return to;
}

/* The words of `bytes` bytes of one value. */
EC_SHARED uint32_t *ec_v6m_fill_words(uint32_t *to, int32_t value, int32_t bytes) {
    const uint32_t word = (uint32_t)value + ((uint32_t)value << 16);
    EC_ROLLED
    for (; bytes > 0; bytes -= 2) {
        *to++ = word;
    }
    return to;
}

/* The bytes of a patch's run from column x of a row on: so many before the row's first, so many in
 * it; the others are behind its last. */
typedef struct {
    int32_t before, inside;
} ec_v6m_run;

EC_INLINE ec_v6m_run ec_v6m_clip(
    const ec_v6m_gemm_params *p, const int8_t *row, int32_t x, int32_t taps) {
    const int32_t room = p->window.in_w - x, depth = p->window.in_c;
    ec_v6m_run run = {0, p->run_bytes};
    if (row == NULL || room <= 0 || x + taps <= 0) {
        run.inside = 0;
    } else if (x < 0 || room < taps) {
        run.before = x < 0 ? -x * depth : 0;
        run.inside = (room < taps ? room : taps) * depth - run.before;
    }
    return run;
}

/* Whether all runs are whole words. */
EC_INLINE int32_t ec_v6m_straight(const ec_v6m_gemm_params *p, const int8_t *in) {
    return ((uint32_t)(uintptr_t)in & 3u) == 0u && (p->window.in_c & 3) == 0;
}

/* ec_v6m_patch where the window is clipped, or its rows do not follow each other. */
EC_SHARED void ec_v6m_clipped_patch(
    const ec_v6m_gemm_params *p, const int8_t *in, int32_t in_rows, int32_t oy, int32_t ox,
    uint32_t *x, int8_t *line) {
    const ec_window *g = &p->window;
    const int32_t left = ox * g->stride_w - g->pad_left, row_bytes = g->in_w * g->in_c;
    const int32_t taps = p->per_row == 1 ? g->k_w : 1;
    const int32_t straight = ec_v6m_straight(p, in);
    int32_t y = oy * g->stride_h - g->pad_top;
    int8_t *to = line;
    for (int32_t ky = 0; ky < g->k_h; ++ky) {
        const int8_t *row = y < 0 || y >= g->in_h ? NULL : in + ec_ring(y, in_rows) * row_bytes;
        for (int32_t r = 0, column = left; r < p->per_row; ++r) {
            const ec_v6m_run run = ec_v6m_clip(p, row, column, taps);
            const int32_t behind = p->run_bytes - run.before - run.inside;
            const int8_t *from = in;
            if (run.inside != 0) {
                from = row + column * g->in_c + run.before;
            }
            if (straight) {
                x = ec_v6m_fill_words(x, p->in_zero, run.before);
                ec_v6m_widen_words(x, from, x + run.inside / 2);
                x = ec_v6m_fill_words(x + run.inside / 2, p->in_zero, behind);
            } else {
                to = ec_v6m_fill(to, p->in_zero, run.before);
                to = ec_v6m_copy(to, from, run.inside);
                to = ec_v6m_fill(to, p->in_zero, behind);
            }
            column += g->dilation_w;
        }
        y += g->dilation_h;
    }
    if (!straight) {
        ec_v6m_widen_words(x, line, x + 2 * p->quads);
    }
}

/* The patch of output pixel (oy, ox): straight to words where all runs are whole words, else by way
 * of its bytes in `line`. */
EC_SHARED void ec_v6m_patch(
    const ec_v6m_gemm_params *p, const int8_t *in, int32_t in_rows, int32_t oy, int32_t ox,
    uint32_t *x, int8_t *line) {
    const ec_window *g = &p->window;
    const int32_t y = oy * g->stride_h - g->pad_top, left = ox * g->stride_w - g->pad_left;
    const int32_t height = (g->k_h - 1) * g->dilation_h + 1;
    const int32_t row_bytes = g->in_w * g->in_c, step = g->dilation_h * row_bytes;
    const int32_t slot = y < 0 ? in_rows : ec_ring(y, in_rows);
    const int8_t *from;
    int8_t *to = line;
    if (p->per_row != 1 || y + height > g->in_h || slot + height > in_rows || left < 0 ||
        left + g->k_w > g->in_w) {
        ec_v6m_clipped_patch(p, in, in_rows, oy, ox, x, line);
        return;
    }
    from = in + slot * row_bytes + left * g->in_c;
    if (ec_v6m_straight(p, in)) {
        EC_ROLLED
        for (int32_t ky = 0; ky < g->k_h; ++ky) {
            ec_v6m_widen_words(x, from, x + p->run_bytes / 2);
            x += p->run_bytes / 2;
            from += step;
        }
        return;
    }
    EC_ROLLED
    for (int32_t ky = 0; ky < g->k_h; ++ky) {
        to = ec_v6m_copy(to, from, p->run_bytes);
        from += step;
    }
    ec_v6m_widen_words(x, line, x + 2 * p->quads);
}

/* The rows of one image, in blocks. */
EC_SHARED void ec_v6m_conv2d_image(
    const ec_v6m_gemm_params *p, const ec_v6m_weights *f, const int8_t *in, uint32_t *x,
    int8_t *out, const ec_rows *rows) {
    const ec_window *g = &p->window;
    const int32_t words = 2 * p->quads;
    int8_t *line = (int8_t *)(x + p->block * words + 2 * words + 16);
    int32_t oy = p->reverse ? rows->end : rows->first, ox = 0;
    while (p->reverse ? oy > rows->first || ox > 0 : oy < rows->end) {
        const int32_t left =
            p->reverse ? (oy - rows->first) * g->out_w + ox
                       : ec_v6m_rows_left(oy, rows->end, rows->out_rows) * g->out_w - ox;
        const int32_t n = left < p->block ? left : p->block;
        int8_t *to;
        if (p->reverse) {
            for (ox -= n; ox < 0; ox += g->out_w) {
                oy -= 1;
            }
        }
        to = out + (ec_ring(oy, rows->out_rows) * g->out_w + ox) * g->out_c;
        for (int32_t i = 0, y = oy, column = ox; i < n; ++i) {
            ec_v6m_patch(p, in, rows->in_rows, y, column, x + i * words, line);
            if (++column == g->out_w) {
                column = 0;
                y += 1;
            }
        }
        ec_v6m_multiply(p, f, x, n, to);
        if (!p->reverse) {
            for (ox += n; ox >= g->out_w; ox -= g->out_w) {
                oy += 1;
            }
        }
    }
}

EC_KERNEL(ec_v6m_conv2d_rows) void ec_v6m_conv2d_rows(
    const ec_v6m_gemm_params *p, const int8_t *in, const uint32_t *filters,
    const int32_t *starts, const uint32_t *numbers, uint32_t *scratch, int8_t *out,
    ec_rows rows, ec_v6m_pair pair) {
    const ec_v6m_weights f = {filters, starts, numbers, pair};
    ec_v6m_conv2d_image(p, &f, in, scratch, out, &rows);
}

EC_KERNEL(ec_v6m_conv2d) void ec_v6m_conv2d(
    const ec_v6m_gemm_params *p, const int8_t *in, const uint32_t *filters,
    const int32_t *starts, const uint32_t *numbers, uint32_t *scratch, int8_t *out,
    ec_v6m_pair pair) {
    const ec_v6m_weights f = {filters, starts, numbers, pair};
    const ec_window *g = &p->window;
    const ec_rows rows = {0, g->out_h, g->in_h, g->out_h};
    for (int32_t b = 0; b < g->batches; ++b) {
        const int32_t n = ec_turn(p->reverse, b, g->batches);
        ec_v6m_conv2d_image(
            p, &f, in + n * g->in_h * g->in_w * g->in_c, scratch,
            out + n * g->out_h * g->out_w * g->out_c, &rows);
    }
}

/* NOLINTEND(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

#endif
