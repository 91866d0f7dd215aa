/* SPDX-License-Identifier: Apache-2.0 */
/* Patches for edgecnn_dsp_gemm_micro.h: bytes of a tensor as pairs of 16-bit values.
 *
 * A patch is some runs of bytes. Of each, four bytes b0 b1 b2 b3 become the pairs (b0, b2) and
 * (b1, b3); what is left over becomes (b0, b1) and (b2, ?), or (b0, ?), whose other half meets a
 * weight of 0. Two patches are written in turns: a pair of the first, then one of the second.
 */
#ifndef EDGECNN_DSP_GATHER_H
#define EDGECNN_DSP_GATHER_H

#include "edgecnn_dsp_common.h"

/* NOLINTBEGIN(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

/* `count` runs of `bytes` bytes; `skip` bytes lie between the end of one and the next. */
typedef struct {
    int32_t count, bytes, skip;
} ec_dsp_runs;

/* Writes the runs at first and second; returns the end of what it wrote. */
typedef uint32_t *(*ec_dsp_gather)(
    uint32_t *to, const int8_t *first, const int8_t *second, const ec_dsp_runs *runs);

/* One patch alone, or (step 2) one of two. Returns where the next pair goes. */
EC_INLINE uint32_t *ec_dsp_gather_run(
    uint32_t *to, const int8_t *from, int32_t bytes, int32_t step) {
    EC_ROLLED
    for (; bytes >= 4; bytes -= 4) {
        const uint32_t word = ec_load4(from);
        to[0] = ec_sxtb16(word);
        to[step] = ec_sxtb16_ror8(word);
        to += 2 * step;
        from += 4;
    }
    if (bytes >= 2) {
        *to = ec_pair(from[0], from[1]);
        to += step;
        from += 2;
        bytes -= 2;
    }
    if (bytes != 0) {
        *to = ec_pair(from[0], 0);
        to += step;
    }
    return to;
}

#if EC_DSP

/* Two words of each patch, one word of each, two bytes, one byte. */
#define EC_DSP_GATHER_8                                         \
    EC_ASM2("ldr r4, [r1], #4", "ldr r5, [r2], #4")             \
    EC_ASM2("ldr r8, [r1], #4", "ldr r9, [r2], #4")             \
    EC_ASM2("sxtb16 r6, r4, ror #8", "sxtb16 r7, r5, ror #8")   \
    EC_ASM2("sxtb16 r4, r4", "sxtb16 r5, r5")                   \
    EC_ASM2("sxtb16 r10, r8, ror #8", "sxtb16 r11, r9, ror #8") \
    EC_ASM2("sxtb16 r8, r8", "sxtb16 r9, r9")                   \
    EC_ASM("stm r0!, {r4-r11}")
#define EC_DSP_GATHER_4                                       \
    EC_ASM2("ldr r4, [r1], #4", "ldr r5, [r2], #4")           \
    EC_ASM2("sxtb16 r6, r4, ror #8", "sxtb16 r7, r5, ror #8") \
    EC_ASM2("sxtb16 r4, r4", "sxtb16 r5, r5")                 \
    EC_ASM("stm r0!, {r4-r7}")
#define EC_DSP_GATHER_2                                               \
    EC_ASM2("ldrsb r4, [r1], #1", "ldrsb r5, [r2], #1")               \
    EC_ASM2("ldrsb r6, [r1], #1", "ldrsb r7, [r2], #1")               \
    EC_ASM2("pkhbt r4, r4, r6, lsl #16", "pkhbt r5, r5, r7, lsl #16") \
    EC_ASM("stm r0!, {r4, r5}")
#define EC_DSP_GATHER_1                                 \
    EC_ASM2("ldrsb r4, [r1], #1", "ldrsb r5, [r2], #1") \
    EC_ASM("stm r0!, {r4, r5}")
#define EC_DSP_GATHER_ARGUMENTS                            \
    uint32_t *to EC_UNUSED, const int8_t *first EC_UNUSED, \
        const int8_t *second EC_UNUSED, const ec_dsp_runs *runs EC_UNUSED

/* Any runs. */
EC_NAKED uint32_t *ec_dsp_gather_any(EC_DSP_GATHER_ARGUMENTS) {
    __asm__ volatile(
        EC_ASM2("push.w {r4-r11, lr}", "ldr lr, [r3]")
        EC_ASM("1:") EC_ASM("ldr r12, [r3, #4]")
        EC_ASM2("subs r12, r12, #8", "blo 3f")
        EC_ASM("2:") EC_DSP_GATHER_8 EC_ASM2("subs r12, r12, #8", "bhs 2b")
        EC_ASM("3:") EC_ASM2("adds r12, r12, #8", "beq 6f")
        EC_ASM2("tst r12, #4", "beq 4f") EC_DSP_GATHER_4
        EC_ASM("4:") EC_ASM2("tst r12, #2", "beq 5f") EC_DSP_GATHER_2
        EC_ASM("5:") EC_ASM2("tst r12, #1", "beq 6f") EC_DSP_GATHER_1
        EC_ASM("6:") EC_ASM2("ldr r12, [r3, #8]", "subs lr, lr, #1")
        EC_ASM2("add r1, r1, r12", "add r2, r2, r12") EC_ASM("bne 1b")
        EC_ASM("pop.w {r4-r11, pc}"));
}

/* Runs of few bytes, known. */
#define EC_DSP_GATHER(NAME, COUNT, BYTES, SKIP)                                      \
    EC_NAKED uint32_t *NAME(EC_DSP_GATHER_ARGUMENTS) {                               \
        __asm__ volatile(                                                            \
            EC_ASM("push.w {r4-r11, lr}")                                            \
            EC_ASM(".rept " EC_TEXT(COUNT))                                          \
            EC_ASM(".rept (" EC_TEXT(BYTES) ") / 8") EC_DSP_GATHER_8 EC_ASM(".endr") \
            EC_ASM(".if (" EC_TEXT(BYTES) ") & 4") EC_DSP_GATHER_4 EC_ASM(".endif")  \
            EC_ASM(".if (" EC_TEXT(BYTES) ") & 2") EC_DSP_GATHER_2 EC_ASM(".endif")  \
            EC_ASM(".if (" EC_TEXT(BYTES) ") & 1") EC_DSP_GATHER_1 EC_ASM(".endif")  \
            EC_ASM(".if " EC_TEXT(COUNT) " > 1")                                     \
            EC_ASM2("addw r1, r1, #" EC_TEXT(SKIP), "addw r2, r2, #" EC_TEXT(SKIP))  \
            EC_ASM(".endif")                                                         \
            EC_ASM(".endr")                                                          \
            EC_ASM("pop.w {r4-r11, pc}"));                                           \
    }

#else

static EC_NOINLINE EC_UNUSED uint32_t *ec_dsp_gather_any(
    uint32_t *to, const int8_t *first, const int8_t *second, const ec_dsp_runs *runs) {
    uint32_t *end = to;
    for (int32_t i = 0; i < runs->count; ++i) {
        const int32_t from = i * (runs->bytes + runs->skip);
        end = ec_dsp_gather_run(to, first + from, runs->bytes, 2);
        ec_dsp_gather_run(to + 1, second + from, runs->bytes, 2);
        to = end;
    }
    return end;
}

#define EC_DSP_GATHER(NAME, COUNT, BYTES, SKIP)                                             \
    static EC_UNUSED uint32_t *NAME(                                                        \
        uint32_t *to, const int8_t *first, const int8_t *second, const ec_dsp_runs *runs) { \
        return ec_dsp_gather_any(to, first, second, runs);                                  \
    }

#endif

/* NOLINTEND(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

#endif
