/* SPDX-License-Identifier: Apache-2.0 */
/* DEPTHWISE_CONV_2D, int8, windows of up to 3x3 (smaller ones widened with zeros), stride 1 or 2,
 * undilated. NHWC.
 *
 * A few rows of outputs at a time, channel by channel: the channel's nine weights stay in
 * registers, each column of three inputs is loaded once and goes into the sums of all windows that
 * it is in (stride 1: three, stride 2: two of every second one). A column outside the input, one on
 * each side at most, is a constant; a row outside is one of zero points, in scratch memory.
 *
 * filters: per channel nine bytes, column by column. numbers: per channel what the sum starts from,
 * m, C and s of edgecnn_rv32_common.h.
 *
 * With one output channel per input channel, the output may begin as many pixels before the input
 * as lie between an output and the first input that is read after it: a channel's outputs then
 * take the place of inputs of that channel alone, which are gone by then. */
#ifndef EDGECNN_RV32_DEPTHWISE_H
#define EDGECNN_RV32_DEPTHWISE_H

#include "edgecnn_rv32_common.h"
#include "edgecnn_v6m_places.h"

/* NOLINTBEGIN(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

#define EC_RV32_BAND 8

/* multiplier: output channels per input channel. band: rows of outputs at a time, EC_RV32_BAND at
 * most. up, left: rows and columns of the widened window before the input. body: outputs of a row
 * whose last column lies inside; all, or all but the last. outside: bytes of scratch, a row of the
 * input if some window has rows outside of it, else 0. */
typedef struct {
    ec_window window;
    int32_t multiplier, band, up, left, body, outside, in_zero, shift, act_min, act_max;
} ec_rv32_depthwise3_params;

/* What the loop does: `rows` output rows of `channels` channels.
 * in: the input rows of the first window from the top, then those of the next one, `stride` further
 * on; out: the output rows. step, out_step: bytes from a pixel to the next. body: outputs that are
 * made of columns inside, but for the first column where `left`; where `right`, one more follows,
 * the last column of which lies outside. The order of the members is the assembly's. */
typedef struct {
    const int8_t *const *in;
    int8_t *const *out;
    const int8_t *filters;
    const int32_t *numbers;
    int32_t channels, multiplier, rows, step, out_step, body, left, right, in_zero;
    ec_rv32_finish finish;
} ec_rv32_depthwise3_job;

typedef void (*ec_rv32_depthwise3_loop)(const ec_rv32_depthwise3_job *);

#include "edgecnn_rv32_depthwise_asm.h"

#if EC_RV32_ASM
EC_RV32_LONG_STRINGS
#else

/* One output: from column x on, of `columns` that lie inside. */
EC_INLINE int8_t ec_rv32_depthwise3_output(
    const ec_rv32_depthwise3_job *job, const int8_t *const *in, const int8_t *filters,
    const int32_t *numbers, int32_t x, int32_t columns, int32_t form) {
    uint32_t sum = (uint32_t)numbers[0];
    for (int32_t kx = 0; kx < 3; ++kx) {
        const int32_t inside = x + kx >= 0 && x + kx < columns;
        for (int32_t ky = 0; ky < 3; ++ky) {
            const int32_t value = inside ? in[ky][(x + kx) * job->step] : job->in_zero;
            sum += (uint32_t)(value * filters[3 * kx + ky]);
        }
    }
    return ec_rv32_output(
        (int32_t)sum, ec_rv32_scale_of(numbers + 1, EC_RV32_TWICE), form, &job->finish);
}

EC_INLINE void ec_rv32_depthwise3_in_c(
    const ec_rv32_depthwise3_job *job, int32_t form, int32_t stride) {
    const int32_t outputs = job->body + job->right;
    const int32_t columns = (outputs - 1) * stride + 3 - job->left - job->right;
    for (int32_t c = 0; c < job->channels; ++c) {
        for (int32_t r = 0; r < job->rows; ++r) {
            const int8_t *in[3];
            for (int32_t i = 0; i < 3; ++i) {
                in[i] = job->in[r * stride + i] + c / job->multiplier;
            }
            for (int32_t i = 0; i < outputs; ++i) {
                job->out[r][i * job->out_step + c] = ec_rv32_depthwise3_output(
                    job, in, job->filters + 9 * c, job->numbers + 4 * c,
                    i * stride - job->left, columns, form);
            }
        }
    }
}

#define EC_RV32_DEPTHWISE3_BOTH(NAME, FORM, OUT, SHIFT)                \
    EC_RV32_SHARED void ec_rv32_depthwise3_s1_##NAME(                  \
        const ec_rv32_depthwise3_job *job) {                           \
        ec_rv32_depthwise3_in_c(job, FORM, 1);                         \
    }                                                                  \
    EC_RV32_SHARED void ec_rv32_depthwise3_s2_##NAME(                  \
        const ec_rv32_depthwise3_job *job) {                           \
        ec_rv32_depthwise3_in_c(job, FORM, 2);                         \
    }

#endif

EC_RV32_DEPTHWISE3_BOTH(affine, EC_RV32_AFFINE, EC_RV32_OUT_AFFINE, EC_RV32_NO_SHIFT)
EC_RV32_DEPTHWISE3_BOTH(twice, EC_RV32_TWICE, EC_RV32_OUT_TWICE, EC_RV32_OWN_SHIFT)
EC_RV32_DEPTHWISE3_BOTH(once, EC_RV32_ONCE, EC_RV32_OUT_ONCE, EC_RV32_OWN_SHIFT)
#if EC_RV32_ASM
EC_RV32_SHORT_STRINGS
#endif

/* Output rows of one image. */
EC_RV32_SHARED void ec_rv32_depthwise3_image(
    const ec_rv32_depthwise3_params *p, const int8_t *in, const int8_t *filters,
    const int32_t *numbers, const int8_t *outside, int8_t *out, const ec_rows *rows,
    ec_rv32_depthwise3_loop loop) {
    const ec_window *g = &p->window;
    const int32_t in_step = g->in_w * g->in_c, out_step = g->out_w * g->out_c;
    const int8_t *from[2 * EC_RV32_BAND + 1];
    int8_t *to[EC_RV32_BAND];
    ec_rv32_depthwise3_job job;
    job.in = from;
    job.out = to;
    job.filters = filters;
    job.numbers = numbers;
    job.channels = g->out_c;
    job.multiplier = p->multiplier;
    job.step = g->in_c;
    job.out_step = g->out_c;
    job.body = p->body;
    job.left = p->left;
    job.right = g->out_w - p->body;
    job.in_zero = p->in_zero;
    job.finish.shift = p->shift;
    job.finish.act_min = p->act_min;
    job.finish.act_max = p->act_max;
    for (int32_t y = rows->first; y < rows->end; y += job.rows) {
        const int32_t left = rows->end - y, top = y * g->stride_h - p->up;
        job.rows = left < p->band ? left : p->band;
        EC_ROLLED
        for (int32_t i = 0; i < job.rows; ++i) {
            to[i] = out + ec_ring(y + i, rows->out_rows) * out_step;
        }
        EC_ROLLED
        for (int32_t i = 0; i < (job.rows - 1) * g->stride_h + 3; ++i) {
            from[i] = outside;
            if (top + i >= 0 && top + i < g->in_h) {
                from[i] = in + ec_ring(top + i, rows->in_rows) * in_step;
            }
        }
        loop(&job);
    }
}

/* A row of zero points. */
EC_INLINE void ec_rv32_outside(const ec_rv32_depthwise3_params *p, int8_t *row) {
    EC_ROLLED
    for (int32_t i = 0; i < p->outside; ++i) {
        row[i] = (int8_t)p->in_zero;
    }
}

EC_KERNEL(ec_rv32_depthwise3_rows) void ec_rv32_depthwise3_rows(
    const ec_rv32_depthwise3_params *p, const int8_t *in, const int8_t *filters,
    const int32_t *numbers, int8_t *scratch, int8_t *out, ec_rows rows,
    ec_rv32_depthwise3_loop loop) {
    ec_rv32_outside(p, scratch);
    ec_rv32_depthwise3_image(p, in, filters, numbers, scratch, out, &rows, loop);
}

EC_KERNEL(ec_rv32_depthwise3) void ec_rv32_depthwise3(
    const ec_rv32_depthwise3_params *p, int8_t *in, const int8_t *filters,
    const int32_t *numbers, int8_t *scratch, int8_t *out, ec_rv32_depthwise3_loop loop) {
    const ec_window *g = &p->window;
    const ec_rows rows = {0, g->out_h, g->in_h, g->out_h};
    const int8_t *from = ec_v6m_in_place(g, g->in_c, in, out);
    ec_rv32_outside(p, scratch);
    for (int32_t n = 0; n < g->batches; ++n) {
        ec_rv32_depthwise3_image(
            p, from + n * g->in_h * g->in_w * g->in_c, filters, numbers, scratch,
            out + n * g->out_h * g->out_w * g->out_c, &rows, loop);
    }
}

/* NOLINTEND(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

#endif
