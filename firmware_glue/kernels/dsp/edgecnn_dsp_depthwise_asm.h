/* SPDX-License-Identifier: Apache-2.0 */
/* The inner loops of 3x3 depthwise convolutions over planes (edgecnn_dsp_planes.h), in assembly.
 *
 * EC_DSP_DEPTHWISE3(NAME, ROWS, STRIDE, SHIFT, OUT_W, OUT_C, PITCH) defines NAME(planes, out,
 * record, times): ROWS (1 or 2) output rows at a time, `times` times, of one channel; all but NAME
 * are literals. SHIFT: 1 to 23: S of the affine requantization; 0: rounds twice, 24: once
 * (compiler/fast/requant.py). OUT_W, OUT_C: of the output, NHWC. PITCH: of the planes. record:
 * see edgecnn_dsp_depthwise.h.
 *
 * EC_DSP_DEPTHWISE3_SHARED has the same arguments: NAME then calls the code of all layers that
 * EC_DSP_DEPTHWISE3_CODE(NAME, ROWS, STRIDE, SHIFT) has defined, a fifth slower. With shared
 * kernels this is so for EC_DSP_DEPTHWISE3 too.
 *
 * Two outputs of each row are at work in r3 to r6. A word of the planes is two neighbours x0, x1 of
 * a row. A row's filter is kept as the pairs (w0, w1) and (w1, w2). So x0 and x1 are worth one
 * SMLAD where they are the first or the last two of a window, one SMLATB (x1 times the bottom, w0)
 * where x1 is the first, and one SMLABT where x0 is the last.
 *
 * r0: planes, r1: out, r2, r7: words, r8 to r12 and lr: the filter. Stack: 0: end of the row, 4:
 * the bias four times, 20: multiplier, addend, 28: first block of the rows, times left, 36: the
 * channel's shift and 40: the last two pairs of the filter, but in the affine form. Shared code
 * also has 48: pitch, output row and pixel, output width.
 */
#ifndef EDGECNN_DSP_DEPTHWISE_ASM_H
#define EDGECNN_DSP_DEPTHWISE_ASM_H

#include "edgecnn_dsp_common.h"

#if EC_DSP

/* ISO C99 promises string literals of 4095 characters only. */
#define EC_DW_LONG \
    _Pragma("GCC diagnostic push") _Pragma("GCC diagnostic ignored \"-Woverlength-strings\"")
#define EC_DW_LONG_END _Pragma("GCC diagnostic pop")

/* A word X of outputs P, Q: x0, x1 of both windows; x2, x3; x0, x1 of one; x2 of one. */
#define EC_DW_FIRST(X, W, P, Q) \
    "smlad " P ", " X ", " W ", " P "\n\tsmlatb " Q ", " X ", " W ", " Q "\n\t"
#define EC_DW_SECOND(X, W, P, Q) \
    "smlabt " P ", " X ", " W ", " P "\n\tsmlad " Q ", " X ", " W ", " Q "\n\t"
#define EC_DW_WHOLE(X, W, P) "smlad " P ", " X ", " W ", " P "\n\t"
#define EC_DW_LAST(X, W, P) "smlabt " P ", " X ", " W ", " P "\n\t"

/* Names end in ROWS and STRIDE. LOOP: two outputs of each row. TAIL: the last output of each row
 * where their number is odd. NEXT: steps to the next pixel pair and loads its first two rows. Of
 * four rows the middle ones feed two output rows of stride 1. */
#define EC_DW_LOOP_21(NEXT)                                                                \
    "ldrd r2, r7, [r0, #32]\n\t" EC_DW_FIRST("r2", "r12", "r3", "r4")                      \
    EC_DW_FIRST("r2", "r10", "r5", "r6") EC_DW_FIRST("r7", "r12", "r5", "r6")              \
    "ldrd r2, r7, [r0]\n\t" EC_DW_FIRST("r2", "r8", "r3", "r4")                            \
    EC_DW_FIRST("r7", "r10", "r3", "r4") EC_DW_FIRST("r7", "r8", "r5", "r6")               \
    NEXT EC_DW_SECOND("r2", "r9", "r3", "r4")                                              \
    EC_DW_SECOND("r7", "r11", "r3", "r4") EC_DW_SECOND("r7", "r9", "r5", "r6")             \
    "ldrd r2, r7, [r0, #32]\n\t" EC_DW_SECOND("r2", "lr", "r3", "r4")                      \
    EC_DW_SECOND("r2", "r11", "r5", "r6") EC_DW_SECOND("r7", "lr", "r5", "r6")
#define EC_DW_TAIL_21(NEXT)                                                                \
    "ldrd r2, r7, [r0]\n\t" EC_DW_WHOLE("r2", "r8", "r3") EC_DW_WHOLE("r7", "r10", "r3")   \
    EC_DW_WHOLE("r7", "r8", "r5")                                                          \
    "ldrd r2, r7, [r0, #32]\n\t" EC_DW_WHOLE("r2", "r12", "r3")                            \
    EC_DW_WHOLE("r2", "r10", "r5") EC_DW_WHOLE("r7", "r12", "r5")                          \
    NEXT EC_DW_LAST("r2", "r9", "r3") EC_DW_LAST("r7", "r11", "r3")                        \
    EC_DW_LAST("r7", "r9", "r5")                                                           \
    "ldrd r2, r7, [r0, #32]\n\t" EC_DW_LAST("r2", "lr", "r3")                              \
    EC_DW_LAST("r2", "r11", "r5") EC_DW_LAST("r7", "lr", "r5")
#define EC_DW_LOOP_11(NEXT)                                                                \
    "ldr r2, [r0, #32]\n\t" EC_DW_FIRST("r2", "r12", "r3", "r4")                           \
    "ldrd r2, r7, [r0]\n\t" EC_DW_FIRST("r2", "r8", "r3", "r4")                            \
    EC_DW_FIRST("r7", "r10", "r3", "r4")                                                   \
    NEXT EC_DW_SECOND("r2", "r9", "r3", "r4") EC_DW_SECOND("r7", "r11", "r3", "r4")        \
    "ldr r2, [r0, #32]\n\t" EC_DW_SECOND("r2", "lr", "r3", "r4")

/* Stride 2, or one output: a pixel pair is the first of a window, then the next one has its last
 * pixel. Of five rows the third feeds both output rows, P and Q. */
#define EC_DW_ROWS_FIRST(P)                                                                \
    "ldrd r2, r7, [r0]\n\t" EC_DW_WHOLE("r2", "r8", P) EC_DW_WHOLE("r7", "r10", P)         \
    "ldr r2, [r0, #32]\n\t" EC_DW_WHOLE("r2", "r12", P)
#define EC_DW_ROWS_LAST(NEXT, P)                                                           \
    NEXT EC_DW_LAST("r2", "r9", P) EC_DW_LAST("r7", "r11", P)                              \
    "ldr r2, [r0, #32]\n\t" EC_DW_LAST("r2", "lr", P)
#define EC_DW_BOTH_FIRST(P, Q)                                                             \
    "ldrd r2, r7, [r0]\n\t" EC_DW_WHOLE("r2", "r8", P) EC_DW_WHOLE("r7", "r10", P)         \
    "ldrd r2, r7, [r0, #32]\n\t" EC_DW_WHOLE("r2", "r12", P)                               \
    EC_DW_WHOLE("r2", "r8", Q) EC_DW_WHOLE("r7", "r10", Q)                                 \
    "ldr r2, [r0, #64]\n\t" EC_DW_WHOLE("r2", "r12", Q)
#define EC_DW_BOTH_LAST(NEXT, P, Q)                                                        \
    NEXT EC_DW_LAST("r2", "r9", P) EC_DW_LAST("r7", "r11", P)                              \
    "ldrd r2, r7, [r0, #32]\n\t" EC_DW_LAST("r2", "lr", P)                                 \
    EC_DW_LAST("r2", "r9", Q) EC_DW_LAST("r7", "r11", Q)                                   \
    "ldr r2, [r0, #64]\n\t" EC_DW_LAST("r2", "lr", Q)
#define EC_DW_TAIL_11(NEXT) EC_DW_ROWS_FIRST("r3") EC_DW_ROWS_LAST(NEXT, "r3")
#define EC_DW_TAIL_12(NEXT) EC_DW_TAIL_11(NEXT)
#define EC_DW_TAIL_22(NEXT) EC_DW_BOTH_FIRST("r3", "r5") EC_DW_BOTH_LAST(NEXT, "r3", "r5")
#define EC_DW_LOOP_12(NEXT)                                                                \
    EC_DW_ROWS_FIRST("r3")                                                                 \
    NEXT EC_DW_LAST("r2", "r9", "r3") EC_DW_LAST("r7", "r11", "r3")                        \
    EC_DW_WHOLE("r2", "r8", "r4") EC_DW_WHOLE("r7", "r10", "r4")                           \
    "ldr r2, [r0, #32]\n\t" EC_DW_LAST("r2", "lr", "r3") EC_DW_WHOLE("r2", "r12", "r4")    \
    EC_DW_ROWS_LAST(NEXT, "r4")
#define EC_DW_LOOP_22(NEXT)                                                                \
    EC_DW_BOTH_FIRST("r3", "r5")                                                           \
    NEXT EC_DW_LAST("r2", "r9", "r3") EC_DW_LAST("r7", "r11", "r3")                        \
    EC_DW_WHOLE("r2", "r8", "r4") EC_DW_WHOLE("r7", "r10", "r4")                           \
    "ldrd r2, r7, [r0, #32]\n\t" EC_DW_LAST("r2", "lr", "r3")                              \
    EC_DW_LAST("r2", "r9", "r5") EC_DW_LAST("r7", "r11", "r5")                             \
    EC_DW_WHOLE("r2", "r12", "r4") EC_DW_WHOLE("r2", "r8", "r6")                           \
    EC_DW_WHOLE("r7", "r10", "r6")                                                         \
    "ldr r2, [r0, #64]\n\t" EC_DW_LAST("r2", "lr", "r5") EC_DW_WHOLE("r2", "r12", "r6")    \
    EC_DW_BOTH_LAST(NEXT, "r4", "r6")

/* From sums to bytes. But in the affine form, the channel's shift and a temporary take the place of
 * two pairs of the filter. */
#define EC_DW_AFFINE(A, SHIFT) \
    "smmla " A ", " A ", r2, r7\n\tssat " A ", #8, " A ", asr #" SHIFT "\n\t"
#define EC_DW_TWICE(A)                                                                     \
    "add lr, r7, " A ", asr #31\n\tlsl " A ", " A ", #1\n\tsmmlar " A ", " A ", r2, lr\n\t" \
    "asr " A ", " A ", r12\n\tssat " A ", #8, " A "\n\t"
#define EC_DW_ONCE(A)                                                                      \
    "lsl " A ", " A ", #1\n\tsmmla " A ", " A ", r2, r7\n\t"                               \
    "asr " A ", " A ", r12\n\tssat " A ", #8, " A "\n\t"
#define EC_DW_FINISH(SHIFT, AFFINE, TWICE, ONCE)                                           \
    "ldrd r2, r7, [sp, #20]\n\t.if " SHIFT " % 24\n\t" AFFINE ".else\n\tldr r12, [sp, #36]\n\t" \
    ".if " SHIFT " == 0\n\t" TWICE ".else\n\t" ONCE ".endif\n\t"                           \
    "ldrd r12, lr, [sp, #40]\n\t.endif\n\t"
#define EC_DW_FINISH_ONE(SHIFT, A) \
    EC_DW_FINISH(SHIFT, EC_DW_AFFINE(A, SHIFT), EC_DW_TWICE(A), EC_DW_ONCE(A))
#define EC_DW_FINISH_TWO(SHIFT, A, B)                                                      \
    EC_DW_FINISH(                                                                          \
        SHIFT, EC_DW_AFFINE(A, SHIFT) EC_DW_AFFINE(B, SHIFT), EC_DW_TWICE(A) EC_DW_TWICE(B), \
        EC_DW_ONCE(A) EC_DW_ONCE(B))
#define EC_DW_FINISH_FOUR(SHIFT)                                                           \
    EC_DW_FINISH(                                                                          \
        SHIFT,                                                                             \
        EC_DW_AFFINE("r3", SHIFT) EC_DW_AFFINE("r4", SHIFT) EC_DW_AFFINE("r5", SHIFT)      \
            EC_DW_AFFINE("r6", SHIFT),                                                     \
        EC_DW_TWICE("r3") EC_DW_TWICE("r4") EC_DW_TWICE("r5") EC_DW_TWICE("r6"),           \
        EC_DW_ONCE("r3") EC_DW_ONCE("r4") EC_DW_ONCE("r5") EC_DW_ONCE("r6"))

/* In front of all rows: the filter's pairs, what stays on the stack. */
#define EC_DW_BEGIN(SHIFT)                                                                 \
    "ldm r2, {r4, r5, r6, r8, r10, r12}\n\t"                                               \
    "strd r4, r4, [sp, #4]\n\tstrd r4, r4, [sp, #12]\n\tstrd r5, r6, [sp, #20]\n\t"        \
    "sxtb16 r9, r8, ror #8\n\tsxtb16 r8, r8\n\tsxtb16 r11, r10, ror #8\n\t"                \
    "sxtb16 r10, r10\n\tsxtb16 lr, r12, ror #8\n\tsxtb16 r12, r12\n\t"                     \
    ".if (" SHIFT " % 24) == 0\n\tldr r7, [r2, #24]\n\tstr r7, [sp, #36]\n\t"              \
    "strd r12, lr, [sp, #40]\n\t.endif\n\t"

/* Two outputs of each row, and the last one, from sums to memory, in code that layers share. */
#define EC_DW_SHARED_OUT_2(SHIFT)                                                                 \
    EC_DW_FINISH_FOUR(SHIFT) "ldrd r2, r7, [sp, #52]\n\tstrb r5, [r1, r2]\n\tadd r2, r7\n\t" \
    "strb r6, [r1, r2]\n\tstrb r3, [r1]\n\tstrb r4, [r1, r7]\n\tadd r1, r1, r7, lsl #1\n\t"
#define EC_DW_SHARED_END_2(SHIFT)                                                                 \
    EC_DW_FINISH_TWO(SHIFT, "r3", "r5") "ldrd r2, r7, [sp, #52]\n\tstrb r5, [r1, r2]\n\t"  \
    "strb r3, [r1]\n\tadd r1, r7\n\t"
#define EC_DW_SHARED_OUT_1(SHIFT)                                                                 \
    EC_DW_FINISH_TWO(SHIFT, "r3", "r4") "ldr r7, [sp, #56]\n\tstrb r3, [r1]\n\t"           \
    "strb r4, [r1, r7]\n\tadd r1, r1, r7, lsl #1\n\t"
#define EC_DW_SHARED_END_1(SHIFT) \
    EC_DW_FINISH_ONE(SHIFT, "r3") "ldr r7, [sp, #56]\n\tstrb r3, [r1]\n\tadd r1, r7\n\t"
#define EC_DW_SHARED_NEXT "ldr r2, [sp, #48]\n\tadd r0, r2\n\tldrd r2, r7, [r0]\n\t"

/* The fifth argument: OUT_W, OUT_C, PITCH. */
#define EC_DW_SHARED_TEXT(LOOP, TAIL, ROWS, STRIDE, SHIFT)                                        \
    "push {r4-r11, lr}\n\tsub sp, #68\n\t" EC_DW_BEGIN(SHIFT)                              \
    "ldr r7, [sp, #104]\n\tldm r7, {r4, r5, r6}\n\tmul r2, r4, r5\n\t"                     \
    "strd r6, r2, [sp, #48]\n\tstrd r5, r4, [sp, #56]\n"                                   \
    "1:\n\tstrd r0, r3, [sp, #28]\n\tldr r2, [sp, #60]\n\tldr r3, [sp, #48]\n\t"           \
    "lsr r2, r2, #1\n\tmul r2, r2, r3\n\t.if " STRIDE " == 2\n\tlsl r2, r2, #1\n\t.endif\n\t" \
    "add r2, r0\n\tstr r2, [sp]\n\tldm sp, {r2-r6}\n\tcmp r0, r2\n\tbeq 3f\n"              \
    "2:\n\t" LOOP "ldm sp, {r2-r6}\n\tcmp r0, r2\n\tbne 2b\n"                              \
    "3:\n\tldr r2, [sp, #60]\n\tlsls r2, r2, #31\n\tbeq 4f\n\t" TAIL                       \
    "4:\n\tldrd r0, r3, [sp, #28]\n\t.if " ROWS " == 2\n\tldr r2, [sp, #52]\n\tadd r1, r2\n\t" \
    ".endif\n\tadd r0, #(16*" ROWS "*" STRIDE ")\n\tsubs r3, #1\n\tbne 1b\n\t"             \
    "add sp, #68\n\tpop {r4-r11, pc}"

#define EC_DSP_DEPTHWISE3_CODE(NAME, ROWS, STRIDE, SHIFT)                                  \
    EC_DW_LONG                                                                             \
    EC_NAKED void NAME(                                                                    \
        const uint32_t *planes EC_UNUSED, int8_t *out EC_UNUSED,                           \
        const int32_t *record EC_UNUSED, int32_t times EC_UNUSED,                          \
        const int32_t *shape EC_UNUSED) {                                                  \
        __asm__ volatile(EC_DW_SHARED_TEXT(                                                       \
            EC_DW_LOOP_##ROWS##STRIDE(EC_DW_SHARED_NEXT) EC_DW_SHARED_OUT_##ROWS(#SHIFT),  \
            EC_DW_TAIL_##ROWS##STRIDE(EC_DW_SHARED_NEXT) EC_DW_SHARED_END_##ROWS(#SHIFT),  \
            #ROWS, #STRIDE, #SHIFT));                                                      \
    }                                                                                      \
    EC_DW_LONG_END
#define EC_DSP_DEPTHWISE3_SHARED(NAME, ROWS, STRIDE, SHIFT, OUT_W, OUT_C, PITCH)                  \
    static EC_NOINLINE EC_UNUSED void NAME(                                                \
        const uint32_t *planes, int8_t *out, const int32_t *record, int32_t times) {       \
        static const int32_t shape[] = {OUT_W, OUT_C, PITCH};                              \
        ec_dsp_depthwise3_code_##ROWS##_##STRIDE##_##SHIFT(planes, out, record, times, shape); \
    }

#if defined(EDGECNN_SHARED_KERNELS)
#define EC_DSP_DEPTHWISE3 EC_DSP_DEPTHWISE3_SHARED
#else

/* The bytes of the second output row, as far as STRB reaches. */
#define EC_DW_STORE(OUT_W, OUT_C, MORE)                                                    \
    ".if (" OUT_W "+1)*" OUT_C " < 4096\n\tstrb r5, [r1, #(" OUT_W "*" OUT_C ")]\n\t"      \
    ".if " MORE "\n\tstrb r6, [r1, #((" OUT_W "+1)*" OUT_C ")]\n\t.endif\n\t"              \
    ".else\n\tmovw r2, #(" OUT_W "*" OUT_C ")\n\tstrb r5, [r1, r2]\n\t"                    \
    ".if " MORE "\n\taddw r2, r2, #" OUT_C "\n\tstrb r6, [r1, r2]\n\t.endif\n\t.endif\n\t"
/* A byte of the first row, and on to the next pixel. */
#define EC_DW_STEP(A, OUT_C)                                                               \
    ".if " OUT_C " < 256\n\tstrb " A ", [r1], #" OUT_C "\n\t"                              \
    ".else\n\tstrb " A ", [r1]\n\taddw r1, r1, #" OUT_C "\n\t.endif\n\t"

/* Two outputs of each row, and the last one, from sums to memory, with literals. */
#define EC_DW_OUT_2(SHIFT, OUT_W, OUT_C)                                                   \
    EC_DW_FINISH_FOUR(SHIFT) EC_DW_STORE(OUT_W, OUT_C, "1")                                \
    EC_DW_STEP("r3", OUT_C) EC_DW_STEP("r4", OUT_C)
#define EC_DW_END_2(SHIFT, OUT_W, OUT_C)                                                   \
    EC_DW_FINISH_TWO(SHIFT, "r3", "r5") EC_DW_STORE(OUT_W, OUT_C, "0") EC_DW_STEP("r3", OUT_C)
#define EC_DW_OUT_1(SHIFT, OUT_W, OUT_C) \
    EC_DW_FINISH_TWO(SHIFT, "r3", "r4") EC_DW_STEP("r3", OUT_C) EC_DW_STEP("r4", OUT_C)
#define EC_DW_END_1(SHIFT, OUT_W, OUT_C) EC_DW_FINISH_ONE(SHIFT, "r3") EC_DW_STEP("r3", OUT_C)
#define EC_DW_NEXT(PITCH) "ldrd r2, r7, [r0, #" PITCH "]!\n\t"

/* A + VALUE, below 2^16. */
#define EC_DW_ADD(TO, A, VALUE)                                                            \
    ".if (" VALUE ") < 4096\n\taddw " TO ", " A ", #(" VALUE ")\n\t.else\n\t"              \
    "movw r2, #(" VALUE ")\n\tadd " TO ", " A ", r2\n\t.endif\n\t"

/* LOOP and TAIL: with what brings the sums to memory. Short rows are unrolled. */
#define EC_DW_TEXT(LOOP, TAIL, ROWS, STRIDE, SHIFT, OUT_W, OUT_C, PITCH)                   \
    "push {r4-r11, lr}\n\tsub sp, #52\n\t" EC_DW_BEGIN(SHIFT) "\n"                         \
    "1:\n\tstrd r0, r3, [sp, #28]\n\t"                                                     \
    ".if " OUT_W " < 8\n\t.rept " OUT_W "/2\n\tldm sp, {r2-r6}\n\t" LOOP "\n\t.endr\n\t"   \
    ".if " OUT_W " & 1\n\tldm sp, {r2-r6}\n\t.endif\n\t.else\n\t"                          \
    EC_DW_ADD("r2", "r0", OUT_W "/2*" STRIDE "*" PITCH) "str r2, [sp]\n\tldm sp, {r2-r6}\n" \
    "2:\n\t" LOOP "ldm sp, {r2-r6}\n\tcmp r0, r2\n\tbne 2b\n\t.endif\n\t"                  \
    ".if " OUT_W " & 1\n\t" TAIL ".endif\n\tldrd r0, r3, [sp, #28]\n\t"                    \
    ".if " ROWS " == 2\n\t" EC_DW_ADD("r1", "r1", OUT_W "*" OUT_C) ".endif\n\t"            \
    "add r0, #(16*" ROWS "*" STRIDE ")\n\tsubs r3, #1\n\tbne 1b\n\t"                       \
    "add sp, #52\n\tpop {r4-r11, pc}"

#define EC_DSP_DEPTHWISE3(NAME, ROWS, STRIDE, SHIFT, OUT_W, OUT_C, PITCH)                  \
    EC_DW_LONG                                                                             \
    EC_NAKED void NAME(                                                                    \
        const uint32_t *planes EC_UNUSED, int8_t *out EC_UNUSED,                           \
        const int32_t *record EC_UNUSED, int32_t times EC_UNUSED) {                        \
        __asm__ volatile(EC_DW_TEXT(                                                       \
            EC_DW_LOOP_##ROWS##STRIDE(EC_DW_NEXT(#PITCH))                                  \
                EC_DW_OUT_##ROWS(#SHIFT, #OUT_W, #OUT_C),                                  \
            EC_DW_TAIL_##ROWS##STRIDE(EC_DW_NEXT(#PITCH))                                  \
                EC_DW_END_##ROWS(#SHIFT, #OUT_W, #OUT_C),                                  \
            #ROWS, #STRIDE, #SHIFT, #OUT_W, #OUT_C, #PITCH));                              \
    }                                                                                      \
    EC_DW_LONG_END

#endif

#endif

#endif
