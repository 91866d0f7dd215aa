/* SPDX-License-Identifier: Apache-2.0 */
/* QUANTIZE and DEQUANTIZE between float32 and integers, and from one integer scale to another.
 *
 * Input and output may overlap: forwards where the output starts early enough, backwards
 * (reverse = 1) where it ends late enough. */
#ifndef EDGECNN_QUANTIZE_H
#define EDGECNN_QUANTIZE_H

#include "edgecnn_cast.h"
#include "edgecnn_math.h"

/* NOLINTBEGIN(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

/* Whether the core computes floats in integers: a quotient then takes hundreds of instructions. */
#if !defined(EC_NO_FPU)
#if (defined(__arm__) && !defined(__ARM_FP)) || (defined(__riscv) && !defined(__riscv_flen))
#define EC_NO_FPU 1
#else
#define EC_NO_FPU 0
#endif
#endif

/* reciprocal: the first 16 bits of 1 / scale, cut off. places: less the exponent field of x, the
 * bits behind the point of their product in ec_round_quotient. */
typedef struct {
    int32_t count, reverse;
    float scale;
    int32_t zero_point, low, high, reciprocal, places;
} ec_quantize_params;

typedef struct {
    int32_t count, reverse;
    float scale;
    int32_t zero_point;
} ec_dequantize_params;

/* To nearest, ties away from zero; saturated at 2^30, NaN gives the lowest. (LiteRT converts floats
 * that no int32 holds as the machine happens to do.) The float below a half takes every float from
 * a half on to the next number, and none below. */
EC_INLINE int32_t ec_round_float(float x) {
    if (!(x > -1073741824.0f)) {
        return -1073741824;
    }
    if (x > 1073741824.0f) {
        return 1073741824;
    }
    return (int32_t)(x + ec_copysignf(0.49999997f, x));
}

EC_INLINE int32_t ec_quantize(const ec_quantize_params *p, float x) {
    return ec_clamp(ec_round_float(x / p->scale) + p->zero_point, p->low, p->high);
}

#if EC_NO_FPU
/* Not inline: few elements come here. */
EC_KERNEL(ec_quantize_by_quotient)
int32_t ec_quantize_by_quotient(const ec_quantize_params *p, float x) {
    return ec_quantize(p, x);
}

/* |x| / scale to nearest, at least 512 where it is more; -1 where sixteen bits of either do not
 * tell: near a half, and where x is not finite.
 *
 * The bits of the product that are left out are less than 2^17 of it, a quarter of which is 2^15;
 * and a float quotient's rounding is less than 2^-24 of it, or 2^6. */
EC_INLINE int32_t ec_round_quotient(const ec_quantize_params *p, uint32_t x) {
    const int32_t exponent = (int32_t)(x >> 23 & 0xFFu);
    const int32_t places = p->places - exponent;
    uint32_t product, most, nearest;
    if (exponent == 0xFF || (exponent == 0 && places < 32)) {
        return -1;
    }
    if (places < 20 || places > 31) {
        return places < 20 ? 512 : 0;
    }
    product = ((x >> 8 & 0x7FFFu) | 0x8000u) * (uint32_t)p->reciprocal >> 2;
    product += (1u << (places - 1)) - 0x80u;
    most = (product + 0x8000u + 0x100u) >> places;
    nearest = product >> places;
    return nearest == most ? (int32_t)nearest : -1;
}

/* The same as ec_quantize, for outputs of 8 bits. */
EC_INLINE int32_t ec_quantize_8(const ec_quantize_params *p, float x) {
    const uint32_t bits = ec_bits_of(x);
    const int32_t size = ec_round_quotient(p, bits);
    if (size < 0) {
        return ec_quantize_by_quotient(p, x);
    }
    return ec_clamp((bits >> 31 ? -size : size) + p->zero_point, p->low, p->high);
}

/* scale times a number of -255 to 255, to the nearest float, ties to even. */
EC_INLINE float ec_dequantize_8(const ec_dequantize_params *p, int32_t number) {
    const uint32_t scale = ec_bits_of(p->scale), sign = number < 0 ? 0x80000000u : 0;
    uint32_t product = ((scale & 0x007FFFFFu) | 0x00800000u) * (uint32_t)(sign ? -number : number);
    uint32_t exponent = scale >> 23, rest;
    if (number == 0) {
        return 0.0f;
    }
    if (exponent == 0 || exponent > 245) {
        return p->scale * (float)number;
    }
    for (exponent += 7; product < 0x80000000u; --exponent) {
        product <<= 1;
    }
    rest = product & 0xFFu;
    product >>= 8;
    product += rest > 0x80u || (rest == 0x80u && (product & 1));
    return ec_float_of((sign | exponent << 23) + product);
}
#else
EC_INLINE int32_t ec_quantize_8(const ec_quantize_params *p, float x) {
    return ec_quantize(p, x);
}

EC_INLINE float ec_dequantize_8(const ec_dequantize_params *p, int32_t number) {
    return p->scale * (float)number;
}
#endif

EC_CONVERT(quantize_f32_s8, ec_quantize_params, float, int8_t, (int8_t)ec_quantize_8(p, x))
EC_CONVERT(quantize_f32_u8, ec_quantize_params, float, uint8_t, (uint8_t)ec_quantize_8(p, x))
EC_CONVERT(quantize_f32_s16, ec_quantize_params, float, int16_t, (int16_t)ec_quantize(p, x))

EC_CONVERT(
    dequantize_s8_f32, ec_dequantize_params, int8_t, float, ec_dequantize_8(p, x - p->zero_point))
EC_CONVERT(
    dequantize_u8_f32, ec_dequantize_params, uint8_t, float, ec_dequantize_8(p, x - p->zero_point))
EC_CONVERT(
    dequantize_s16_f32, ec_dequantize_params, int16_t, float,
    p->scale * (float)(x - p->zero_point))

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
