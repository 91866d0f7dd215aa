/* SPDX-License-Identifier: Apache-2.0 */
/* FULLY_CONNECTED, int8, for cores that multiply 32 bits by 32 bits and keep 32.
 *
 * Sums are over x + 128 and w + 128, which load without their sign; what that adds is in the starts
 * (128 * w) and in one sum over the row (128 * x). Four outputs at a time.
 *
 * Constant arrays. filters: for each four outputs, for each input, four bytes w + 128; 128 where
 * there is no input or output any more. starts: what the sums start from. numbers: two words per
 * output, four if kinked, or of one output for all if shared (edgecnn_v6m_common.h). */
#ifndef EDGECNN_V6M_DENSE_H
#define EDGECNN_V6M_DENSE_H

#include "edgecnn_v6m_gemm_micro.h"

/* NOLINTBEGIN(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

/* finish: how sums become outputs (edgecnn_v6m_common.h); out_zero: for EC_V6M_EXACT.
 * Scratch, bytes: in_depth rounded up to a multiple of four. */
typedef struct {
    int32_t rows, in_depth, out_depth;
    int32_t shared, finish, out_zero, act_min, act_max;
} ec_v6m_dense_params;

#if EC_V6M_ASM

/* clang-format off */
#define EC_V6M_DENSE_INPUT(I, W0, W1, W2, W3)                                                 \
    "ldrb r2, [r0, #" I "]\n\t"                                                               \
    "ldrb r3, [r1, #" W0 "]\n\t" "muls r3, r2, r3\n\t" "adds r4, r4, r3\n\t"                  \
    "ldrb r3, [r1, #" W1 "]\n\t" "muls r3, r2, r3\n\t" "adds r5, r5, r3\n\t"                  \
    "ldrb r3, [r1, #" W2 "]\n\t" "muls r3, r2, r3\n\t" "adds r6, r6, r3\n\t"                  \
    "ldrb r3, [r1, #" W3 "]\n\t" "muls r3, r2, r3\n\t" "adds r7, r7, r3\n\t"

/* sums[j] = sum of x[i] * w[4 * i + j] over x up to end; a multiple of four bytes. */
static EC_UNUSED EC_NOINLINE __attribute__((naked)) void ec_v6m_dot4(
    EC_UNUSED const uint8_t *x, EC_UNUSED const uint8_t *w, EC_UNUSED uint32_t *sums,
    EC_UNUSED const uint8_t *end) {
    __asm__ volatile(
        ".syntax unified\n\t"
        "push {r2, r4-r7, lr}\n\t" "mov r12, r3\n\t"
        "movs r4, #0\n\t" "movs r5, #0\n\t" "movs r6, #0\n\t" "movs r7, #0\n\t"
        "subs r3, r3, r0\n\t" "lsls r3, r3, #29\n\t" "beq 1f\n\t"
        "subs r0, #4\n\t" "subs r1, #16\n\t" "b 2f\n\t"
        "1:\n\t"
        EC_V6M_DENSE_INPUT("0", "0", "1", "2", "3")
        EC_V6M_DENSE_INPUT("1", "4", "5", "6", "7")
        EC_V6M_DENSE_INPUT("2", "8", "9", "10", "11")
        EC_V6M_DENSE_INPUT("3", "12", "13", "14", "15")
        "2:\n\t"
        EC_V6M_DENSE_INPUT("4", "16", "17", "18", "19")
        EC_V6M_DENSE_INPUT("5", "20", "21", "22", "23")
        EC_V6M_DENSE_INPUT("6", "24", "25", "26", "27")
        EC_V6M_DENSE_INPUT("7", "28", "29", "30", "31")
        "adds r0, #8\n\t" "adds r1, #32\n\t"
        "cmp r0, r12\n\t" "bne 1b\n\t"
        "pop {r2}\n\t" "stmia r2!, {r4-r7}\n\t" "pop {r4-r7, pc}\n\t");
}
/* clang-format on */

#else

EC_SHARED void ec_v6m_dot4(
    const uint8_t *x, const uint8_t *w, uint32_t *sums, const uint8_t *end) {
    uint32_t a0 = 0u, a1 = 0u, a2 = 0u, a3 = 0u;
    for (; x != end; ++x) {
        const uint32_t v = *x;
        a0 += v * w[0];
        a1 += v * w[1];
        a2 += v * w[2];
        a3 += v * w[3];
        w += 4;
    }
    sums[0] = a0;
    sums[1] = a1;
    sums[2] = a2;
    sums[3] = a3;
}

#endif

/* Writes x + 128, and zeros up to a multiple of four; returns their sum. */
EC_SHARED uint32_t ec_v6m_dense_row(const int8_t *in, int32_t depth, uint8_t *x) {
    uint32_t sum = 0u;
    int32_t i = 0;
    EC_ROLLED
    for (; i < depth; ++i) {
        const uint32_t v = (uint32_t)(in[i] + 128);
        x[i] = (uint8_t)v;
        sum += v;
    }
    for (; (i & 3) != 0; ++i) {
        x[i] = 0u;
    }
    return sum;
}

/* The row's outputs; less: what the sums have too much of for every output. */
EC_SHARED void ec_v6m_dense_outputs(
    const ec_v6m_dense_params *p, const uint8_t *x, const uint8_t *filters,
    const int32_t *starts, const uint32_t *numbers, uint32_t less, int8_t *out) {
    const int32_t kinked = p->finish == EC_V6M_KINKED, exact = p->finish >= EC_V6M_EXACT;
    const int32_t padded = (p->in_depth + 3) / 4 * 4, step = p->shared ? 0 : kinked ? 4 : 2;
    const int32_t known = p->shared || exact;
    ec_v6m_scale q;
    ec_v6m_scale_of(numbers, kinked, p->act_min, &q);
    for (int32_t c = 0; c < p->out_depth; c += 4) {
        const int32_t left = p->out_depth - c, count = left < 4 ? left : 4;
        uint32_t sums[4];
        ec_v6m_dot4(x, filters, sums, x + padded);
        EC_ROLLED
        for (int32_t i = 0; i < count; ++i) {
            const uint32_t sum = sums[i] - less + (uint32_t)*starts++;
            if (!known) {
                ec_v6m_scale_of(numbers, kinked, p->act_min, &q);
            }
            *out++ = exact ? ec_v6m_exact(
                                 sum, numbers, p->finish, p->out_zero, p->act_min, p->act_max)
                           : ec_v6m_output(sum, &q, kinked, p->act_min, p->act_max);
            numbers += step;
        }
        filters += 4 * padded;
    }
}

EC_KERNEL(ec_v6m_dense) void ec_v6m_dense(
    const ec_v6m_dense_params *p, const int8_t *in, const uint8_t *filters,
    const int32_t *starts, const uint32_t *numbers, uint8_t *scratch, int8_t *out) {
    for (int32_t r = 0; r < p->rows; ++r) {
        const uint32_t sum = ec_v6m_dense_row(in, p->in_depth, scratch);
        ec_v6m_dense_outputs(p, scratch, filters, starts, numbers, sum << 7, out);
        in += p->in_depth;
        out += p->out_depth;
    }
}

/* NOLINTEND(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

#endif
