/* SPDX-License-Identifier: Apache-2.0 */
/* The loop of all ops of two operands with broadcasting. */
#ifndef EDGECNN_BROADCAST_H
#define EDGECNN_BROADCAST_H

#include "edgecnn_common.h"

/* NOLINTBEGIN(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

/* Defines kernel NAME: out[i] = VALUE(p, in1[...], in2[...]). PARAMS has an ec_broadcast "shape".
 * In ascending order, so the output may lie over an operand that is not repeated, or start
 * before it. */
#define EC_MIXED_KERNEL(NAME, PARAMS, IN1, IN2, OUT, VALUE)                                     \
    EC_KERNEL(NAME) void NAME(const PARAMS *p, const IN1 *in1, const IN2 *in2, OUT out[]) {     \
        const ec_broadcast *g = &p->shape;                                                      \
        const int32_t outer = g->rank - 1, count = g->dims[outer];                              \
        const int32_t step1 = g->strides1[outer], step2 = g->strides2[outer];                   \
        int32_t index[EC_MAX_DIMS] = {0};                                                       \
        int32_t at1 = 0, at2 = 0;                                                               \
        do {                                                                                    \
            const IN1 *x1 = in1 + at1;                                                          \
            const IN2 *x2 = in2 + at2;                                                          \
            for (int32_t i = 0; i < count; ++i) {                                               \
                *out++ = (OUT)VALUE(p, *x1, *x2);                                               \
                x1 += step1;                                                                    \
                x2 += step2;                                                                    \
            }                                                                                   \
        } while (ec_next(outer, g->dims, index, g->strides1, &at1, g->strides2, &at2));         \
    }

/* Both operands of one type. */
#define EC_BINARY_KERNEL(NAME, PARAMS, IN, OUT, VALUE)                                          \
    EC_MIXED_KERNEL(NAME, PARAMS, IN, IN, OUT, VALUE)

/* NOLINTEND(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

#endif
