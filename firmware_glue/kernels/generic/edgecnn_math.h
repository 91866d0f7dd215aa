/* SPDX-License-Identifier: Apache-2.0 */
/* Functions of one float32 without libc: within 2 ulp, with libm's results for NaN, infinities,
 * denormals, overflow and -0.
 *
 * Each reduces its argument to a short range and evaluates a polynomial there; the coefficients
 * are weighted least-squares fits, refined towards minimax, against long double. Reductions:
 * Cody & Waite, "Software Manual for the Elementary Functions" (exp, tanh); atanh series as in
 * Muller, "Elementary Functions" (log). sqrt is correctly rounded. The rarer functions are in
 * edgecnn_math_special.h. */
#ifndef EDGECNN_MATH_H
#define EDGECNN_MATH_H

#include "edgecnn_common.h"

/* NOLINTBEGIN(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

/* Not forced inline: they are long, and a layer may call several. */
#define EC_MATH static inline

typedef union {
    float value;
    uint32_t bits;
} ec_float_bits;

EC_INLINE uint32_t ec_bits_of(float x) {
    ec_float_bits both;
    both.value = x;
    return both.bits;
}

EC_INLINE float ec_float_of(uint32_t bits) {
    ec_float_bits both;
    both.bits = bits;
    return both.value;
}

EC_INLINE float ec_infinity(void) {
    return ec_float_of(0x7F800000u);
}

EC_INLINE float ec_nan(void) {
    return ec_float_of(0x7FC00000u);
}

EC_INLINE int ec_is_nan(float x) {
    return (ec_bits_of(x) & 0x7FFFFFFFu) > 0x7F800000u;
}

EC_INLINE float ec_fabsf(float x) {
    return ec_float_of(ec_bits_of(x) & 0x7FFFFFFFu);
}

/* The size of x with the sign of s. */
EC_INLINE float ec_copysignf(float x, float s) {
    return ec_float_of((ec_bits_of(x) & 0x7FFFFFFFu) | (ec_bits_of(s) & 0x80000000u));
}

/* 2^n, -126 <= n <= 127. */
EC_INLINE float ec_exp2i(int32_t n) {
    return ec_float_of((uint32_t)(n + 127) << 23);
}

/* Towards zero. From 2^23 on all floats are whole (or not finite). */
EC_INLINE float ec_truncf(float x) {
    return ec_fabsf(x) < 8388608.0f ? ec_copysignf((float)(int32_t)x, x) : x;
}

EC_INLINE float ec_floorf(float x) {
    const float whole = ec_truncf(x);
    return whole > x ? whole - 1.0f : whole;
}

EC_INLINE float ec_ceilf(float x) {
    const float whole = ec_truncf(x);
    return whole < x ? ec_copysignf(whole + 1.0f, x) : whole;
}

/* To nearest, ties away from zero: std::round. */
EC_INLINE float ec_round_awayf(float x) {
    const float whole = ec_truncf(x);
    return ec_fabsf(x - whole) >= 0.5f ? whole + ec_copysignf(1.0f, x) : whole;
}

/* To nearest, ties to even, as LiteRT's ROUND (which turns -0.25 into +0). */
EC_INLINE float ec_roundf(float x) {
    const float low = ec_floorf(x), rest = x - low;
    const int stay = rest < 0.5f || (rest == 0.5f && ((int32_t)low & 1) == 0);
    return stay ? low : low + 1.0f;
}

/* Whole number next to x, |x| < 2^22. */
EC_INLINE int32_t ec_nearest_whole(float x) {
    return (int32_t)(x < 0.0f ? x - 0.5f : x + 0.5f);
}

/* exp(r) - 1, |r| <= 0.35. */
EC_INLINE float ec_expm1_core(float r) {
    const float p = 0.5f + r * (0.166666672f + r * (0.0416662544f + r * (0.00833326392f
        + r * (0.00139472436f + r * 0.000199185961f))));
    return r + (r * r) * p;
}

/* x - n ln 2: the upper part of ln 2 has 15 bits, so that n times it is exact. */
EC_INLINE float ec_minus_ln2(float x, int32_t n) {
    return (x - (float)n * 0.693145752f) - (float)n * 1.42860677e-6f;
}

EC_MATH float ec_expf(float x) {
    int32_t n, half;
    float y;
    if (ec_is_nan(x)) {
        return x;
    }
    if (x > 88.7228394f) {
        return ec_infinity();
    }
    if (x < -103.972084f) {
        return 0.0f;
    }
    n = ec_nearest_whole(x * 1.44269504f);
    y = 1.0f + ec_expm1_core(ec_minus_ln2(x, n));
    half = n / 2; /* in two steps: 2^n itself may be out of range */
    return y * ec_exp2i(half) * ec_exp2i(n - half);
}

EC_MATH float ec_expm1f(float x) {
    int32_t n, half;
    float low;
    if (ec_is_nan(x) || x == 0.0f) {
        return x;
    }
    if (x > 88.7228394f) {
        return ec_infinity();
    }
    if (x < -18.0f) {
        return -1.0f;
    }
    n = ec_nearest_whole(x * 1.44269504f);
    if (n == 0) {
        return ec_expm1_core(x);
    }
    low = ec_expm1_core(ec_minus_ln2(x, n));
    if (n > 25) {
        half = n / 2;
        return (1.0f + low) * ec_exp2i(half) * ec_exp2i(n - half);
    }
    return ec_exp2i(n) * (low + (1.0f - ec_exp2i(-n)));
}

/* exp(r) * 2^n as a double, rounded to float once, |r| <= 0.7, -150 <= n <= 128. */
EC_MATH float ec_exp_double(double r, int32_t n) {
    const int32_t half = n / 2;
    double power = 1.0;
    for (int32_t k = 11; k >= 1; --k) {
        power = 1.0 + power * r / (double)k;
    }
    /* Two steps, the first of them exact. */
    return (float)(power * (double)ec_exp2i(half) * (double)ec_exp2i(n - half));
}

/* A positive, finite x as m * 2^n, sqrt(1/2) <= m < sqrt(2); returns m - 1. */
EC_INLINE float ec_split(float x, int32_t *n) {
    uint32_t bits = ec_bits_of(x);
    int32_t exponent = 0;
    if (bits < 0x00800000u) { /* denormal */
        bits = ec_bits_of(x * 8388608.0f);
        exponent = -23;
    }
    bits += 0x3F800000u - 0x3F3504F3u;
    *n = exponent + (int32_t)(bits >> 23) - 127;
    return ec_float_of((bits & 0x007FFFFFu) + 0x3F3504F3u) - 1.0f;
}

/* ln((1 + s) / (1 - s)) = 2s + s z (2/3 + 2/5 z + ...), z = s^2, with s = f / (2 + f). */
EC_MATH float ec_logf(float x) {
    int32_t n;
    float f, s, z, tail, half_square;
    if (ec_is_nan(x) || x == ec_infinity()) {
        return x;
    }
    if (x == 0.0f) {
        return -ec_infinity();
    }
    if (x < 0.0f) {
        return ec_nan();
    }
    f = ec_split(x, &n);
    s = f / (2.0f + f);
    z = s * s;
    tail = z * (0.666666627f + z * (0.400003403f + z * (0.285369188f + z * 0.23589994f)));
    half_square = 0.5f * f * f;
    /* 2s = f - s f = f - f^2/2 + s f^2/2: small terms first. */
    tail = s * (half_square + tail) + (float)n * 1.42860677e-6f;
    return (float)n * 0.693145752f + (f - (half_square - tail));
}

/* Correctly rounded: by the FPU's own instruction (__builtin_sqrtf may call libm for errno), else
 * bit by bit on the mantissa. */
#if defined(__GNUC__) && defined(__ARM_FP) && ((__ARM_FP) & 4) != 0 && !defined(__aarch64__)
EC_INLINE float ec_sqrtf(float x) {
    float root;
    __asm__("vsqrt.f32 %0, %1" : "=t"(root) : "t"(x));
    return root;
}
#else
EC_MATH float ec_sqrtf(float x) {
    uint32_t bits = ec_bits_of(x), root = 0, rest, bit;
    int32_t exponent;
    if (x == 0.0f || ec_is_nan(x) || x == ec_infinity()) {
        return x;
    }
    if (x < 0.0f) {
        return ec_nan();
    }
    exponent = 0;
    if (bits < 0x00800000u) {
        bits = ec_bits_of(x * 16777216.0f);
        exponent = -24;
    }
    exponent += (int32_t)(bits >> 23) - 127;
    rest = (bits & 0x007FFFFFu) | 0x00800000u;
    if ((exponent & 1) != 0) { /* to an even exponent */
        rest <<= 1;
        exponent -= 1;
    }
    rest <<= 1;
    /* root: twice the root so far, in the end 25 bits: one more than a float holds. */
    for (bit = 0x01000000u; bit != 0; bit >>= 1) {
        const uint32_t next = root + bit;
        if (next <= rest) {
            root = next + bit;
            rest -= next;
        }
        rest <<= 1;
    }
    root >>= 1;
    root = (root + (root & 1u)) >> 1; /* a square root is never a tie */
    return ec_float_of(((uint32_t)(exponent / 2 + 127) << 23) + (root - 0x00800000u));
}
#endif

EC_INLINE float ec_rsqrtf(float x) {
    return 1.0f / ec_sqrtf(x);
}

EC_MATH float ec_tanhf(float x) {
    const float a = ec_fabsf(x);
    if (ec_is_nan(x) || a < 1e-4f) {
        return x;
    }
    if (a < 0.625f) {
        const float z = x * x;
        const float p = -0.333333313f + z * (0.133331805f + z * (-0.0539433993f
            + z * (0.0216816403f + z * (-0.00812899508f + z * 0.00209771655f))));
        return x + x * (z * p);
    }
    if (a > 9.1f) {
        return ec_copysignf(1.0f, x);
    }
    return ec_copysignf(1.0f - 2.0f / (ec_expf(2.0f * a) + 1.0f), x);
}

/* NOLINTEND(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

#endif
