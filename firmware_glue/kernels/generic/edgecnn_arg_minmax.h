/* SPDX-License-Identifier: Apache-2.0 */
/* ARG_MAX and ARG_MIN along one dimension: the first index of the highest or lowest value. */
#ifndef EDGECNN_ARG_MINMAX_H
#define EDGECNN_ARG_MINMAX_H

#include "edgecnn_common.h"

/* NOLINTBEGIN(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

/* The input as (outer, count, inner). */
typedef struct {
    int32_t outer, count, inner;
} ec_arg_params;

#define EC_ARG(NAME, TYPE, OUT, BETTER)                                                       \
    EC_KERNEL(NAME) void NAME(const ec_arg_params *p, const TYPE *in, OUT out[]) {            \
        for (int32_t o = 0; o < p->outer; ++o) {                                              \
            for (int32_t i = 0; i < p->inner; ++i) {                                          \
                TYPE best = in[i];                                                            \
                int32_t index = 0;                                                            \
                for (int32_t k = 1; k < p->count; ++k) {                                      \
                    const TYPE v = in[k * p->inner + i];                                      \
                    if (BETTER) {                                                             \
                        best = v;                                                             \
                        index = k;                                                            \
                    }                                                                         \
                }                                                                             \
                *out++ = index;                                                               \
            }                                                                                 \
            in += p->count * p->inner;                                                        \
        }                                                                                     \
    }

#define EC_ARGS(SUFFIX, TYPE)                                                                 \
    EC_ARG(ec_arg_max_##SUFFIX##_s32, TYPE, int32_t, v > best)                                \
    EC_ARG(ec_arg_min_##SUFFIX##_s32, TYPE, int32_t, v < best)                                \
    EC_ARG(ec_arg_max_##SUFFIX##_s64, TYPE, int64_t, v > best)                                \
    EC_ARG(ec_arg_min_##SUFFIX##_s64, TYPE, int64_t, v < best)

EC_ARGS(s8, int8_t)
EC_ARGS(u8, uint8_t)
EC_ARGS(s32, int32_t)
EC_ARGS(f32, float)

/* NOLINTEND(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

#endif
