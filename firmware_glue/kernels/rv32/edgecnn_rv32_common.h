/* SPDX-License-Identifier: Apache-2.0 */
/* From accumulators to int8 outputs in the fewest instructions of RV32IM, whose MULH gives the
 * upper word of a product. compiler/fast/requant.py solves for each channel's numbers and proves
 * them equal to the layer's own arithmetic on every accumulator that it can have. Of accumulator a,
 * start included (the bias of sums over raw input bytes, and a constant that the solver chose):
 *
 *     affine: (mulh(a, m) + C) >> S, S the same for all channels of a layer
 *     twice:  (round(2am / 2^32) + C + (a >> 31)) >> s
 *     once:   (mulh(2a, m) + C) >> s
 *
 * clamped to the activation's range. No sum overflows on accumulators that a layer can have. */
#ifndef EDGECNN_RV32_COMMON_H
#define EDGECNN_RV32_COMMON_H

#include "edgecnn_common.h"

/* NOLINTBEGIN(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

/* Functions that all layers of a model share. */
#define EC_RV32_SHARED static EC_NOINLINE EC_UNUSED

/* What is loaded behind it is not fetched before it: sums would be pushed out of registers. */
#if defined(__GNUC__) && defined(__riscv)
#define EC_RV32_FENCE() __asm__ volatile("" : : : "memory")
#else
#define EC_RV32_FENCE() ((void)0)
#endif

#define EC_RV32_AFFINE 0
#define EC_RV32_TWICE 1
#define EC_RV32_ONCE 2

/* What the outputs of a layer have in common; shift: S. */
typedef struct {
    int32_t shift, act_min, act_max;
} ec_rv32_finish;

EC_INLINE int32_t ec_rv32_mulh(int32_t a, int32_t b) {
    return (int32_t)(((int64_t)a * b) >> 32);
}

/* How a channel's accumulators become outputs. */
typedef struct {
    int32_t m, add, shift;
} ec_rv32_scale;

/* From m, C and, where not affine, s. */
EC_INLINE ec_rv32_scale ec_rv32_scale_of(const int32_t *numbers, int32_t form) {
    const ec_rv32_scale scale = {
        numbers[0], numbers[1], form == EC_RV32_AFFINE ? 0 : numbers[2]};
    return scale;
}

EC_INLINE int8_t ec_rv32_output(
    int32_t a, ec_rv32_scale q, int32_t form, const ec_rv32_finish *f) {
    int32_t v;
    if (form == EC_RV32_AFFINE) {
        v = (ec_rv32_mulh(a, q.m) + q.add) >> f->shift;
    } else if (form == EC_RV32_TWICE) {
        const int64_t product = (int64_t)a * q.m * 2 + ((int64_t)1 << 31);
        v = ((int32_t)(product >> 32) + q.add + (a >> 31)) >> q.shift;
    } else {
        v = (ec_rv32_mulh(a * 2, q.m) + q.add) >> q.shift;
    }
    v = v < f->act_min ? f->act_min : v;
    return (int8_t)(v > f->act_max ? f->act_max : v);
}

/* NOLINTEND(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

#endif
