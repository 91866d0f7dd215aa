/* SPDX-License-Identifier: Apache-2.0 */
/* Where the pixels of a resized image come from, along one axis: cv2's exact modes, to the last
 * bit.
 *
 * Their rules are written in float64. Here they are computed in integers, so that no FPU, compiler
 * option or soft-float library can change a pixel. The Python twin is edgecnn/core/numpy_resize.py.
 */
#ifndef EDGECNN_RESAMPLE_H
#define EDGECNN_RESAMPLE_H

#include "edgecnn_common.h"

/* NOLINTBEGIN(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

/* A positive float64: mantissa * 2^exponent, 2^52 <= mantissa < 2^53. */
typedef struct {
    uint64_t mantissa;
    int32_t exponent;
} ec_double;

/* a / b as float64 rounds it, to nearest, ties to even; 0 < a, b < 2^53. */
static EC_NOINLINE ec_double ec_double_divide(uint64_t a, uint64_t b) {
    ec_double d;
    uint64_t rest = a;
    d.mantissa = 0;
    d.exponent = -52;
    while (rest >= b * 2) {
        b *= 2;
        ++d.exponent;
    }
    while (rest < b) {
        rest *= 2;
        --d.exponent;
    }
    for (int32_t bit = 0; bit < 53; ++bit) {
        const uint64_t one = rest >= b ? 1u : 0u;
        rest = (rest - (one != 0 ? b : 0)) * 2;
        d.mantissa = d.mantissa * 2 + one;
    }
    if (rest > b || (rest == b && (d.mantissa & 1u) != 0)) {
        ++d.mantissa; /* never carries: no quotient is that close below a power of two */
    }
    return d;
}

/* Whether c * d, rounded as float64 rounds it, lies below (-1), at (0) or above (1) n / 2^shift;
 * the two are nearly equal; 0 < c < 2^14. */
static EC_NOINLINE int32_t ec_double_compare(ec_double d, uint32_t c, uint32_t n, int32_t shift) {
    const uint64_t low = (d.mantissa & 0xFFFFFFFFu) * c;
    const uint64_t high = (d.mantissa >> 32) * c + (low >> 32);
    int32_t drop = 0;
    int32_t align;
    uint64_t product, limit, rest, half;
    while ((high >> (21 + drop)) != 0) {
        ++drop;
    }
    product = (high << (32 - drop)) | ((low & 0xFFFFFFFFu) >> drop);
    rest = low & (((uint64_t)1 << drop) - 1);
    half = ((uint64_t)1 << drop) >> 1;
    product += (rest > half || (drop > 0 && rest == half && (product & 1u) != 0)) ? 1u : 0u;
    /* c * d = product * 2^(exponent + drop), and product has 53 or 54 bits. */
    align = -(d.exponent + drop) - shift;
    limit = (uint64_t)n << align;
    return product < limit ? -1 : product > limit ? 1 : 0;
}

/* Walks along an axis of a linear resize in steps of 1/256 source pixel. The exact position of
 * target pixel i is ((2i + 1) * size - target) / (2 * target); float64 rounds its weight to the
 * same 1/256, except where it lies in the very middle of two: there its rounding errors decide. */
typedef struct {
    int32_t size, target;
    int32_t step, step_rest; /* per target pixel, in 1/256 and in 1/256 / (2 * target) */
    int32_t at, rest, i;
    ec_double scale; /* size / target as the rule has it; only where there are middles */
} ec_linear;

EC_INLINE ec_linear ec_linear_start(int32_t size, int32_t target) {
    ec_linear a;
    const int32_t unit = 2 * target;
    const int32_t first = 256 * (size - target);
    a.size = size;
    a.target = target;
    a.step = 512 * size / unit;
    a.step_rest = 512 * size % unit;
    a.at = first / unit;
    a.rest = first % unit;
    if (a.rest < 0) {
        a.rest += unit;
        --a.at;
    }
    a.i = 0;
    a.scale.mantissa = 0;
    a.scale.exponent = 0;
    if (target % 256 == 0) {
        const ec_double inverse = ec_double_divide((uint64_t)target, (uint64_t)size);
        a.scale = ec_double_divide((uint64_t)1 << 52, inverse.mantissa);
        a.scale.exponent -= 52 + inverse.exponent;
    }
    return a;
}

/* The current position in 1/256 source pixel, inside the source; then goes on by one pixel. */
EC_INLINE int32_t ec_linear_next(ec_linear *a) {
    int32_t at = a->at;
    if (a->rest > a->target) {
        ++at;
    } else if (a->rest == a->target && at >= 0 && a->scale.mantissa != 0) {
        /* The rule's position + 1/2 is scale * (i + 1/2); the middle is (2 * at + 1) / 512. */
        const int32_t side = ec_double_compare(
            a->scale, (uint32_t)(2 * a->i + 1), (uint32_t)(2 * at + 257), 8);
        at += side > 0 || (side == 0 && (at & 1) != 0) ? 1 : 0;
    }
    a->at += a->step;
    a->rest += a->step_rest;
    if (a->rest >= 2 * a->target) {
        a->rest -= 2 * a->target;
        ++a->at;
    }
    ++a->i;
    return ec_clamp(at, 0, (a->size - 1) * 256);
}

/* Walks along an axis of a nearest resize: the sum of steps, each addition rounded to float64. */
typedef struct {
    int32_t size;
    ec_double step, at;
} ec_nearest;

EC_INLINE ec_nearest ec_nearest_start(int32_t size, int32_t target) {
    ec_nearest a;
    a.size = size;
    a.step = ec_double_divide((uint64_t)size, (uint64_t)target);
    a.at = a.step;
    --a.at.exponent;
    return a;
}

/* The current source index; then goes on by one pixel. */
EC_INLINE int32_t ec_nearest_next(ec_nearest *a) {
    const int32_t whole = a->at.exponent <= -53 ? 0 : (int32_t)(a->at.mantissa >> -a->at.exponent);
    /* Ten guard bits; the step's bits below them are kept as "something is there". */
    const int32_t right = a->at.exponent - a->step.exponent;
    uint64_t sum = a->at.mantissa << 10;
    uint64_t add = a->step.mantissa << 10;
    int32_t drop = 10;
    uint64_t rest, half;
    if (right < 0) { /* the first one: half a step */
        sum >>= 1;
        ++a->at.exponent;
    } else {
        const uint64_t below = add & (((uint64_t)1 << right) - 1);
        add = (add >> right) | (below != 0 ? 1u : 0u);
    }
    sum += add;
    if ((sum >> 63) != 0) {
        ++drop;
        ++a->at.exponent;
    }
    half = (uint64_t)1 << (drop - 1);
    rest = sum & (((uint64_t)1 << drop) - 1);
    sum >>= drop;
    sum += (rest > half || (rest == half && (sum & 1u) != 0)) ? 1u : 0u;
    a->at.mantissa = sum;
    if ((sum >> 53) != 0) {
        a->at.mantissa = sum >> 1;
        ++a->at.exponent;
    }
    return whole < a->size ? whole : a->size - 1;
}

/* NOLINTEND(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

#endif
