/* SPDX-License-Identifier: Apache-2.0 */
/* The inner products of convolutions and fully connected layers on the DSP extension: all output
 * channels of two pixels (EC_DSP_TWO) or of one (EC_DSP_ONE), four channels at a time.
 *
 * Patches (x) are pairs of 16-bit values, in the order of the weights; for two pixels, pair k of
 * the first one, then pair k of the second one. Weights, int32 words, per four channels:
 *   4 words: the sums' starts (the bias, zero points folded in);
 *   2 words per pair k: channels 0 and 1, channels 2 and 3. A word is two halfwords, one per value
 *     of the pair, with the weight of the even channel in its low byte;
 *   8 words: multiplier and addend of each channel (FORM 0), or
 *   12 words: multiplier, addend, shift of each channel (FORM 1 and 2).
 *
 * RAW 1: a halfword is 256 * w1 + w0. As a 16-bit factor it sums up 256 * A1 + A0, and A0 alone
 * comes from its low byte; their difference is 256 * A1. That saves an instruction per word, and is
 * exact where |A1| < 2^23. Start and addend of odd channels are 256 times theirs (the start plus
 * that of the even channel). RAW 0: the bytes are w0 and w1, extracted both.
 *
 * FORM 0: affine, 1: rounded twice, 2: rounded once; see compiler/fast/requant.py. SHIFT is
 * that of FORM 0, else 1.
 */
#ifndef EDGECNN_DSP_GEMM_MICRO_H
#define EDGECNN_DSP_GEMM_MICRO_H

#include "edgecnn_dsp_common.h"

/* NOLINTBEGIN(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

/* out0, out1: the two pixels. x ends at x_end, w at w_end. */
typedef void (*ec_dsp_two)(
    const uint32_t *x, const int32_t *w, int8_t *out0, int8_t *out1, const uint32_t *x_end,
    const int32_t *w_end);
typedef void (*ec_dsp_one)(
    const uint32_t *x, const int32_t *w, int8_t *out, const uint32_t *x_end,
    const int32_t *w_end);
/* Two pixels into planes of 16-bit values (edgecnn_dsp_planes.h): channels are 8 bytes apart, the
 * next four `group` bytes on. */
typedef void (*ec_dsp_two_planes)(
    const uint32_t *x, const int32_t *w, int8_t *out0, int8_t *out1, const uint32_t *x_end,
    const int32_t *w_end, int32_t group);

#if EC_DSP

/* One pair of two pixels, RAW 1 (48 bytes) and 0 (60 bytes). r2 to r9: sums of channel 0 (pixel 0,
 * pixel 1), channel 1 ... Every instruction takes four bytes, so that a loop can be entered at any
 * pair. */
#define EC_DSP_TWO_PAIR_1                                       \
    EC_ASM2("ldm.w r0!, {r10, r11}", "ldm.w r1!, {r12, lr}")    \
    EC_ASM2("smlad r5, r11, r12, r5", "smlad r4, r10, r12, r4") \
    EC_ASM("sxtb16 r12, r12")                                   \
    EC_ASM2("smlad r3, r11, r12, r3", "smlad r2, r10, r12, r2") \
    EC_ASM2("smlad r9, r11, lr, r9", "smlad r8, r10, lr, r8")   \
    EC_ASM("sxtb16 lr, lr")                                     \
    EC_ASM2("smlad r7, r11, lr, r7", "smlad r6, r10, lr, r6")
#define EC_DSP_TWO_PAIR_BYTES_1 "48"

#define EC_DSP_TWO_PAIR_0                                       \
    EC_ASM2("ldm.w r0!, {r10, r11}", "ldr.w r12, [r1], #4")     \
    EC_ASM2("sxtb16 lr, r12, ror #8", "sxtb16 r12, r12")        \
    EC_ASM2("smlad r5, r11, lr, r5", "smlad r4, r10, lr, r4")   \
    EC_ASM2("smlad r3, r11, r12, r3", "smlad r2, r10, r12, r2") \
    EC_ASM("ldr.w r12, [r1], #4")                               \
    EC_ASM2("sxtb16 lr, r12, ror #8", "sxtb16 r12, r12")        \
    EC_ASM2("smlad r9, r11, lr, r9", "smlad r8, r10, lr, r8")   \
    EC_ASM2("smlad r7, r11, r12, r7", "smlad r6, r10, r12, r6")
#define EC_DSP_TWO_PAIR_BYTES_0 "60"

/* One pair of one pixel (32 or 40 bytes): r2 to r5 are the sums of channels 0 to 3. */
#define EC_DSP_ONE_PAIR_1                                 \
    EC_ASM2("ldr.w r6, [r0], #4", "ldm.w r1!, {r8, r10}") \
    EC_ASM2("smlad r3, r6, r8, r3", "sxtb16 r8, r8")      \
    EC_ASM2("smlad r5, r6, r10, r5", "sxtb16 r10, r10")   \
    EC_ASM2("smlad r2, r6, r8, r2", "smlad r4, r6, r10, r4")
#define EC_DSP_ONE_PAIR_BYTES_1 "32"

#define EC_DSP_ONE_PAIR_0                                   \
    EC_ASM2("ldr.w r6, [r0], #4", "ldm.w r1!, {r8, r10}")   \
    EC_ASM2("sxtb16 r7, r8, ror #8", "sxtb16 r8, r8")       \
    EC_ASM2("smlad r3, r6, r7, r3", "smlad r2, r6, r8, r2") \
    EC_ASM2("sxtb16 r7, r10, ror #8", "sxtb16 r10, r10")    \
    EC_ASM2("smlad r5, r6, r7, r5", "smlad r4, r6, r10, r4")
#define EC_DSP_ONE_PAIR_BYTES_0 "40"

/* The same for two of four pairs, X0 and X1 (all four: 108 or 148 bytes). */
#define EC_DSP_ONE_PAIRS_1(X0, X1)          \
    EC_ASM("ldm.w r1!, {r8, r9, r10, r11}") \
    EC_DSP_ONE_WORDS(X0, "r8", "r9") EC_DSP_ONE_WORDS(X1, "r10", "r11")
#define EC_DSP_ONE_WORDS(X, W01, W23)                               \
    EC_ASM2("smlad r3, " X ", " W01 ", r3", "sxtb16 " W01 ", " W01) \
    EC_ASM("smlad r2, " X ", " W01 ", r2")                          \
    EC_ASM2("smlad r5, " X ", " W23 ", r5", "sxtb16 " W23 ", " W23) \
    EC_ASM("smlad r4, " X ", " W23 ", r4")
#define EC_DSP_ONE_FOUR_BYTES_1 "108"

#define EC_DSP_ONE_PAIRS_0(X0, X1) EC_DSP_ONE_PLAIN(X0) EC_DSP_ONE_PLAIN(X1)
#define EC_DSP_ONE_PLAIN(X)                                         \
    EC_ASM("ldm.w r1!, {r8, r9}")                                   \
    EC_ASM2("sxtb16 r10, r8, ror #8", "sxtb16 r11, r9, ror #8")     \
    EC_ASM2("sxtb16 r8, r8", "sxtb16 r9, r9")                       \
    EC_ASM2("smlad r3, " X ", r10, r3", "smlad r5, " X ", r11, r5") \
    EC_ASM2("smlad r2, " X ", r8, r2", "smlad r4, " X ", r9, r4")
#define EC_DSP_ONE_FOUR_BYTES_0 "148"

/* 256 * A1 of what RAW summed up. */
#define EC_DSP_PART_0(ODD, EVEN)
#define EC_DSP_PART_1(ODD, EVEN) EC_ASM("sub " ODD ", " ODD ", " EVEN)

/* What an odd channel's sum is shifted by: to the output (FORM 0), to twice the sum (others). */
#define EC_DSP_ODD_0(SHIFT) "asr #" EC_TEXT(SHIFT)
#define EC_DSP_ODD_1(SHIFT) "asr #(" EC_TEXT(SHIFT) " + 8)"
#define EC_DSP_TWICE_0 "lsl #1"
#define EC_DSP_TWICE_1 "asr #7"

/* Sums to outputs. EC_DSP_LOAD_f fetches what two channels share a load for (FORM 0), EC_DSP_END_f
 * finishes the sum A of a channel with multiplier M and addend C. Free: r10, r11, r12, lr. */
#define EC_DSP_LOAD_0 EC_ASM("ldm r1!, {r10, r11, r12, lr}")
#define EC_DSP_CHANNEL_0
#define EC_DSP_END_0(A, M, C, RIGHT, TWICE) \
    EC_ASM2("smmla " A ", " A ", " M ", " C, "ssat " A ", #8, " A ", " RIGHT)

#define EC_DSP_LOAD_1
#define EC_DSP_CHANNEL_1 EC_ASM("ldm r1!, {r10, r11, r12}")
#define EC_DSP_END_1(A, M, C, RIGHT, TWICE)                            \
    EC_ASM2("add lr, r11, " A ", asr #31", "mov " A ", " A ", " TWICE) \
    EC_ASM2("smmlar " A ", " A ", r10, lr", "asr " A ", " A ", r12")   \
    EC_ASM("ssat " A ", #8, " A)

#define EC_DSP_LOAD_2
#define EC_DSP_CHANNEL_2 EC_DSP_CHANNEL_1
#define EC_DSP_END_2(A, M, C, RIGHT, TWICE)                             \
    EC_ASM2("mov " A ", " A ", " TWICE, "smmla " A ", " A ", r10, r11") \
    EC_ASM2("asr " A ", " A ", r12", "ssat " A ", #8, " A)

/* The outputs of channels 0 and 1, or 2 and 3, in the even and the odd registers. */
#define EC_DSP_TWO_OUTPUTS(E0, E1, O0, O1, RAW, FORM, SHIFT)                        \
    EC_DSP_LOAD_##FORM EC_DSP_CHANNEL_##FORM                                        \
    EC_DSP_END_##FORM(E0, "r10", "r11", EC_DSP_ODD_0(SHIFT), EC_DSP_TWICE_0)        \
    EC_DSP_END_##FORM(E1, "r10", "r11", EC_DSP_ODD_0(SHIFT), EC_DSP_TWICE_0)        \
    EC_DSP_CHANNEL_##FORM                                                           \
    EC_DSP_END_##FORM(O0, "r12", "lr", EC_DSP_ODD_##RAW(SHIFT), EC_DSP_TWICE_##RAW) \
    EC_DSP_END_##FORM(O1, "r12", "lr", EC_DSP_ODD_##RAW(SHIFT), EC_DSP_TWICE_##RAW)
#define EC_DSP_ONE_OUTPUTS(E, O, RAW, FORM, SHIFT)                          \
    EC_DSP_LOAD_##FORM EC_DSP_CHANNEL_##FORM                                \
    EC_DSP_END_##FORM(E, "r10", "r11", EC_DSP_ODD_0(SHIFT), EC_DSP_TWICE_0) \
    EC_DSP_CHANNEL_##FORM                                                   \
    EC_DSP_END_##FORM(O, "r12", "lr", EC_DSP_ODD_##RAW(SHIFT), EC_DSP_TWICE_##RAW)

/* Two pixels. On the stack: x, where to enter the loop, out0, out1, r4 to r11, lr, then x_end (52),
 * w_end (56) and, for planes, group (60). */
#define EC_DSP_TWO_START EC_ASM2("ldm r1, {r2, r4, r6, r8}", "ldm r1!, {r3, r5, r7, r9}")
#define EC_DSP_TWO_FINISH(RAW, FORM, SHIFT, STORE)                  \
    EC_DSP_PART_##RAW("r4", "r2") EC_DSP_PART_##RAW("r5", "r3")     \
    EC_DSP_PART_##RAW("r8", "r6") EC_DSP_PART_##RAW("r9", "r7")     \
    EC_DSP_TWO_OUTPUTS("r2", "r3", "r4", "r5", RAW, FORM, SHIFT)    \
    EC_DSP_TWO_OUTPUTS("r6", "r7", "r8", "r9", RAW, FORM, SHIFT)    \
    EC_ASM("ldrd r10, r11, [sp, #8]") STORE                         \
    EC_ASM("strd r10, r11, [sp, #8]")                               \
    EC_ASM2("ldr r12, [sp, #56]", "cmp r1, r12") EC_ASM("bne.w 1b") \
    EC_ASM2("add sp, sp, #16", "pop.w {r4-r11, pc}")
#define EC_DSP_TWO_BYTES                                \
    EC_ASM2("strb r4, [r10, #1]", "strb r5, [r11, #1]") \
    EC_ASM2("strb r6, [r10, #2]", "strb r7, [r11, #2]") \
    EC_ASM2("strb r8, [r10, #3]", "strb r9, [r11, #3]") \
    EC_ASM2("strb r2, [r10], #4", "strb r3, [r11], #4")
#define EC_DSP_TWO_HALFWORDS                                              \
    EC_ASM2("ldr r12, [sp, #60]", "strh r4, [r10, #8]")                   \
    EC_ASM2("strh r5, [r11, #8]", "strh r6, [r10, #16]")                  \
    EC_ASM2("strh r7, [r11, #16]", "strh r8, [r10, #24]")                 \
    EC_ASM2("strh r9, [r11, #24]", "strh r2, [r10]")                      \
    EC_ASM2("strh r3, [r11]", "add r10, r10, r12") EC_ASM("add r11, r11, r12")
#define EC_DSP_TWO_ARGUMENTS                                                         \
    const uint32_t *x EC_UNUSED, const int32_t *w EC_UNUSED, int8_t *out0 EC_UNUSED, \
        int8_t *out1 EC_UNUSED, const uint32_t *x_end EC_UNUSED,                     \
        const int32_t *w_end EC_UNUSED

/* Any number of pairs: the first round of the loop does what is left over of eight. */
#define EC_DSP_TWO_TEXT(RAW, FORM, SHIFT, STORE)                               \
    EC_ASM2("push.w {r0-r11, lr}", "ldr r2, [sp, #52]")                        \
    EC_ASM2("sub r2, r0, r2", "asr r2, r2, #3") EC_ASM("and r2, r2, #7")       \
    EC_ASM2("mov r3, #" EC_DSP_TWO_PAIR_BYTES_##RAW, "adr.w r4, 2f")           \
    EC_ASM2("mla r4, r2, r3, r4", "add r4, r4, #1") EC_ASM("str r4, [sp, #4]") \
    EC_ASM("1:") EC_DSP_TWO_START EC_ASM("ldr.w pc, [sp, #4]")                 \
    EC_ASM("2:") EC_ASM(".rept 8") EC_DSP_TWO_PAIR_##RAW EC_ASM(".endr")       \
    EC_ASM2("ldr r10, [sp, #52]", "cmp r0, r10") EC_ASM("bne.w 2b")            \
    EC_ASM("ldr r0, [sp]") EC_DSP_TWO_FINISH(RAW, FORM, SHIFT, STORE)

/* A small number of pairs, known. */
#define EC_DSP_TWO_SHORT_TEXT(RAW, FORM, SHIFT, PAIRS, STORE)             \
    EC_ASM("push.w {r0-r11, lr}")                                         \
    EC_ASM("1:") EC_DSP_TWO_START                                         \
    EC_ASM(".rept " EC_TEXT(PAIRS)) EC_DSP_TWO_PAIR_##RAW EC_ASM(".endr") \
    EC_ASM("sub r0, r0, #(8 * " EC_TEXT(PAIRS) ")")                       \
    EC_DSP_TWO_FINISH(RAW, FORM, SHIFT, STORE)

#define EC_DSP_TWO(NAME, RAW, FORM, SHIFT)                                      \
    EC_NAKED void NAME(EC_DSP_TWO_ARGUMENTS) {                                  \
        __asm__ volatile(EC_DSP_TWO_TEXT(RAW, FORM, SHIFT, EC_DSP_TWO_BYTES));  \
    }
#define EC_DSP_TWO_SHORT(NAME, RAW, FORM, SHIFT, PAIRS)                                      \
    EC_NAKED void NAME(EC_DSP_TWO_ARGUMENTS) {                                               \
        __asm__ volatile(EC_DSP_TWO_SHORT_TEXT(RAW, FORM, SHIFT, PAIRS, EC_DSP_TWO_BYTES));  \
    }
#define EC_DSP_TWO_PLANES(NAME, RAW, FORM, SHIFT)                                      \
    EC_NAKED void NAME(EC_DSP_TWO_ARGUMENTS, int32_t group EC_UNUSED) {                \
        __asm__ volatile(EC_DSP_TWO_TEXT(RAW, FORM, SHIFT, EC_DSP_TWO_HALFWORDS));     \
    }
#define EC_DSP_TWO_PLANES_SHORT(NAME, RAW, FORM, SHIFT, PAIRS)                                  \
    EC_NAKED void NAME(EC_DSP_TWO_ARGUMENTS, int32_t group EC_UNUSED) {                         \
        __asm__ volatile(EC_DSP_TWO_SHORT_TEXT(RAW, FORM, SHIFT, PAIRS, EC_DSP_TWO_HALFWORDS)); \
    }

/* One pixel. Of four pairs, what is left over is done singly (of three, some are skipped), then
 * comes a loop of four times four, entered at any four. On the stack: x, where to enter the first,
 * out, x_end, where to enter the second (16), r4 to r11, lr, then w_end (56). */
#define EC_DSP_ONE(NAME, RAW, FORM, SHIFT)                                              \
    EC_NAKED void NAME(                                                                 \
        const uint32_t *x EC_UNUSED, const int32_t *w EC_UNUSED, int8_t *out EC_UNUSED, \
        const uint32_t *x_end EC_UNUSED, const int32_t *w_end EC_UNUSED) {              \
        __asm__ volatile(                                                               \
            EC_ASM2("push.w {r4-r11, lr}", "sub sp, sp, #20")                           \
            EC_ASM2("str r0, [sp]", "str r2, [sp, #8]") EC_ASM("str r3, [sp, #12]")     \
            EC_ASM2("sub r2, r3, r0", "asr r2, r2, #2")                                 \
            EC_ASM2("mvn r3, r2", "and r3, r3, #3")                                     \
            EC_ASM2("mov r4, #" EC_DSP_ONE_PAIR_BYTES_##RAW, "adr.w r5, 2f")            \
            EC_ASM2("mla r5, r3, r4, r5", "add r5, r5, #1") EC_ASM("str r5, [sp, #4]")  \
            EC_ASM2("asrs r2, r2, #2", "adr.w r5, 4f") EC_ASM("beq.w 5f")               \
            EC_ASM2("rsb r2, r2, #0", "and r2, r2, #3")                                 \
            EC_ASM2("mov r4, #" EC_DSP_ONE_FOUR_BYTES_##RAW, "adr.w r5, 3f")            \
            EC_ASM("mla r5, r2, r4, r5")                                                \
            EC_ASM("5:") EC_ASM2("add r5, r5, #1", "str r5, [sp, #16]")                 \
            EC_ASM("1:") EC_ASM2("ldm r1!, {r2, r3, r4, r5}", "ldr.w pc, [sp, #4]")     \
            EC_ASM("2:") EC_ASM(".rept 3") EC_DSP_ONE_PAIR_##RAW EC_ASM(".endr")        \
            EC_ASM("ldr.w pc, [sp, #16]")                                               \
            EC_ASM("3:") EC_ASM(".rept 4") EC_ASM("ldm.w r0!, {r6, r7, r12, lr}")       \
            EC_DSP_ONE_PAIRS_##RAW("r6", "r7") EC_DSP_ONE_PAIRS_##RAW("r12", "lr")      \
            EC_ASM(".endr")                                                             \
            EC_ASM2("ldr r6, [sp, #12]", "cmp r0, r6") EC_ASM("bne.w 3b")               \
            EC_ASM("4:") EC_ASM("ldr r0, [sp]")                                         \
            EC_DSP_PART_##RAW("r3", "r2") EC_DSP_PART_##RAW("r5", "r4")                 \
            EC_DSP_ONE_OUTPUTS("r2", "r3", RAW, FORM, SHIFT)                            \
            EC_DSP_ONE_OUTPUTS("r4", "r5", RAW, FORM, SHIFT)                            \
            EC_ASM2("ldr r10, [sp, #8]", "strb r3, [r10, #1]")                          \
            EC_ASM2("strb r4, [r10, #2]", "strb r5, [r10, #3]")                         \
            EC_ASM2("strb r2, [r10], #4", "str r10, [sp, #8]")                          \
            EC_ASM2("ldr r12, [sp, #56]", "cmp r1, r12") EC_ASM("bne.w 1b")             \
            EC_ASM2("add sp, sp, #20", "pop.w {r4-r11, pc}"));                          \
    }

#else

/* One pair w of two channels for one x: the sums of both (odd: 256 times it and the even one). */
EC_INLINE void ec_dsp_two_channels(uint32_t x, uint32_t w, int32_t raw, int32_t sums[2]) {
    sums[1] = ec_smlad(x, raw ? w : ec_sxtb16_ror8(w), sums[1]);
    sums[0] = ec_smlad(x, ec_sxtb16(w), sums[0]);
}

EC_INLINE int32_t ec_dsp_round(
    int32_t sum, const int32_t *constants, int32_t scaled, int32_t form, int32_t shift) {
    if (form == 0) {
        return ec_dsp_affine(sum, constants[0], constants[1], shift + (scaled ? 8 : 0));
    }
    sum = scaled ? sum >> 8 : sum;
    return form == 1 ? ec_dsp_twice(sum, constants[0], constants[1], constants[2])
                     : ec_dsp_once(sum, constants[0], constants[1], constants[2]);
}

/* Four channels of one pixel; the patch's pairs are `step` words apart. Returns the next four's
 * weights. */
EC_INLINE const int32_t *ec_dsp_four_channels(
    const uint32_t *x, int32_t step, int32_t pairs, const int32_t *w, int8_t *out, int32_t raw,
    int32_t form, int32_t shift) {
    const int32_t words = form == 0 ? 2 : 3;
    int32_t sums[4] = {w[0], w[1], w[2], w[3]};
    w += 4;
    for (int32_t k = 0; k < pairs; ++k) {
        ec_dsp_two_channels(x[k * step], (uint32_t)w[0], raw, sums);
        ec_dsp_two_channels(x[k * step], (uint32_t)w[1], raw, sums + 2);
        w += 2;
    }
    for (int32_t c = 0; c < 4; ++c) {
        const int32_t scaled = raw && c % 2 != 0;
        const int32_t even = scaled ? sums[c - 1] : 0;
        const int32_t sum = (int32_t)((uint32_t)sums[c] - (uint32_t)even);
        out[c] = (int8_t)ec_dsp_round(sum, w + words * c, scaled, form, shift);
    }
    return w + 4 * words;
}

/* A value of 16 bits. */
EC_INLINE void ec_dsp_store2(int8_t *to, int32_t value) {
    *(int16_t *)(void *)to = (int16_t)value;
}

#define EC_DSP_TWO_SHORT(NAME, RAW, FORM, SHIFT, PAIRS) EC_DSP_TWO(NAME, RAW, FORM, SHIFT)
#define EC_DSP_TWO(NAME, RAW, FORM, SHIFT)                                        \
    static EC_NOINLINE EC_UNUSED void NAME(                                       \
        const uint32_t *x, const int32_t *w, int8_t *out0, int8_t *out1,          \
        const uint32_t *x_end, const int32_t *w_end) {                            \
        const int32_t pairs = (int32_t)(x_end - x) / 2;                           \
        while (w != w_end) {                                                      \
            ec_dsp_four_channels(x, 2, pairs, w, out0, RAW, FORM, SHIFT);         \
            w = ec_dsp_four_channels(x + 1, 2, pairs, w, out1, RAW, FORM, SHIFT); \
            out0 += 4;                                                            \
            out1 += 4;                                                            \
        }                                                                         \
    }

#define EC_DSP_TWO_PLANES_SHORT(NAME, RAW, FORM, SHIFT, PAIRS) \
    EC_DSP_TWO_PLANES(NAME, RAW, FORM, SHIFT)
#define EC_DSP_TWO_PLANES(NAME, RAW, FORM, SHIFT)                                          \
    static EC_NOINLINE EC_UNUSED void NAME(                                                \
        const uint32_t *x, const int32_t *w, int8_t *out0, int8_t *out1,                   \
        const uint32_t *x_end, const int32_t *w_end, int32_t group) {                      \
        const int32_t pairs = (int32_t)(x_end - x) / 2;                                    \
        int8_t made[8];                                                                    \
        while (w != w_end) {                                                               \
            ec_dsp_four_channels(x, 2, pairs, w, made, RAW, FORM, SHIFT);                  \
            w = ec_dsp_four_channels(x + 1, 2, pairs, w, made + 4, RAW, FORM, SHIFT);      \
            for (int32_t c = 0; c < 4; ++c) {                                              \
                ec_dsp_store2(out0 + 8 * c, made[c]);                                      \
                ec_dsp_store2(out1 + 8 * c, made[4 + c]);                                  \
            }                                                                              \
            out0 += group;                                                                 \
            out1 += group;                                                                 \
        }                                                                                  \
    }

#define EC_DSP_ONE(NAME, RAW, FORM, SHIFT)                                       \
    static EC_NOINLINE EC_UNUSED void NAME(                                      \
        const uint32_t *x, const int32_t *w, int8_t *out, const uint32_t *x_end, \
        const int32_t *w_end) {                                                  \
        for (; w != w_end; out += 4) {                                           \
            w = ec_dsp_four_channels(                                            \
                x, 1, (int32_t)(x_end - x), w, out, RAW, FORM, SHIFT);           \
        }                                                                        \
    }

#endif

/* NOLINTEND(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

#endif
