/* QUANTIZE from float32 and DEQUANTIZE to float32. 8-bit values travel as bytes. */
#ifndef EDGECNN_QUANTIZE_H
#define EDGECNN_QUANTIZE_H

#include "edgecnn_common.h"

/* low..high: -128..127 (int8) or 0..255 (uint8). */
typedef struct {
    int32_t count;
    float scale;
    int32_t zero_point, low, high;
} ec_affine_params;

/* To nearest, ties away from zero; far values are saturated, NaN gives the lowest. */
EC_INLINE int32_t ec_round_float(float x) {
    int32_t whole;
    float rest;
    if (!(x > -65536.0f)) {
        return -65536;
    }
    if (x > 65536.0f) {
        return 65536;
    }
    whole = (int32_t)x;
    rest = x - (float)whole;
    return rest >= 0.5f ? whole + 1 : rest <= -0.5f ? whole - 1 : whole;
}

EC_KERNEL void ec_quantize_f32(const ec_affine_params *p, const float *in, void *out) {
    uint8_t *to = (uint8_t *)out;
    for (int32_t i = 0; i < p->count; ++i) {
        const int32_t q = ec_round_float(in[i] / p->scale) + p->zero_point;
        to[i] = (uint8_t)ec_clamp(q, p->low, p->high);
    }
}

EC_KERNEL void ec_dequantize_f32(const ec_affine_params *p, const void *in, float *out) {
    for (int32_t i = 0; i < p->count; ++i) {
        const int32_t q = p->low < 0 ? ((const int8_t *)in)[i] : ((const uint8_t *)in)[i];
        out[i] = p->scale * (float)(q - p->zero_point);
    }
}

#endif
