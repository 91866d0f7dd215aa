/* SPDX-License-Identifier: Apache-2.0 */
/* The loop over six pixels (edgecnn_rv32_gemm_micro.h) in assembly: sixteen sums, four words of
 * inputs and what else the loop needs take all 28 registers. Compilers fetch ahead, run out of
 * registers and take half as many instructions again. */
#ifndef EDGECNN_RV32_GEMM_ASM_H
#define EDGECNN_RV32_GEMM_ASM_H

#include "edgecnn_rv32_asm.h"

#if EC_RV32_ASM

/* clang-format off */
/* a0 inputs, a1 their end, a2 filters, a4-a7 words of inputs. A channel's weight W times those, to
 * its sums S and T of three pixels, U and V of the other three. */
#define EC_RV32_CHANNEL(W, S, T, U, V)                                 \
    "mul t1, a4, " W "\n\t" "mul t2, a5, " W "\n\t"                    \
    "mul ra, a6, " W "\n\t" "mul " W ", a7, " W "\n\t"                 \
    "add " S ", " S ", t1\n\t" "add " T ", " T ", t2\n\t"              \
    "add " U ", " U ", ra\n\t" "add " V ", " V ", " W "\n\t"

/* One input of six pixels. */
#define EC_RV32_INPUT(X0, X1, X2, X3, W0, W1, W2, W3)                  \
    "lw a4, " X0 "(a0)\n\t" "lw a5, " X1 "(a0)\n\t"                    \
    "lb t0, " W0 "(a2)\n\t" "lb a3, " W1 "(a2)\n\t"                    \
    "lw a6, " X2 "(a0)\n\t" "lw a7, " X3 "(a0)\n\t"                    \
    EC_RV32_CHANNEL("t0", "s0", "s1", "s2", "s3")                      \
    "lb t0, " W2 "(a2)\n\t"                                            \
    EC_RV32_CHANNEL("a3", "s4", "s5", "s6", "s7")                      \
    "lb a3, " W3 "(a2)\n\t"                                            \
    EC_RV32_CHANNEL("t0", "s8", "s9", "s10", "s11")                    \
    EC_RV32_CHANNEL("a3", "t3", "t4", "t5", "t6")

/* Three outputs of a channel from its sums. a0 numbers; a1, a3, a4 where the outputs go; AT: how
 * many behind. */
#define EC_RV32_THREE(OUT, S, T, AT)                                   \
    "slli a5, " S ", 11\n\t" "srai a5, a5, 11\n\t" "sub " S ", " S ", a5\n\t" \
    OUT("a5", AT "(a1)", "a2")                                         \
    "srli ra, " S ", 11\n\t" "sub " T ", " T ", ra\n\t" "srli " S ", " S ", 21\n\t" \
    "slli a5, " T ", 11\n\t" "srai a5, a5, 11\n\t" "sub " T ", " T ", a5\n\t" \
    OUT("a5", AT "(a3)", "a2")                                         \
    "srai " T ", " T ", 10\n\t" "add " T ", " T ", " S "\n\t"          \
    OUT(T, AT "(a4)", "a2")

#define EC_RV32_NUMBERS_4(AT)                                          \
    "lw a6, 16*" AT "+8(a0)\n\t" "lw a7, 16*" AT "+12(a0)\n\t"
#define EC_RV32_NUMBERS_5(AT)                                          \
    "lw a6, 20*" AT "+8(a0)\n\t" "lw a7, 20*" AT "+12(a0)\n\t" "lw t0, 20*" AT "+16(a0)\n\t"

/* Three pixels' outputs of up to four channels; A0 and A1: where the first channel's sums are. */
#define EC_RV32_PIXELS(OUT, NUMBERS, A0, A1, B0, B1, C0, C1, D0, D1)   \
    NUMBERS("0") EC_RV32_THREE(OUT, A0, A1, "0")                       \
    "lw " A0 ", 4(sp)\n\t" "addi " A0 ", " A0 ", -1\n\t" "beqz " A0 ", 6f\n\t" \
    NUMBERS("1") EC_RV32_THREE(OUT, B0, B1, "1")                       \
    "addi " A0 ", " A0 ", -1\n\t" "beqz " A0 ", 6f\n\t"                \
    NUMBERS("2") EC_RV32_THREE(OUT, C0, C1, "2")                       \
    "addi " A0 ", " A0 ", -1\n\t" "beqz " A0 ", 6f\n\t"                \
    NUMBERS("3") EC_RV32_THREE(OUT, D0, D1, "3")                       \
    "6:\n\t"

/* The sums of a channel begin with two words. */
#define EC_RV32_START(AT, S, T, U, V)                                  \
    "lw " S ", " AT "(a0)\n\t" "lw " T ", " AT "+4(a0)\n\t"            \
    "mv " U ", " S "\n\t" "mv " V ", " T "\n\t"

#define EC_RV32_TO_STACK(FROM, TO) "lw a1, " FROM "(a0)\n\t" "sw a1, " TO "(sp)\n\t"
/* Where three pixels' outputs go, and four channels further on. */
#define EC_RV32_PLACES(P0, P1, P2)                                     \
    "lw a1, " P0 "(sp)\n\t" "lw a3, " P1 "(sp)\n\t" "lw a4, " P2 "(sp)\n\t" \
    "addi a2, a1, 4\n\t" "addi a5, a3, 4\n\t" "addi a6, a4, 4\n\t"     \
    "sw a2, " P0 "(sp)\n\t" "sw a5, " P1 "(sp)\n\t" "sw a6, " P2 "(sp)\n\t"

/* All inputs of four channels. */
#define EC_RV32_INPUTS                                                 \
    "sub t0, a1, a0\n\t" "andi t0, t0, 16\n\t" "beqz t0, 3f\n\t"       \
    "addi a0, a0, -16\n\t" "addi a2, a2, -4\n\t" "j 4f\n\t"            \
    "3:\n\t"                                                           \
    EC_RV32_INPUT("0", "4", "8", "12", "0", "1", "2", "3")             \
    "4:\n\t"                                                           \
    EC_RV32_INPUT("16", "20", "24", "28", "4", "5", "6", "7")          \
    "addi a0, a0, 32\n\t" "addi a2, a2, 8\n\t"                         \
    "bne a0, a1, 3b\n\t"

/* WORDS: bytes of a channel's numbers. On the stack: filters; channels left; numbers; where the
 * outputs go; inputs and their end; the finish. */
#define EC_RV32_SIX(NAME, OUT, NUMBERS, WORDS)                         \
    static EC_UNUSED EC_NOINLINE __attribute__((naked)) void NAME(     \
        EC_UNUSED const ec_rv32_job *job) {                            \
        __asm__ volatile(                                              \
            "addi sp, sp, -112\n\t" EC_RV32_KEEP("sw", 60)             \
            EC_RV32_TO_STACK("48", "4") EC_RV32_TO_STACK("20", "8")    \
            EC_RV32_TO_STACK("24", "12") EC_RV32_TO_STACK("28", "16")  \
            EC_RV32_TO_STACK("32", "20") EC_RV32_TO_STACK("36", "24")  \
            EC_RV32_TO_STACK("40", "28") EC_RV32_TO_STACK("44", "32")  \
            EC_RV32_TO_STACK("0", "36") EC_RV32_TO_STACK("4", "40")    \
            EC_RV32_TO_STACK("52", "44") EC_RV32_TO_STACK("56", "48")  \
            EC_RV32_TO_STACK("60", "52")                               \
            "lw a2, 16(a0)\n\t"                                        \
            "2:\n\t"                                                   \
            "lw a0, 8(sp)\n\t"                                         \
            EC_RV32_START("0", "s0", "s1", "s2", "s3")                 \
            EC_RV32_START(WORDS, "s4", "s5", "s6", "s7")               \
            EC_RV32_START("2*" WORDS, "s8", "s9", "s10", "s11")        \
            EC_RV32_START("3*" WORDS, "t3", "t4", "t5", "t6")          \
            "lw a0, 36(sp)\n\t" "lw a1, 40(sp)\n\t"                    \
            EC_RV32_INPUTS                                             \
            "sw a2, 0(sp)\n\t" "lw a0, 8(sp)\n\t"                      \
            "lw t0, 44(sp)\n\t" "lw t1, 48(sp)\n\t" "lw t2, 52(sp)\n\t" \
            EC_RV32_PLACES("12", "16", "20")                           \
            EC_RV32_PIXELS(                                            \
                OUT, NUMBERS, "s0", "s1", "s4", "s5", "s8", "s9", "t3", "t4") \
            EC_RV32_PLACES("24", "28", "32")                           \
            EC_RV32_PIXELS(                                            \
                OUT, NUMBERS, "s2", "s3", "s6", "s7", "s10", "s11", "t5", "t6") \
            "addi a0, a0, 4*" WORDS "\n\t" "sw a0, 8(sp)\n\t"          \
            "lw a2, 0(sp)\n\t"                                         \
            "lw a0, 4(sp)\n\t" "addi a0, a0, -4\n\t" "sw a0, 4(sp)\n\t" \
            "bgtz a0, 2b\n\t"                                          \
            EC_RV32_KEEP("lw", 60) "addi sp, sp, 112\n\t" "ret\n\t");  \
    }

/* A sum is added to the one at AT. */
#define EC_RV32_OUT_SUM(A, AT, T)                                      \
    "lw " T ", " AT "\n\t" "add " A ", " A ", " T "\n\t" "sw " A ", " AT "\n\t"
#define EC_RV32_THREE_SUMS(S, T, AT0, AT1, AT2)                        \
    "slli a5, " S ", 11\n\t" "srai a5, a5, 11\n\t" "sub " S ", " S ", a5\n\t" \
    EC_RV32_OUT_SUM("a5", AT0 "(a1)", "a2")                            \
    "srli ra, " S ", 11\n\t" "sub " T ", " T ", ra\n\t" "srli " S ", " S ", 21\n\t" \
    "slli a5, " T ", 11\n\t" "srai a5, a5, 11\n\t" "sub " T ", " T ", a5\n\t" \
    EC_RV32_OUT_SUM("a5", AT1 "(a1)", "a2")                            \
    "srai " T ", " T ", 10\n\t" "add " T ", " T ", " S "\n\t"          \
    EC_RV32_OUT_SUM(T, AT2 "(a1)", "a2")
#define EC_RV32_NOTHING(S, T, U, V)                                    \
    "li " S ", 0\n\t" "li " T ", 0\n\t" "li " U ", 0\n\t" "li " V ", 0\n\t"

/* Four channels, a part of the inputs: their sums. */
#define EC_RV32_SIX_SUMS(NAME)                                         \
    static EC_UNUSED EC_NOINLINE __attribute__((naked)) void NAME(     \
        EC_UNUSED const ec_rv32_job *job) {                            \
        __asm__ volatile(                                              \
            "addi sp, sp, -64\n\t" EC_RV32_KEEP("sw", 12)              \
            "sw a0, 0(sp)\n\t"                                         \
            EC_RV32_NOTHING("s0", "s1", "s2", "s3")                    \
            EC_RV32_NOTHING("s4", "s5", "s6", "s7")                    \
            EC_RV32_NOTHING("s8", "s9", "s10", "s11")                  \
            EC_RV32_NOTHING("t3", "t4", "t5", "t6")                    \
            "lw a2, 16(a0)\n\t" "lw a1, 4(a0)\n\t" "lw a0, 0(a0)\n\t"  \
            EC_RV32_INPUTS                                             \
            "lw a0, 0(sp)\n\t" "lw a1, 64(a0)\n\t"                     \
            EC_RV32_THREE_SUMS("s0", "s1", "0", "4", "8")              \
            EC_RV32_THREE_SUMS("s4", "s5", "12", "16", "20")           \
            EC_RV32_THREE_SUMS("s8", "s9", "24", "28", "32")           \
            EC_RV32_THREE_SUMS("t3", "t4", "36", "40", "44")           \
            EC_RV32_THREE_SUMS("s2", "s3", "48", "52", "56")           \
            EC_RV32_THREE_SUMS("s6", "s7", "60", "64", "68")           \
            EC_RV32_THREE_SUMS("s10", "s11", "72", "76", "80")         \
            EC_RV32_THREE_SUMS("t5", "t6", "84", "88", "92")           \
            EC_RV32_KEEP("lw", 12) "addi sp, sp, 64\n\t" "ret\n\t");   \
    }
/* clang-format on */

#endif

#endif
