/* SPDX-License-Identifier: Apache-2.0 */
/* Patches of pixels as the matrix products for RV32IM read them: words that three pixels share
 * (edgecnn_rv32_gemm_micro.h), or bytes. */
#ifndef EDGECNN_RV32_GATHER_H
#define EDGECNN_RV32_GATHER_H

#include "edgecnn_rv32_common.h"

/* NOLINTBEGIN(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

/* depth: inputs of a patch. group: pixels at a time, 6 or 3. part: inputs whose products are summed
 * at a time. whole, shared: what numbers are (edgecnn_rv32_gemm_micro.h). runs, run_bytes: runs of
 * memory in a row of a patch: one, or one per tap if dilated. form: how accumulators become outputs.
 * reverse: 1 to go from the last pixel to the first.
 * Scratch, for each input: 8 bytes for three pixels; 3 more for ec_rv32_conv2d (patches as bytes).
 * Where there is one pixel only: a byte, or for ec_rv32_pointwise NULL: it reads the input as it
 * is, which the output must then not cover. */
typedef struct {
    ec_window window;
    int32_t depth, group, part, whole, shared, runs, run_bytes, in_zero;
    int32_t form, shift, act_min, act_max, reverse;
} ec_rv32_gemm_params;

EC_INLINE void ec_rv32_share_one(uint32_t *to, int32_t p, int32_t q, int32_t r) {
    to[0] = (uint32_t)p + ((uint32_t)r << 21);
    to[1] = (uint32_t)q + ((uint32_t)r << 10);
}

/* Three pixels' bytes to words that they share, two words of each `step`. Returns where the next
 * ones go. */
EC_INLINE uint32_t *ec_rv32_share(
    uint32_t *to, int32_t step, const int8_t *const from[3], int32_t count) {
    const int8_t *a = from[0], *b = from[1], *c = from[2];
    EC_ROLLED
    for (; count >= 3; count -= 3) {
        ec_rv32_share_one(to, a[0], b[0], c[0]);
        ec_rv32_share_one(to + step, a[1], b[1], c[1]);
        ec_rv32_share_one(to + 2 * step, a[2], b[2], c[2]);
        a += 3;
        b += 3;
        c += 3;
        to += 3 * step;
    }
    EC_ROLLED
    for (; count > 0; --count) {
        ec_rv32_share_one(to, *a++, *b++, *c++);
        to += step;
    }
    return to;
}

EC_RV32_SHARED uint32_t *ec_rv32_share_2(
    uint32_t *to, const int8_t *const from[3], int32_t count) {
    return ec_rv32_share(to, 2, from, count);
}

EC_RV32_SHARED uint32_t *ec_rv32_share_4(
    uint32_t *to, const int8_t *const from[3], int32_t count) {
    return ec_rv32_share(to, 4, from, count);
}

EC_INLINE int8_t *ec_rv32_copy(int8_t *to, const int8_t *from, int32_t count) {
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

EC_INLINE int8_t *ec_rv32_fill(int8_t *to, int32_t value, int32_t count) {
    EC_ROLLED
    for (; count > 0; --count) {
        *to++ = (int8_t)value;
    }
    return to;
}

/* The place of an output pixel: its window's first row and column. */
typedef struct {
    int32_t y, x;
} ec_rv32_place;

/* A row of a patch to bytes: `taps` columns from column x on, those outside as the zero point. */
EC_INLINE int8_t *ec_rv32_patch_row(
    const ec_rv32_gemm_params *p, const int8_t *row, int32_t x, int32_t taps, int8_t *to) {
    const int32_t channels = p->window.in_c, room = p->window.in_w - x;
    int32_t first = x < 0 ? -x : 0, end = room < taps ? room : taps;
    if (row == NULL || first >= end) {
        return ec_rv32_fill(to, p->in_zero, taps * channels);
    }
    to = ec_rv32_fill(to, p->in_zero, first * channels);
    to = ec_rv32_copy(to, row + (x + first) * channels, (end - first) * channels);
    return ec_rv32_fill(to, p->in_zero, (taps - end) * channels);
}

/* The patch of a pixel as bytes, wherever it lies. */
EC_RV32_SHARED void ec_rv32_patch(
    const ec_rv32_gemm_params *p, const int8_t *in, int32_t in_rows, ec_rv32_place at,
    int8_t *to) {
    const ec_window *g = &p->window;
    const int32_t taps = p->runs == 1 ? g->k_w : 1;
    int32_t y = at.y;
    for (int32_t ky = 0; ky < g->k_h; ++ky) {
        const int8_t *row =
            y < 0 || y >= g->in_h ? NULL : in + ec_ring(y, in_rows) * g->in_w * g->in_c;
        for (int32_t r = 0, x = at.x; r < p->runs; ++r) {
            to = ec_rv32_patch_row(p, row, x, taps, to);
            x += g->dilation_w;
        }
        y += g->dilation_h;
    }
}

/* Whether a window lies inside the input. */
EC_INLINE int32_t ec_rv32_inside(const ec_window *g, ec_rv32_place at) {
    const int32_t height = (g->k_h - 1) * g->dilation_h + 1;
    const int32_t width = (g->k_w - 1) * g->dilation_w + 1;
    return at.y >= 0 && at.y + height <= g->in_h && at.x >= 0 && at.x + width <= g->in_w;
}

/* How many rows of a window inside lie before the end of the ring that they are in. */
EC_INLINE int32_t ec_rv32_before_end(const ec_window *g, int32_t in_rows, int32_t y) {
    if (in_rows == g->in_h) {
        return g->k_h;
    }
    const int32_t left = in_rows - ec_ring(y, in_rows);
    const int32_t rows = (left + g->dilation_h - 1) / g->dilation_h;
    return rows < g->k_h ? rows : g->k_h;
}

/* Some rows of three pixels' patches to words that they share, `step` apart: from where they lie.
 * Returns where the next word goes. */
EC_RV32_SHARED uint32_t *ec_rv32_share_some(
    const ec_rv32_gemm_params *p, uint32_t *x, int32_t step, const int8_t *from[3],
    int32_t rows) {
    const ec_window *g = &p->window;
    const int32_t run_step = g->dilation_w * g->in_c;
    const int32_t row_step = g->dilation_h * g->in_w * g->in_c - p->runs * run_step;
    for (int32_t i = 0; i < rows; ++i) {
        EC_ROLLED
        for (int32_t r = 0; r < p->runs; ++r) {
            x = step == 2 ? ec_rv32_share_2(x, from, p->run_bytes)
                          : ec_rv32_share_4(x, from, p->run_bytes);
            from[0] += run_step;
            from[1] += run_step;
            from[2] += run_step;
        }
        from[0] += row_step;
        from[1] += row_step;
        from[2] += row_step;
    }
    return x;
}

/* Three whole patches. The rows from the turn-th on lie `ring` bytes further back. */
EC_INLINE void ec_rv32_share_rows(
    const ec_rv32_gemm_params *p, uint32_t *x, int32_t step, const int8_t *from[3],
    int32_t turn, int32_t ring) {
    x = ec_rv32_share_some(p, x, step, from, turn);
    if (turn != p->window.k_h) {
        from[0] -= ring;
        from[1] -= ring;
        from[2] -= ring;
        ec_rv32_share_some(p, x, step, from, p->window.k_h - turn);
    }
}

/* The same wherever they lie; by way of bytes where a window leaves the input. */
EC_RV32_SHARED void ec_rv32_share_patches(
    const ec_rv32_gemm_params *p, uint32_t *x, int32_t step, const int8_t *in,
    int32_t in_rows, const ec_rv32_place at[3], int8_t *bytes) {
    const ec_window *g = &p->window;
    const int8_t *from[3];
    const int32_t turn = ec_rv32_before_end(g, in_rows, at[0].y);
    int32_t inside = 1;
    for (int32_t i = 0; i < 3; ++i) {
        inside = inside && ec_rv32_inside(g, at[i]) &&
                 turn == ec_rv32_before_end(g, in_rows, at[i].y);
    }
    for (int32_t i = 0; i < 3; ++i) {
        if (inside) {
            from[i] = in + (ec_ring(at[i].y, in_rows) * g->in_w + at[i].x) * g->in_c;
        } else {
            from[i] = bytes;
            ec_rv32_patch(p, in, in_rows, at[i], bytes);
            bytes += p->depth;
        }
    }
    if (inside) {
        ec_rv32_share_rows(p, x, step, from, turn, in_rows * g->in_w * g->in_c);
    } else if (step == 2) {
        ec_rv32_share_2(x, from, p->depth);
    } else {
        ec_rv32_share_4(x, from, p->depth);
    }
}

/* NOLINTEND(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

#endif
