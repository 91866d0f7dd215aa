/* SPDX-License-Identifier: Apache-2.0 */
/* LOCAL_RESPONSE_NORMALIZATION over neighbouring channels, float32. */
#ifndef EDGECNN_LOCAL_RESPONSE_NORMALIZATION_H
#define EDGECNN_LOCAL_RESPONSE_NORMALIZATION_H

#include "edgecnn_common.h"
#include "edgecnn_math_special.h"

/* NOLINTBEGIN(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

/* Channel c is divided by (bias + alpha * sum of squares of [c - radius, c + radius))^beta. */
typedef struct {
    int32_t rows, depth, radius;
    float bias, alpha, beta;
} ec_lrn_params;

EC_KERNEL(ec_local_response_normalization_f32) void ec_local_response_normalization_f32(
    const ec_lrn_params *p, const float *in, float *out) {
    for (int32_t r = 0; r < p->rows; ++r) {
        for (int32_t c = 0; c < p->depth; ++c) {
            const int32_t first = c - p->radius < 0 ? 0 : c - p->radius;
            const int32_t end = c + p->radius < p->depth ? c + p->radius : p->depth;
            float sum = 0.0f;
            for (int32_t i = first; i < end; ++i) {
                sum += in[i] * in[i];
            }
            out[c] = in[c] * ec_powf(p->bias + p->alpha * sum, -p->beta);
        }
        in += p->depth;
        out += p->depth;
    }
}

/* NOLINTEND(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

#endif
