/* SPDX-License-Identifier: Apache-2.0 */
/* From accumulators to int8 outputs where a multiplication gives 32 bits and no more: Armv6-M and
 * the like. The Python twin is compiler/fast/v6m/requant.py, which solves for each channel's numbers
 * and proves them equal to the layer's own arithmetic on every accumulator that it can have.
 *
 * a = sum + start, where start is the channel's bias plus a constant that the solver chose; modulo
 * 2^32. Accumulators that give no extreme output have 0 <= a <= limit, and then
 *
 *     v = a * high + ((a * low) >> shift) + add        modulo 2^32
 *
 * less drop where a < kink, has the output in its top byte. No product overflows.
 *
 * A layer that some channel keeps from it is finished by 64-bit products (EC_V6M_EXACT). */
#ifndef EDGECNN_V6M_COMMON_H
#define EDGECNN_V6M_COMMON_H

#include "edgecnn_common.h"

/* Functions that all layers of a model share. */
#define EC_SHARED static EC_NOINLINE EC_UNUSED

/* NOLINTBEGIN(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

/* How a layer's sums become outputs: the form above, without and with a kink; TFLite's arithmetic;
 * the same rounded once, ties away from zero. */
#define EC_V6M_STRAIGHT 0
#define EC_V6M_KINKED 1
#define EC_V6M_EXACT 2
#define EC_V6M_NEAREST 3

/* One channel's numbers. Its order is that of the assembly's loads. */
typedef struct {
    uint32_t shift, limit, high, low, add, kink, drop;
} ec_v6m_scale;

/* The channel's numbers from their packed form: words[0]: high and low, one behind the other (0: the
 * output is constant, act_min + words[1]). words[1], from the top: 5 bits exponent e, 11 bits limit
 * in units of 2^(e - 1), 16 bits add in units of 2^(9 - e). Where kinked also words[2]: kink, and
 * words[3]: drop. Both units are at least 1. shift is the lower of 23 - e and 8 + e, or 0. */
EC_INLINE void ec_v6m_scale_of(
    const uint32_t *words, int32_t kinked, int32_t act_min, ec_v6m_scale *to) {
    const uint32_t multiplier = words[0], rest = words[1];
    const uint32_t lowest = (uint32_t)act_min << 24;
    const uint32_t e = rest >> 27;
    const uint32_t right = e >= 23u ? 0u : 23u - e, left = 8u + e;
    to->kink = kinked ? words[2] : 0u;
    to->drop = kinked ? words[3] : 0u;
    if (multiplier == 0u) {
        to->shift = to->high = to->low = 0u;
        to->limit = 0xFFFFFFFFu;
        to->add = (rest << 24) + lowest;
        return;
    }
    to->shift = right < left ? right : left;
    to->limit = ((rest >> 16) & 0x7FFu) << (e > 1u ? e - 1u : 0u);
    to->high = multiplier >> to->shift;
    to->low = multiplier & (((uint32_t)1 << to->shift) - 1u);
    to->add = ((rest & 0xFFFFu) << (e < 9u ? 9u - e : 0u)) + lowest;
}

/* The output of a = sum + start. */
EC_INLINE int8_t ec_v6m_output(
    uint32_t a, const ec_v6m_scale *q, int32_t kinked, int32_t act_min, int32_t act_max) {
    uint32_t v;
    if (a > q->limit) {
        return (int8_t)(a >> 31 ? act_min : act_max);
    }
    v = a * q->high + ((a * q->low) >> q->shift) + q->add;
    if (kinked && a < q->kink) {
        v -= q->drop;
    }
    return (int8_t)(uint8_t)(v >> 24);
}

/* The output of a sum with its bias. numbers: the multiplier and, as a word, the shift. */
EC_SHARED int8_t ec_v6m_exact(
    uint32_t sum, const uint32_t *numbers, int32_t finish, int32_t out_zero, int32_t act_min,
    int32_t act_max) {
    const int32_t acc = (int32_t)sum, multiplier = (int32_t)numbers[0];
    const int32_t shift = (int32_t)numbers[1];
    int32_t scaled;
    if (finish == EC_V6M_NEAREST) {
        const int64_t tie = ((int64_t)1 << (30 - shift)) - (acc < 0);
        scaled = (int32_t)(((int64_t)acc * multiplier + tie) >> (31 - shift));
    } else {
        scaled = ec_requant(acc, multiplier, shift);
    }
    return (int8_t)ec_clamp_shifted(scaled, out_zero, act_min, act_max);
}

/* NOLINTEND(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

#endif
