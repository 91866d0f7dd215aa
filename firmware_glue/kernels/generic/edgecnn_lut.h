/* SPDX-License-Identifier: Apache-2.0 */
/* Functions of one quantized value as tables: 256 entries for 8 bits, 513 points with straight
 * lines between them for 16 bits, and the curve that LOGISTIC and TANH of 16 bits share. All work
 * in place. */
#ifndef EDGECNN_LUT_H
#define EDGECNN_LUT_H

#include "edgecnn_common.h"

/* NOLINTBEGIN(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

typedef struct {
    int32_t count;
} ec_lut_params;

/* The table is indexed by the value's bit pattern. */
EC_KERNEL(ec_lut_8)
void ec_lut_8(const ec_lut_params *p, const void *in, const void *table, void *out) {
    const uint8_t *from = (const uint8_t *)in, *values = (const uint8_t *)table;
    uint8_t *to = (uint8_t *)out;
    for (int32_t i = 0; i < p->count; ++i) {
        to[i] = values[from[i]];
    }
}

/* Point k is the value at -32768 + 128 k. Slopes wrap at 16 bits, as TFLite's do. */
EC_KERNEL(ec_lut_s16) void ec_lut_s16(
    const ec_lut_params *p, const int16_t *in, const int16_t *table, int16_t *out) {
    for (int32_t i = 0; i < p->count; ++i) {
        const int16_t *point = table + 256 + (in[i] >> 7);
        const int32_t slope = (int16_t)(point[1] - point[0]);
        out[i] = (int16_t)(point[0] + ((slope * (in[i] & 127) + 64) >> 7));
    }
}

/* x * multiplier / 2^shift is the argument in units of 1/12288; multiplier <= 65535. */
typedef struct {
    int32_t count, multiplier, shift;
} ec_sigmoid_params;

EC_INLINE int32_t ec_sigmoid_argument(const ec_sigmoid_params *p, int16_t x) {
    const int32_t half = p->shift > 0 ? 1 << (p->shift - 1) : 0;
    return (x * p->multiplier + half) >> p->shift;
}

/* 2^16 / (1 + exp(-a / (24 * 2^bits))) for a >= 0, times 2^bits: straight lines between the
 * table's 256 points. */
EC_INLINE int32_t ec_sigmoid_curve(const uint16_t *table, int32_t a, int32_t bits, int32_t far) {
    const int32_t point = a >> bits;
    if (point >= 255) {
        return far;
    }
    return ((int32_t)table[point] << bits)
        + (a & ((1 << bits) - 1)) * (table[point + 1] - table[point]);
}

EC_KERNEL(ec_logistic_s16) void ec_logistic_s16(
    const ec_sigmoid_params *p, const int16_t *in, const uint16_t *table, int16_t *out) {
    for (int32_t i = 0; i < p->count; ++i) {
        const int32_t x = ec_sigmoid_argument(p, in[i]);
        const int32_t y = ec_sigmoid_curve(table, x < 0 ? -x : x, 9, 0x7FFF << 10);
        out[i] = (int16_t)((x >= 0 ? y + (1 << 9) : (1 << 25) - y + (1 << 9) - 1) >> 10);
    }
}

/* tanh(x) = 2 logistic(2 x) - 1. */
EC_KERNEL(ec_tanh_s16) void ec_tanh_s16(
    const ec_sigmoid_params *p, const int16_t *in, const uint16_t *table, int16_t *out) {
    for (int32_t i = 0; i < p->count; ++i) {
        const int32_t x = ec_sigmoid_argument(p, in[i]);
        const int32_t y = ec_sigmoid_curve(table, x < 0 ? -x : x, 8, 0xFFFF << 8);
        out[i] = (int16_t)((x >= 0 ? y - (1 << 23) + 128 : (1 << 23) - y + 127) >> 8);
    }
}

/* NOLINTEND(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

#endif
