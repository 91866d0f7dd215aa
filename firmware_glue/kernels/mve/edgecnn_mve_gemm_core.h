/* SPDX-License-Identifier: Apache-2.0 */
/* The cores of edgecnn_mve_gemm.h: pairs of pixels times all output channels. */
#ifndef EDGECNN_MVE_GEMM_CORE_H
#define EDGECNN_MVE_GEMM_CORE_H

#include "edgecnn_mve_common.h"

/* NOLINTBEGIN(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

/* What a core is called with: `pairs` pairs of pixels. x0, x1: the patches of the first pair.
 * x_step leads to the next pair's, out_step from behind the outputs' last whole group of eight
 * to the next pair's outputs. end: of the filters. tail: channels behind the whole groups. The
 * core changes it.
 *
 * A core that writes planes (edgecnn_mve_planes.h) puts both pixels' bytes of a channel side by
 * side: at: where those of eight channels lie from out0 on; group: bytes from eight channels to
 * the next. It has no use for out1 and tail: a group of four is written as a whole. */
typedef struct {
    const int8_t *x0, *x1;
    int32_t trips;
    int8_t *out0, *out1;
    int32_t x_step, out_step, pairs;
    const int8_t *filters;
    const int32_t *finish;
    const int8_t *end;
    int32_t group, act_min, act_max, tail;
    uint16_t at[8];
} ec_mve_block;

typedef void (*ec_mve_core)(ec_mve_block *block);

#if EC_MVE
/* Registers: r11 the block, r1 and r3 its patches, r5 filters, r9 finish, r7 the inner loop's
 * count; VMLADAVA sums in even ones: r0, r2, r4, r6 the first pixel's, r8, r10, r12, r14 the
 * second's. */

/* X0, X1: 16 taps of both pixels. */
#define EC_MVE_MACS(X0, X1)                                                                  \
    "vldrb.8 q2, [r5], #16\n vmladava.s8 r0, " X0 ", q2\n vmladava.s8 r8, " X1 ", q2\n"      \
    "vldrb.8 q3, [r5], #16\n vmladava.s8 r2, " X0 ", q3\n vmladava.s8 r10, " X1 ", q3\n"     \
    "vldrb.8 q2, [r5], #16\n vmladava.s8 r4, " X0 ", q2\n vmladava.s8 r12, " X1 ", q2\n"     \
    "vldrb.8 q3, [r5], #16\n vmladava.s8 r6, " X0 ", q3\n vmladava.s8 lr, " X1 ", q3\n"

/* The first of two general registers goes to the lower lane. */
#define EC_MVE_TO_VECTORS                                                                    \
    "vmov q0[2], q0[0], r0, r4\n vmov q0[3], q0[1], r2, r6\n"                                \
    "vmov q1[2], q1[0], r8, r12\n vmov q1[3], q1[1], r10, lr\n"                              \
    "vldrw.32 q2, [r9], #16\n"

/* Sums of four channels of both pixels. HOISTED: one chunk, its patches in q6 and q7. */
#define EC_MVE_SUMS(UNROLL, LOOP)                                                            \
    "ldm r5, {r0, r2, r4, r6}\n ldm r5!, {r8, r10, r12, lr}\n"                               \
    ".if " #UNROLL " > 1 || " #LOOP "\n"                                                     \
    "ldm r11, {r1, r3, r7}\n"                                                                \
    "1:\n .rept " #UNROLL "\n"                                                               \
    "vldrb.8 q0, [r1], #16\n vldrb.8 q1, [r3], #16\n" EC_MVE_MACS("q0", "q1")                \
    ".endr\n"                                                                                \
    ".if " #LOOP "\n subs r7, #1\n bne 1b\n .endif\n"                                        \
    ".else\n" EC_MVE_MACS("q6", "q7") ".endif\n"

/* Their outputs as 16-bit values, in the even (b) or odd (t) lanes of q4 and q5. */
#define EC_MVE_HALF(LANES, FORM, SHIFT)                                                      \
    EC_MVE_TO_VECTORS                                                                        \
    ".if " #FORM " == 0\n"                                                                   \
    "vmulh.s32 q0, q0, q2\n vldrw.32 q3, [r9], #16\n vmulh.s32 q1, q1, q2\n"                 \
    "vadd.i32 q0, q0, q3\n vadd.i32 q1, q1, q3\n"                                            \
    EC_MVE_VQSHRN(LANES, 32, 4, 0, SHIFT) EC_MVE_VQSHRN(LANES, 32, 5, 1, SHIFT)              \
    ".else\n"                                                                                \
    ".if " #FORM " == 1\n"                                                                   \
    "vshr.s32 q3, q0, #31\n vqrdmulh.s32 q0, q0, q2\n vadd.i32 q0, q0, q3\n"                 \
    "vshr.s32 q3, q1, #31\n vqrdmulh.s32 q1, q1, q2\n vadd.i32 q1, q1, q3\n"                 \
    ".else\n"                                                                                \
    "vqdmulh.s32 q0, q0, q2\n vqdmulh.s32 q1, q1, q2\n"                                      \
    ".endif\n"                                                                               \
    "vldrw.32 q3, [r9], #16\n vldrw.32 q2, [r9], #16\n"                                      \
    "vadd.i32 q0, q0, q3\n vadd.i32 q1, q1, q3\n"                                            \
    "vshl.s32 q0, q0, q2\n vshl.s32 q1, q1, q2\n"                                            \
    "vqmovn" #LANES ".s32 q4, q0\n vqmovn" #LANES ".s32 q5, q1\n"                            \
    ".endif\n"

/* q4 and q5 as bytes in q0 and q1. */
#define EC_MVE_BYTES(CLAMP)                                                                  \
    ".if " #CLAMP "\n"                                                                       \
    "ldrd r4, r6, [r11, #48]\n vdup.16 q2, r4\n vdup.16 q3, r6\n"                            \
    "vmax.s16 q0, q4, q2\n vmax.s16 q1, q5, q2\n vmin.s16 q0, q0, q3\n vmin.s16 q1, q1, q3\n" \
    ".else\n"                                                                                \
    "vqmovnb.s16 q0, q4\n vqmovnb.s16 q1, q5\n"                                              \
    ".endif\n"

/* The outputs of the last channels, less than eight: 5 to 7 of a whole group, 1 to 4 of half a
 * one. */
#define EC_MVE_TAIL(CLAMP)                                                                   \
    "6:\n ldr r4, [r11, #56]\n vctp.16 r4\n vpstt\n"                                         \
    "vstrbt.16 q0, [r0]\n vstrbt.16 q1, [r2]\n b 4f\n"                                       \
    "5:\n" EC_MVE_BYTES(CLAMP)                                                               \
    "ldrd r0, r2, [r11, #12]\n ldr r4, [r11, #56]\n vctp.32 r4\n vpstt\n"                    \
    "vstrbt.32 q0, [r0]\n vstrbt.32 q1, [r2]\n"

/* Defines the core NAME. FORM, SHIFT (1 to 16, or 0 but for the affine form): how sums become
 * outputs. UNROLL: chunks per round of the inner loop, LOOP: 1 if there is more than one round.
 * CLAMP: 1 if the activation leaves less than int8's range. TAIL: 1 if the channels are no multiple
 * of eight. */
#define EC_MVE_GEMM(NAME, FORM, SHIFT, UNROLL, LOOP, CLAMP, TAIL)                            \
    EC_NAKED void NAME(EC_UNUSED ec_mve_block *block) {                                      \
        __asm__ volatile(                                                                    \
            "push {r3-r11, lr}\n vpush {d8-d15}\n mov r11, r0\n"                             \
            "2:\n"                                                                           \
            ".if " #UNROLL " == 1 && " #LOOP " == 0\n"                                       \
            "ldrd r1, r3, [r11]\n vldrb.8 q6, [r1]\n vldrb.8 q7, [r3]\n"                     \
            ".endif\n"                                                                       \
            "ldrd r5, r9, [r11, #32]\n"                                                      \
            "3:\n"                                                                           \
            EC_MVE_SUMS(UNROLL, LOOP)                                                        \
            EC_MVE_HALF(b, FORM, SHIFT)                                                      \
            ".if " #TAIL "\n ldr r0, [r11, #40]\n cmp r5, r0\n beq 5f\n .endif\n"            \
            EC_MVE_SUMS(UNROLL, LOOP)                                                        \
            EC_MVE_HALF(t, FORM, SHIFT)                                                      \
            EC_MVE_BYTES(CLAMP)                                                              \
            "ldrd r0, r2, [r11, #12]\n ldr r4, [r11, #40]\n cmp r5, r4\n"                    \
            ".if " #TAIL "\n beq 6f\n .endif\n"                                             \
            "vstrb.16 q0, [r0], #8\n vstrb.16 q1, [r2], #8\n"                                \
            "strd r0, r2, [r11, #12]\n bne 3b\n"                                            \
            ".if " #TAIL "\n" EC_MVE_TAIL(CLAMP) ".endif\n"                                 \
            "4:\n"                                                                           \
            "ldm r11, {r0-r7}\n"                                                             \
            "add r0, r5\n add r1, r5\n add r3, r6\n add r4, r6\n subs r7, #1\n"              \
            "stm r11, {r0-r7}\n bne 2b\n"                                                    \
            "vpop {d8-d15}\n pop {r3-r11, pc}\n");                                           \
    }

/* The bytes of q4's and q5's channels side by side in q0. */
#define EC_MVE_ZIPPED(CLAMP)                                                                 \
    "vqmovnb.s16 q0,q4\nvqmovnt.s16 q0,q5\n"                                                 \
    ".if " #CLAMP "\nldrd r4,r6,[r11,#48]\nvdup.8 q2,r4\nvdup.8 q3,r6\n"                     \
    "vmax.s8 q0,q0,q2\nvmin.s8 q0,q0,q3\n.endif\n"

/* Where one chunk's patches are in vectors. */
#define EC_MVE_IF_HELD(UNROLL, LOOP) ".if " #UNROLL "==1&&" #LOOP "==0\n"

/* Defines the core NAME that writes planes. TAIL: 1 if the last group has four channels. HELD:
 * r1 has the outputs, r3 the group and r7 the end of the filters. (Without spaces: a string of C99
 * has up to 4,095 characters.) */
#define EC_MVE_GEMM_PLANES(NAME, FORM, SHIFT, UNROLL, LOOP, CLAMP, TAIL)                     \
    EC_NAKED void NAME(EC_UNUSED ec_mve_block *block) {                                      \
        __asm__ volatile(                                                                    \
            "push {r3-r11,lr}\nvpush {d8-d15}\nmov r11,r0\n"                                 \
            "2:\n" EC_MVE_IF_HELD(UNROLL, LOOP)                                              \
            "ldrd r1,r3,[r11]\nvldrb.8 q6,[r1]\nvldrb.8 q7,[r3]\n"                           \
            "ldr r1,[r11,#12]\nldrd r7,r3,[r11,#40]\n.endif\n"                               \
            "ldrd r5,r9,[r11,#32]\n"                                                         \
            "3:\n"                                                                           \
            EC_MVE_SUMS(UNROLL, LOOP)                                                        \
            EC_MVE_HALF(b, FORM, SHIFT)                                                      \
            ".if " #TAIL "\n" EC_MVE_IF_HELD(UNROLL, LOOP)                                   \
            "cmp r5,r7\n.else\nldr r0,[r11,#40]\ncmp r5,r0\n.endif\nbeq 5f\n.endif\n"        \
            EC_MVE_SUMS(UNROLL, LOOP)                                                        \
            EC_MVE_HALF(t, FORM, SHIFT)                                                      \
            EC_MVE_ZIPPED(CLAMP) "vldrh.16 q2,[r11,#60]\n"                                   \
            EC_MVE_IF_HELD(UNROLL, LOOP)                                                     \
            "vstrh.16 q0,[r1,q2]\nadd r1,r3\n.if !" #TAIL "\ncmp r5,r7\n.endif\n"            \
            ".else\n"                                                                        \
            "ldr r0,[r11,#12]\nldrd r4,r2,[r11,#40]\nvstrh.16 q0,[r0,q2]\n"                  \
            "add r0,r2\nstr r0,[r11,#12]\n.if !" #TAIL "\ncmp r5,r4\n.endif\n"               \
            ".endif\n"                                                                       \
            ".if " #TAIL "\n"                                                                \
            "b 3b\n"                                                                         \
            "5:\n" EC_MVE_ZIPPED(CLAMP) "mov r4,r11\nvldrh.u32 q2,[r4,#60]\n"                \
            EC_MVE_IF_HELD(UNROLL, LOOP) ".else\nldr r1,[r11,#12]\n.endif\n"                 \
            "vstrh.32 q0,[r1,q2]\n"                                                          \
            ".else\nbne 3b\n.endif\n"                                                        \
            EC_MVE_IF_HELD(UNROLL, LOOP) "str r1,[r11,#12]\n.endif\n"                        \
            "ldm r11,{r0-r7}\nadd r0,r5\nadd r1,r5\nadd r3,r6\nsubs r7,#1\n"                 \
            "stm r11,{r0-r7}\nbne 2b\nvpop {d8-d15}\npop {r3-r11,pc}\n");                    \
    }
#else
#define EC_MVE_GEMM(NAME, FORM, SHIFT, UNROLL, LOOP, CLAMP, TAIL)                            \
    static EC_UNUSED void NAME(ec_mve_block *block) {                                        \
        ec_mve_gemm_plain(block, FORM, SHIFT, UNROLL);                                       \
    }

/* Sums of channel i, in the order of the filters, of both pixels. */
EC_INLINE void ec_mve_gemm_sums(
    const ec_mve_block *block, int32_t chunks, int32_t i, int32_t sums[2]) {
    const int8_t *group = block->filters + i / 4 * (16 + chunks * 64);
    const int8_t *taps = group + 16 + i % 4 * 16;
    sums[0] = (int32_t)ec_load4(group + i % 4 * 4);
    sums[1] = sums[0];
    for (int32_t k = 0; k < chunks * 16; ++k) {
        const int32_t v = (int32_t)taps[k / 16 * 64 + k % 16];
        /* Where taps are filled up there may be nothing to read. */
        sums[0] = ec_wrap_add(sums[0], v != 0 ? v * block->x0[k] : 0);
        sums[1] = ec_wrap_add(sums[1], v != 0 ? v * block->x1[k] : 0);
    }
}

/* Outputs of `count` channels of both pixels: four or eight from `first` on, in the order of the
 * filters. */
EC_INLINE void ec_mve_gemm_outputs(
    const ec_mve_block *block, int32_t form, int32_t shift, int32_t chunks, int32_t first,
    int32_t count, int8_t made[2][8]) {
    const int32_t words = ec_mve_finish_words(form);
    for (int32_t i = 0; i < count; ++i) {
        const int32_t *q = block->finish + (first + i) / 4 * words + i % 4;
        const int32_t right = form == EC_MVE_AFFINE ? shift : q[8];
        int32_t sums[2];
        ec_mve_gemm_sums(block, chunks, first + i, sums);
        for (int32_t j = 0; j < 2; ++j) {
            const int32_t value = ec_mve_finish(form, right, sums[j], q[0], q[4]);
            made[j][count > 4 ? i % 4 * 2 + i / 4 : i] =
                (int8_t)ec_clamp(value, block->act_min, block->act_max);
        }
    }
}

/* A core in plain C. As in the other, eight channels are computed before the first is written. */
EC_INLINE void ec_mve_gemm_plain(
    ec_mve_block *block, int32_t form, int32_t shift, int32_t unroll) {
    const int32_t chunks = block->trips * unroll;
    const int32_t groups = (int32_t)(block->end - block->filters) / (16 + chunks * 64);
    const int32_t tail = block->tail, whole = groups / 2 * 8 - (tail > 4 ? 8 : 0);
    for (; block->pairs > 0; --block->pairs) {
        for (int32_t first = 0; first < whole + tail; first += 8) {
            const int32_t count = first < whole ? 8 : tail;
            int8_t made[2][8];
            ec_mve_gemm_outputs(block, form, shift, chunks, first, count > 4 ? 8 : 4, made);
            for (int32_t c = 0; c < count; ++c) {
                block->out0[first + c] = made[0][c];
                block->out1[first + c] = made[1][c];
            }
        }
        block->x0 += block->x_step;
        block->x1 += block->x_step;
        block->out0 += whole + block->out_step;
        block->out1 += whole + block->out_step;
    }
}

#define EC_MVE_GEMM_PLANES(NAME, FORM, SHIFT, UNROLL, LOOP, CLAMP, TAIL)                     \
    static EC_UNUSED void NAME(ec_mve_block *block) {                                        \
        ec_mve_gemm_plain_planes(block, FORM, SHIFT, UNROLL);                                \
    }

/* The same for planes. */
EC_INLINE void ec_mve_gemm_plain_planes(
    ec_mve_block *block, int32_t form, int32_t shift, int32_t unroll) {
    const int32_t chunks = block->trips * unroll;
    const int32_t channels = (int32_t)(block->end - block->filters) / (16 + chunks * 64) * 4;
    for (; block->pairs > 0; --block->pairs) {
        for (int32_t first = 0; first < channels; first += 8) {
            const int32_t count = channels - first < 8 ? 4 : 8;
            int8_t made[2][8];
            ec_mve_gemm_outputs(block, form, shift, chunks, first, count, made);
            for (int32_t c = 0; c < count; ++c) {
                block->out0[block->at[c]] = made[0][c];
                block->out0[block->at[c] + 1] = made[1][c];
            }
            block->out0 += count == 8 ? block->group : 0;
        }
        block->x0 += block->x_step;
        block->x1 += block->x_step;
        block->out0 += block->out_step;
    }
}
#endif

/* NOLINTEND(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

#endif
