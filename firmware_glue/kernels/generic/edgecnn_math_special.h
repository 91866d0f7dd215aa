/* SPDX-License-Identifier: Apache-2.0 */
/* erf, erfc, sin, cos and pow of float32 without libc: as edgecnn_math.h, for fewer layers.
 *
 * Reductions: exp of a polynomial for erf from 1 on; Payne & Hanek's fixed-point reduction (sin,
 * cos); atanh series as in Muller, "Elementary Functions" (pow). */
#ifndef EDGECNN_MATH_SPECIAL_H
#define EDGECNN_MATH_SPECIAL_H

#include "edgecnn_math.h"

/* NOLINTBEGIN(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

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
    int32_t n, whole;
    double s, z, sum = 0.0;
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
    return ec_exp_double((s - (double)whole) * 0.6931471805599453094, whole);
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

/* NOLINTEND(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

#endif
