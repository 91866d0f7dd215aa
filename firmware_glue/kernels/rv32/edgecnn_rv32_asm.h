/* SPDX-License-Identifier: Apache-2.0 */
/* What the kernels for RV32IM share in assembly: from accumulators to outputs, by the forms of
 * edgecnn_rv32_common.h. */
#ifndef EDGECNN_RV32_ASM_H
#define EDGECNN_RV32_ASM_H

#include "edgecnn_rv32_common.h"

#if defined(__GNUC__) && defined(__riscv) && __riscv_xlen == 32 && defined(__riscv_mul) && \
    !defined(__riscv_32e)
#define EC_RV32_ASM 1
#else
#define EC_RV32_ASM 0
#endif

#if EC_RV32_ASM

/* Around the functions: C promises strings of 4,095 characters, these compilers take any. */
#define EC_RV32_LONG_STRINGS                                           \
    _Pragma("GCC diagnostic push")                                     \
    _Pragma("GCC diagnostic ignored \"-Woverlength-strings\"")
#define EC_RV32_SHORT_STRINGS _Pragma("GCC diagnostic pop")

/* clang-format off */
/* In every function: 28 registers are used; those to be kept go to 13 words of the stack. */
#define EC_RV32_KEEP(DO, AT)                                           \
    DO " s0, " #AT "(sp)\n\t" DO " s1, 4+" #AT "(sp)\n\t"              \
    DO " s2, 8+" #AT "(sp)\n\t" DO " s3, 12+" #AT "(sp)\n\t"           \
    DO " s4, 16+" #AT "(sp)\n\t" DO " s5, 20+" #AT "(sp)\n\t"          \
    DO " s6, 24+" #AT "(sp)\n\t" DO " s7, 28+" #AT "(sp)\n\t"          \
    DO " s8, 32+" #AT "(sp)\n\t" DO " s9, 36+" #AT "(sp)\n\t"          \
    DO " s10, 40+" #AT "(sp)\n\t" DO " s11, 44+" #AT "(sp)\n\t"        \
    DO " ra, 48+" #AT "(sp)\n\t"

/* A, an accumulator, to the output at AT, an address. a6 m, a7 C, t0 the shift, t1 and t2 the
 * activation's range; ra and T are free. */
#define EC_RV32_CLAMPED(A, AT)                                         \
    "sra " A ", " A ", t0\n\t"                                         \
    "bge " A ", t1, 1f\n\t" "mv " A ", t1\n\t" "1:\n\t"                \
    "bge t2, " A ", 1f\n\t" "mv " A ", t2\n\t" "1:\n\t"                \
    "sb " A ", " AT "\n\t"

#define EC_RV32_OUT_AFFINE(A, AT, T)                                   \
    "mulh " A ", " A ", a6\n\t" "add " A ", " A ", a7\n\t"             \
    EC_RV32_CLAMPED(A, AT)
#define EC_RV32_OUT_TWICE(A, AT, T)                                    \
    "srai ra, " A ", 31\n\t" "add ra, ra, a7\n\t"                      \
    "slli " A ", " A ", 1\n\t" "mul " T ", " A ", a6\n\t"              \
    "mulh " A ", " A ", a6\n\t" "srli " T ", " T ", 31\n\t"            \
    "add " A ", " A ", ra\n\t" "add " A ", " A ", " T "\n\t"           \
    EC_RV32_CLAMPED(A, AT)
#define EC_RV32_OUT_ONCE(A, AT, T)                                     \
    "slli " A ", " A ", 1\n\t" EC_RV32_OUT_AFFINE(A, AT, T)

#define EC_RV32_SHIFT_LAYER(AT)
#define EC_RV32_SHIFT_CHANNEL(AT) "lw t0, " AT "(a0)\n\t"

/* clang-format on */

#endif

#endif
