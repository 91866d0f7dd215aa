/* Functions of one float32 without libc: within 2 ulp, with libm's results for NaN, infinities,
 * denormals, overflow and -0.
 *
 * Each reduces its argument to a short range and evaluates a polynomial there; the coefficients
 * are weighted least-squares fits, refined towards minimax, against long double. Reductions:
 * Cody & Waite, "Software Manual for the Elementary Functions" (exp, tanh); atanh series as in
 * Muller, "Elementary Functions" (log, pow); Payne & Hanek's fixed-point reduction (sin, cos);
 * exp of a polynomial for erf from 1 on. sqrt is correctly rounded. */
#ifndef EDGECNN_MATH_H
#define EDGECNN_MATH_H

#include "edgecnn_common.h"

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
EC_INLINE int32_t ec_nearest(float x) {
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
    n = ec_nearest(x * 1.44269504f);
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
    n = ec_nearest(x * 1.44269504f);
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

EC_MATH float ec_erff(float x) {
    const float a = ec_fabsf(x);
    float p;
    if (ec_is_nan(x)) {
        return x;
    }
    if (a < 1.0f) {
        const float z = x * x;
        p = 0.128379166f + z * (-0.376126379f + z * (0.112837829f + z * (-0.0268654451f
            + z * (0.00522107491f + z * (-0.000848471129f + z * (0.000112705442f
            + z * -9.68013501e-06f))))));
        return x + x * p;
    }
    if (a > 4.0f) {
        return ec_copysignf(1.0f, x);
    }
    /* ln(erfc(a)) */
    p = 0.000188486098f + a * (-1.12958038f + a * (-0.633216262f + a * (-0.108422257f
        + a * (0.0252104364f + a * (-0.00420531956f + a * (0.00044147938f
        + a * -2.16981607e-05f))))));
    return ec_copysignf(1.0f - ec_expf(p), x);
}

/* 1 - erf(x), to a few ulp also where it is tiny: exp(-a^2) times a polynomial in
 * (a - 2) / (a + 2), after Shepherd & Laframboise; a^2 in two exact-enough parts. */
EC_MATH float ec_erfcf(float x) {
    static const float c[11] = {
        1.27697837f, -0.0927638188f, -0.166030347f, 0.164050698f, -0.0542209893f,
        -0.00802570209f, 0.00873026345f, 0.00122146355f, -0.0014796668f,
        -0.000318409991f, 0.000227669938f,
    };
    const float a = ec_fabsf(x);
    float t, p, head;
    if (ec_is_nan(x)) {
        return x;
    }
    if (a < 0.5f) {
        return 1.0f - ec_erff(x);
    }
    if (a > 10.06f) {
        return x > 0.0f ? 0.0f : 2.0f;
    }
    t = (a - 2.0f) / (a + 2.0f);
    p = c[10];
    for (int32_t i = 9; i >= 0; --i) {
        p = p * t + c[i];
    }
    head = ec_float_of(ec_bits_of(a) & 0xFFFFF000u);
    p = p / (1.0f + 2.0f * a) * ec_expf((head - a) * (head + a)) * ec_expf(-head * head);
    return x > 0.0f ? p : 2.0f - p;
}

/* A finite x as (n + f) pi/2, -1/2 <= f <= 1/2; returns f pi/2 and n mod 4. The mantissa is
 * multiplied by those 96 bits of 2/pi that decide the quadrant and the fraction. */
EC_MATH float ec_quarter_turns(float x, int32_t *n) {
    static const uint32_t two_over_pi[8] = {
        0x00000000u, 0xA2F9836Eu, 0x4E441529u, 0xFC2757D1u,
        0xF534DDC0u, 0xDB629599u, 0x3C439041u, 0xFE5163ABu,
    };
    const uint32_t bits = ec_bits_of(x);
    const int32_t exponent = (int32_t)((bits >> 23) & 0xFFu) - 150; /* x = mantissa 2^exponent */
    const uint64_t mantissa = (bits & 0x007FFFFFu) | 0x00800000u;
    uint32_t w[3];
    uint64_t high, low, turn;
    float angle;
    /* Bits from 2^(2 - exponent) downwards: those above give multiples of 4 quarter turns. */
    const int32_t first = exponent + 30, word = first >> 5, shift = first & 31;
    for (int32_t i = 0; i < 3; ++i) {
        w[i] = two_over_pi[word + i];
        if (shift != 0) {
            w[i] = (w[i] << shift) | (two_over_pi[word + i + 1] >> (32 - shift));
        }
    }
    low = mantissa * w[2];
    high = mantissa * w[1] + (low >> 32);
    turn = ((mantissa * w[0]) << 32) + high; /* modulo 2^64: units of 2^-62 quarter turns */
    *n = (int32_t)((turn + ((uint64_t)1 << 61)) >> 62);
    turn <<= 2;
    /* In double, then rounded once: pi/2 * 2^-64. */
    angle = (float)((double)(turn >> 63 != 0 ? ~turn + 1u : turn) * 8.515303950216386e-20);
    angle = turn >> 63 != 0 ? -angle : angle;
    if (bits >> 31 != 0) {
        angle = -angle;
        *n = (4 - *n) & 3;
    }
    return angle;
}

EC_INLINE float ec_sin_core(float x) {
    const float z = x * x;
    if (z < 1e-7f) {
        return x; /* keeps -0 */
    }
    return x + x * (z * (-0.166666672f + z * (0.00833332911f + z * (-0.000198393274f
        + z * 2.71823706e-06f))));
}

EC_INLINE float ec_cos_core(float x) {
    const float z = x * x, half = 0.5f * z, near = 1.0f - half;
    const float tail = z * z * (0.0416666679f + z * (-0.00138888834f + z * (2.47995122e-05f
        + z * -2.72095463e-07f)));
    return near + (((1.0f - near) - half) + tail);
}

/* sin(x + quadrant pi/2). */
EC_MATH float ec_circular(float x, int32_t quadrant) {
    int32_t n = 0;
    float r = x;
    if (!(ec_fabsf(x) < ec_infinity())) {
        return ec_nan();
    }
    if (ec_fabsf(x) > 0.785398185f) {
        r = ec_quarter_turns(x, &n);
    }
    n += quadrant;
    r = (n & 1) != 0 ? ec_cos_core(r) : ec_sin_core(r);
    return (n & 2) != 0 ? -r : r;
}

EC_MATH float ec_sinf(float x) {
    return ec_circular(x, 0);
}

EC_MATH float ec_cosf(float x) {
    return ec_circular(x, 1);
}

/* |x|^y for positive, finite x. In double: the error of y log2(x) becomes relative. */
EC_MATH float ec_power_core(float x, float y) {
    int32_t n, whole, half;
    double s, z, sum = 0.0, power = 1.0;
    const double f = (double)ec_split(x, &n);
    s = f / (2.0 + f);
    z = s * s;
    for (int32_t k = 19; k >= 1; k -= 2) {
        sum = sum * z + 1.0 / (double)k;
    }
    s = (double)y * ((double)n + 2.885390081777926815 * s * sum); /* y log2(x) */
    if (s >= 128.0) {
        return ec_infinity();
    }
    if (s < -150.0) {
        return 0.0f;
    }
    whole = (int32_t)(s < 0.0 ? s - 0.5 : s + 0.5);
    s = (s - (double)whole) * 0.6931471805599453094;
    for (int32_t k = 11; k >= 1; --k) {
        power = 1.0 + power * s / (double)k;
    }
    /* Two steps, the first of them exact: the double is rounded once. */
    half = whole / 2;
    return (float)(power * (double)ec_exp2i(half) * (double)ec_exp2i(whole - half));
}

/* 0: not whole, 1: odd, 2: even. */
EC_INLINE int32_t ec_parity(float y) {
    if (ec_truncf(y) != y) {
        return 0;
    }
    return ec_fabsf(y) < 16777216.0f && ((int32_t)y & 1) != 0 ? 1 : 2;
}

EC_MATH float ec_powf(float x, float y) {
    const float a = ec_fabsf(x);
    const int32_t parity = ec_parity(y);
    float power;
    if (y == 0.0f || x == 1.0f) {
        return 1.0f;
    }
    if (ec_is_nan(x) || ec_is_nan(y)) {
        return ec_nan();
    }
    if (ec_fabsf(y) == ec_infinity()) {
        return a == 1.0f ? 1.0f : (a > 1.0f) == (y > 0.0f) ? ec_infinity() : 0.0f;
    }
    if (a == 0.0f || a == ec_infinity()) {
        power = (a == 0.0f) == (y > 0.0f) ? 0.0f : ec_infinity();
    } else if (x < 0.0f && parity == 0) {
        return ec_nan();
    } else {
        power = ec_power_core(a, y);
    }
    return parity == 1 ? ec_copysignf(power, x) : power;
}

#endif
