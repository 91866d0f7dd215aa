/* SPDX-License-Identifier: Apache-2.0 */
/* The arithmetic of all convolutions, once per dtype: multiply, accumulate, finish a channel.
 *
 * Suffixes name the activations: s8, u8 (filters uint8 with a zero point, one scale), s16 (filters
 * int8, accumulators and bias int64), s16b32 (the same with int32), f32. ec_in_*, ec_filter_*,
 * ec_acc_*, ec_bias_*, ec_finish_*: their types. 32-bit sums wrap around, as TFLite's do. */
#ifndef EDGECNN_CHANNELS_H
#define EDGECNN_CHANNELS_H

#include "edgecnn_common.h"

/* NOLINTBEGIN(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

typedef int8_t ec_in_s8, ec_filter_s8;
typedef int32_t ec_acc_s8, ec_bias_s8;
typedef ec_quantized ec_finish_s8;

typedef uint8_t ec_in_u8, ec_filter_u8;
typedef int32_t ec_acc_u8, ec_bias_u8;
typedef ec_quantized ec_finish_u8;

typedef int16_t ec_in_s16, ec_in_s16b32;
typedef int8_t ec_filter_s16, ec_filter_s16b32;
typedef int64_t ec_acc_s16, ec_bias_s16;
typedef int32_t ec_acc_s16b32, ec_bias_s16b32;
typedef ec_quantized ec_finish_s16, ec_finish_s16b32;

typedef float ec_in_f32, ec_filter_f32, ec_acc_f32, ec_bias_f32;
typedef ec_float_range ec_finish_f32;

EC_INLINE int32_t ec_mac_s8(const ec_finish_s8 *q, int32_t acc, int8_t x, int8_t w) {
    return ec_wrap_add(acc, (x + q->in_offset) * w);
}

EC_INLINE int32_t ec_mac_u8(const ec_finish_u8 *q, int32_t acc, uint8_t x, uint8_t w) {
    return ec_wrap_add(acc, (x + q->in_offset) * (w + q->filter_offset));
}

EC_INLINE int64_t ec_mac_s16(const ec_finish_s16 *q, int64_t acc, int16_t x, int8_t w) {
    (void)q;
    return acc + x * w;
}

EC_INLINE int32_t ec_mac_s16b32(const ec_finish_s16b32 *q, int32_t acc, int16_t x, int8_t w) {
    (void)q;
    return ec_wrap_add(acc, x * w);
}

EC_INLINE float ec_mac_f32(const ec_finish_f32 *q, float acc, float x, float w) {
    (void)q;
    return acc + x * w;
}

EC_INLINE int32_t ec_finish_int(
    const ec_quantized *q, int32_t acc, const int32_t *multipliers, const int8_t *shifts,
    int32_t oc) {
    const int32_t c = q->per_channel ? oc : 0;
    const int32_t scaled = q->all_right ? ec_requant_right(acc, multipliers[c], shifts[c])
                                        : ec_requant(acc, multipliers[c], shifts[c]);
    return ec_clamp(ec_wrap_add(scaled, q->out_offset), q->act_min, q->act_max);
}

EC_INLINE int8_t ec_output_s8(
    const ec_finish_s8 *q, int32_t acc, const int32_t *bias, const int32_t *multipliers,
    const int8_t *shifts, int32_t oc) {
    (void)bias;
    return (int8_t)ec_finish_int(q, acc, multipliers, shifts, oc);
}

EC_INLINE uint8_t ec_output_u8(
    const ec_finish_u8 *q, int32_t acc, const int32_t *bias, const int32_t *multipliers,
    const int8_t *shifts, int32_t oc) {
    (void)bias;
    return (uint8_t)ec_finish_int(q, acc, multipliers, shifts, oc);
}

EC_INLINE int16_t ec_output_s16(
    const ec_finish_s16 *q, int64_t acc, const int64_t *bias, const int32_t *multipliers,
    const int8_t *shifts, int32_t oc) {
    const int32_t c = q->per_channel ? oc : 0;
    (void)bias;
    return (int16_t)ec_clamp(
        ec_requant_wide(acc, multipliers[c], shifts[c]), q->act_min, q->act_max);
}

EC_INLINE int16_t ec_output_s16b32(
    const ec_finish_s16b32 *q, int32_t acc, const int32_t *bias, const int32_t *multipliers,
    const int8_t *shifts, int32_t oc) {
    (void)bias;
    return (int16_t)ec_finish_int(q, acc, multipliers, shifts, oc);
}

/* Floats get their bias last, as in TFLite. */
EC_INLINE float ec_output_f32(
    const ec_finish_f32 *q, float acc, const float *bias, const int32_t *multipliers,
    const int8_t *shifts, int32_t oc) {
    (void)multipliers;
    (void)shifts;
    return ec_clampf(acc + (bias != NULL ? bias[oc] : 0.0f), q->act_min, q->act_max);
}

EC_INLINE float ec_start_f32(const float *bias, int32_t oc) {
    (void)bias;
    (void)oc;
    return 0.0f;
}

#define EC_INTEGER_START(name, type)                         \
    EC_INLINE type name(const type *bias, int32_t oc) {      \
        return bias != NULL ? bias[oc] : 0;                  \
    }

EC_INTEGER_START(ec_start_s8, int32_t)
EC_INTEGER_START(ec_start_u8, int32_t)
EC_INTEGER_START(ec_start_s16, int64_t)
EC_INTEGER_START(ec_start_s16b32, int32_t)
#undef EC_INTEGER_START

#define EC_V(name) name##_s8
#include "edgecnn_channels_body.h"
#undef EC_V
#define EC_V(name) name##_u8
#include "edgecnn_channels_body.h"
#undef EC_V
#define EC_V(name) name##_s16
#include "edgecnn_channels_body.h"
#undef EC_V
#define EC_V(name) name##_s16b32
#include "edgecnn_channels_body.h"
#undef EC_V
#define EC_V(name) name##_f32
#include "edgecnn_channels_body.h"
#undef EC_V

/* NOLINTEND(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

#endif
