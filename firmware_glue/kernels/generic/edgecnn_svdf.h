/* SPDX-License-Identifier: Apache-2.0 */
/* SVDF: each filter keeps the last `memory` of its features; an output is the sum over `rank`
 * filters of their features weighted over time. */
#ifndef EDGECNN_SVDF_H
#define EDGECNN_SVDF_H

#include "edgecnn_common.h"

/* NOLINTBEGIN(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

typedef struct {
    int32_t batches, inputs, units, rank, memory;
    int32_t in_offset, out_offset;
    int32_t feature_multiplier, feature_shift, out_multiplier, out_shift;
} ec_svdf_s8_params;

typedef struct {
    int32_t batches, inputs, units, rank, memory;
    float act_min, act_max;
} ec_svdf_f32_params;

/* One per type of the state and the weights over time: int16, and TFLite Micro's int8. */
#define EC_SVDF(NAME, STATE, LOW, HIGH)                                                       \
    /* Forgets the oldest feature, takes in the newest, and weighs all of them over time. */  \
    EC_INLINE uint32_t NAME##_filter(                                                         \
        STATE state[], int32_t memory, int32_t feature, const STATE *times) {                 \
        uint32_t sum = 0;                                                                     \
        for (int32_t i = 0; i < memory; ++i) {                                                \
            const int32_t newest = ec_clamp(feature, LOW, HIGH);                              \
            state[i] = (STATE)(i + 1 < memory ? state[i + 1] : newest);                       \
            sum += (uint32_t)(state[i] * times[i]);                                           \
        }                                                                                     \
        return sum;                                                                           \
    }                                                                                         \
    EC_KERNEL(NAME) void NAME(                                                                \
        const ec_svdf_s8_params *p, const int8_t *in, const int8_t *feature_weights,          \
        const STATE *time_weights, const int32_t *bias, STATE state[], int8_t *out) {         \
        for (int32_t b = 0; b < p->batches; ++b) {                                            \
            const int8_t *features = feature_weights;                                         \
            const STATE *times = time_weights;                                                \
            for (int32_t unit = 0; unit < p->units; ++unit) {                                 \
                /* Sums wrap around at 32 bits, as the reference's do. */                     \
                uint32_t sum = bias != NULL ? (uint32_t)bias[unit] : 0;                       \
                for (int32_t r = 0; r < p->rank; ++r) {                                       \
                    const int32_t dot = ec_dot1(in, features, p->inputs, p->in_offset, 0, 0); \
                    const int32_t feature =                                                   \
                        ec_requant(dot, p->feature_multiplier, p->feature_shift);             \
                    sum += NAME##_filter(state, p->memory, feature, times);                   \
                    features += p->inputs;                                                    \
                    times += p->memory;                                                       \
                    state += p->memory;                                                       \
                }                                                                             \
                *out++ = (int8_t)ec_clamp_shifted(                                            \
                    ec_requant((int32_t)sum, p->out_multiplier, p->out_shift),                \
                    p->out_offset, INT8_MIN, INT8_MAX);                                       \
            }                                                                                 \
            in += p->inputs;                                                                  \
        }                                                                                     \
    }

EC_SVDF(ec_svdf_s8, int16_t, INT16_MIN, INT16_MAX)
EC_SVDF(ec_svdf_s8x8, int8_t, INT8_MIN, INT8_MAX)

/* In the order of LiteRT's vectors: four sums side by side, added up, then the rest. */
EC_INLINE float ec_svdf_dot_f32(const float *a, const float *b, int32_t count) {
    float lanes[4] = {0.0f, 0.0f, 0.0f, 0.0f};
    float sum;
    int32_t i = 0;
    for (; i + 4 <= count; i += 4) {
        for (int32_t lane = 0; lane < 4; ++lane) {
            lanes[lane] += a[i + lane] * b[i + lane];
        }
    }
    sum = ((lanes[0] + lanes[1]) + lanes[2]) + lanes[3];
    for (; i < count; ++i) {
        sum += a[i] * b[i];
    }
    return sum;
}

EC_INLINE float ec_svdf_filter_f32(
    float *state, int32_t memory, float feature, const float *time_weights) {
    for (int32_t i = 0; i + 1 < memory; ++i) {
        state[i] = state[i + 1];
    }
    state[memory - 1] = feature;
    return ec_svdf_dot_f32(state, time_weights, memory);
}

EC_KERNEL(ec_svdf_f32) void ec_svdf_f32(
    const ec_svdf_f32_params *p, const float *in, const float *feature_weights,
    const float *time_weights, const float *bias, float *state, float *out) {
    for (int32_t b = 0; b < p->batches; ++b) {
        const float *features = feature_weights, *times = time_weights;
        for (int32_t unit = 0; unit < p->units; ++unit) {
            float sum = 0.0f;
            for (int32_t r = 0; r < p->rank; ++r) {
                const float feature = ec_svdf_dot_f32(in, features, p->inputs);
                sum += ec_svdf_filter_f32(state, p->memory, feature, times);
                features += p->inputs;
                times += p->memory;
                state += p->memory;
            }
            sum += bias != NULL ? bias[unit] : 0.0f;
            sum = sum < p->act_min ? p->act_min : sum;
            *out++ = sum > p->act_max ? p->act_max : sum;
        }
        in += p->inputs;
    }
}

/* NOLINTEND(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

#endif
