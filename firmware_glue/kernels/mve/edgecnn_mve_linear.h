/* SPDX-License-Identifier: Apache-2.0 */
/* int8 ADD and SUB as linear forms, four elements at a time: compiler/fast/linear.py has the
 * proof that a form gives the op's output on all 65,536 pairs of operands. With broadcasting. */
#ifndef EDGECNN_MVE_LINEAR_H
#define EDGECNN_MVE_LINEAR_H

#include "edgecnn_mve_common.h"

/* NOLINTBEGIN(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

/* clamp((factor1 * x1 + factor2 * x2 + offset) >> SHIFT): the sum fits 32 bits, its parts may wrap
 * around. */
typedef struct {
    ec_broadcast shape;
    int32_t factor1, factor2, offset, act_min, act_max;
} ec_mve_linear_params;

/* A run of outputs: the operands follow each other (varies), or x2 stays the same, and is in
 * offset. */
typedef struct {
    const int8_t *x1, *x2;
    int8_t *out;
    int32_t factor1, factor2, offset, count, act_min, act_max, varies;
} ec_mve_linear_run;

typedef void (*ec_mve_linear_core)(ec_mve_linear_run *run);

#if EC_MVE
#define EC_MVE_LINEAR_NARROW(SHIFT, CLAMP)                                                   \
    ".if " #SHIFT " > 16\n" EC_MVE_VQSHRN(b, 32, 0, 0, 16)                                   \
    ".if " #CLAMP "\n vshr.s16 q0, q0, #(" #SHIFT " - 16)\n"                                 \
    ".else\n" EC_MVE_VQSHRN(b, 16, 0, 0, ((SHIFT) - 16)) ".endif\n"                          \
    ".else\n" EC_MVE_VQSHRN(b, 32, 0, 0, SHIFT)                                              \
    ".if " #CLAMP " == 0\n vqmovnb.s16 q0, q0\n .endif\n .endif\n"                           \
    ".if " #CLAMP "\n vmax.s16 q0, q0, q2\n vmin.s16 q0, q0, q3\n .endif\n"                  \
    "vstrb.32 q0, [r2], #4\n"

/* Defines the core NAME. SHIFT: 1 to 24. CLAMP: 1 if the activation leaves less than int8's
 * range. */
#define EC_MVE_LINEAR(NAME, SHIFT, CLAMP)                                                    \
    EC_NAKED void NAME(EC_UNUSED ec_mve_linear_run *run) {                                   \
        __asm__ volatile(                                                                    \
            "push {r4-r10, lr}\n vpush {d8-d9}\n"                                            \
            "ldm r0, {r0-r9}\n vdup.32 q4, r3\n vdup.16 q2, r7\n vdup.16 q3, r8\n"           \
            "cmp r9, #0\n beq 3f\n"                                                          \
            "wlstp.32 lr, r6, 5f\n"                                                          \
            "2:\n vldrb.s32 q0, [r0], #4\n vldrb.s32 q1, [r1], #4\n"                         \
            "vmlas.s32 q0, q4, r5\n vmla.s32 q0, q1, r4\n"                                   \
            EC_MVE_LINEAR_NARROW(SHIFT, CLAMP) "letp lr, 2b\n b 5f\n"                        \
            "3:\n wlstp.32 lr, r6, 5f\n"                                                     \
            "4:\n vldrb.s32 q0, [r0], #4\n vmlas.s32 q0, q4, r5\n"                           \
            EC_MVE_LINEAR_NARROW(SHIFT, CLAMP) "letp lr, 4b\n"                               \
            "5:\n vpop {d8-d9}\n pop {r4-r10, pc}\n");                                       \
    }
#else
#define EC_MVE_LINEAR(NAME, SHIFT, CLAMP)                                                    \
    static EC_UNUSED void NAME(ec_mve_linear_run *run) {                                     \
        ec_mve_linear_plain(run, SHIFT);                                                     \
    }

/* A core in plain C. */
EC_INLINE void ec_mve_linear_plain(const ec_mve_linear_run *run, int32_t shift) {
    for (int32_t i = 0; i < run->count; ++i) {
        const uint32_t x2 = run->varies ? (uint32_t)run->x2[i] * (uint32_t)run->factor2 : 0;
        const uint32_t x1 = (uint32_t)run->x1[i] * (uint32_t)run->factor1;
        const int32_t sum = (int32_t)(x1 + x2 + (uint32_t)run->offset);
        run->out[i] = (int8_t)ec_clamp(sum >> shift, run->act_min, run->act_max);
    }
}
#endif

/* The innermost dimension is a run. A repeated operand goes to the offset; if both are, x1 has
 * one element, and there is one output. The output may lie over an operand that is not repeated,
 * or start before it. */
EC_KERNEL(ec_mve_linear) void ec_mve_linear(
    const ec_mve_linear_params *p, const int8_t *x1, const int8_t *x2, int8_t *out,
    ec_mve_linear_core core) {
    const ec_broadcast *s = &p->shape;
    const int32_t inner = s->rank - 1, count = inner < 0 ? 1 : s->dims[inner];
    const int32_t step1 = inner < 0 ? 1 : s->strides1[inner];
    const int32_t step2 = inner < 0 ? 0 : s->strides2[inner];
    int32_t index[EC_MAX_DIMS] = {0}, at1 = 0, at2 = 0;
    do {
        const int32_t one = x1[at1] * (step1 ? 0 : 1), two = x2[at2] * (step2 ? 0 : 1);
        ec_mve_linear_run run;
        run.x1 = step1 ? x1 + at1 : x2 + at2;
        run.x2 = x2 + at2;
        run.out = out;
        run.factor1 = step1 ? p->factor1 : p->factor2;
        run.factor2 = p->factor2;
        run.offset = (int32_t)((uint32_t)p->offset + (uint32_t)one * (uint32_t)p->factor1 +
                               (uint32_t)(step1 ? two : 0) * (uint32_t)p->factor2);
        run.count = count;
        run.act_min = p->act_min;
        run.act_max = p->act_max;
        run.varies = step1 != 0 && step2 != 0;
        core(&run);
        out += count;
    } while (ec_next(inner, s->dims, index, s->strides1, &at1, s->strides2, &at2));
}

/* NOLINTEND(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

#endif
