/* DEPTHWISE_CONV_2D, one channel at a time on a plane (edgecnn_mve_planes.h), by windows of 4 x 4
 * inputs: 16 bytes in a vector, so that one VMLADAV makes an output of up to 3 x 3 taps, or 4 x 4 of
 * the taps of one. Windows of odd rows or columns are read from the even ones before, with taps moved
 * by one.
 *
 * filters: per output channel its taps row by row, then a 0. places: for each vector of taps (for each
 * parity of the row that its stride has, for each of the column, for each block of 4 x 4 of the window)
 * 16 indices into a channel's filters. bias: edgecnn_mve_common.h. finish: multiplier, addend, and
 * but for the affine form minus the shift, per output channel.
 *
 * Exact: sums of products of bytes end within 32 bits; how they become outputs is proven by the
 * compiler on every sum that a channel can have. */
#ifndef EDGECNN_MVE_DEPTHWISE_H
#define EDGECNN_MVE_DEPTHWISE_H

#include "edgecnn_mve_planes.h"

/* NOLINTBEGIN(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

/* The window's rows may be the image's columns, where these are longer: in_x, in_y, out_x and out_y are
 * the bytes from a column and from a row to the next. band: output rows computed at once. pitch: bytes
 * per pair of rows of the plane, plane: of all. taps: per output channel, with the 0. words: int32 values of finish per channel. rows: output rows
 * that the core computes at once. blocks_h, blocks_w: windows of 4 x 4 per output. form: EC_MVE_AFFINE..., shift: of the affine form. */
typedef struct {
    ec_window window;
    int32_t multiplier, band, pitch, plane, taps, words, rows, blocks_h, blocks_w;
    int32_t in_x, in_y, out_x, out_y, in_zero, form, shift, act_min, act_max;
} ec_mve_depthwise_params;

/* What a core is called with: an output channel of some rows. plane: four bytes before the window of
 * the first output; next: bytes from the windows of a round's first row to its second, row_step: to the
 * next round. out_step: from the outputs of a round to the next, step: from eight outputs of a round to
 * the next: four columns of two rows, or eight of one. rounds: of one or two output rows. columns: by
 * eight outputs, tail: which ones of the last, less than eight, are written, as a predicate. at: where
 * eight outputs lie; words: the words of a window. The core changes plane, out and rounds. */
typedef struct {
    const int8_t *plane;
    int32_t row_step;
    int8_t *out;
    int32_t out_step, step, rounds, columns, tail;
    const int8_t *filters;
    const uint8_t *places;
    const int32_t *finish;
    int32_t act_min, act_max, next, bias;
    uint16_t at[8];
    uint32_t words[4];
} ec_mve_plane;

typedef void (*ec_mve_plane_core)(ec_mve_plane *plane, const ec_mve_depthwise_params *p);

/* The column of eight outputs' 16-bit lanes: of four columns of two rows, or of eight of one. */
EC_INLINE int32_t ec_mve_lane_column(int32_t rows, int32_t lane) {
    const int32_t pair = lane / 2;
    return rows == 1 ? lane % 4 * 2 + lane / 4 : pair == 1 ? 2 : pair == 2 ? 1 : pair;
}

/* The sum of a window with the taps at 16 places. */
EC_INLINE int32_t ec_mve_window_sum(
    const ec_mve_plane *c, const int8_t *at, const uint8_t *places, int32_t sum) {
#if EC_MVE
    const int32_t *words = (const int32_t *)(const void *)at;
    const int8x16_t v =
        vreinterpretq_s8_s32(vldrwq_gather_offset_s32(words, vldrwq_u32(c->words)));
    return vmladavaq_s8(sum, v, vldrbq_gather_offset_s8(c->filters, vldrbq_u8(places)));
#else
    for (int32_t i = 0; i < 16; ++i) {
        sum += at[(int32_t)c->words[i / 4] + i % 4] * c->filters[places[i]];
    }
    return sum;
#endif
}

EC_INLINE void ec_mve_plane_output(
    const ec_mve_plane *c, const ec_mve_depthwise_params *p, int32_t sum, int8_t *out) {
    const int32_t right = p->form == EC_MVE_AFFINE ? p->shift : c->finish[2];
    const int32_t total = ec_wrap_add(sum, c->bias);
    const int32_t value = ec_mve_finish(p->form, right, total, c->finish[0], c->finish[1]);
    *out = (int8_t)ec_clamp(value, c->act_min, c->act_max);
}

/* Any kernel and stride, one row a round. */
static EC_NOINLINE EC_UNUSED void ec_mve_depthwise_any(
    ec_mve_plane *c, const ec_mve_depthwise_params *p) {
    const ec_window *g = &p->window;
    const int32_t blocks = p->blocks_h * p->blocks_w, turns = 1 + g->stride_w % 2;
    for (int32_t y = 0; y < c->rounds; ++y) {
        const int32_t top = y * g->stride_h;
        for (int32_t x = 0; x < g->out_w; ++x) {
            const int32_t left = x * g->stride_w;
            const int8_t *at = c->plane + 4 + top / 2 * p->pitch + left / 2 * 4;
            const uint8_t *places = c->places + (top % 2 * turns + left % 2) * blocks * 16;
            int32_t sum = 0;
            for (int32_t i = 0; i < p->blocks_h; ++i) {
                for (int32_t j = 0; j < p->blocks_w; ++j) {
                    sum = ec_mve_window_sum(c, at + j * 8, places, sum);
                    places += 16;
                }
                at += 2 * p->pitch;
            }
            ec_mve_plane_output(c, p, sum, c->out + x * p->out_x);
        }
        c->out += p->out_y;
    }
}

#if EC_MVE
/* Registers: r11 the plane; r1 the outputs; r3 bias, r5 multiplier, r7 addend, r8 shift, r9 step, lr
 * the columns left, r12 the tail; q3 the words of a window, q4 and on taps. */

/* A vector of taps, by places at r2, of the filters at r0. */
#define EC_MVE_PLANE_TAPS(Q) "vldrb.8 q0, [r2], #16\n vldrb.u8 " Q ", [r0, q0]\n"

#define EC_MVE_PLANE_ENTER(FORM)                                                             \
    "push {r3-r11, lr}\n vpush {d8-d15}\n mov r11, r0\n"                                     \
    "ldr r9, [r11, #16]\n ldr r3, [r11, #56]\n ldr r0, [r11, #40]\n"                         \
    ".if " #FORM "\n ldm r0, {r5, r7, r8}\n .else\n ldm r0, {r5, r7}\n .endif\n"             \
    "ldrd r0, r2, [r11, #32]\n" EC_MVE_PLANE_TAPS("q4")

/* The next round: windows, outputs, columns. */
#define EC_MVE_PLANE_ROUND                                                                   \
    "ldrd r10, r4, [r11]\n vldrw.32 q3, [r11, #76]\n vadd.i32 q3, q3, r10\n"                 \
    "add r10, r4\n str r10, [r11]\n"                                                         \
    "ldrd r1, r4, [r11, #8]\n add r4, r1\n str r4, [r11, #8]\n ldrd lr, r12, [r11, #24]\n"

#define EC_MVE_PLANE_LEAVE                                                                   \
    "ldr r4, [r11, #20]\n subs r4, #1\n str r4, [r11, #20]\n bne 2b\n"                       \
    "vpop {d8-d15}\n pop {r3-r11, pc}\n"

#define EC_MVE_PLANE_SCALED(Q, FORM)                                                         \
    ".if " #FORM " == 1\n"                                                                   \
    "vshr.s32 q0, " Q ", #31\n vqrdmulh.s32 " Q ", " Q ", r5\n vadd.i32 " Q ", " Q ", q0\n"  \
    ".else\n vqdmulh.s32 " Q ", " Q ", r5\n .endif\n"                                        \
    "vadd.i32 " Q ", " Q ", r7\n vshl.s32 " Q ", r8\n"

/* Sums of two rows in q1 and q2 as outputs in the low bytes of q0's 16-bit lanes. */
#define EC_MVE_PLANE_FINISH(FORM, SHIFT, CLAMP)                                              \
    "vadd.i32 q1, q1, r3\n vadd.i32 q2, q2, r3\n"                                            \
    ".if " #FORM " == 0\n"                                                                   \
    "vdup.32 q0, r5\n vmulh.s32 q1, q1, q0\n vmulh.s32 q2, q2, q0\n"                         \
    "vadd.i32 q1, q1, r7\n vadd.i32 q2, q2, r7\n"                                            \
    "vqshrnb.s32 q0, q1, #" #SHIFT "\n vqshrnt.s32 q0, q2, #" #SHIFT "\n"                    \
    ".else\n"                                                                                \
    EC_MVE_PLANE_SCALED("q1", FORM) EC_MVE_PLANE_SCALED("q2", FORM)                          \
    "vqmovnb.s32 q0, q1\n vqmovnt.s32 q0, q2\n"                                              \
    ".endif\n"                                                                               \
    ".if " #CLAMP "\n"                                                                       \
    "ldrd r0, r2, [r11, #44]\n vdup.16 q1, r0\n vdup.16 q2, r2\n"                            \
    "vmax.s16 q0, q0, q1\n vmin.s16 q0, q0, q2\n"                                            \
    ".else\n vqmovnb.s16 q0, q0\n .endif\n"                                                  \
    "vldrh.16 q1, [r11, #60]\n"

/* All columns of a round, by windows whose sums go to lanes LOW and HIGH: VMOV sets lanes two apart, so
 * the first ones go to lanes 0 and 2. */
#define EC_MVE_PLANE_COLUMNS(WINDOW, FORM, SHIFT, CLAMP)                                     \
    "wls lr, lr, 4f\n"                                                                       \
    "3:\n" WINDOW(0, 2) WINDOW(1, 3) EC_MVE_PLANE_FINISH(FORM, SHIFT, CLAMP)                 \
    "vstrb.16 q0, [r1, q1]\n add r1, r9\n le lr, 3b\n"                                       \
    "4:\n cmp r12, #0\n beq 6f\n" WINDOW(0, 2) "tst r12, #0xF0\n beq 5f\n" WINDOW(1, 3)      \
    "5:\n" EC_MVE_PLANE_FINISH(FORM, SHIFT, CLAMP)                                           \
    "vmsr p0, r12\n vpst\n vstrbt.16 q0, [r1, q1]\n"                                         \
    "6:\n"

/* Stride 1: a window has two outputs of both rows. */
#define EC_MVE_PLANE_PAIR(LOW, HIGH)                                                         \
    "vldrw.u32 q0, [q3, #4]!\n"                                                              \
    "vmladav.s8 r0, q0, q4\n vmladav.s8 r2, q0, q5\n"                                        \
    "vmladav.s8 r4, q0, q6\n vmladav.s8 r6, q0, q7\n"                                        \
    "vmov q1[" #HIGH "], q1[" #LOW "], r0, r2\n vmov q2[" #HIGH "], q2[" #LOW "], r4, r6\n"

/* One row alone: of two windows two outputs each. */
#define EC_MVE_PLANE_ROW(LOW, HIGH)                                                          \
    "vldrw.u32 q0, [q3, #4]!\n vmladav.s8 r0, q0, q4\n vmladav.s8 r2, q0, q5\n"              \
    "vldrw.u32 q0, [q3, #4]!\n vmladav.s8 r4, q0, q4\n vmladav.s8 r6, q0, q5\n"              \
    "vmov q1[" #HIGH "], q1[" #LOW "], r0, r2\n vmov q2[" #HIGH "], q2[" #LOW "], r4, r6\n"

/* Stride 2: a window has one output; q6 has the second row's words. */
#define EC_MVE_PLANE_SINGLE(LOW, HIGH)                                                       \
    "vldrw.u32 q0, [q3, #4]!\n vldrw.u32 q5, [q6, #4]!\n"                                    \
    "vmladav.s8 r0, q0, q4\n vmladav.s8 r4, q5, q4\n"                                        \
    "vldrw.u32 q0, [q3, #4]!\n vldrw.u32 q5, [q6, #4]!\n"                                    \
    "vmladav.s8 r2, q0, q4\n vmladav.s8 r6, q5, q4\n"                                        \
    "vmov q1[" #HIGH "], q1[" #LOW "], r0, r2\n vmov q2[" #HIGH "], q2[" #LOW "], r4, r6\n"

/* Defines the core NAME of kernels of up to 3 x 3 taps at stride 1, two rows a round, and NAME_row, one
 * row a round. FORM, SHIFT, CLAMP: as in edgecnn_mve_gemm.h. */
#define EC_MVE_DEPTHWISE_PAIRS(NAME, FORM, SHIFT, CLAMP)                                     \
    EC_NAKED void NAME(                                                                      \
        EC_UNUSED ec_mve_plane *plane, EC_UNUSED const ec_mve_depthwise_params *p) {         \
        __asm__ volatile(                                                                    \
            EC_MVE_PLANE_ENTER(FORM) EC_MVE_PLANE_TAPS("q5")                                     \
            EC_MVE_PLANE_TAPS("q6") EC_MVE_PLANE_TAPS("q7")                                  \
            "2:\n" EC_MVE_PLANE_ROUND                                                        \
            EC_MVE_PLANE_COLUMNS(EC_MVE_PLANE_PAIR, FORM, SHIFT, CLAMP)                      \
            EC_MVE_PLANE_LEAVE);                                                             \
    }                                                                                        \
    EC_NAKED void NAME##_row(                                                                \
        EC_UNUSED ec_mve_plane *plane, EC_UNUSED const ec_mve_depthwise_params *p) {         \
        __asm__ volatile(                                                                    \
            EC_MVE_PLANE_ENTER(FORM) EC_MVE_PLANE_TAPS("q5")                                 \
            "2:\n" EC_MVE_PLANE_ROUND                                                        \
            EC_MVE_PLANE_COLUMNS(EC_MVE_PLANE_ROW, FORM, SHIFT, CLAMP)                       \
            EC_MVE_PLANE_LEAVE);                                                             \
    }

/* The same for kernels of up to 4 x 4 taps at stride 2, two rows a round. */
#define EC_MVE_DEPTHWISE_SINGLES(NAME, FORM, SHIFT, CLAMP)                                   \
    EC_NAKED void NAME(                                                                      \
        EC_UNUSED ec_mve_plane *plane, EC_UNUSED const ec_mve_depthwise_params *p) {         \
        __asm__ volatile(                                                                    \
            EC_MVE_PLANE_ENTER(FORM)                                                         \
            "2:\n" EC_MVE_PLANE_ROUND "ldr r4, [r11, #52]\n vadd.i32 q6, q3, r4\n"           \
            EC_MVE_PLANE_COLUMNS(EC_MVE_PLANE_SINGLE, FORM, SHIFT, CLAMP)                    \
            EC_MVE_PLANE_LEAVE);                                                             \
    }
#else
#define EC_MVE_DEPTHWISE_PAIRS(NAME, FORM, SHIFT, CLAMP)                                     \
    static EC_UNUSED void NAME(ec_mve_plane *plane, const ec_mve_depthwise_params *p) {      \
        ec_mve_depthwise_plain(plane, p, 2, 2);                                              \
    }                                                                                        \
    static EC_UNUSED void NAME##_row(                                                        \
        ec_mve_plane *plane, const ec_mve_depthwise_params *p) {                             \
        ec_mve_depthwise_plain(plane, p, 1, 2);                                              \
    }
#define EC_MVE_DEPTHWISE_SINGLES(NAME, FORM, SHIFT, CLAMP)                                   \
    static EC_UNUSED void NAME(ec_mve_plane *plane, const ec_mve_depthwise_params *p) {      \
        ec_mve_depthwise_plain(plane, p, 2, 1);                                              \
    }

/* A core in plain C: `rows` rows a round, windows of `wide` output columns (and, if two, rows). */
EC_INLINE void ec_mve_depthwise_plain(
    ec_mve_plane *c, const ec_mve_depthwise_params *p, int32_t rows, int32_t wide) {
    const int32_t columns = 8 / rows;
    for (; c->rounds > 0; --c->rounds) {
        for (int32_t i = 0; i < rows * p->window.out_w; ++i) {
            const int32_t r = i % rows, x = i / rows;
            const int8_t *at = c->plane + 4 + x / wide * 4 + (wide == 2 ? 0 : r * c->next);
            const uint8_t *places = c->places + (wide == 2 ? (2 * r + x % 2) * 16 : 0);
            int8_t *out = c->out + x / columns * c->step;
            for (int32_t lane = 0; lane < 8; ++lane) {
                if (ec_mve_lane_column(rows, lane) == x % columns && lane % rows == r) {
                    out += c->at[lane];
                    break;
                }
            }
            ec_mve_plane_output(c, p, ec_mve_window_sum(c, at, places, 0), out);
        }
        c->plane += c->row_step;
        c->out += c->out_step;
    }
}
#endif

/* What is the same for all channels of a band. rows: 2, or 1 for a row alone. single: the two rows are
 * the same one. */
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

/* Output rows [first, end) of one image, at `out`. */
static EC_NOINLINE EC_UNUSED void ec_mve_depthwise_band(
    const ec_mve_depthwise_params *p, const int8_t *in, int32_t in_rows, const ec_mve_taps *taps,
    int8_t *scratch, int8_t *out, int32_t first, int32_t end, ec_mve_plane_core core,
    ec_mve_plane_core row) {
    const ec_window *g = &p->window;
    const int32_t rounds = (end - first) / p->rows, odd = (end - first) % p->rows;
    const int32_t channels = g->out_c, multiplier = p->multiplier, step = p->taps;
    const int32_t words = p->words, *bias = taps->bias;
    int8_t *plane = scratch + 4;
    ec_mve_plane c = ec_mve_plane_of(p, taps->places, 2, 0);
    ec_mve_plane last = ec_mve_plane_of(p, taps->places, g->stride_h == 1 ? 1 : 2, 1);
    ec_mve_runs runs;
    runs.step = p->in_x;
    runs.count = g->in_w;
    runs.pitch = p->pitch;
    ec_mve_find_runs(
        &runs, first * g->stride_h - g->pad_top, p->plane / p->pitch * 2, g->in_h, in_rows,
        p->in_y, plane + 2 * g->pad_left);
    ec_mve_fill(plane, p->in_zero, p->plane);
    c.filters = taps->filters;
    c.finish = taps->finish;
    EC_ROLLED for (int32_t i = 0, j = 0; i < channels; ++i) {
        if (runs.size > 0 && j == 0) {
            ec_mve_zip(&runs, in++);
        }
        j = j + 1 == multiplier ? 0 : j + 1;
        c.bias = bias[i];
        if (rounds > 0) {
            c.plane = plane - 4;
            c.out = out + i;
            c.rounds = rounds;
            core(&c, p);
        }
        if (odd) {
            last.bias = bias[i];
            last.plane = plane - 4 + rounds * c.row_step;
            last.out = out + i + rounds * c.out_step;
            last.rounds = 1;
            last.filters = c.filters;
            last.finish = c.finish;
            row(&last, p);
        }
        c.filters += step;
        c.finish += words;
    }
}

/* Some output rows of one image. scratch: four bytes, the plane. row: the core for what is left of an
 * odd number of rows. */
EC_KERNEL void ec_mve_depthwise_rows(
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
EC_KERNEL void ec_mve_depthwise(
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
