/* SPDX-License-Identifier: Apache-2.0 */
/* FULLY_CONNECTED: out[r][c] = sum over i of in[r][i] * filters[c][i], plus bias[c].
 *
 * LiteRT's reference kernel multiplies each sum by a real factor in double precision, and rounds
 * to nearest, ties away from zero. Where a 31-bit multiplier gives the same for every sum that can
 * matter (the compiler tries them all), the plain kernels do it ("nearest"); the _exact ones
 * compute the double product bit for bit in integers. TFLite Micro's arithmetic is that of
 * edgecnn_common.h: ec_requant, and ec_requant_wide for int16 activations. */
#ifndef EDGECNN_FULLY_CONNECTED_H
#define EDGECNN_FULLY_CONNECTED_H

#include "edgecnn_common.h"

/* NOLINTBEGIN(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

/* per_channel: multipliers and shifts have one entry per output, else one entry.
 * nearest: ties away from zero after one rounding. narrow: sums wrap around at 32 bits. */
typedef struct {
    int32_t rows, in_depth, out_depth;
    int32_t in_offset, filter_offset, out_offset, act_min, act_max;
    int32_t per_channel, nearest, narrow;
} ec_fully_connected_params;

typedef struct {
    int32_t rows, in_depth, out_depth;
    float act_min, act_max;
} ec_fully_connected_f32_params;

/* acc * multiplier / 2^31 * 2^shift to nearest, ties away from zero. */
EC_INLINE int32_t ec_requant_nearest(int32_t acc, int32_t multiplier, int32_t shift) {
    const int32_t total = 31 - shift;
    const int64_t tie = ((int64_t)1 << (total - 1)) - (acc < 0);
    return (int32_t)(((int64_t)acc * multiplier + tie) >> total);
}

EC_INLINE int32_t ec_bit_length(uint64_t x) {
    int32_t length = 0;
    for (int32_t step = 32; step > 0; step /= 2) {
        if ((x >> step) != 0) {
            x >>= step;
            length += step;
        }
    }
    return length + (x != 0);
}

/* acc * mantissa / 2^53 * 2^shift as a double holds it (53 bits, ties to even), then to nearest,
 * ties away from zero, saturated. |acc| < 2^53, 2^52 <= mantissa < 2^53 or 0. */
EC_INLINE int32_t ec_requant_exact(int64_t acc, int64_t mantissa, int32_t shift) {
    const uint64_t low_half = 0xFFFFFFFFu;
    const uint64_t a = acc < 0 ? (uint64_t)0 - (uint64_t)acc : (uint64_t)acc;
    const uint64_t m = (uint64_t)mantissa;
    const uint64_t first = (a & low_half) * (m & low_half);
    const uint64_t middle =
        (a & low_half) * (m >> 32) + (first >> 32) + (a >> 32) * (m & low_half);
    const uint64_t high = (a >> 32) * (m >> 32) + (middle >> 32);
    const uint64_t low = (middle << 32) | (first & low_half);
    const int32_t drop = (high != 0 ? 64 + ec_bit_length(high) : ec_bit_length(low)) - 53;
    uint64_t value = low;
    int32_t right, result;
    if (drop > 0) {
        const uint64_t rest = low & (((uint64_t)1 << drop) - 1);
        const uint64_t half = (uint64_t)1 << (drop - 1);
        value = (high << (64 - drop)) | (low >> drop);
        value += rest > half || (rest == half && (value & 1) != 0);
    }
    right = 53 - shift - (drop > 0 ? drop : 0);
    if (value == 0 || right > 54) {
        return 0;
    }
    if (right < 22) {
        return acc < 0 ? INT32_MIN : INT32_MAX;
    }
    value = (value + ((uint64_t)1 << (right - 1))) >> right;
    result = value > INT32_MAX ? INT32_MAX : (int32_t)value;
    return acc < 0 ? -result : result;
}

EC_INLINE int32_t ec_fully_connected_scale(
    const ec_fully_connected_params *p, int32_t acc, int32_t multiplier, int32_t shift) {
    return p->nearest ? ec_requant_nearest(acc, multiplier, shift)
                      : ec_requant(acc, multiplier, shift);
}

EC_INLINE int32_t ec_fully_connected_scale_exact(
    const ec_fully_connected_params *p, int64_t acc, int64_t mantissa, int32_t shift) {
    return ec_requant_exact(p->narrow ? (int64_t)(int32_t)(uint32_t)acc : acc, mantissa, shift);
}

EC_INLINE int32_t ec_fully_connected_scale_wide(
    const ec_fully_connected_params *p, int64_t acc, int32_t multiplier, int32_t shift) {
    return p->narrow ? ec_requant((int32_t)(uint32_t)acc, multiplier, shift)
                     : ec_requant_wide(acc, multiplier, shift);
}

EC_INLINE int32_t ec_fully_connected_clamp(const ec_fully_connected_params *p, int32_t scaled) {
    return ec_clamp_shifted(scaled, p->out_offset, p->act_min, p->act_max);
}

EC_INLINE int8_t ec_fully_connected_output(
    const ec_fully_connected_params *p, int32_t acc, const int32_t *multipliers,
    const int8_t *shifts, int32_t oc) {
    const int32_t c = p->per_channel ? oc : 0;
    const int32_t scaled = ec_fully_connected_scale(p, acc, multipliers[c], shifts[c]);
    return (int8_t)ec_fully_connected_clamp(p, scaled);
}

EC_KERNEL(ec_fully_connected_s8) void ec_fully_connected_s8(
    const ec_fully_connected_params *p, const int8_t *in, const int8_t *filters,
    const int32_t *bias, const int32_t *multipliers, const int8_t *shifts, int8_t *out) {
    const int32_t depth = p->in_depth;
    for (int32_t r = 0; r < p->rows; ++r) {
        int32_t oc = 0;
        for (int32_t quad = 0; quad < p->out_depth / 4; ++quad) {
            int32_t acc[4] = {0, 0, 0, 0};
            for (int32_t j = 0; bias != NULL && j < 4; ++j) {
                acc[j] = bias[oc + j];
            }
            ec_dot4(in, filters + oc * depth, depth, depth, p->in_offset, p->filter_offset, acc);
            for (int32_t j = 0; j < 4; ++j) {
                out[oc + j] = ec_fully_connected_output(p, acc[j], multipliers, shifts, oc + j);
            }
            oc += 4;
        }
        for (int32_t rest = 0; rest < p->out_depth % 4; ++rest) {
            const int32_t start = bias != NULL ? bias[oc] : 0;
            const int32_t acc = ec_dot1(
                in, filters + oc * depth, depth, p->in_offset, p->filter_offset, start);
            out[oc] = ec_fully_connected_output(p, acc, multipliers, shifts, oc);
            oc += 1;
        }
        in += depth;
        out += p->out_depth;
    }
}

/* The others, one per type of input and output, filters, bias, sum and multiplier. */
#define EC_FULLY_CONNECTED(NAME, VALUE, FILTER, BIAS, SUM, MULTIPLIER, SCALE)                \
    EC_KERNEL(NAME) void NAME(                                                               \
        const ec_fully_connected_params *p, const VALUE *in, const FILTER *filters,          \
        const BIAS *bias, const MULTIPLIER *multipliers, const int8_t *shifts, VALUE out[]) { \
        for (int32_t r = 0; r < p->rows; ++r) {                                              \
            for (int32_t oc = 0; oc < p->out_depth; ++oc) {                                  \
                const FILTER *w = filters + oc * p->in_depth;                                \
                const int32_t c = p->per_channel ? oc : 0;                                   \
                SUM acc = bias != NULL ? bias[oc] : 0;                                       \
                for (int32_t i = 0; i < p->in_depth; ++i) {                                  \
                    acc += (in[i] + p->in_offset) * (w[i] + p->filter_offset);               \
                }                                                                            \
                out[oc] = (VALUE)ec_fully_connected_clamp(                                   \
                    p, SCALE(p, acc, multipliers[c], shifts[c]));                            \
            }                                                                                \
            in += p->in_depth;                                                               \
            out += p->out_depth;                                                             \
        }                                                                                    \
    }

EC_FULLY_CONNECTED(
    ec_fully_connected_u8, uint8_t, uint8_t, int32_t, int32_t, int32_t, ec_fully_connected_scale)
EC_FULLY_CONNECTED(
    ec_fully_connected_s8_exact, int8_t, int8_t, int32_t, int32_t, int64_t,
    ec_fully_connected_scale_exact)
EC_FULLY_CONNECTED(
    ec_fully_connected_u8_exact, uint8_t, uint8_t, int32_t, int32_t, int64_t,
    ec_fully_connected_scale_exact)
EC_FULLY_CONNECTED(
    ec_fully_connected_s16_exact, int16_t, int8_t, int64_t, int64_t, int64_t,
    ec_fully_connected_scale_exact)
EC_FULLY_CONNECTED(
    ec_fully_connected_s16, int16_t, int8_t, int64_t, int64_t, int32_t,
    ec_fully_connected_scale_wide)
EC_FULLY_CONNECTED(
    ec_fully_connected_s16x16, int16_t, int16_t, int64_t, int64_t, int32_t,
    ec_fully_connected_scale_wide)

EC_KERNEL(ec_fully_connected_f32) void ec_fully_connected_f32(
    const ec_fully_connected_f32_params *p, const float *in, const float *filters,
    const float *bias, float *out) {
    for (int32_t r = 0; r < p->rows; ++r) {
        for (int32_t oc = 0; oc < p->out_depth; ++oc) {
            const float *w = filters + oc * p->in_depth;
            float total = 0.0f;
            for (int32_t i = 0; i < p->in_depth; ++i) {
                total += in[i] * w[i];
            }
            total += bias != NULL ? bias[oc] : 0.0f;
            total = total < p->act_min ? p->act_min : total;
            out[oc] = total > p->act_max ? p->act_max : total;
        }
        in += p->in_depth;
        out += p->out_depth;
    }
}

/* NOLINTEND(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

#endif
