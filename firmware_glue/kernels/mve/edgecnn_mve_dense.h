/* SPDX-License-Identifier: Apache-2.0 */
/* FULLY_CONNECTED: four outputs at a time, 16 products each per VMLADAVA. The filters are the
 * model's own: (out_depth, in_depth), row by row.
 *
 * bias and finish (edgecnn_mve_common.h) by groups of four channels. If their number is no multiple
 * of four, the last group is the last four channels, some of them for the second time. Fewer than
 * four channels are a group each, four times the same.
 *
 * Exact: sums of products of bytes end within 32 bits; how they become outputs is proven by the
 * compiler on every sum that a channel can have. */
#ifndef EDGECNN_MVE_DENSE_H
#define EDGECNN_MVE_DENSE_H

#include "edgecnn_mve_common.h"

/* NOLINTBEGIN(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

/* words: int32 values per group of finish. */
typedef struct {
    int32_t rows, in_depth, out_depth, words, act_min, act_max;
} ec_mve_dense_params;

/* What a core is called with: `groups` groups, at least one. step: from filter to filter. The core
 * changes finish, out and groups. */
typedef struct {
    const int8_t *x, *filters;
    const int32_t *bias, *finish;
    int8_t *out;
    int32_t depth, step, groups, act_min, act_max;
} ec_mve_dense_block;

typedef void (*ec_mve_dense_core)(ec_mve_dense_block *block);

#if EC_MVE
/* Registers: r10 the block; r11 x, r12 filters, r8 bias; r1 and r3, r5, r7, r9 where they are
 * read; sums in r0, r2, r4, r6. */
#define EC_MVE_DENSE_SUMS                                                                    \
    "ldm r8!, {r0, r2, r4, r6}\n ldr lr, [r10, #24]\n mov r1, r11\n mov r3, r12\n"           \
    "add r5, r12, lr\n add r7, r5, lr\n add r9, r7, lr\n add r12, r9, lr\n"                  \
    "ldr lr, [r10, #20]\n wlstp.8 lr, lr, 3f\n"                                              \
    "2:\n vldrb.8 q0, [r1], #16\n"                                                           \
    "vldrb.8 q1, [r3], #16\n vmladava.s8 r0, q0, q1\n"                                       \
    "vldrb.8 q2, [r5], #16\n vmladava.s8 r2, q0, q2\n"                                       \
    "vldrb.8 q1, [r7], #16\n vmladava.s8 r4, q0, q1\n"                                       \
    "vldrb.8 q2, [r9], #16\n vmladava.s8 r6, q0, q2\n letp lr, 2b\n"                         \
    "3:\n vmov q0[2], q0[0], r0, r4\n vmov q0[3], q0[1], r2, r6\n"

#define EC_MVE_DENSE_SCALED(FORM, SHIFT)                                                     \
    "ldrd r0, r2, [r10, #12]\n vldrw.32 q1, [r0], #16\n vldrw.32 q2, [r0], #16\n"            \
    ".if " #FORM " == 0\n"                                                                   \
    "vmulh.s32 q0, q0, q1\n vadd.i32 q0, q0, q2\n" EC_MVE_VQSHRN(b, 32, 0, 0, SHIFT)         \
    ".else\n .if " #FORM " == 1\n"                                                           \
    "vshr.s32 q3, q0, #31\n vqrdmulh.s32 q0, q0, q1\n vadd.i32 q0, q0, q3\n"                 \
    ".else\n vqdmulh.s32 q0, q0, q1\n .endif\n"                                              \
    "vldrw.32 q1, [r0], #16\n vadd.i32 q0, q0, q2\n vshl.s32 q0, q0, q1\n"                   \
    "vqmovnb.s32 q0, q0\n .endif\n"

/* Defines the core NAME. FORM, SHIFT, CLAMP: as in edgecnn_mve_gemm.h. */
#define EC_MVE_DENSE(NAME, FORM, SHIFT, CLAMP)                                               \
    EC_NAKED void NAME(EC_UNUSED ec_mve_dense_block *block) {                                \
        __asm__ volatile(                                                                    \
            "push {r4-r11, lr}\n mov r10, r0\n"                                              \
            "ldr r11, [r10]\n ldr r12, [r10, #4]\n ldr r8, [r10, #8]\n"                      \
            "1:\n" EC_MVE_DENSE_SUMS EC_MVE_DENSE_SCALED(FORM, SHIFT)                        \
            ".if " #CLAMP "\n"                                                               \
            "ldrd r4, r6, [r10, #32]\n vdup.16 q1, r4\n vdup.16 q2, r6\n"                    \
            "vmax.s16 q0, q0, q1\n vmin.s16 q0, q0, q2\n"                                    \
            ".else\n vqmovnb.s16 q0, q0\n .endif\n"                                          \
            "ldr r4, [r10, #28]\n vstrb.32 q0, [r2], #4\n subs r4, #1\n"                     \
            "strd r0, r2, [r10, #12]\n str r4, [r10, #28]\n bne 1b\n"                        \
            "pop {r4-r11, pc}\n");                                                           \
    }
#else
#define EC_MVE_DENSE(NAME, FORM, SHIFT, CLAMP)                                               \
    static EC_UNUSED void NAME(ec_mve_dense_block *block) {                                  \
        ec_mve_dense_plain(block, FORM, SHIFT);                                              \
    }

/* A core in plain C. As in the other, four outputs are computed before the first is written. */
EC_INLINE void ec_mve_dense_plain(ec_mve_dense_block *block, int32_t form, int32_t shift) {
    for (int32_t group = 0; group < block->groups; ++group) {
        const int32_t *q = block->finish + group * ec_mve_finish_words(form);
        int8_t made[4];
        for (int32_t j = 0; j < 4; ++j) {
            const int32_t right = form == EC_MVE_AFFINE ? shift : q[8 + j];
            const int8_t *w = block->filters + (4 * group + j) * block->step;
            int32_t sum = block->bias[4 * group + j];
            for (int32_t k = 0; k < block->depth; ++k) {
                sum = ec_wrap_add(sum, block->x[k] * w[k]);
            }
            sum = ec_mve_finish(form, right, sum, q[j], q[4 + j]);
            made[j] = (int8_t)ec_clamp(sum, block->act_min, block->act_max);
        }
        for (int32_t j = 0; j < 4; ++j) {
            block->out[4 * group + j] = made[j];
        }
    }
}
#endif

/* One copy for all layers: their sizes are of little use to the compiler. */
static EC_NOINLINE EC_UNUSED void ec_mve_dense(
    const ec_mve_dense_params *p, const int8_t *in, const int8_t *filters, const int32_t *bias,
    const int32_t *finish, int8_t *out, ec_mve_dense_core core) {
    const int32_t depth = p->in_depth, units = p->out_depth, few = units < 4;
    const int32_t whole = few ? units : units / 4 * 4, end = few ? 0 : units;
    ec_mve_dense_block block;
    block.depth = depth;
    block.act_min = p->act_min;
    block.act_max = p->act_max;
    for (int32_t row = 0; row < p->rows; ++row) {
        int8_t four[4];
        int32_t done = 0;
        block.x = in + row * depth;
        block.step = few ? 0 : depth;
        while (done < whole || done < end) {
            const int32_t first = done < whole ? done : units - 4, group = few ? done : done / 4;
            block.filters = filters + first * depth;
            block.bias = bias + 4 * group;
            block.finish = finish + p->words * group;
            block.out = few ? four : out + row * units + first;
            block.groups = few || done == whole ? 1 : whole / 4;
            done += few ? 1 : 4 * block.groups;
            core(&block);
            if (few) {
                out[row * units + first] = four[0];
            }
        }
    }
}

/* NOLINTEND(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

#endif
