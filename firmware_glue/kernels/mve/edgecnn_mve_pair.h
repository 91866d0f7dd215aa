/* SPDX-License-Identifier: Apache-2.0 */
/* CONV_2D (1x1, stride 1) and the DEPTHWISE_CONV_2D that reads it as one kernel, int8, for Helium.
 * What lies between them are not NHWC bytes but the planes that the second one reads
 * (edgecnn_mve_planes.h), of all channels and as many rows as a band of outputs needs. The next
 * band goes on with the last row pair, if it needs it.
 *
 * The first one's core takes the pixels of a column in a row pair: their bytes are neighbours. A
 * row whose other row of the pair is padding is computed by pixels side by side instead, and then
 * spread.
 *
 * Exact as the two alone. An input row is not read any more once a band has been written that
 * needs none before the next one's first. */
#ifndef EDGECNN_MVE_PAIR_H
#define EDGECNN_MVE_PAIR_H

#include "edgecnn_mve_depthwise.h"
#include "edgecnn_mve_gemm.h"

/* NOLINTBEGIN(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

/* Convolution and depthwise convolution. The planes' rows may be the image's columns, as those of
 * the second one. step_x, step_y: bytes of the input from a pixel of the planes to the next, and
 * from row to row. kept: row pairs at the end of a band that the next one begins with. second.plane
 * holds all row pairs of a band. */
typedef struct {
    ec_mve_gemm_params first;
    ec_mve_depthwise_params second;
    int32_t step_x, step_y, kept;
} ec_mve_pair_params;

/* What a call works with. in: the whole input; scratch: two patches, if some have to be copied. */
typedef struct {
    const ec_mve_pair_params *p;
    const int8_t *in;
    int8_t *scratch, *planes;
    ec_mve_core two;
    ec_mve_block block;
} ec_mve_pair;

/* What stays the same for the first one's core. */
static EC_NOINLINE EC_UNUSED void ec_mve_pair_start(
    ec_mve_pair *c, const ec_mve_tables *tables) {
    const ec_mve_gemm_params *p = &c->p->first;
    const int32_t fours = (p->window.out_c + 3) / 4, plane = c->p->second.plane;
    c->block.trips = p->trips;
    c->block.group = 8 * plane;
    c->block.out_step = 2 - fours / 2 * c->block.group;
    c->block.filters = tables->filters;
    c->block.finish = tables->finish;
    c->block.end = tables->filters + fours * (16 + p->chunks * 64);
    c->block.act_min = p->act_min;
    c->block.act_max = p->act_max;
    c->block.out1 = NULL;
    c->block.tail = 0;
    for (int32_t i = 0; i < 8; ++i) {
        c->block.at[i] = (uint16_t)(i * plane);
    }
}

/* `count` pairs of pixels, the first one's patches at x0 and x1, `step` bytes to the next one's;
 * to: their bytes in the first channel's plane. */
EC_INLINE void ec_mve_pair_core(
    ec_mve_pair *c, const int8_t *x0, const int8_t *x1, int32_t step, int32_t count, int8_t *to) {
    if (count > 0) {
        c->block.x0 = x0;
        c->block.x1 = x1;
        c->block.x_step = step;
        c->block.pairs = count;
        c->block.out0 = to;
        c->two(&c->block);
    }
}

/* The same, x1 not before x0; nothing behind the input is read. */
static EC_NOINLINE EC_UNUSED void ec_mve_pair_pixels(
    ec_mve_pair *c, const int8_t *x0, const int8_t *x1, int32_t step, int32_t count, int8_t *to) {
    const ec_window *g = &c->p->first.window;
    const int32_t patch = c->p->first.chunks * 16, size = g->in_h * g->in_w * g->in_c;
    const int32_t room = size - (int32_t)(x1 - c->in) - patch;
    const int32_t whole = room < 0 ? 0 : room / step + 1;
    const int32_t safe = whole < count ? whole : count;
    ec_mve_pair_core(c, x0, x1, step, safe, to);
    EC_ROLLED for (int32_t i = safe; i < count; ++i) {
        ec_mve_copy(c->scratch, x0 + i * step, g->in_c);
        ec_mve_copy(c->scratch + patch, x1 + i * step, g->in_c);
        ec_mve_pair_core(c, c->scratch, c->scratch + patch, 0, 1, to + 2 * i);
    }
}

/* A row of `count` bytes to every second one at `to`: the odd ones or the even ones, the others
 * become padding. A vector is read before it is written. */
EC_INLINE void ec_mve_pair_spread(
    int8_t *to, const int8_t *from, int32_t count, int32_t odd, int32_t zero) {
#if EC_MVE
    const uint32_t pad = odd ? (uint32_t)zero & 0xFF : (uint32_t)zero << 8 & 0xFF00;
    const int32_t shift = odd ? 8 : 0;
    __asm__ volatile(
        "vdup.16 q1, %2\n\t"
        "wlstp.16 lr, %4, 2f\n"
        "1:\n\t"
        "vldrb.u16 q0, [%1], #8\n\t"
        "vshl.u16 q0, %3\n\t"
        "vorr q0, q0, q1\n\t"
        "vstrh.16 q0, [%0], #16\n\t"
        "letp lr, 1b\n"
        "2:"
        : "+&r"(to), "+&l"(from)
        : "r"(pad), "r"(shift), "r"(count)
        : "lr", "d0", "d1", "d2", "d3", "memory");
#else
    for (int32_t x = 0; x < count; x += 8) {
        int8_t row[8];
        for (int32_t i = 0; i < 8 && x + i < count; ++i) {
            row[i] = from[x + i];
        }
        for (int32_t i = 0; i < 8 && x + i < count; ++i) {
            to[2 * (x + i)] = odd ? (int8_t)zero : row[i];
            to[2 * (x + i) + 1] = odd ? row[i] : (int8_t)zero;
        }
    }
#endif
}

/* A row pair at `to` of which one row is in the image, the odd one or the even one, at `from`. It
 * is computed into the second half of the pair: spreading it does not catch up with itself. */
static EC_NOINLINE EC_UNUSED void ec_mve_pair_half(
    ec_mve_pair *c, const int8_t *from, int32_t odd, int8_t *to) {
    const ec_mve_depthwise_params *p = &c->p->second;
    const int32_t width = p->window.in_w, step = c->p->step_x, last = width - 1;
    const int32_t plane = p->plane, zero = p->in_zero;
    int8_t *row = to + (width & ~1);
    ec_mve_pair_pixels(c, from, from + step, 2 * step, width / 2, row);
    if (width % 2 != 0) {
        from += last * step;
        ec_mve_pair_pixels(c, from, from, step, 1, row + last);
    }
    EC_ROLLED for (int32_t i = p->window.in_c; i > 0; --i) {
        ec_mve_pair_spread(to, row, width, odd, zero);
        to += plane;
        row += plane;
    }
}

/* The row pair at `to`; y: its first row in the image. */
EC_INLINE void ec_mve_pair_rows(ec_mve_pair *c, int32_t y, int8_t *to) {
    const ec_mve_depthwise_params *p = &c->p->second;
    const int32_t height = p->window.in_h, width = p->window.in_w;
    const int32_t row = c->p->step_y;
    const int32_t even = y >= 0 && y < height, odd = y >= -1 && y + 1 < height;
    if (even && odd) {
        ec_mve_pair_pixels(c, c->in + y * row, c->in + (y + 1) * row, c->p->step_x, width, to);
    } else if (even || odd) {
        ec_mve_pair_half(c, c->in + (even ? y : y + 1) * row, odd, to);
    } else {
        EC_ROLLED for (int32_t i = p->window.in_c; i > 0; --i) {
            ec_mve_fill(to, p->in_zero, 2 * width);
            to += p->plane;
        }
    }
}

/* The columns outside the image of all row pairs: from the last one of a pair to the first one of
 * the next. Up to fifteen bytes more, which are written over by the image, or lie behind all. */
EC_INLINE void ec_mve_pair_pad(const ec_mve_pair *c) {
    const ec_mve_depthwise_params *p = &c->p->second;
    const ec_window *g = &p->window;
    const int32_t pitch = p->pitch, gap = pitch - 2 * g->in_w, zero = p->in_zero;
    const int32_t pairs = p->plane / pitch * g->in_c;
    ec_mve_fill(c->planes, zero, 2 * g->pad_left);
    EC_ROLLED for (int32_t j = 0; j < gap; j += 16) {
        int8_t *to = c->planes + 2 * (g->pad_left + g->in_w) + j;
        EC_ROLLED for (int32_t i = pairs; i > 0; --i) {
            ec_mve_fill16(to, zero);
            to += pitch;
        }
    }
}

/* The last row pair of a band, `last`, becomes the first of the next. */
EC_INLINE void ec_mve_pair_keep(const ec_mve_pair *c, int32_t last) {
    const ec_mve_depthwise_params *p = &c->p->second;
    const int32_t pitch = p->pitch, plane = p->plane;
    int8_t *to = c->planes;
    EC_ROLLED for (int32_t i = p->window.in_c; i > 0; --i) {
        ec_mve_copy(to, to + last * pitch, pitch);
        to += plane;
    }
}

/* The planes of output rows [first, end), a band. */
EC_INLINE void ec_mve_pair_fill(ec_mve_pair *c, int32_t first, int32_t end) {
    const ec_mve_depthwise_params *p = &c->p->second;
    const ec_window *g = &p->window;
    const int32_t top = first * g->stride_h - g->pad_top;
    const int32_t span = (g->k_h - 1) * g->dilation_h + 1;
    const int32_t pairs = ((end - first - 1) * g->stride_h + span + 1) / 2;
    const int32_t kept = first == 0 ? 0 : c->p->kept;
    if (kept > 0) {
        ec_mve_pair_keep(c, p->band * g->stride_h / 2);
    }
    EC_ROLLED for (int32_t i = kept; i < pairs; ++i) {
        ec_mve_pair_rows(c, top + 2 * i, c->planes + i * p->pitch + 2 * g->pad_left);
    }
}

/* The outputs of a band of `count` rows. */
EC_INLINE void ec_mve_pair_band(
    const ec_mve_pair *c, const ec_mve_taps *taps, int32_t count, int8_t *out,
    ec_mve_plane_core core, ec_mve_plane_core row) {
    const ec_mve_depthwise_params *p = &c->p->second;
    int8_t *plane = c->planes;
    ec_mve_band band;
    ec_mve_band_start(&band, p, taps, count, core, row);
    EC_ROLLED for (int32_t i = 0, j = 0; i < p->window.out_c; ++i) {
        ec_mve_band_channel(&band, p, plane, taps->bias[i], out + i);
        j = j + 1 == p->multiplier ? 0 : j + 1;
        plane += j == 0 ? p->plane : 0;
    }
}

/* All bands. One function for all pairs of a model: what its bands take is far more. */
static EC_NOINLINE EC_UNUSED void ec_mve_pair_bands(
    ec_mve_pair *c, const ec_mve_taps *taps, int8_t *out, ec_mve_plane_core core,
    ec_mve_plane_core row) {
    const ec_mve_depthwise_params *p = &c->p->second;
    ec_mve_pair_pad(c);
    for (int32_t y = 0; y < p->window.out_h; y += p->band) {
        const int32_t left = p->window.out_h - y, count = left < p->band ? left : p->band;
        ec_mve_pair_fill(c, y, y + count);
        ec_mve_pair_band(c, taps, count, out + y * p->out_y, core, row);
    }
}

/* scratch: two patches of the convolution where these are no whole chunks, four bytes, the planes
 * of whole groups of four channels, and the left padding of one more row pair and 16 bytes. two:
 * the convolution's core; core, row: those of the other. */
EC_KERNEL(ec_mve_conv2d_depthwise) void ec_mve_conv2d_depthwise(
    const ec_mve_pair_params *p, const int8_t *in, const int8_t *filters, const int32_t *finish,
    const int8_t *taps, const uint8_t *places, const int32_t *bias, const int32_t *taps_finish,
    int8_t *scratch, int8_t *out, ec_mve_core two, ec_mve_plane_core core,
    ec_mve_plane_core row) {
    const int32_t copied = p->first.window.in_c % 16 != 0 ? 2 * p->first.chunks * 16 : 0;
    const ec_mve_tables tables = {filters, finish};
    const ec_mve_taps all = {taps, places, bias, taps_finish};
    ec_mve_pair c;
    c.p = p;
    c.in = in;
    c.scratch = scratch;
    c.planes = scratch + copied + 4;
    c.two = two;
    ec_mve_pair_start(&c, &tables);
    ec_mve_pair_bands(&c, &all, out, core, row);
}

/* NOLINTEND(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

#endif
