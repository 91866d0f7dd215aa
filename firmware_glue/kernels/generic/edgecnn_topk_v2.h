/* SPDX-License-Identifier: Apache-2.0 */
/* TOPK_V2: the k highest values of each row in descending order, and where they are; of equal
 * values the first comes first. */
#ifndef EDGECNN_TOPK_V2_H
#define EDGECNN_TOPK_V2_H

#include "edgecnn_common.h"

/* NOLINTBEGIN(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

typedef struct {
    int32_t rows, depth, k;
} ec_topk_params;

/* k passes: each finds the best value that comes after the one before, so no memory is needed. */
#define EC_TOPK(SUFFIX, TYPE)                                                                 \
    EC_KERNEL(ec_topk_##SUFFIX) void ec_topk_##SUFFIX(                                        \
        const ec_topk_params *p, const TYPE *in, TYPE values[], int32_t *indices) {           \
        for (int32_t r = 0; r < p->rows; ++r) {                                               \
            int32_t last = -1;                                                                \
            for (int32_t j = 0; j < p->k; ++j) {                                              \
                int32_t best = -1;                                                            \
                for (int32_t i = 0; i < p->depth; ++i) {                                      \
                    const int after = last < 0 || in[i] < in[last]                            \
                        || (!(in[i] > in[last]) && i > last);                                 \
                    if (after && (best < 0 || in[i] > in[best])) {                            \
                        best = i;                                                             \
                    }                                                                         \
                }                                                                             \
                best = best < 0 ? 0 : best; /* only among NaNs */                             \
                *values++ = in[best];                                                         \
                *indices++ = best;                                                            \
                last = best;                                                                  \
            }                                                                                 \
            in += p->depth;                                                                   \
        }                                                                                     \
    }

EC_TOPK(s8, int8_t)
EC_TOPK(u8, uint8_t)
EC_TOPK(s16, int16_t)
EC_TOPK(s32, int32_t)
EC_TOPK(s64, int64_t)
EC_TOPK(f32, float)

/* NOLINTEND(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

#endif
