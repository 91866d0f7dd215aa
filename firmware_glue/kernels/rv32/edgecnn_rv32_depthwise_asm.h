/* SPDX-License-Identifier: Apache-2.0 */
/* The loop of edgecnn_rv32_depthwise.h in assembly: nine weights, three sums and the rest take all
 * 28 registers. Compilers keep no weight in one, and load it for each product. */
#ifndef EDGECNN_RV32_DEPTHWISE_ASM_H
#define EDGECNN_RV32_DEPTHWISE_ASM_H

#include "edgecnn_rv32_asm.h"

#if EC_RV32_ASM

/* clang-format off */
/* s0-s8 weights by columns, s9-s11 sums, a0-a2 where three rows are, a5 from a column to the next,
 * a4 the output, a3 from one to the next, t3 what sums start from, t4 the output at which to stop,
 * t5, t6 and ra of all uses; the rest as EC_RV32_CLAMPED has it. */
#define EC_RV32_MORE(SUM, X, W) "mul t6, " X ", " W "\n\t" "add " SUM ", " SUM ", t6\n\t"
#define EC_RV32_FIRST(SUM, X, W) "mul t6, " X ", " W "\n\t" "add " SUM ", t3, t6\n\t"
#define EC_RV32_LOAD(X, ROW) "lb " X ", 0(" ROW ")\n\t" "add " ROW ", " ROW ", a5\n\t"

/* The next column, which the window of B begins with. */
#define EC_RV32_COLUMN_0(B)                                            \
    EC_RV32_LOAD("t5", "a0") EC_RV32_LOAD("ra", "a1") EC_RV32_FIRST(B, "t5", "s0") \
    EC_RV32_LOAD("t5", "a2") EC_RV32_MORE(B, "ra", "s1") EC_RV32_MORE(B, "t5", "s2")
/* The same in the middle of A's. */
#define EC_RV32_COLUMN_1(A)                                            \
    EC_RV32_LOAD("t5", "a0") EC_RV32_LOAD("ra", "a1") EC_RV32_MORE(A, "t5", "s3") \
    EC_RV32_LOAD("t5", "a2") EC_RV32_MORE(A, "ra", "s4") EC_RV32_MORE(A, "t5", "s5")
/* The same in both. */
#define EC_RV32_COLUMN_10(A, B)                                        \
    EC_RV32_LOAD("t5", "a0") EC_RV32_LOAD("ra", "a1")                  \
    EC_RV32_MORE(A, "t5", "s3") EC_RV32_FIRST(B, "t5", "s0")           \
    EC_RV32_LOAD("t5", "a2")                                           \
    EC_RV32_MORE(A, "ra", "s4") EC_RV32_MORE(B, "ra", "s1")            \
    EC_RV32_MORE(A, "t5", "s5") EC_RV32_MORE(B, "t5", "s2")
/* The same in three windows, and A's output. */
#define EC_RV32_COLUMN_210(OUT, A, B, C)                               \
    EC_RV32_LOAD("t5", "a0") EC_RV32_LOAD("ra", "a1")                  \
    EC_RV32_MORE(A, "t5", "s6") EC_RV32_MORE(B, "t5", "s3") EC_RV32_FIRST(C, "t5", "s0") \
    EC_RV32_LOAD("t5", "a2")                                           \
    EC_RV32_MORE(A, "ra", "s7") EC_RV32_MORE(B, "ra", "s4") EC_RV32_MORE(C, "ra", "s1") \
    EC_RV32_MORE(A, "t5", "s8") EC_RV32_MORE(B, "t5", "s5") EC_RV32_MORE(C, "t5", "s2") \
    OUT(A, "0(a4)", "t6") "add a4, a4, a3\n\t"
/* Two columns of stride 2: the last of A's window is the first of the next one's. */
#define EC_RV32_COLUMNS(OUT)                                           \
    EC_RV32_COLUMN_1("s9")                                             \
    EC_RV32_LOAD("t5", "a0") EC_RV32_LOAD("ra", "a1")                  \
    EC_RV32_MORE("s9", "t5", "s6") EC_RV32_FIRST("s10", "t5", "s0")    \
    EC_RV32_LOAD("t5", "a2")                                           \
    EC_RV32_MORE("s9", "ra", "s7") EC_RV32_MORE("s10", "ra", "s1")     \
    EC_RV32_MORE("s9", "t5", "s8") EC_RV32_MORE("s10", "t5", "s2")     \
    OUT("s9", "0(a4)", "t6") "add a4, a4, a3\n\t" "mv s9, s10\n\t"

/* A row but for its first column and, where that lies outside, its last. */
#define EC_RV32_ROW_1(OUT)                                             \
    EC_RV32_COLUMN_10("s9", "s10")                                     \
    "beq a4, t4, 9f\n\t"                                               \
    "6:\n\t" EC_RV32_COLUMN_210(OUT, "s9", "s10", "s11")               \
    "beq a4, t4, 7f\n\t" EC_RV32_COLUMN_210(OUT, "s10", "s11", "s9")   \
    "beq a4, t4, 8f\n\t" EC_RV32_COLUMN_210(OUT, "s11", "s9", "s10")   \
    "bne a4, t4, 6b\n\t" "j 9f\n\t"                                    \
    "7:\n\t" "mv s9, s10\n\t" "j 9f\n\t"                               \
    "8:\n\t" "mv s9, s11\n\t" "9:\n\t"
#define EC_RV32_ROW_2(OUT)                                             \
    "beq a4, t4, 9f\n\t"                                               \
    "6:\n\t" EC_RV32_COLUMNS(OUT) "bne a4, t4, 6b\n\t" "9:\n\t"
/* The column before the last one, where that lies outside. */
#define EC_RV32_LAST_1
#define EC_RV32_LAST_2 EC_RV32_COLUMN_1("s9")

#define EC_RV32_OWN_SHIFT "lw t0, 12(ra)\n\t"
#define EC_RV32_NO_SHIFT

/* On the stack: the job; how far its tables' rows have moved for the channel, in the input and in
 * the output; filters; numbers; channels left, those left of the input channel; the tables; rows
 * left; bytes of a row's body; what a sum starts from behind a column outside, and what such a
 * column adds at the end; left; right. STEP: bytes of the table per output row. */
#define EC_RV32_DEPTHWISE3(NAME, OUT, SHIFT, ROW, LAST, STEP)          \
    static EC_UNUSED EC_NOINLINE __attribute__((naked)) void NAME(     \
        EC_UNUSED const ec_rv32_depthwise3_job *job) {                 \
        __asm__ volatile(                                              \
            "addi sp, sp, -112\n\t" EC_RV32_KEEP("sw", 60)             \
            "sw a0, 0(sp)\n\t" "sw zero, 4(sp)\n\t" "sw zero, 8(sp)\n\t" \
            "lw t3, 8(a0)\n\t" "lw t4, 12(a0)\n\t"                     \
            "sw t3, 12(sp)\n\t" "sw t4, 16(sp)\n\t"                    \
            "lw t3, 16(a0)\n\t" "lw t4, 20(a0)\n\t"                    \
            "sw t3, 20(sp)\n\t" "sw t4, 24(sp)\n\t"                    \
            "lw a5, 28(a0)\n\t" "lw a3, 32(a0)\n\t" "lw t4, 36(a0)\n\t" \
            "mul t4, t4, a3\n\t" "sw t4, 40(sp)\n\t"                   \
            "lw t0, 40(a0)\n\t" "sw t0, 52(sp)\n\t"                    \
            "lw t0, 44(a0)\n\t" "sw t0, 56(sp)\n\t"                    \
            "lw t0, 52(a0)\n\t" "lw t1, 56(a0)\n\t" "lw t2, 60(a0)\n\t" \
            "2:\n\t"                                                   \
            "lw ra, 12(sp)\n\t"                                        \
            "lb s0, 0(ra)\n\t" "lb s1, 1(ra)\n\t" "lb s2, 2(ra)\n\t"   \
            "lb s3, 3(ra)\n\t" "lb s4, 4(ra)\n\t" "lb s5, 5(ra)\n\t"   \
            "lb s6, 6(ra)\n\t" "lb s7, 7(ra)\n\t" "lb s8, 8(ra)\n\t"   \
            "addi ra, ra, 9\n\t" "sw ra, 12(sp)\n\t"                   \
            "lw ra, 16(sp)\n\t" "lw t3, 0(ra)\n\t"                     \
            "lw a6, 4(ra)\n\t" "lw a7, 8(ra)\n\t" SHIFT                \
            "addi ra, ra, 16\n\t" "sw ra, 16(sp)\n\t"                  \
            "lw t6, 0(sp)\n\t" "lw t5, 48(t6)\n\t"                     \
            "add ra, s0, s1\n\t" "add ra, ra, s2\n\t"                  \
            "mul ra, ra, t5\n\t" "add ra, ra, t3\n\t" "sw ra, 44(sp)\n\t" \
            "add ra, s6, s7\n\t" "add ra, ra, s8\n\t"                  \
            "mul ra, ra, t5\n\t" "sw ra, 48(sp)\n\t"                   \
            "lw ra, 0(t6)\n\t" "sw ra, 28(sp)\n\t"                     \
            "lw ra, 4(t6)\n\t" "sw ra, 32(sp)\n\t"                     \
            "lw ra, 24(t6)\n\t" "sw ra, 36(sp)\n\t"                    \
            "3:\n\t"                                                   \
            "lw ra, 28(sp)\n\t" "lw t5, 4(sp)\n\t"                     \
            "lw a0, 0(ra)\n\t" "lw a1, 4(ra)\n\t" "lw a2, 8(ra)\n\t"   \
            "add a0, a0, t5\n\t" "add a1, a1, t5\n\t" "add a2, a2, t5\n\t" \
            "addi ra, ra, " STEP "\n\t" "sw ra, 28(sp)\n\t"            \
            "lw ra, 32(sp)\n\t" "lw t5, 8(sp)\n\t"                     \
            "lw a4, 0(ra)\n\t" "add a4, a4, t5\n\t"                    \
            "addi ra, ra, 4\n\t" "sw ra, 32(sp)\n\t"                   \
            "lw t4, 40(sp)\n\t" "add t4, t4, a4\n\t"                   \
            "lw ra, 52(sp)\n\t"                                        \
            "lw s9, 44(sp)\n\t" "bnez ra, 5f\n\t"                      \
            EC_RV32_COLUMN_0("s9")                                     \
            "5:\n\t" ROW(OUT)                                          \
            "lw ra, 56(sp)\n\t" "beqz ra, 4f\n\t"                      \
            LAST                                                       \
            "lw ra, 48(sp)\n\t" "add s9, s9, ra\n\t"                   \
            OUT("s9", "0(a4)", "t6")                                   \
            "4:\n\t"                                                   \
            "lw ra, 36(sp)\n\t" "addi ra, ra, -1\n\t"                  \
            "sw ra, 36(sp)\n\t" "bnez ra, 3b\n\t"                      \
            "lw t5, 8(sp)\n\t" "addi t5, t5, 1\n\t" "sw t5, 8(sp)\n\t" \
            "lw ra, 24(sp)\n\t" "addi ra, ra, -1\n\t" "bnez ra, 4f\n\t" \
            "lw t5, 4(sp)\n\t" "addi t5, t5, 1\n\t" "sw t5, 4(sp)\n\t" \
            "lw t5, 0(sp)\n\t" "lw ra, 20(t5)\n\t"                     \
            "4:\n\t" "sw ra, 24(sp)\n\t"                               \
            "lw ra, 20(sp)\n\t" "addi ra, ra, -1\n\t"                  \
            "sw ra, 20(sp)\n\t" "bnez ra, 2b\n\t"                      \
            EC_RV32_KEEP("lw", 60) "addi sp, sp, 112\n\t" "ret\n\t");  \
    }

#define EC_RV32_DEPTHWISE3_BOTH(NAME, FORM, OUT, SHIFT)                \
    EC_RV32_DEPTHWISE3(                                                \
        ec_rv32_depthwise3_s1_##NAME, OUT, SHIFT, EC_RV32_ROW_1, EC_RV32_LAST_1, "4") \
    EC_RV32_DEPTHWISE3(                                                \
        ec_rv32_depthwise3_s2_##NAME, OUT, SHIFT, EC_RV32_ROW_2, EC_RV32_LAST_2, "8")
/* clang-format on */

#endif

#endif
