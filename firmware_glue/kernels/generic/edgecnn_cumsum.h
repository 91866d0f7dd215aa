/* SPDX-License-Identifier: Apache-2.0 */
/* CUMSUM along one dimension; integers wrap around. */
#ifndef EDGECNN_CUMSUM_H
#define EDGECNN_CUMSUM_H

#include "edgecnn_common.h"

/* NOLINTBEGIN(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

/* in and out: [outer][axis][inner]. exclusive: without the element itself; reverse: from the
 * last element on. */
typedef struct {
    int32_t outer, axis, inner, exclusive, reverse;
} ec_cumsum_params;

/* T: the elements' type; W: the type they are added in. */
#define EC_CUMSUM_KERNEL(NAME, T, W)                                                            \
    EC_KERNEL(NAME) void NAME(const ec_cumsum_params *p, const T *in, T out[]) {                \
        const int32_t step = p->reverse ? -p->inner : p->inner;                                 \
        const int32_t first = p->reverse ? (p->axis - 1) * p->inner : 0;                        \
        for (int32_t o = 0; o < p->outer; ++o) {                                                \
            for (int32_t i = 0; i < p->inner; ++i) {                                            \
                int32_t at = o * p->axis * p->inner + first + i;                                \
                W sum = 0;                                                                      \
                for (int32_t k = 0; k < p->axis; ++k) {                                         \
                    const W before = sum;                                                       \
                    sum += (W)in[at];                                                           \
                    out[at] = (T)(p->exclusive ? before : sum);                                 \
                    at += step;                                                                 \
                }                                                                               \
            }                                                                                   \
        }                                                                                       \
    }

EC_CUMSUM_KERNEL(ec_cumsum_s32, int32_t, uint32_t)
EC_CUMSUM_KERNEL(ec_cumsum_s64, int64_t, uint64_t)
EC_CUMSUM_KERNEL(ec_cumsum_f32, float, float)

/* NOLINTEND(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

#endif
