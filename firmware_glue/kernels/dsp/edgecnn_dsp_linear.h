/* SPDX-License-Identifier: Apache-2.0 */
/* int8 ADD, SUB and MUL as linear forms, four elements at a time: compiler/fast/dsp/linear.py has
 * the proof that each form gives the op's output on all 65,536 pairs of operands. */
#ifndef EDGECNN_DSP_LINEAR_H
#define EDGECNN_DSP_LINEAR_H

#include "edgecnn_dsp_common.h"

/* NOLINTBEGIN(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

/* sum + (factor * low >> 16), and the same of the pair's high half. */
EC_INLINE int32_t ec_smlawb(int32_t factor, uint32_t pair, int32_t sum) {
#if EC_DSP
    int32_t result;
    __asm__("smlawb %0, %1, %2, %3" : "=r"(result) : "r"(factor), "r"(pair), "r"(sum));
    return result;
#else
    return ec_wrap_add(sum, (int32_t)(((int64_t)factor * ec_pair_low(pair)) >> 16));
#endif
}

EC_INLINE int32_t ec_smlawt(int32_t factor, uint32_t pair, int32_t sum) {
#if EC_DSP
    int32_t result;
    __asm__("smlawt %0, %1, %2, %3" : "=r"(result) : "r"(factor), "r"(pair), "r"(sum));
    return result;
#else
    return ec_wrap_add(sum, (int32_t)(((int64_t)factor * ec_pair_high(pair)) >> 16));
#endif
}

EC_INLINE int32_t ec_smulbb(uint32_t a, uint32_t b) {
#if EC_DSP
    int32_t result;
    __asm__("smulbb %0, %1, %2" : "=r"(result) : "r"(a), "r"(b));
    return result;
#else
    return ec_pair_low(a) * ec_pair_low(b);
#endif
}

EC_INLINE int32_t ec_smultt(uint32_t a, uint32_t b) {
#if EC_DSP
    int32_t result;
    __asm__("smultt %0, %1, %2" : "=r"(result) : "r"(a), "r"(b));
    return result;
#else
    return ec_pair_high(a) * ec_pair_high(b);
#endif
}

/* (a - b) / 2 of both halves. */
EC_INLINE uint32_t ec_shsub16(uint32_t a, uint32_t b) {
#if EC_DSP
    uint32_t result;
    __asm__("shsub16 %0, %1, %2" : "=r"(result) : "r"(a), "r"(b));
    return result;
#else
    return ec_pair(
        (ec_pair_low(a) - ec_pair_low(b)) >> 1, (ec_pair_high(a) - ec_pair_high(b)) >> 1);
#endif
}

/* 256 times the bytes 0 and 2 of a word (the word itself: 1 and 3), as a pair: one AND. */
#define EC_EVEN_BYTES(word) (((word) << 8) & 0xFF00FF00u)
#define EC_ODD_BYTES(word) ((word) & 0xFF00FF00u)

/* clamp(((factor1 * x1 >> 8) + (factor2 * (x2 ^ flip2) >> 8) + offset) >> SHIFT); flip2 is -1 for a
 * difference, else 0. act_min, act_max: [-128, 127] costs nothing. */
typedef struct {
    ec_broadcast shape;
    int32_t factor1, factor2, flip2, offset, act_min, act_max;
} ec_dsp_linear_params;

/* clamp(((factor * (x1 - zero1) * (x2 - zero2) >> 18) + offset) >> SHIFT); below is added to offset
 * where the product is below 0. */
typedef struct {
    ec_broadcast shape;
    int32_t zero1, zero2, factor, below, offset, act_min, act_max;
} ec_dsp_product_params;

/* Four bytes each of two operands -> four sums: of the bytes 0, 2, 1, 3. */
EC_INLINE void ec_dsp_linear_four(
    const ec_dsp_linear_params *p, uint32_t x1, uint32_t x2, int32_t sums[4]) {
    const uint32_t y2 = x2 ^ (uint32_t)p->flip2;
    const uint32_t even1 = EC_EVEN_BYTES(x1), even2 = EC_EVEN_BYTES(y2);
    const uint32_t odd1 = EC_ODD_BYTES(x1), odd2 = EC_ODD_BYTES(y2);
    sums[0] = ec_smlawb(p->factor2, even2, ec_smlawb(p->factor1, even1, p->offset));
    sums[1] = ec_smlawt(p->factor2, even2, ec_smlawt(p->factor1, even1, p->offset));
    sums[2] = ec_smlawb(p->factor2, odd2, ec_smlawb(p->factor1, odd1, p->offset));
    sums[3] = ec_smlawt(p->factor2, odd2, ec_smlawt(p->factor1, odd1, p->offset));
}

/* product: 2^14 times that of the operands. */
EC_INLINE int32_t ec_dsp_product_sum(const ec_dsp_product_params *p, int32_t product) {
    const int32_t offset = p->below ? p->offset + ((product >> 31) & p->below) : p->offset;
    return ec_smmla(product, p->factor, offset);
}

EC_INLINE void ec_dsp_product_four(
    const ec_dsp_product_params *p, uint32_t x1, uint32_t x2, int32_t sums[4]) {
    const uint32_t z1 = ec_pair(p->zero1 * 256, p->zero1 * 256);
    const uint32_t z2 = ec_pair(p->zero2 * 256, p->zero2 * 256);
    /* 128 times the values, so 2^14 times the products. */
    const uint32_t even1 = ec_shsub16(EC_EVEN_BYTES(x1), z1);
    const uint32_t even2 = ec_shsub16(EC_EVEN_BYTES(x2), z2);
    const uint32_t odd1 = ec_shsub16(EC_ODD_BYTES(x1), z1);
    const uint32_t odd2 = ec_shsub16(EC_ODD_BYTES(x2), z2);
    sums[0] = ec_dsp_product_sum(p, ec_smulbb(even1, even2));
    sums[1] = ec_dsp_product_sum(p, ec_smultt(even1, even2));
    sums[2] = ec_dsp_product_sum(p, ec_smulbb(odd1, odd2));
    sums[3] = ec_dsp_product_sum(p, ec_smultt(odd1, odd2));
}

/* Defines NAME##_four: four sums to four outputs, and NAME##_run: a run of `count` outputs whose
 * operands follow each other (step 1) or stay (step 0), and kernel NAME. All operands of four
 * outputs are read before the first of them is written, in ascending order: the output may lie over
 * an operand that is not repeated, or start before it. */
#define EC_DSP_PAIRWISE(NAME, PARAMS, FOUR, SHIFT)                                              \
    EC_SSAT8_ASR(NAME##_narrow, SHIFT)                                                          \
    EC_INLINE void NAME##_four(const PARAMS *p, uint32_t x1, uint32_t x2, int8_t *out) {        \
        int32_t sums[4];                                                                        \
        FOUR(p, x1, x2, sums);                                                                  \
        const int32_t r0 = NAME##_narrow(sums[0]), r1 = NAME##_narrow(sums[2]);                 \
        const int32_t r2 = NAME##_narrow(sums[1]), r3 = NAME##_narrow(sums[3]);                 \
        out[0] = (int8_t)r0;                                                                    \
        out[1] = (int8_t)r1;                                                                    \
        out[2] = (int8_t)r2;                                                                    \
        out[3] = (int8_t)r3;                                                                    \
        if (p->act_min > -128 || p->act_max < 127) {                                            \
            ec_dsp_clamp(out, 4, p->act_min, p->act_max);                                       \
        }                                                                                       \
    }                                                                                           \
    EC_INLINE void NAME##_run(                                                                  \
        const PARAMS *p, const int8_t *x1, int32_t step1, const int8_t *x2, int32_t step2,      \
        int32_t count, int8_t *out) {                                                           \
        const uint32_t same1 = (uint32_t)(uint8_t)*x1 * 0x01010101u;                            \
        const uint32_t same2 = (uint32_t)(uint8_t)*x2 * 0x01010101u;                            \
        const int8_t *const pairs = out + (count & ~7), *const fours = out + (count & ~3);      \
        const int8_t *const end = out + count;                                                  \
        while (out != pairs) {                                                                  \
            NAME##_four(p, step1 ? ec_load4(x1) : same1, step2 ? ec_load4(x2) : same2, out);    \
            x1 += 4 * step1;                                                                    \
            x2 += 4 * step2;                                                                    \
            NAME##_four(                                                                        \
                p, step1 ? ec_load4(x1) : same1, step2 ? ec_load4(x2) : same2, out + 4);        \
            x1 += 4 * step1;                                                                    \
            x2 += 4 * step2;                                                                    \
            out += 8;                                                                           \
        }                                                                                       \
        if (out != fours) {                                                                     \
            NAME##_four(p, step1 ? ec_load4(x1) : same1, step2 ? ec_load4(x2) : same2, out);    \
            x1 += 4 * step1;                                                                    \
            x2 += 4 * step2;                                                                    \
            out += 4;                                                                           \
        }                                                                                       \
        EC_ROLLED for (; out != end; ++out) {                                                   \
            int32_t sums[4];                                                                    \
            FOUR(p, (uint8_t)*x1, (uint8_t)*x2, sums);                                          \
            *out = (int8_t)ec_clamp(NAME##_narrow(sums[0]), p->act_min, p->act_max);            \
            x1 += step1;                                                                        \
            x2 += step2;                                                                        \
        }                                                                                       \
    }                                                                                           \
    EC_KERNEL(NAME)                                                                             \
    void NAME(const PARAMS *p, const int8_t *in1, const int8_t *in2, int8_t *out) {             \
        const ec_broadcast *g = &p->shape;                                                      \
        const int32_t outer = g->rank - 1, count = g->dims[outer];                              \
        int32_t index[EC_MAX_DIMS] = {0};                                                       \
        int32_t at1 = 0, at2 = 0;                                                               \
        do {                                                                                    \
            NAME##_run(                                                                         \
                p, in1 + at1, g->strides1[outer], in2 + at2, g->strides2[outer], count, out);   \
            out += count;                                                                       \
        } while (ec_next(outer, g->dims, index, g->strides1, &at1, g->strides2, &at2));         \
    }

#define EC_DSP_LINEAR(NAME, SHIFT)                                                              \
    EC_DSP_PAIRWISE(NAME, ec_dsp_linear_params, ec_dsp_linear_four, SHIFT)
#define EC_DSP_PRODUCT(NAME, SHIFT)                                                             \
    EC_DSP_PAIRWISE(NAME, ec_dsp_product_params, ec_dsp_product_four, SHIFT)

/* NOLINTEND(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

#endif
