/* SPDX-License-Identifier: Apache-2.0 */
/* The cores of edgecnn_mve_depthwise.h: an output channel on its plane (edgecnn_mve_planes.h),
 * by windows of 4 x 4 inputs. They are 16 bytes in a vector, so that one VMLADAV makes an output
 * of up to 3 x 3 taps at stride 1, of 4 x 4 at stride 2, or a part of one of more taps: a block.
 * Windows of odd rows or columns are read from the even ones before, with taps moved by one. */
#ifndef EDGECNN_MVE_DEPTHWISE_CORE_H
#define EDGECNN_MVE_DEPTHWISE_CORE_H

#include "edgecnn_mve_planes.h"

/* NOLINTBEGIN(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

/* The window's rows may be the image's columns, where these are longer: in_x, in_y, out_x and
 * out_y are the bytes from a column and from a row to the next. band: output rows computed at
 * once. pitch: bytes per pair of rows of the plane, plane: of all. taps: per output channel,
 * with the 0. words: int32 values of finish per channel. rows: output rows that the core
 * computes at once. vectors: of taps that are laid out in scratch; else 0. blocks_h, blocks_w:
 * windows of 4 x 4 per output. form: EC_MVE_AFFINE..., shift: of the affine form. */
typedef struct {
    ec_window window;
    int32_t multiplier, band, pitch, plane, taps, words, rows, vectors, blocks_h, blocks_w;
    int32_t in_x, in_y, out_x, out_y, in_zero, form, shift, act_min, act_max;
} ec_mve_depthwise_params;

/* What a core is called with: an output channel of some rows. plane: four bytes before the
 * window of the first output; next: bytes from the windows of a round's first row to its second,
 * row_step: to the next round. out_step: from the outputs of a round to the next, step: from
 * eight outputs of a round to the next: four columns of two rows, or eight of one. rounds: of
 * one or two output rows. columns: by eight outputs, tail: which ones of the last, less than
 * eight, are written, as a predicate. at: where eight outputs lie; words: the words of a window.
 * offsets, vectors, blocks: of the blocks of a window, where it has several. The core changes
 * plane, out and rounds. */
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
    const int32_t *offsets;
    const int8_t *vectors;
    int32_t blocks;
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
    const int32_t turns_w = 1 + g->stride_w % 2, turns = turns_w * (1 + g->stride_h % 2);
    for (int32_t y = 0; y < c->rounds; ++y) {
        const int32_t top = y * g->stride_h;
        for (int32_t x = 0; x < g->out_w; ++x) {
            const int32_t left = x * g->stride_w;
            const int8_t *at = c->plane + 4 + top / 2 * p->pitch + left / 2 * 4;
            const uint8_t *places = c->places + (top % 2 * turns_w + left % 2) * 16;
            int32_t sum = 0;
            for (int32_t i = 0; i < p->blocks_h; ++i) {
                for (int32_t j = 0; j < p->blocks_w; ++j) {
                    sum = ec_mve_window_sum(c, at + j * 8, places, sum);
                    places += turns * 16;
                }
                at += 2 * p->pitch;
            }
            ec_mve_plane_output(c, p, sum, c->out + x * p->out_x);
        }
        c->out += p->out_y;
    }
}

#if EC_MVE
/* Registers: r11 the plane; r1 the outputs; r3 bias, r5 multiplier, r7 addend, r8 shift, r9
 * step, lr the columns left, r12 the tail; q3 the words of a window, q4 and on taps. */

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
    "add r4, r10\n str r4, [r11]\n"                                                          \
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
    EC_MVE_VQSHRN(b, 32, 0, 1, SHIFT) EC_MVE_VQSHRN(t, 32, 0, 2, SHIFT)                      \
    ".else\n"                                                                                \
    EC_MVE_PLANE_SCALED("q1", FORM) EC_MVE_PLANE_SCALED("q2", FORM)                          \
    "vqmovnb.s32 q0, q1\n vqmovnt.s32 q0, q2\n"                                              \
    ".endif\n"                                                                               \
    ".if " #CLAMP "\n"                                                                       \
    "ldrd r0, r2, [r11, #44]\n vdup.16 q1, r0\n vdup.16 q2, r2\n"                            \
    "vmax.s16 q0, q0, q1\n vmin.s16 q0, q0, q2\n"                                            \
    ".else\n vqmovnb.s16 q0, q0\n .endif\n"                                                  \
    "vldrh.16 q1, [r11, #60]\n"

/* All columns of a round, by windows whose sums go to lanes LOW and HIGH: VMOV sets lanes two
 * apart, so the first ones go to lanes 0 and 2. BEFORE: what finishing needs. */
#define EC_MVE_PLANE_COLUMNS(WINDOW, BEFORE, FORM, SHIFT, CLAMP)                             \
    "wls lr, lr, 4f\n"                                                                       \
    "3:\n" WINDOW(0, 2) WINDOW(1, 3) BEFORE EC_MVE_PLANE_FINISH(FORM, SHIFT, CLAMP)          \
    "vstrb.16 q0, [r1, q1]\n add r1, r9\n le lr, 3b\n"                                       \
    "4:\n cmp r12, #0\n beq 6f\n" WINDOW(0, 2) "tst r12, #0xF0\n beq 5f\n" WINDOW(1, 3)      \
    "5:\n" BEFORE EC_MVE_PLANE_FINISH(FORM, SHIFT, CLAMP)                                    \
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

/* Several blocks, at r10 and on. Their sums take the registers of what finishes. (Without spaces: a
 * string of C99 has up to 4,095 characters.) */
#define EC_MVE_PLANE_BLOCKS                                                                  \
    "add r10,#4\n movs r0,#0\n movs r2,#0\n movs r4,#0\n movs r6,#0\n"                       \
    "ldrd r3,r5,[r11,#92]\n ldr r8,[r11,#100]\n ldr r9,[r11,#52]\n sub r9,#4\n"              \
    "7:\n ldr r7,[r3],#4\n add r7,r10\n"

#define EC_MVE_PLANE_BLOCKS_END(LOW, HIGH)                                                   \
    "subs r8,#1\n bne 7b\n"                                                                  \
    "vmov q1[" #HIGH "],q1[" #LOW "],r0,r2\n vmov q2[" #HIGH "],q2[" #LOW "],r4,r6\n"

#define EC_MVE_PLANE_RELOAD(FORM)                                                            \
    "ldr r3, [r11, #56]\n ldr r9, [r11, #16]\n ldr r0, [r11, #40]\n"                         \
    ".if " #FORM "\n ldm r0, {r5, r7, r8}\n .else\n ldm r0, {r5, r7}\n .endif\n"

/* Stride 1: a window has two outputs of both rows. */
#define EC_MVE_PLANE_ONES(LOW, HIGH)                                                         \
    EC_MVE_PLANE_BLOCKS                                                                      \
    "vldrw.u32 q0, [r7, q3]\n"                                                               \
    "vldrb.8 q4, [r5], #16\n vmladava.s8 r0, q0, q4\n"                                       \
    "vldrb.8 q5, [r5], #16\n vmladava.s8 r2, q0, q5\n"                                       \
    "vldrb.8 q4, [r5], #16\n vmladava.s8 r4, q0, q4\n"                                       \
    "vldrb.8 q5, [r5], #16\n vmladava.s8 r6, q0, q5\n" EC_MVE_PLANE_BLOCKS_END(LOW, HIGH)

/* Stride 2: two windows of each row have one output each. */
#define EC_MVE_PLANE_TWOS(LOW, HIGH)                                                         \
    EC_MVE_PLANE_BLOCKS                                                                      \
    "vldrb.8 q4,[r5],#16\n"                                                                  \
    "vldrw.u32 q0,[r7,q3]\n add r7,#4\n vmladava.s8 r0,q0,q4\n"                              \
    "vldrw.u32 q5,[r7,q3]\n add r7,r9\n vmladava.s8 r2,q5,q4\n"                              \
    "vldrw.u32 q0,[r7,q3]\n add r7,#4\n vmladava.s8 r4,q0,q4\n"                              \
    "vldrw.u32 q5,[r7,q3]\n vmladava.s8 r6,q5,q4\n"                                          \
    EC_MVE_PLANE_BLOCKS_END(LOW, HIGH) "add r10,#4\n"

#define EC_MVE_DEPTHWISE_BLOCKS(NAME, WINDOW, FORM, SHIFT, CLAMP)                            \
    EC_NAKED void NAME(                                                                      \
        EC_UNUSED ec_mve_plane *plane, EC_UNUSED const ec_mve_depthwise_params *p) {         \
        __asm__ volatile(                                                                    \
            "push {r3-r11, lr}\n vpush {d8-d15}\n mov r11, r0\n"                             \
            "2:\n" EC_MVE_PLANE_ROUND "vldrw.32 q3, [r11, #76]\n"                            \
            EC_MVE_PLANE_COLUMNS(WINDOW, EC_MVE_PLANE_RELOAD(FORM), FORM, SHIFT, CLAMP)      \
            EC_MVE_PLANE_LEAVE);                                                             \
    }

/* Define the core NAME of kernels of more taps, at stride 1 and 2, two rows a round. */
#define EC_MVE_DEPTHWISE_ONES(NAME, FORM, SHIFT, CLAMP)                                      \
    EC_MVE_DEPTHWISE_BLOCKS(NAME, EC_MVE_PLANE_ONES, FORM, SHIFT, CLAMP)
#define EC_MVE_DEPTHWISE_TWOS(NAME, FORM, SHIFT, CLAMP)                                      \
    EC_MVE_DEPTHWISE_BLOCKS(NAME, EC_MVE_PLANE_TWOS, FORM, SHIFT, CLAMP)

/* Defines the core NAME of kernels of up to 3 x 3 taps at stride 1, two rows a round, and
 * NAME_row, one row a round. FORM, SHIFT, CLAMP: as in edgecnn_mve_gemm.h. */
#define EC_MVE_DEPTHWISE_PAIRS(NAME, FORM, SHIFT, CLAMP)                                     \
    EC_NAKED void NAME(                                                                      \
        EC_UNUSED ec_mve_plane *plane, EC_UNUSED const ec_mve_depthwise_params *p) {         \
        __asm__ volatile(                                                                    \
            EC_MVE_PLANE_ENTER(FORM) EC_MVE_PLANE_TAPS("q5")                                     \
            EC_MVE_PLANE_TAPS("q6") EC_MVE_PLANE_TAPS("q7")                                  \
            "2:\n" EC_MVE_PLANE_ROUND                                                        \
            EC_MVE_PLANE_COLUMNS(EC_MVE_PLANE_PAIR, "", FORM, SHIFT, CLAMP)                  \
            EC_MVE_PLANE_LEAVE);                                                             \
    }                                                                                        \
    EC_NAKED void NAME##_row(                                                                \
        EC_UNUSED ec_mve_plane *plane, EC_UNUSED const ec_mve_depthwise_params *p) {         \
        __asm__ volatile(                                                                    \
            EC_MVE_PLANE_ENTER(FORM) EC_MVE_PLANE_TAPS("q5")                                 \
            "2:\n" EC_MVE_PLANE_ROUND                                                        \
            EC_MVE_PLANE_COLUMNS(EC_MVE_PLANE_ROW, "", FORM, SHIFT, CLAMP)                   \
            EC_MVE_PLANE_LEAVE);                                                             \
    }

/* The same for kernels of up to 4 x 4 taps at stride 2, two rows a round. */
#define EC_MVE_DEPTHWISE_SINGLES(NAME, FORM, SHIFT, CLAMP)                                   \
    EC_NAKED void NAME(                                                                      \
        EC_UNUSED ec_mve_plane *plane, EC_UNUSED const ec_mve_depthwise_params *p) {         \
        __asm__ volatile(                                                                    \
            EC_MVE_PLANE_ENTER(FORM)                                                         \
            "2:\n" EC_MVE_PLANE_ROUND "ldr r4, [r11, #52]\n vadd.i32 q6, q3, r4\n"           \
            EC_MVE_PLANE_COLUMNS(EC_MVE_PLANE_SINGLE, "", FORM, SHIFT, CLAMP)                \
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

#define EC_MVE_DEPTHWISE_ONES(NAME, FORM, SHIFT, CLAMP)                                      \
    static EC_UNUSED void NAME(ec_mve_plane *plane, const ec_mve_depthwise_params *p) {      \
        ec_mve_depthwise_plain(plane, p, 2, 2);                                              \
    }
#define EC_MVE_DEPTHWISE_TWOS(NAME, FORM, SHIFT, CLAMP)                                      \
    static EC_UNUSED void NAME(ec_mve_plane *plane, const ec_mve_depthwise_params *p) {      \
        ec_mve_depthwise_plain(plane, p, 2, 1);                                              \
    }

/* The same of the vectors of taps that the core was given, or of those at the places. */
EC_INLINE int32_t ec_mve_blocks_sum(
    const ec_mve_plane *c, const int8_t *at, int32_t vector, int32_t vectors) {
    int32_t sum = 0;
    if (c->vectors == NULL) {
        return ec_mve_window_sum(c, at, c->places + vector * 16, 0);
    }
    for (int32_t i = 0; i < c->blocks * 16; ++i) {
        const int32_t taps = (int32_t)c->vectors[(i / 16 * vectors + vector) * 16 + i % 16];
        const int32_t from = c->offsets[i / 16] + (int32_t)c->words[i % 16 / 4] + i % 4;
        sum += taps != 0 ? at[from] * taps : 0;
    }
    return sum;
}

/* A core in plain C: `rows` rows a round, windows of `wide` output columns (and, if two, rows). */
EC_INLINE void ec_mve_depthwise_plain(
    ec_mve_plane *c, const ec_mve_depthwise_params *p, int32_t rows, int32_t wide) {
    const int32_t columns = 8 / rows;
    for (; c->rounds > 0; --c->rounds) {
        for (int32_t i = 0; i < rows * p->window.out_w; ++i) {
            const int32_t r = i % rows, x = i / rows;
            const int8_t *at = c->plane + 4 + x / wide * 4 + (wide == 2 ? 0 : r * c->next);
            const int32_t vector = wide == 2 ? 2 * r + x % 2 : 0;
            const int32_t sum = ec_mve_blocks_sum(c, at, vector, wide * wide);
            int8_t *out = c->out + x / columns * c->step;
            for (int32_t lane = 0; lane < 8; ++lane) {
                if (ec_mve_lane_column(rows, lane) == x % columns && lane % rows == r) {
                    out += c->at[lane];
                    break;
                }
            }
            ec_mve_plane_output(c, p, sum, out);
        }
        c->plane += c->row_step;
        c->out += c->out_step;
    }
}
#endif

/* NOLINTEND(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

#endif
