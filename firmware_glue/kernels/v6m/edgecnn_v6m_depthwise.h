/* SPDX-License-Identifier: Apache-2.0 */
/* DEPTHWISE_CONV_2D, int8, windows of up to 3x3 (smaller ones widened with zeros), stride 1 or 2,
 * undilated: channel by channel, over a ring of three input rows that lies in scratch memory with
 * its padding. The sums are those of raw inputs modulo 2^32 (zero point and bias are in the
 * constants, padding is the zero point); the requantization is proven per channel
 * (compiler/fast/v6m/top_byte.py). So the outputs are those of the generic kernel.
 *
 * packed, per output channel: 8 filter bytes, columns first, then high_factor with the ninth one on
 * top (bits 24 to 31), low_factor (12 bits) with top above it, low, addend; where kinked also kink
 * and drop.
 * scratch: the ring, `columns` times three words, then the steps: the offset of each new row (two
 * for stride 2) from the image, negative outside of it, and of the output row, negative for
 * none. */
#ifndef EDGECNN_V6M_DEPTHWISE_H
#define EDGECNN_V6M_DEPTHWISE_H

#include "edgecnn_v6m_depthwise_asm.h"
#include "edgecnn_v6m_places.h"

/* NOLINTBEGIN(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

/* window: height and width change places where columns are gone along as if they were rows.
 * multiplier: output channels per input channel. in_step, in_line, out_step, out_line: bytes from a
 * pixel of such a row to the next, and from a row to the next. columns: of the ring. filled: those
 * that input fills, from pad_left on. kinked: 1 if some channel has a kink. in_place: the
 * output may lie over the input so many bytes before it, or a multiple of that; 0: only at it.
 * in_zero: the input's zero point. */
typedef struct {
    ec_window window;
    int32_t multiplier, in_step, in_line, out_step, out_line, columns, filled, in_place, kinked;
    int32_t in_zero, act_min, act_max;
} ec_v6m_depthwise3_params;

enum { EC_V6M_DW_PACKED = 6 };


/* A channel's constants as the kernel reads them. */
EC_INLINE void ec_v6m_depthwise3_unpack(const uint32_t *packed, int32_t stride, int32_t *block) {
    int32_t w[9];
    for (int32_t i = 0; i < 4; ++i) {
        w[i] = ec_v6m_byte(packed[0], i);
        w[4 + i] = ec_v6m_byte(packed[1], i);
    }
    w[8] = ec_v6m_byte(packed[2], 3);
    for (int32_t i = 0; i < 3; ++i) {
        block[i] = w[i];
        block[3 + i] = w[3 + i];
        block[6 + i] = stride == 1 ? w[i] : w[6 + i];
        block[9 + i] = stride == 1 ? w[6 + i] : w[i];
        block[12 + i] = w[3 + i];
        block[15 + i] = w[6 + i];
    }
    block[18] = (int32_t)packed[4];
    block[19] = (int32_t)(packed[3] >> 12);
    block[20] = (int32_t)(packed[2] & 0xFFFFFFu);
    block[21] = (int32_t)(packed[3] & 0xFFFu);
    block[22] = (int32_t)packed[5];
}

/* The steps of some rows; returns their end. */
EC_INLINE int32_t *ec_v6m_depthwise3_steps(
    const ec_v6m_depthwise3_params *p, ec_rows rows, int32_t *step) {
    const ec_window *g = &p->window;
    const int32_t stride = g->stride_h;
    /* Stride 1: two steps bring the first rows in, stride 2: one. */
    int32_t oy = rows.first - (stride == 1 ? 2 : 1);
    int32_t y = rows.first * stride - g->pad_top - (stride == 2);
    int32_t in_slot = y > 0 ? ec_ring(y, rows.in_rows) : 0;
    int32_t out_slot = ec_ring(rows.first, rows.out_rows);
    EC_ROLLED
    for (; oy < rows.end; ++oy) {
        EC_ROLLED
        for (int32_t i = 0; i < stride; ++i, ++y) {
            *step = -1;
            if (y >= 0 && y < g->in_h) {
                *step = in_slot * p->in_line;
                in_slot = ec_v6m_next(in_slot, rows.in_rows);
            }
            ++step;
        }
        *step = -1;
        if (oy >= rows.first) {
            *step = out_slot * p->out_line;
            out_slot = ec_v6m_next(out_slot, rows.out_rows);
        }
        ++step;
    }
    return step;
}

/* Output rows of one image. */
EC_V6M_ONCE void ec_v6m_depthwise3_rows(
    const ec_v6m_depthwise3_params *p, const int8_t *in, const uint32_t *packed,
    int32_t *scratch, int8_t *out, ec_rows rows, ec_v6m_depthwise3_kernel kernel) {
    const ec_window *g = &p->window;
    ec_v6m_depthwise3_frame f;
    int32_t *steps = scratch + 3 * p->columns;
    EC_ROLLED
    for (int32_t *word = scratch; word != steps; ++word) {
        *word = p->in_zero;
    }
    f.end = ec_v6m_depthwise3_steps(p, rows, steps);
    f.ring = scratch;
    f.inside = scratch + 3 * g->pad_left;
    f.inside_end = f.inside + 3 * p->filled;
    f.last = scratch + 3 * g->stride_w * g->out_w;
    f.in_step = p->in_step;
    f.out_step = p->out_step;
    f.in_zero = p->in_zero;
    f.odd = p->filled & 1;
    f.in = in;
    f.out = out;
    for (int32_t c = 0; c < g->in_c; ++c) {
        for (int32_t i = 0; i < p->multiplier; ++i) {
            ec_v6m_depthwise3_unpack(packed, g->stride_w, f.block);
            f.steps = steps;
            f.kink = p->kinked ? (int32_t)packed[EC_V6M_DW_PACKED] : 0;
            f.drop = p->kinked ? packed[EC_V6M_DW_PACKED + 1] : 0;
            EC_V6M_SHOW(&f);
            kernel(&f, p->act_min, p->act_max);
            packed += p->kinked ? EC_V6M_DW_PACKED + 2 : EC_V6M_DW_PACKED;
            ++f.out;
        }
        ++f.in;
    }
}

/* The whole tensor. The output may begin where the input does, or before it. */
EC_V6M_ONCE void ec_v6m_depthwise3(
    const ec_v6m_depthwise3_params *p, int8_t *in, const uint32_t *packed, int32_t *scratch,
    int8_t *out, ec_v6m_depthwise3_kernel kernel) {
    const ec_window *g = &p->window;
    const ec_rows rows = {0, g->out_h, g->in_h, g->out_h};
    const int8_t *from = ec_v6m_in_place(g, p->in_place, in, out);
    for (int32_t n = 0; n < g->batches; ++n) {
        ec_v6m_depthwise3_rows(
            p, from + n * g->in_h * g->in_w * g->in_c, packed, scratch,
            out + n * g->out_h * g->out_w * g->out_c, rows, kernel);
    }
}

/* NOLINTEND(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

#endif
