/* SPDX-License-Identifier: Apache-2.0 */
/* DEPTHWISE_CONV_2D, int8, any window and stride: as edgecnn_v6m_depthwise.h, a row of outputs at a
 * time. The ring holds, per column of the padded input, all rows of a window, so that a window lies
 * in a row and its sum is one loop. Dilated filters have zeros between their taps.
 *
 * packed, per output channel, `words` in all: high_factor, low_factor (12 bits) with top above it,
 * low, addend, where kinked also kink and drop; then `taps` filter bytes, columns first, zeros up
 * to a multiple of 3 and then of 4. Exact for the same reasons.
 * scratch: the ring (columns * span words, and 2 more), then a channel's taps and factors. */
#ifndef EDGECNN_V6M_DEPTHWISE_ANY_H
#define EDGECNN_V6M_DEPTHWISE_ANY_H

#include "edgecnn_v6m_depthwise_asm.h"
#include "edgecnn_v6m_places.h"

/* NOLINTBEGIN(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

/* multiplier: output channels per input channel. span: rows of a window. ring: words of the ring.
 * filled: columns that input fills, from pad_left on. taps: a multiple of 3. kinked: 1 if some
 * channel has a kink. */
typedef struct {
    ec_window window;
    int32_t multiplier, span, ring, filled, taps, words, kinked, in_zero, act_min, act_max;
} ec_v6m_depthwise_any_params;

/* A row of outputs. last: behind the first word of the last window. step: words from a window to
 * the next. Behind the filters lie low, top, high_factor, low_factor and addend. */
typedef struct {
    const int32_t *ring, *last, *filters, *filters_end;
    int8_t *out;
    int32_t step, out_step, kink;
    uint32_t drop;
} ec_v6m_depthwise_row;

typedef void (*ec_v6m_depthwise_row_kernel)(
    const ec_v6m_depthwise_row *row, int32_t act_min, int32_t act_max);

#if EC_V6M_THUMB

/* r0: ring, r1: filters, r8: window, r9: sum, r10: filters, r11: output, r12: from one output to
 * the next, lr: end of the filters. Stack: row, act_min, act_max, kink, step in bytes, last. */
#define EC_V6M_DEPTHWISE_ANY(NAME, KINK)                                                     \
    static EC_NOINLINE EC_UNUSED __attribute__((naked)) void NAME(                           \
        EC_UNUSED const ec_v6m_depthwise_row *row, EC_UNUSED int32_t act_min,                \
        EC_UNUSED int32_t act_max) {                                                         \
        __asm__ volatile(                                                                    \
            ".syntax unified\n\t"                                                            \
            "push {r4, r5, r6, r7, lr}\n\t"                                                  \
            "mov r4, r8\n\t"                                                                 \
            "mov r5, r9\n\t"                                                                 \
            "mov r6, r10\n\t"                                                                \
            "mov r7, r11\n\t"                                                                \
            "push {r4, r5, r6, r7}\n\t"                                                      \
            "mov r7, r0\n\t"                                                                 \
            "ldmia r7!, {r3, r5, r6}\n\t"                                                    \
            "mov r8, r3\n\t"                                                                 \
            "mov r10, r6\n\t"                                                                \
            "ldmia r7!, {r3, r4, r6}\n\t"                                                    \
            "mov lr, r3\n\t"                                                                 \
            "mov r11, r4\n\t"                                                                \
            "lsls r4, r6, #2\n\t"                                                            \
            "ldmia r7!, {r3, r6}\n\t"                                                        \
            "mov r12, r3\n\t"                                                                \
            "mov r3, r6\n\t"                                                                 \
            "push {r0, r1, r2, r3, r4, r5}\n"                                                \
            "1:\n\t"                                                                         \
            "mov r0, r8\n\t"                                                                 \
            "mov r1, r10\n\t"                                                                \
            "movs r2, #0\n\t"                                                                \
            "mov r9, r2\n"                                                                   \
            "2:\n\t" EC_V6M_DW_INPUTS EC_V6M_DW_ADD("r9") "cmp r1, lr\n\t"                   \
            "bne 2b\n\t"                                                                     \
            "ldmia r1!, {r3, r4, r5, r6, r7}\n\t"                                            \
            EC_V6M_DW_OUTPUT("r9", KINK, "10", "6", "14") "ldr r1, [sp, #16]\n\t"            \
            "add r8, r1\n\t"                                                                 \
            "ldr r1, [sp, #20]\n\t"                                                          \
            "cmp r8, r1\n\t"                                                                 \
            "blo 1b\n\t"                                                                     \
            "b 9f\n" EC_V6M_DW_RARE(KINK, "32", "10", "6", "14", "12") "9:\n\t"              \
            "add sp, #24\n\t"                                                                \
            "pop {r4, r5, r6, r7}\n\t"                                                       \
            "mov r8, r4\n\t"                                                                 \
            "mov r9, r5\n\t"                                                                 \
            "mov r10, r6\n\t"                                                                \
            "mov r11, r7\n\t"                                                                \
            "pop {r4, r5, r6, r7, pc}\n");                                                   \
    }

#else

EC_INLINE void ec_v6m_depthwise_row_outputs(
    const ec_v6m_depthwise_row *r, int32_t act_min, int32_t act_max) {
    const ec_v6m_depthwise_row row = *r;
    int8_t *out = row.out;
    for (const int32_t *window = row.ring; window < row.last; window += row.step) {
        const int32_t *x = window;
        int32_t sum = 0;
        for (const int32_t *w = row.filters; w != row.filters_end; w += 3, x += 3) {
            sum += x[0] * w[0] + x[1] * w[1] + x[2] * w[2];
        }
        *out = (int8_t)ec_v6m_depthwise_output(
            (uint32_t)sum, row.filters_end, row.kink, row.drop, act_min, act_max);
        out += window + row.step < row.last ? row.out_step : 0;
    }
}

#define EC_V6M_DEPTHWISE_ANY(NAME, KINK)                                                     \
    EC_UNUSED static void NAME(                                                              \
        const ec_v6m_depthwise_row *row, int32_t act_min, int32_t act_max) {                 \
        ec_v6m_depthwise_row_outputs(row, act_min, act_max);                                     \
    }

#endif

/* A new row moves into the ring from below: `columns` of them, from `in` on, `step` bytes apart. */
EC_INLINE void ec_v6m_depthwise_move(
    int32_t *column, const int8_t *in, int32_t step, int32_t columns, int32_t span) {
    for (int32_t left = columns; left > 0; --left) {
        for (int32_t i = 1; i < span; ++i) {
            column[i - 1] = column[i];
        }
        column[span - 1] = (int32_t)*in;
        column += span;
        /* No pointer is formed beyond the last column. */
        in += left > 1 ? step : 0;
    }
}

typedef void (*ec_v6m_depthwise_fill)(
    int32_t *column, const int8_t *in, int32_t step, int32_t columns);

/* Defines NAME(column, in, step, columns) for windows of SPAN rows. */
#define EC_V6M_DEPTHWISE_FILL(NAME, SPAN)                                                    \
    static EC_NOINLINE EC_UNUSED void NAME(                                                  \
        int32_t *column, const int8_t *in, int32_t step, int32_t columns) {                  \
        ec_v6m_depthwise_move(column, in, step, columns, SPAN);                              \
    }

/* The functions made for a layer. */
typedef struct {
    ec_v6m_depthwise_row_kernel outputs;
    ec_v6m_depthwise_fill fill;
} ec_v6m_depthwise_any_kernels;

/* A channel's taps and factors. */
EC_INLINE void ec_v6m_depthwise_any_unpack(
    const ec_v6m_depthwise_any_params *p, const uint32_t *packed, ec_v6m_depthwise_row *row,
    int32_t *taps) {
    const uint32_t *bytes = packed + (p->kinked ? 6 : 4);
    row->filters = taps;
    EC_ROLLED
    for (int32_t i = 0; i < p->taps; ++i) {
        *taps++ = ec_v6m_byte(bytes[i >> 2], i & 3);
    }
    row->filters_end = taps;
    taps[0] = (int32_t)packed[2];
    taps[1] = (int32_t)(packed[1] >> 12);
    taps[2] = (int32_t)packed[0];
    taps[3] = (int32_t)(packed[1] & 0xFFFu);
    taps[4] = (int32_t)packed[3];
    row->kink = p->kinked ? (int32_t)packed[4] : 0;
    row->drop = p->kinked ? packed[5] : 0;
}

/* All rows of a channel. */
EC_INLINE void ec_v6m_depthwise_any_channel(
    const ec_v6m_depthwise_any_params *p, const int8_t *in, ec_v6m_depthwise_row *row,
    int32_t *ring, int8_t *out, ec_rows rows, ec_v6m_depthwise_any_kernels kernels) {
    const ec_window *g = &p->window;
    const int8_t padding = (int8_t)p->in_zero;
    int32_t slot = ec_ring(rows.first, rows.out_rows);
    int32_t y = rows.first * g->stride_h - g->pad_top;
    EC_ROLLED
    for (int32_t oy = rows.first; oy < rows.end; ++oy) {
        const int32_t begin = oy * g->stride_h - g->pad_top;
        EC_ROLLED
        for (y = y < begin ? begin : y; y < begin + p->span; ++y) {
            const int32_t inside = y >= 0 && y < g->in_h;
            const int32_t at = inside ? ec_ring(y, rows.in_rows) * g->in_w * g->in_c : 0;
            kernels.fill(
                ring + g->pad_left * p->span, inside ? in + at : &padding,
                inside ? g->in_c : 0, p->filled);
        }
        row->out = out + slot * g->out_w * g->out_c;
        EC_V6M_SHOW(row);
        kernels.outputs(row, p->act_min, p->act_max);
        slot = ec_v6m_next(slot, rows.out_rows);
    }
}

/* Output rows of one image. */
EC_V6M_ONCE void ec_v6m_depthwise_any_rows(
    const ec_v6m_depthwise_any_params *p, const int8_t *in, const uint32_t *packed,
    int32_t *scratch, int8_t *out, ec_rows rows, ec_v6m_depthwise_row_kernel outputs,
    ec_v6m_depthwise_fill fill) {
    const ec_window *g = &p->window;
    const ec_v6m_depthwise_any_kernels kernels = {outputs, fill};
    ec_v6m_depthwise_row row;
    EC_ROLLED
    for (int32_t i = 0; i < p->ring; ++i) {
        scratch[i] = p->in_zero;
    }
    row.ring = scratch;
    row.step = g->stride_w * p->span;
    row.last = scratch + g->out_w * row.step;
    row.out_step = g->out_c;
    for (int32_t c = 0; c < g->in_c; ++c) {
        for (int32_t i = 0; i < p->multiplier; ++i) {
            ec_v6m_depthwise_any_unpack(p, packed, &row, scratch + p->ring);
            ec_v6m_depthwise_any_channel(p, in + c, &row, scratch, out, rows, kernels);
            packed += p->words;
            ++out;
        }
    }
}

/* The whole tensor. The output may begin where the input does, or before it. */
EC_V6M_ONCE void ec_v6m_depthwise_any(
    const ec_v6m_depthwise_any_params *p, int8_t *in, const uint32_t *packed, int32_t *scratch,
    int8_t *out, ec_v6m_depthwise_row_kernel outputs, ec_v6m_depthwise_fill fill) {
    const ec_window *g = &p->window;
    const ec_rows rows = {0, g->out_h, g->in_h, g->out_h};
    const int8_t *from = ec_v6m_in_place(g, g->in_c, in, out);
    for (int32_t n = 0; n < g->batches; ++n) {
        ec_v6m_depthwise_any_rows(
            p, from + n * g->in_h * g->in_w * g->in_c, packed, scratch,
            out + n * g->out_h * g->out_w * g->out_c, rows, outputs, fill);
    }
}

/* NOLINTEND(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

#endif
