/* QUANTIZE and DEQUANTIZE between float32 and integers, and from one integer scale to another.
 *
 * Input and output may overlap: forwards where the output starts early enough, backwards
 * (reverse = 1) where it ends late enough. */
#ifndef EDGECNN_QUANTIZE_H
#define EDGECNN_QUANTIZE_H

#include "edgecnn_cast.h"

/* NOLINTBEGIN(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

typedef struct {
    int32_t count, reverse;
    float scale;
    int32_t zero_point, low, high;
} ec_affine_params;

/* To nearest, ties away from zero; saturated at 2^30, NaN gives the lowest. (LiteRT converts floats
 * that no int32 holds as the machine happens to do.) */
EC_INLINE int32_t ec_round_float(float x) {
    int32_t whole;
    float rest;
    if (!(x > -1073741824.0f)) {
        return -1073741824;
    }
    if (x > 1073741824.0f) {
        return 1073741824;
    }
    whole = (int32_t)x;
    rest = x - (float)whole;
    return rest >= 0.5f ? whole + 1 : rest <= -0.5f ? whole - 1 : whole;
}

EC_INLINE int32_t ec_affine_quantize(const ec_affine_params *p, float x) {
    return ec_clamp(ec_round_float(x / p->scale) + p->zero_point, p->low, p->high);
}

EC_CONVERT(quantize_f32_s8, ec_affine_params, float, int8_t, (int8_t)ec_affine_quantize(p, x))
EC_CONVERT(quantize_f32_u8, ec_affine_params, float, uint8_t, (uint8_t)ec_affine_quantize(p, x))
EC_CONVERT(quantize_f32_s16, ec_affine_params, float, int16_t, (int16_t)ec_affine_quantize(p, x))

EC_CONVERT(
    dequantize_s8_f32, ec_affine_params, int8_t, float, p->scale * (float)(x - p->zero_point))
EC_CONVERT(
    dequantize_u8_f32, ec_affine_params, uint8_t, float, p->scale * (float)(x - p->zero_point))
EC_CONVERT(
    dequantize_s16_f32, ec_affine_params, int16_t, float, p->scale * (float)(x - p->zero_point))

/* Integer to integer. Values below the zero point take the second multiplier; with "magnitude"
 * set, all values are made positive first. */
typedef struct {
    int32_t count, reverse, input_zero, magnitude;
    int32_t multiplier, shift, below_multiplier, below_shift;
    int32_t output_zero, low, high;
} ec_rescale_params;

EC_INLINE int32_t ec_rescale(const ec_rescale_params *p, int32_t x) {
    int32_t value = (int32_t)((uint32_t)x - (uint32_t)p->input_zero), y;
    if (p->magnitude && value < 0) {
        value = (int32_t)(0u - (uint32_t)value);
    }
    y = value >= 0 ? ec_requant(value, p->multiplier, p->shift)
                   : ec_requant(value, p->below_multiplier, p->below_shift);
    return ec_clamp(ec_wrap_add(y, p->output_zero), p->low, p->high);
}

EC_CONVERT(rescale_s8_s16, ec_rescale_params, int8_t, int16_t, (int16_t)ec_rescale(p, x))
EC_CONVERT(rescale_u8_s16, ec_rescale_params, uint8_t, int16_t, (int16_t)ec_rescale(p, x))
EC_CONVERT(rescale_s8_s32, ec_rescale_params, int8_t, int32_t, ec_rescale(p, x))
EC_CONVERT(rescale_s16_s8, ec_rescale_params, int16_t, int8_t, (int8_t)ec_rescale(p, x))
EC_CONVERT(rescale_s16_s16, ec_rescale_params, int16_t, int16_t, (int16_t)ec_rescale(p, x))
EC_CONVERT(rescale_s16_s32, ec_rescale_params, int16_t, int32_t, ec_rescale(p, x))
EC_CONVERT(rescale_s32_s8, ec_rescale_params, int32_t, int8_t, (int8_t)ec_rescale(p, x))
EC_CONVERT(rescale_s32_s16, ec_rescale_params, int32_t, int16_t, (int16_t)ec_rescale(p, x))

/* NOLINTEND(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

#endif
