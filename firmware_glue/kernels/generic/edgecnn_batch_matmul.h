/* SPDX-License-Identifier: Apache-2.0 */
/* BATCH_MATMUL: out[b][i][j] = sum over k of lhs[b][i][k] * rhs[b][k][j]; either side may be
 * transposed or shared by several batches, which is all in the strides. */
#ifndef EDGECNN_BATCH_MATMUL_H
#define EDGECNN_BATCH_MATMUL_H

#include "edgecnn_common.h"

/* NOLINTBEGIN(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

/* Strides in elements: per batch dimension (0 where shared), row, column. */
typedef struct {
    int32_t batches[3], lhs_batch[3], rhs_batch[3];
    int32_t rows, depth, cols;
    int32_t lhs_row, lhs_col, rhs_row, rhs_col;
} ec_batch_matmul_sizes;

typedef struct {
    ec_batch_matmul_sizes sizes;
    int32_t lhs_offset, rhs_offset, out_offset, act_min, act_max;
    int32_t multiplier, shift;
} ec_batch_matmul_params;

EC_INLINE int32_t ec_batch_matmul_clamp(const ec_batch_matmul_params *p, int32_t scaled) {
    return ec_clamp_shifted(scaled, p->out_offset, p->act_min, p->act_max);
}

#define EC_BATCH_MATMUL_S8(acc) \
    (int8_t)ec_batch_matmul_clamp(p, ec_requant(acc, p->multiplier, p->shift))
#define EC_BATCH_MATMUL_S16(acc) \
    (int16_t)ec_batch_matmul_clamp(p, ec_requant_wide(acc, p->multiplier, p->shift))
#define EC_BATCH_MATMUL_F32(acc) (acc)
#define EC_BATCH_MATMUL_OFFSET(value, offset) ((value) + (offset))
#define EC_BATCH_MATMUL_PLAIN(value, offset) (value)

/* One per type of operands and sum; SHIFTED adds the zero point, STORE makes an output. */
#define EC_BATCH_MATMUL(NAME, PARAMS, SIZES, LHS, RHS, SUM, SHIFTED, STORE)                   \
    EC_KERNEL(NAME) void NAME(const PARAMS *p, const LHS *lhs, const RHS *rhs, LHS out[]) {   \
        const ec_batch_matmul_sizes *g = SIZES;                                               \
        const int32_t inner = g->batches[1] * g->batches[2];                                  \
        for (int32_t b = 0; b < g->batches[0] * inner; ++b) {                                 \
            const int32_t b0 = b / inner;                                                     \
            const int32_t b1 = b / g->batches[2] % g->batches[1], b2 = b % g->batches[2];     \
            const LHS *x =                                                                    \
                lhs + b0 * g->lhs_batch[0] + b1 * g->lhs_batch[1] + b2 * g->lhs_batch[2];     \
            const RHS *y =                                                                    \
                rhs + b0 * g->rhs_batch[0] + b1 * g->rhs_batch[1] + b2 * g->rhs_batch[2];     \
            for (int32_t i = 0; i < g->rows; ++i) {                                           \
                for (int32_t j = 0; j < g->cols; ++j) {                                       \
                    SUM acc = 0;                                                              \
                    for (int32_t k = 0; k < g->depth; ++k) {                                  \
                        acc += SHIFTED(x[i * g->lhs_row + k * g->lhs_col], p->lhs_offset) *   \
                               SHIFTED(y[k * g->rhs_row + j * g->rhs_col], p->rhs_offset);    \
                    }                                                                         \
                    *out++ = STORE(acc);                                                      \
                }                                                                             \
            }                                                                                 \
        }                                                                                     \
    }

EC_BATCH_MATMUL(
    ec_batch_matmul_s8, ec_batch_matmul_params, &p->sizes, int8_t, int8_t, int32_t,
    EC_BATCH_MATMUL_OFFSET, EC_BATCH_MATMUL_S8)
EC_BATCH_MATMUL(
    ec_batch_matmul_s16, ec_batch_matmul_params, &p->sizes, int16_t, int16_t, int64_t,
    EC_BATCH_MATMUL_PLAIN, EC_BATCH_MATMUL_S16)
EC_BATCH_MATMUL(
    ec_batch_matmul_s16x8, ec_batch_matmul_params, &p->sizes, int16_t, int8_t, int64_t,
    EC_BATCH_MATMUL_PLAIN, EC_BATCH_MATMUL_S16)
EC_BATCH_MATMUL(
    ec_batch_matmul_f32, ec_batch_matmul_sizes, p, float, float, float, EC_BATCH_MATMUL_PLAIN,
    EC_BATCH_MATMUL_F32)

/* NOLINTEND(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

#endif
