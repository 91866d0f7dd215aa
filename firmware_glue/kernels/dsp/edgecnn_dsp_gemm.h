/* SPDX-License-Identifier: Apache-2.0 */
/* CONV_2D and FULLY_CONNECTED, int8, as one matrix product on the DSP extension. Kernels
 * ec_dsp_conv2d (any window, stride, dilation, padding) and ec_dsp_pointwise (1x1, stride 1, and
 * rows of a fully connected layer: pixels that follow each other in input and output), and their
 * _rows forms. NHWC. Weights are packed as edgecnn_dsp_gemm_micro.h says.
 *
 * Pixels are taken by twos: their patches are gathered into x (edgecnn_dsp_gather.h), and all
 * output channels computed from there. So a pixel's inputs have been read before it is written. The
 * last pixel of an odd number goes alone.
 *
 * Where a window leaves the input, it reads the input's zero point instead: from a line of such
 * bytes, or from a copy of the row's part that is inside. Nothing outside the tensor is read.
 *
 * These functions are shared by all layers of a model: what is worth a copy per layer is the
 * assembly that they are handed. */
#ifndef EDGECNN_DSP_GEMM_H
#define EDGECNN_DSP_GEMM_H

#include "edgecnn_dsp_gather.h"
#include "edgecnn_dsp_gemm_micro.h"

/* NOLINTBEGIN(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

/* runs, run_bytes, run_skip: of a patch inside the input: its rows (k_h runs), or its taps where
 * columns are dilated (k_h * k_w). pairs: per patch. quads, rest: output channels / 4 and the
 * remainder, whose weights are filled up with zeros. quad_words: weights of four channels, in
 * words. clamp: the activation leaves less than int8's range: [act_min, act_max].
 * Scratch: 8 bytes per pair, then, where windows are clipped, twice run_bytes rounded up to a
 * multiple of four. */
typedef struct {
    ec_window window;
    int32_t runs, run_bytes, run_skip, pairs, in_zero;
    int32_t quads, rest, quad_words, clamp, act_min, act_max;
} ec_dsp_gemm_params;

/* What all parts of a kernel need: weights, the patches' memory, the assembly. */
typedef struct {
    const ec_dsp_gemm_params *p;
    const int32_t *w;
    uint32_t *x;
    ec_dsp_gather gather;
    ec_dsp_two two;
    ec_dsp_one one;
} ec_dsp_job;

#define EC_SHARED static EC_NOINLINE EC_UNUSED

EC_SHARED void ec_dsp_clamp_pixel(const ec_dsp_gemm_params *p, int8_t *out) {
    ec_dsp_clamp(out, p->window.out_c, p->act_min, p->act_max);
}

/* All output channels of two pixels, whose patches are in x. */
EC_SHARED void ec_dsp_finish_two(const ec_dsp_job *j, int8_t *out0, int8_t *out1) {
    const ec_dsp_gemm_params *p = j->p;
    const uint32_t *x_end = j->x + 2 * p->pairs;
    const int32_t *w_end = j->w + p->quads * p->quad_words;
    if (p->quads != 0) {
        j->two(j->x, j->w, out0, out1, x_end, w_end);
    }
    if (p->rest != 0) {
        int8_t last[8];
        j->two(j->x, w_end, last, last + 4, x_end, w_end + p->quad_words);
        for (int32_t i = 0; i < p->rest; ++i) {
            out0[4 * p->quads + i] = last[i];
            out1[4 * p->quads + i] = last[4 + i];
        }
    }
    if (p->clamp) {
        ec_dsp_clamp_pixel(p, out0);
        ec_dsp_clamp_pixel(p, out1);
    }
}

/* The same for one pixel. */
EC_SHARED void ec_dsp_finish_one(const ec_dsp_job *j, int8_t *out) {
    const ec_dsp_gemm_params *p = j->p;
    const uint32_t *x_end = j->x + p->pairs;
    const int32_t *w_end = j->w + p->quads * p->quad_words;
    if (p->quads != 0) {
        j->one(j->x, j->w, out, x_end, w_end);
    }
    if (p->rest != 0) {
        int8_t last[4];
        j->one(j->x, w_end, last, x_end, w_end + p->quad_words);
        for (int32_t i = 0; i < p->rest; ++i) {
            out[4 * p->quads + i] = last[i];
        }
    }
    if (p->clamp) {
        ec_dsp_clamp_pixel(p, out);
    }
}

/* `count` times two output pixels that follow each other and whose windows are inside. from: the
 * first window, `step` bytes from the next. */
EC_SHARED void ec_dsp_inner_pixels(
    const ec_dsp_job *j, const int8_t *from, int32_t step, int8_t *out, int32_t count) {
    const ec_dsp_gemm_params *p = j->p;
    const ec_dsp_runs runs = {p->runs, p->run_bytes, p->run_skip};
    const int32_t channels = p->window.out_c;
    const uint32_t *x_end = j->x + 2 * p->pairs;
    const int32_t *w_end = j->w + p->quads * p->quad_words;
    const int32_t plain = p->quads != 0 && p->rest == 0 && !p->clamp;
    for (; count > 0; --count) {
        j->gather(j->x, from, from + step, &runs);
        if (plain) {
            j->two(j->x, j->w, out, out + channels, x_end, w_end);
        } else {
            ec_dsp_finish_two(j, out, out + channels);
        }
        from += 2 * step;
        out += 2 * channels;
    }
}

/* `count` pixels that follow each other in input and output. */
EC_SHARED void ec_dsp_pixels(
    const ec_dsp_job *j, const int8_t *in, int8_t *out, int32_t count) {
    const int32_t depth = j->p->run_bytes, paired = count / 2 * 2;
    ec_dsp_inner_pixels(j, in, depth, out, count / 2);
    if (count != paired) {
        ec_dsp_gather_run(j->x, in + paired * depth, depth, 1);
        ec_dsp_finish_one(j, out + paired * j->p->window.out_c);
    }
}

EC_KERNEL(ec_dsp_pointwise_rows) void ec_dsp_pointwise_rows(
    const ec_dsp_gemm_params *p, const int8_t *in, const int32_t *w, uint32_t *x, int8_t *out,
    ec_rows rows, ec_dsp_gather gather, ec_dsp_two two, ec_dsp_one one) {
    const ec_dsp_job job = {p, w, x, gather, two, one};
    const ec_window *g = &p->window;
    for (int32_t y = rows.first; y < rows.end; ++y) {
        const int8_t *from = in + ec_ring(y, rows.in_rows) * g->in_w * g->in_c;
        int8_t *to = out + ec_ring(y, rows.out_rows) * g->out_w * g->out_c;
        ec_dsp_pixels(&job, from, to, g->out_w);
    }
}

EC_KERNEL(ec_dsp_pointwise) void ec_dsp_pointwise(
    const ec_dsp_gemm_params *p, const int8_t *in, const int32_t *w, uint32_t *x, int8_t *out,
    ec_dsp_gather gather, ec_dsp_two two, ec_dsp_one one) {
    const ec_dsp_job job = {p, w, x, gather, two, one};
    const ec_window *g = &p->window;
    ec_dsp_pixels(&job, in, out, g->batches * g->out_h * g->out_w);
}

EC_INLINE int32_t ec_dsp_line_bytes(const ec_dsp_gemm_params *p) {
    return (p->run_bytes + 3) / 4 * 4;
}

EC_INLINE int8_t *ec_dsp_pad(const ec_dsp_job *j) {
    return (int8_t *)(j->x + 2 * j->p->pairs);
}

/* The line of zero points that windows outside the input read. */
EC_INLINE void ec_dsp_fill_pad(const ec_dsp_job *j) {
    EC_ROLLED
    for (int32_t i = 0; i < ec_dsp_line_bytes(j->p); ++i) {
        ec_dsp_pad(j)[i] = (int8_t)j->p->in_zero;
    }
}

/* The rows of a window: the first one's number, the next one's distance, the input's height, and
 * the ring that they lie in. Some may be outside. */
typedef struct {
    const int8_t *in;
    int32_t y, step, height, in_rows, row_bytes;
} ec_dsp_window_rows;

/* The next row, or NULL. */
EC_INLINE const int8_t *ec_dsp_next_row(ec_dsp_window_rows *rows) {
    const int32_t y = rows->y;
    rows->y = y + rows->step;
    return (uint32_t)y < (uint32_t)rows->height
               ? rows->in + ec_ring(y, rows->in_rows) * rows->row_bytes
               : NULL;
}

/* A patch whose runs are rows of its window, which starts at column x. */
EC_SHARED void ec_dsp_patch_rows(
    const ec_dsp_job *j, const ec_dsp_window_rows *window, int32_t x, uint32_t *to,
    int32_t step) {
    const ec_window *g = &j->p->window;
    const int32_t bytes = j->p->run_bytes, count = g->k_h, offset = x * g->in_c;
    const int32_t room = (g->in_w - x) * g->in_c;
    /* Bytes [first, end) of a run are inside. */
    const int32_t first = x < 0 ? -offset : 0, end = bytes < room ? bytes : room;
    const int8_t *pad = ec_dsp_pad(j);
    int8_t *line = ec_dsp_pad(j) + ec_dsp_line_bytes(j->p);
    const int32_t part = first < end && end - first != bytes;
    ec_dsp_window_rows rows = *window;
    /* Only where windows are clipped is there memory for a line. */
    EC_ROLLED
    for (int32_t i = part ? 0 : bytes; i < bytes; i += 4) {
        ec_store4(line + i, ec_load4(pad + i));
    }
    EC_ROLLED
    for (int32_t ky = 0; ky < count; ++ky) {
        const int8_t *row = ec_dsp_next_row(&rows);
        const int8_t *from = row == NULL || first >= end ? pad : line;
        if (from != pad && !part) {
            from = row + offset;
        } else if (from != pad) {
            int32_t i = first;
            EC_ROLLED
            for (; i + 4 <= end; i += 4) {
                ec_store4(line + i, ec_load4(row + (offset + i)));
            }
            EC_ROLLED
            for (; i < end; ++i) {
                line[i] = row[offset + i];
            }
        }
        to = ec_dsp_gather_run(to, from, bytes, step);
    }
}

/* A patch whose runs are the taps of its window, which starts at column x. */
EC_SHARED void ec_dsp_patch_taps(
    const ec_dsp_job *j, const ec_dsp_window_rows *window, int32_t x, uint32_t *to,
    int32_t step) {
    const ec_window *g = &j->p->window;
    ec_dsp_window_rows rows = *window;
    for (int32_t ky = 0; ky < g->k_h; ++ky) {
        const int8_t *row = ec_dsp_next_row(&rows);
        for (int32_t kx = 0; kx < g->k_w; ++kx) {
            const int32_t column = x + kx * g->dilation_w;
            const int32_t inside = row != NULL && column >= 0 && column < g->in_w;
            const int8_t *from = inside ? row + column * g->in_c : ec_dsp_pad(j);
            to = ec_dsp_gather_run(to, from, g->in_c, step);
        }
    }
}

/* The patch of output pixel (oy, ox), anywhere. Its pairs are `step` words apart. */
EC_SHARED void ec_dsp_patch(
    const ec_dsp_job *j, const int8_t *in, int32_t in_rows, int32_t oy, int32_t ox,
    uint32_t *to, int32_t step) {
    const ec_window *g = &j->p->window;
    const ec_dsp_window_rows rows = {
        in, oy * g->stride_h - g->pad_top, g->dilation_h, g->in_h, in_rows, g->in_w * g->in_c};
    const int32_t x = ox * g->stride_w - g->pad_left;
    if (j->p->runs == g->k_h) {
        ec_dsp_patch_rows(j, &rows, x, to, step);
    } else {
        ec_dsp_patch_taps(j, &rows, x, to, step);
    }
}

/* The input row at which the windows of output row oy start, if all of their rows are inside; else
 * NULL. split: the number of rows before the end of the ring, 0 where that is all of them. */
EC_INLINE const int8_t *ec_dsp_inner_row(
    const ec_dsp_gemm_params *p, const int8_t *in, int32_t in_rows, int32_t oy,
    int32_t *split) {
    const ec_window *g = &p->window;
    const int32_t y = oy * g->stride_h - g->pad_top;
    const int32_t span = (g->k_h - 1) * g->dilation_h + 1;
    if (p->runs != g->k_h || y < 0 || y + span > g->in_h) {
        return NULL;
    }
    const int32_t first = ec_ring(y, in_rows), left = in_rows - first;
    *split = span <= left ? 0 : (left + g->dilation_h - 1) / g->dilation_h;
    return in + first * g->in_w * g->in_c;
}

/* As ec_dsp_inner_pixels, where windows reach over the end of a ring of `ring` bytes: their first
 * `split` runs lie before it. */
EC_SHARED void ec_dsp_split_pixels(
    const ec_dsp_job *j, const int8_t *from, int32_t step, int8_t *out, int32_t count,
    int32_t split, int32_t ring) {
    const ec_dsp_gemm_params *p = j->p;
    const ec_dsp_runs before = {split, p->run_bytes, p->run_skip};
    const ec_dsp_runs behind = {p->runs - split, p->run_bytes, p->run_skip};
    const int32_t channels = p->window.out_c;
    const ptrdiff_t rest = (ptrdiff_t)split * (p->run_bytes + p->run_skip) - ring;
    for (; count > 0; --count) {
        uint32_t *to = ec_dsp_gather_any(j->x, from, from + step, &before);
        ec_dsp_gather_any(to, from + rest, from + rest + step, &behind);
        ec_dsp_finish_two(j, out, out + channels);
        from += 2 * step;
        out += 2 * channels;
    }
}

/* Output pixel (y, x) and the one behind it, in that row or the next, by ec_dsp_patch. Where `rows`
 * end with the first, it goes alone. */
EC_SHARED void ec_dsp_edge_pixels(
    const ec_dsp_job *j, const int8_t *in, int8_t *out, const ec_rows *rows, int32_t y,
    int32_t x) {
    const ec_window *g = &j->p->window;
    const int32_t wraps = x + 1 == g->out_w;
    const int32_t y1 = y + wraps, x1 = wraps ? 0 : x + 1;
    int8_t *to = out + (ec_ring(y, rows->out_rows) * g->out_w + x) * g->out_c;
    int8_t *to1 = out + (ec_ring(y1, rows->out_rows) * g->out_w + x1) * g->out_c;
    const int32_t step = y1 < rows->end ? 2 : 1;
    ec_dsp_patch(j, in, rows->in_rows, y, x, j->x, step);
    if (step == 2) {
        ec_dsp_patch(j, in, rows->in_rows, y1, x1, j->x + 1, step);
        ec_dsp_finish_two(j, to, to1);
    } else {
        ec_dsp_finish_one(j, to);
    }
}

/* Some output rows of one image; ringed: those of its input may lie in a ring. */
EC_INLINE void ec_dsp_conv2d_band(
    const ec_dsp_job *job, const int8_t *in, int8_t *out, ec_rows rows, int32_t ringed) {
    const ec_dsp_gemm_params *p = job->p;
    const ec_window *g = &p->window;
    const int32_t step = g->stride_w * g->in_c;
    /* Output columns [first, end) have their window inside. */
    const int32_t first = (g->pad_left + g->stride_w - 1) / g->stride_w;
    const int32_t room = g->in_w + g->pad_left - g->k_w;
    const int32_t last = room < 0 ? 0 : room / g->stride_w + 1;
    const int32_t end = last < g->out_w ? last : g->out_w;
    int32_t column = 0;
    if (g->clip_h || g->clip_w) {
        ec_dsp_fill_pad(job);
    }
    for (int32_t y = rows.first; y < rows.end; ++y) {
        int32_t split = 0;
        const int8_t *inner = ec_dsp_inner_row(p, in, rows.in_rows, y, &split);
        while (column < g->out_w) {
            if (inner != NULL && column >= first && column + 1 < end) {
                const int8_t *from = inner + (column * g->stride_w - g->pad_left) * g->in_c;
                int8_t *to = out + (ec_ring(y, rows.out_rows) * g->out_w + column) * g->out_c;
                const int32_t count = (end - column) / 2;
                if (ringed && split != 0) {
                    const int32_t ring = rows.in_rows * g->in_w * g->in_c;
                    ec_dsp_split_pixels(job, from, step, to, count, split, ring);
                } else {
                    ec_dsp_inner_pixels(job, from, step, to, count);
                }
                column += 2 * count;
            } else {
                ec_dsp_edge_pixels(job, in, out, &rows, y, column);
                column += 2;
            }
        }
        /* 1 where a pixel at the end of this row has taken one of the next along. */
        column -= g->out_w;
    }
}

EC_SHARED void ec_dsp_conv2d_rows(
    const ec_dsp_gemm_params *p, const int8_t *in, const int32_t *w, uint32_t *x, int8_t *out,
    ec_rows rows, ec_dsp_gather gather, ec_dsp_two two, ec_dsp_one one) {
    const ec_dsp_job job = {p, w, x, gather, two, one};
    ec_dsp_conv2d_band(&job, in, out, rows, 1);
}

EC_SHARED void ec_dsp_conv2d(
    const ec_dsp_gemm_params *p, const int8_t *in, const int32_t *w, uint32_t *x, int8_t *out,
    ec_dsp_gather gather, ec_dsp_two two, ec_dsp_one one) {
    const ec_dsp_job job = {p, w, x, gather, two, one};
    const ec_window *g = &p->window;
    const ec_rows rows = {0, g->out_h, g->in_h, g->out_h};
    for (int32_t n = 0; n < g->batches; ++n) {
        ec_dsp_conv2d_band(&job, in, out, rows, 0);
        in += g->in_h * g->in_w * g->in_c;
        out += g->out_h * g->out_w * g->out_c;
    }
}

/* NOLINTEND(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

#endif
