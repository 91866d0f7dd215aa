/* SPDX-License-Identifier: Apache-2.0 */
/* What the kernels for Helium (MVE, Armv8.1-M) share: copies, requantization. On any other core the
 * same functions in plain C, with the same results. C99, also valid C++. No libc.
 *
 * "bias": the model's, with the zero point of the input and what the form needs folded in.
 * "finish": what makes outputs of accumulators, per group of four channels: their multipliers and
 * addends, and but for the affine form their shifts, negative. Four int32 each. Forms: see
 * compiler/fast/mve/finish.py. */
#ifndef EDGECNN_MVE_COMMON_H
#define EDGECNN_MVE_COMMON_H

#include "edgecnn_dsp_common.h"

#if defined(__ARM_FEATURE_MVE) && defined(__GNUC__)
#define EC_MVE 1
#include <arm_mve.h>
/* VQSHRNB or VQSHRNT (LANES: b or t) of 32 or 16 bits, from QM to QD by SHIFT. As a number: GNU as
 * 2.40 makes VQRSHRN of it, which rounds. Short: a string of C has 4,095 characters. */
#define EC_MVE_VQSHRN(LANES, BITS, QD, QM, SHIFT)                                            \
    ".inst.w " EC_MVE_VQSHRN_##BITS "-(" #SHIFT "<<16)" EC_MVE_##LANES##QD "+" #QM "*2\n"
#define EC_MVE_VQSHRN_32 "0xEEA00F40"
#define EC_MVE_VQSHRN_16 "0xEE900F40"
#define EC_MVE_b0 ""
#define EC_MVE_t0 "+0x1000"
#define EC_MVE_b4 "+0x8000"
#define EC_MVE_t4 "+0x9000"
#define EC_MVE_b5 "+0xA000"
#define EC_MVE_t5 "+0xB000"
#else
#define EC_MVE 0
#endif

/* NOLINTBEGIN(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

#define EC_MVE_AFFINE 0
#define EC_MVE_TWICE 1
#define EC_MVE_ONCE 2

/* Sixteen bytes from one place to another, which do not overlap. */
EC_INLINE void ec_mve_copy16(int8_t *to, const int8_t *from) {
#if EC_MVE
    vstrbq_s8(to, vldrbq_s8(from));
#else
    for (int32_t i = 0; i < 16; ++i) {
        to[i] = from[i];
    }
#endif
}

/* Bytes from one place to another, which do not overlap. count >= 0. */
EC_INLINE void ec_mve_copy(int8_t *to, const int8_t *from, int32_t count) {
#if EC_MVE
    __asm__ volatile(
        "wlstp.8 lr, %2, 2f\n"
        "1:\n\t"
        "vldrb.8 q0, [%1], #16\n\t"
        "vstrb.8 q0, [%0], #16\n\t"
        "letp lr, 1b\n"
        "2:"
        : "+&r"(to), "+&r"(from)
        : "r"(count)
        : "lr", "d0", "d1", "memory");
#else
    for (int32_t i = 0; i < count; ++i) {
        to[i] = from[i];
    }
#endif
}

EC_INLINE void ec_mve_fill(int8_t *to, int32_t value, int32_t count) {
#if EC_MVE
    __asm__ volatile(
        "vdup.8 q0, %1\n\t"
        "wlstp.8 lr, %2, 2f\n"
        "1:\n\t"
        "vstrb.8 q0, [%0], #16\n\t"
        "letp lr, 1b\n"
        "2:"
        : "+&r"(to)
        : "r"(value), "r"(count)
        : "lr", "d0", "d1", "memory");
#else
    for (int32_t i = 0; i < count; ++i) {
        to[i] = (int8_t)value;
    }
#endif
}

/* Sixteen bytes of one value. */
EC_INLINE void ec_mve_fill16(int8_t *to, int32_t value) {
#if EC_MVE
    vstrbq_s8(to, vdupq_n_s8((int8_t)value));
#else
    ec_mve_fill(to, value, 16);
#endif
}

/* The output of an accumulator, before a narrower activation clamps it. shift: of the affine form
 * the layer's, else minus the channel's. */
EC_INLINE int32_t ec_mve_finish(
    int32_t form, int32_t shift, int32_t sum, int32_t multiplier, int32_t addend) {
    return form == EC_MVE_AFFINE  ? ec_dsp_affine(sum, multiplier, addend, shift)
           : form == EC_MVE_TWICE ? ec_dsp_twice(sum, multiplier, addend, -shift)
                                  : ec_dsp_once(sum, multiplier, addend, -shift);
}

/* Words of a group of "finish". */
EC_INLINE int32_t ec_mve_finish_words(int32_t form) {
    return form == EC_MVE_AFFINE ? 8 : 12;
}

/* NOLINTEND(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

#endif
