/* SPDX-License-Identifier: Apache-2.0 */
/* CONV_2D and FULLY_CONNECTED, int8, as a matrix product for RV32IM. Kernels ec_rv32_conv2d (any
 * window, stride, dilation, padding) and ec_rv32_pointwise (1x1, stride 1: pixels that follow each
 * other in input and output; rows of a fully connected layer), and their _rows forms. NHWC.
 *
 * Six pixels at a time: their inputs are gathered as words that three pixels share
 * (edgecnn_rv32_gemm_micro.h), and all channels are made of them. So a pixel's inputs have been
 * read before it is written. Of fewer pixels, the last one goes several times; one alone is made by
 * plain products.
 *
 * Where a window leaves the input, it reads the input's zero point instead; nothing outside the
 * tensor is read. */
#ifndef EDGECNN_RV32_GEMM_H
#define EDGECNN_RV32_GEMM_H

#include "edgecnn_rv32_gather.h"
#include "edgecnn_rv32_gemm_micro.h"

/* NOLINTBEGIN(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

/* The weights' side: constant arrays (edgecnn_rv32_gemm_micro.h), and the loops; those that no
 * group of pixels needs are NULL. */
typedef struct {
    const int8_t *filters;
    const int32_t *numbers;
    ec_rv32_loop six, three, one;
} ec_rv32_weights;

EC_INLINE ec_rv32_job ec_rv32_job_of(
    const ec_rv32_gemm_params *p, const ec_rv32_weights *f, uint32_t *x) {
    ec_rv32_job job;
    job.x = x;
    job.x_end = x;
    job.bytes = (const int8_t *)x;
    job.depth = p->depth;
    job.filters = f->filters;
    job.numbers = f->numbers;
    for (int32_t i = 0; i < 6; ++i) {
        job.out[i] = NULL;
    }
    job.channels = p->window.out_c;
    job.finish.shift = p->shift;
    job.finish.act_min = p->act_min;
    job.finish.act_max = p->act_max;
    job.sums = NULL;
    job.whole = p->whole;
    job.shared = p->shared;
    return job;
}

/* The outputs of four channels from c on, from their sums. */
EC_RV32_SHARED void ec_rv32_finish_sums(
    const ec_rv32_gemm_params *p, const ec_rv32_job *job, const int32_t *numbers,
    int32_t c, int32_t pixels) {
    const int32_t words = EC_RV32_WORDS(p->form);
    for (int32_t i = 0; i < 4 && c + i < job->channels; ++i) {
        const ec_rv32_scale scale = ec_rv32_scale_of(numbers + words * i + 2, p->form);
        const int32_t *sums = job->sums + 3 * i;
        for (int32_t k = 0; k < pixels; ++k) {
            job->out[k][c + i] =
                ec_rv32_output(sums[k + k / 3 * 9], scale, p->form, &job->finish);
        }
    }
}

/* All channels, the inputs part by part. step: words per input. */
EC_RV32_SHARED void ec_rv32_in_parts(
    const ec_rv32_gemm_params *p, const ec_rv32_weights *f, ec_rv32_job job,
    ec_rv32_loop loop, int32_t step) {
    const int32_t words = EC_RV32_WORDS(p->form), pixels = step / 2 * 3;
    const int32_t *numbers = f->numbers;
    const int8_t *filters = f->filters;
    const uint32_t *x = job.x;
    int32_t sums[24];
    job.sums = sums;
    for (int32_t c = 0; c < job.channels; c += 4) {
        for (int32_t i = 0; i < 4 * pixels; ++i) {
            sums[i] = numbers[i / 3 % 4 * words];
        }
        for (int32_t k = 0; k < p->depth; k += p->part) {
            const int32_t left = p->depth - k;
            job.x = x + k * step;
            job.x_end = job.x + (left < p->part ? left : p->part) * step;
            job.filters = filters + 4 * k;
            loop(&job);
        }
        ec_rv32_finish_sums(p, &job, numbers, c, pixels);
        numbers += 4 * words;
        filters += 4 * p->depth;
    }
}

/* All channels of three pixels (step 2) or six (4), whose words are in the scratch memory. */
EC_INLINE void ec_rv32_run(
    const ec_rv32_gemm_params *p, const ec_rv32_weights *f, ec_rv32_job *job, int32_t step) {
    const ec_rv32_loop loop = step == 4 ? f->six : f->three;
    if (!p->whole) {
        ec_rv32_in_parts(p, f, *job, loop, step);
    } else {
        job->x_end = job->x + p->depth * step;
        loop(job);
    }
}

/* So many pixels that follow each other. */
EC_RV32_SHARED void ec_rv32_some_pixels(
    const ec_rv32_gemm_params *p, const ec_rv32_weights *f, ec_rv32_job *job, uint32_t *x,
    const int8_t *in, int8_t *out, int32_t count) {
    const int8_t *from[6];
    EC_ROLLED
    for (int32_t i = 0; i < 6; ++i) {
        from[i] = in;
        job->out[i] = out;
        if (i + 1 < count) {
            in += p->depth;
            out += p->window.out_c;
        }
    }
    if (count == 1) {
        if (x == NULL) {
            job->bytes = in;
        } else {
            ec_rv32_copy((int8_t *)x, in, p->depth);
        }
        f->one(job);
    } else if (count <= 3) {
        ec_rv32_share_2(x, from, p->depth);
        ec_rv32_run(p, f, job, 2);
    } else {
        ec_rv32_share_4(x, from, p->depth);
        ec_rv32_share_4(x + 2, from + 3, p->depth);
        ec_rv32_run(p, f, job, 4);
    }
}

EC_RV32_SHARED void ec_rv32_pixels(
    const ec_rv32_gemm_params *p, const ec_rv32_weights *f, const int8_t *in, uint32_t *x,
    int8_t *out, int32_t count) {
    ec_rv32_job job = ec_rv32_job_of(p, f, x);
    for (int32_t done = 0; done < count;) {
        const int32_t left = count - done, n = left < p->group ? left : p->group;
        const int32_t at = p->reverse ? left - n : done;
        ec_rv32_some_pixels(
            p, f, &job, x, in + at * p->depth, out + at * p->window.out_c, n);
        done += n;
    }
}

EC_KERNEL(ec_rv32_pointwise) void ec_rv32_pointwise(
    const ec_rv32_gemm_params *p, const int8_t *in, const int8_t *filters,
    const int32_t *numbers, uint32_t *scratch, int8_t *out, ec_rv32_loop six,
    ec_rv32_loop three, ec_rv32_loop one) {
    const ec_rv32_weights f = {filters, numbers, six, three, one};
    const int32_t count = p->window.batches * p->window.out_h * p->window.out_w;
    ec_rv32_pixels(p, &f, in, scratch, out, count);
}

/* Rows that follow each other in a ring from row y on, end excluded. */
EC_INLINE int32_t ec_rv32_rows_left(int32_t y, int32_t end, int32_t ring) {
    const int32_t turn = ring - ec_ring(y, ring), left = end - y;
    return left < turn ? left : turn;
}

EC_KERNEL(ec_rv32_pointwise_rows) void ec_rv32_pointwise_rows(
    const ec_rv32_gemm_params *p, const int8_t *in, const int8_t *filters,
    const int32_t *numbers, uint32_t *scratch, int8_t *out, ec_rows rows, ec_rv32_loop six,
    ec_rv32_loop three, ec_rv32_loop one) {
    const ec_rv32_weights f = {filters, numbers, six, three, one};
    const ec_window *g = &p->window;
    for (int32_t y = rows.first; y < rows.end;) {
        const int32_t together =
            ec_rv32_rows_left(y, y + ec_rv32_rows_left(y, rows.end, rows.in_rows), rows.out_rows);
        ec_rv32_pixels(
            p, &f, in + ec_ring(y, rows.in_rows) * g->in_w * g->in_c, scratch,
            out + ec_ring(y, rows.out_rows) * g->out_w * g->out_c, together * g->out_w);
        y += together;
    }
}

/* Six pixels of a row from (oy, ox) on, if all their windows lie inside; else returns 0. */
EC_INLINE int32_t ec_rv32_six_of_row(
    const ec_rv32_gemm_params *p, const ec_rv32_weights *f, ec_rv32_job *job, uint32_t *x,
    const int8_t *in, int8_t *out, const ec_rows *rows, int32_t oy, int32_t ox) {
    const ec_window *g = &p->window;
    const ec_rv32_place first = {
        oy * g->stride_h - g->pad_top, ox * g->stride_w - g->pad_left};
    const ec_rv32_place last = {first.y, first.x + 5 * g->stride_w};
    const int8_t *from[6];
    if (ox + 6 > g->out_w || !ec_rv32_inside(g, first) || !ec_rv32_inside(g, last)) {
        return 0;
    }
    const int32_t turn = ec_rv32_before_end(g, rows->in_rows, first.y);
    const int32_t ring = rows->in_rows * g->in_w * g->in_c;
    in += (ec_ring(first.y, rows->in_rows) * g->in_w + first.x) * g->in_c;
    out += (ec_ring(oy, rows->out_rows) * g->out_w + ox) * g->out_c;
    EC_ROLLED
    for (int32_t i = 0; i < 6; ++i) {
        from[i] = in;
        job->out[i] = out;
        in += g->stride_w * g->in_c;
        out += g->out_c;
    }
    ec_rv32_share_rows(p, x, 4, from, turn, ring);
    ec_rv32_share_rows(p, x + 2, 4, from + 3, turn, ring);
    ec_rv32_run(p, f, job, 4);
    return 1;
}

/* `count` output pixels, row-major, from the pixel-th of the rows on. */
EC_RV32_SHARED void ec_rv32_conv2d_group(
    const ec_rv32_gemm_params *p, const ec_rv32_weights *f, ec_rv32_job *job, uint32_t *x,
    const int8_t *in, int8_t *out, const ec_rows *rows, int32_t pixel, int32_t count) {
    const ec_window *g = &p->window;
    int8_t *bytes = (int8_t *)(x + p->depth * (p->group / 3 * 2));
    ec_rv32_place at[6];
    int32_t oy = pixel / g->out_w, ox = pixel - oy * g->out_w;
    oy += rows->first;
    if (count == 6 && ec_rv32_six_of_row(p, f, job, x, in, out, rows, oy, ox)) {
        return;
    }
    EC_ROLLED
    for (int32_t i = 0; i < 6; ++i) {
        at[i].y = oy * g->stride_h - g->pad_top;
        at[i].x = ox * g->stride_w - g->pad_left;
        job->out[i] = out + (ec_ring(oy, rows->out_rows) * g->out_w + ox) * g->out_c;
        if (i + 1 < count && ++ox == g->out_w) {
            ox = 0;
            oy += 1;
        }
    }
    if (count == 1) {
        ec_rv32_patch(p, in, rows->in_rows, at[0], (int8_t *)x);
        f->one(job);
    } else if (count <= 3) {
        ec_rv32_share_patches(p, x, 2, in, rows->in_rows, at, bytes);
        ec_rv32_run(p, f, job, 2);
    } else {
        ec_rv32_share_patches(p, x, 4, in, rows->in_rows, at, bytes);
        ec_rv32_share_patches(p, x + 2, 4, in, rows->in_rows, at + 3, bytes);
        ec_rv32_run(p, f, job, 4);
    }
}

/* The rows of one image. */
EC_RV32_SHARED void ec_rv32_conv2d_image(
    const ec_rv32_gemm_params *p, const ec_rv32_weights *f, const int8_t *in, uint32_t *x,
    int8_t *out, const ec_rows *rows) {
    ec_rv32_job job = ec_rv32_job_of(p, f, x);
    const int32_t count = (rows->end - rows->first) * p->window.out_w;
    for (int32_t done = 0; done < count;) {
        const int32_t left = count - done, n = left < p->group ? left : p->group;
        ec_rv32_conv2d_group(
            p, f, &job, x, in, out, rows, p->reverse ? left - n : done, n);
        done += n;
    }
}

EC_KERNEL(ec_rv32_conv2d_rows) void ec_rv32_conv2d_rows(
    const ec_rv32_gemm_params *p, const int8_t *in, const int8_t *filters,
    const int32_t *numbers, uint32_t *scratch, int8_t *out, ec_rows rows, ec_rv32_loop six,
    ec_rv32_loop three, ec_rv32_loop one) {
    const ec_rv32_weights f = {filters, numbers, six, three, one};
    ec_rv32_conv2d_image(p, &f, in, scratch, out, &rows);
}

EC_KERNEL(ec_rv32_conv2d) void ec_rv32_conv2d(
    const ec_rv32_gemm_params *p, const int8_t *in, const int8_t *filters,
    const int32_t *numbers, uint32_t *scratch, int8_t *out, ec_rv32_loop six,
    ec_rv32_loop three, ec_rv32_loop one) {
    const ec_rv32_weights f = {filters, numbers, six, three, one};
    const ec_window *g = &p->window;
    const ec_rows rows = {0, g->out_h, g->in_h, g->out_h};
    for (int32_t i = 0; i < g->batches; ++i) {
        const int32_t n = ec_turn(p->reverse, i, g->batches);
        ec_rv32_conv2d_image(
            p, &f, in + n * g->in_h * g->in_w * g->in_c, scratch,
            out + n * g->out_h * g->out_w * g->out_c, &rows);
    }
}

/* NOLINTEND(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

#endif
