/* SPDX-License-Identifier: Apache-2.0 */
/* Fixed-point arithmetic and helpers shared by all kernels. C99, also valid C++. No libc.
 *
 * Quantized values stand for scale * (q - zero_point). Kernels get -zero_point of the inputs as
 * "offset" and +zero_point of the output. The Python twin is compiler/fixed_point.py.
 */
#ifndef EDGECNN_COMMON_H
#define EDGECNN_COMMON_H

#include <stddef.h>
#include <stdint.h>

/* Off in all kernels (the bugprone-* checks of clang-tidy that this style contradicts):
 * easily-swappable-parameters: sizes, offsets and factors are all int32_t.
 * implicit-widening-of-multiplication-result: products of sizes are offsets into arrays; the
 * compiler refuses models in which one could pass 2^31.
 * signed-bitwise: >> of a negative value is meant, and arithmetic with every compiler for these
 * cores.
 * Macros write an output as TYPE out[]: TYPE *out looks like a product to macro-parentheses. */
/* NOLINTBEGIN(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

#define EC_MAX_DIMS 8

#if defined(__GNUC__) && !defined(__clang__) && __GNUC__ >= 8
/* noipa: GCC 12 at -O1 was seen to call a step "free of side effects", and to drop it. */
#define EC_INLINE static inline __attribute__((always_inline))
#define EC_NOINLINE __attribute__((noipa))
#elif defined(__GNUC__)
#define EC_INLINE static inline __attribute__((always_inline))
#define EC_NOINLINE __attribute__((noinline))
#else
#define EC_INLINE static inline
#define EC_NOINLINE
#endif

#if defined(__GNUC__)
#define EC_UNUSED __attribute__((unused))
#else
#define EC_UNUSED
#endif

/* Before a short inner loop: unrolling it by 4 or 8 costs more than it saves. */
#if defined(__clang__)
#define EC_ROLLED _Pragma("clang loop unroll(disable)")
#elif defined(__GNUC__) && __GNUC__ >= 8
#define EC_ROLLED _Pragma("GCC unroll 1")
#else
#define EC_ROLLED
#endif

/* A kernel is inlined into each of its layers, with their parameters as constants, unless
 * EC_SHARE_<its name> is defined as EC_SHARED_COPY: then one function serves all of a model's
 * layers. The generated code defines that, under EDGECNN_SHARED_KERNELS, for the kernels whose
 * copies would take more. EDGECNN_SHARE_ALL: one function of every kernel, for tests. */
#if defined(EDGECNN_SHARE_ALL)
#if !defined(EDGECNN_SHARED_KERNELS)
#define EDGECNN_SHARED_KERNELS
#endif
#define EC_KERNEL(NAME) static EC_NOINLINE EC_UNUSED
#else
#define EC_SHARED_COPY ~, static EC_NOINLINE EC_UNUSED
#define EC_KERNEL(NAME) EC_KERNEL_NAMED(NAME)
#define EC_KERNEL_NAMED(NAME) EC_SECOND_OF(EC_SHARE_##NAME, EC_INLINE, ~)
#define EC_SECOND_OF(...) EC_SECOND(__VA_ARGS__)
#define EC_SECOND(FIRST, SECOND, ...) SECOND
#endif

/* Constant data. EDGECNN_WEIGHTS_SECTION names a section for it, e.g. in external flash. */
#if defined(EDGECNN_WEIGHTS_SECTION)
#define EC_WEIGHTS __attribute__((aligned(4), section(EDGECNN_WEIGHTS_SECTION)))
#elif defined(__GNUC__)
#define EC_WEIGHTS __attribute__((aligned(4)))
#else
#define EC_WEIGHTS
#endif

/* Sizes of a sliding window. clip_h/clip_w: some window leaves the input along that axis. */
typedef struct {
    int32_t batches, in_h, in_w, in_c;
    int32_t out_h, out_w, out_c;
    int32_t k_h, k_w, stride_h, stride_w, dilation_h, dilation_w;
    int32_t pad_top, pad_left, clip_h, clip_w;
} ec_window;

/* The taps of one window that lie inside the input: [ky0, ky1) x [kx0, kx1). */
typedef struct {
    int32_t y, x; /* input position of tap (0, 0), may be outside */
    int32_t ky0, ky1, kx0, kx1;
    int32_t ring; /* rows of the buffer where it is a ring, and y then counts in it; else 0 */
} ec_taps;

/* The output rows [first, end) that a call computes, and how many rows the two buffers hold: row y
 * lies at y % rows of a ring. Buffers that hold a whole tensor have as many rows as it. */
typedef struct {
    int32_t first, end, in_rows, out_rows;
} ec_rows;

/* How accumulators become outputs. per_channel: multipliers and shifts have one entry per output
 * channel, else one entry. all_right: every shift is negative. filter_offset: uint8 filters. */
typedef struct {
    int32_t in_offset, filter_offset, out_offset, act_min, act_max;
    int32_t per_channel, all_right;
} ec_quantized;

typedef struct {
    float act_min, act_max;
} ec_float_range;

/* The i-th of `count` positions, counted from the end when a step runs backwards. */
EC_INLINE int32_t ec_turn(int32_t reverse, int32_t i, int32_t count) {
    return reverse ? count - 1 - i : i;
}

EC_INLINE int32_t ec_first_tap(int32_t origin, int32_t dilation) {
    return origin >= 0 ? 0 : (dilation - 1 - origin) / dilation;
}

EC_INLINE int32_t ec_end_tap(int32_t origin, int32_t dilation, int32_t size, int32_t taps) {
    const int32_t room = origin >= size ? 0 : (size - origin + dilation - 1) / dilation;
    return room < taps ? room : taps;
}

EC_INLINE ec_taps ec_clip_window(const ec_window *g, int32_t oy, int32_t ox) {
    ec_taps t;
    t.y = oy * g->stride_h - g->pad_top;
    t.x = ox * g->stride_w - g->pad_left;
    t.ky0 = g->clip_h ? ec_first_tap(t.y, g->dilation_h) : 0;
    t.ky1 = g->clip_h ? ec_end_tap(t.y, g->dilation_h, g->in_h, g->k_h) : g->k_h;
    t.kx0 = g->clip_w ? ec_first_tap(t.x, g->dilation_w) : 0;
    t.kx1 = g->clip_w ? ec_end_tap(t.x, g->dilation_w, g->in_w, g->k_w) : g->k_w;
    t.ring = 0;
    return t;
}

/* Where row y lies in a buffer of `rows` rows. */
EC_INLINE int32_t ec_ring(int32_t y, int32_t rows) {
#if defined(__ARM_ARCH_6M__)
    /* No division on this core: a subtraction per turn of the ring is less than its call. */
    while (y >= rows) {
        y -= rows;
    }
    return y;
#else
    return (int32_t)((uint32_t)y % (uint32_t)rows);
#endif
}

/* By how much the input rows of output row oy lie lower in their buffer than in the tensor. */
EC_INLINE int32_t ec_ring_shift(const ec_window *g, int32_t oy, int32_t rows) {
    const int32_t origin = oy * g->stride_h - g->pad_top;
    const int32_t first = origin + ec_first_tap(origin, g->dilation_h) * g->dilation_h;
    return rows == g->in_h ? 0 : first - ec_ring(first, rows);
}

/* The row of the buffer that tap row ky reads. All tap rows lie in one turn of the ring. */
EC_INLINE int32_t ec_tap_row(const ec_window *g, const ec_taps *t, int32_t ky) {
    const int32_t y = t->y + ky * g->dilation_h;
    return t->ring != 0 && y >= t->ring ? y - t->ring : y;
}

EC_INLINE int32_t ec_clamp(int32_t x, int32_t low, int32_t high) {
    return x < low ? low : x > high ? high : x;
}

/* x + offset within [low, high], where the sum itself may overflow. */
EC_INLINE int32_t ec_clamp_shifted(int32_t x, int32_t offset, int32_t low, int32_t high) {
    return ec_clamp(x, low - offset, high - offset) + offset;
}

EC_INLINE float ec_clampf(float x, float low, float high) {
    return x < low ? low : x > high ? high : x;
}

/* a + b modulo 2^32: biases of any file are summed without undefined behaviour. */
EC_INLINE int32_t ec_wrap_add(int32_t a, int32_t b) {
    return (int32_t)((uint32_t)a + (uint32_t)b);
}

/* a * b / 2^31 to nearest, ties towards +infinity, saturated: gemmlowp's
 * SaturatingRoundingDoublingHighMul. */
EC_INLINE int32_t ec_high_mul_sat(int32_t a, int32_t b) {
    if (a == INT32_MIN && b == INT32_MIN) {
        return INT32_MAX;
    }
    return (int32_t)(((int64_t)a * b + ((int64_t)1 << 30)) >> 31);
}

/* The same where b >= 0: cannot saturate. */
EC_INLINE int32_t ec_high_mul(int32_t a, int32_t b) {
    return (int32_t)(((int64_t)a * b + ((int64_t)1 << 30)) >> 31);
}

/* x / 2^right to nearest, ties away from zero; 1 <= right <= 31, x > INT32_MIN. */
EC_INLINE int32_t ec_round_shift_positive(int32_t x, int32_t right) {
    const int32_t y = x + (x >> 31);
    return (y >> right) + ((y >> (right - 1)) & 1);
}

EC_INLINE int32_t ec_round_shift(int32_t x, int32_t right) {
    return right > 0 ? ec_round_shift_positive(x, right) : x;
}

EC_INLINE int32_t ec_shift_left(int32_t x, int32_t left) {
    return (int32_t)((uint32_t)x << left);
}

/* x * 2^left, saturated. */
EC_INLINE int32_t ec_shift_left_sat(int32_t x, int32_t left) {
    const int32_t limit = INT32_MAX >> left;
    return x > limit ? INT32_MAX : x < -limit - 1 ? INT32_MIN : ec_shift_left(x, left);
}

/* Zeros in front of the highest bit, x > 0. */
EC_INLINE int32_t ec_leading_zeros(uint32_t x) {
#if defined(__ARM_FEATURE_CLZ) && defined(__GNUC__)
    return __builtin_clz(x);
#else
    int32_t zeros = 0;
    EC_ROLLED
    for (int32_t step = 16; step > 0; step >>= 1) {
        if (x >> (32 - step) == 0) {
            x <<= step;
            zeros += step;
        }
    }
    return zeros;
#endif
}

/* 1 / (1 + a) for a in [0, 1), both Q0.31: three Newton-Raphson steps on Q2.29. Only the result can
 * saturate: x stays below 2^30 but for rounding, and errors within 2^29 / 17. */
EC_INLINE int32_t ec_reciprocal_1p(int32_t a) {
    const int32_t half_denominator = (int32_t)(((uint32_t)a + 0x80000000u) >> 1);
    int32_t x = 1515870810 + ec_high_mul(half_denominator, -1010580540);
    for (int i = 0; i < 3; ++i) {
        const int32_t error = ((int32_t)1 << 29) - ec_high_mul(half_denominator, x);
        x += 4 * ec_high_mul(x, error);
    }
    return ec_shift_left_sat(x, 1);
}

/* acc * multiplier / 2^31 * 2^shift, rounded once. */
EC_INLINE int32_t ec_requant_single(int32_t acc, int32_t multiplier, int32_t shift) {
    const int32_t total = 31 - shift;
    return (int32_t)(((int64_t)acc * multiplier + ((int64_t)1 << (total - 1))) >> total);
}

/* acc * multiplier / 2^31 * 2^shift, rounded twice (TFLite's MultiplyByQuantizedMultiplier). */
EC_INLINE int32_t ec_requant_double(int32_t acc, int32_t multiplier, int32_t shift) {
    if (shift > 0) {
        return ec_high_mul(ec_shift_left(acc, shift), multiplier);
    }
    return ec_round_shift(ec_high_mul(acc, multiplier), -shift);
}

/* What a model's numerics ask for: rounded twice, or once (a macro of the model's .c file). */
EC_INLINE int32_t ec_requant(int32_t acc, int32_t multiplier, int32_t shift) {
#if defined(EDGECNN_SINGLE_ROUNDING)
    return ec_requant_single(acc, multiplier, shift);
#else
    return ec_requant_double(acc, multiplier, shift);
#endif
}

/* The same where shift < 0 is known: no branches. */
EC_INLINE int32_t ec_requant_right(int32_t acc, int32_t multiplier, int32_t shift) {
#if defined(EDGECNN_SINGLE_ROUNDING)
    return ec_requant_single(acc, multiplier, shift);
#else
    return ec_round_shift_positive(ec_high_mul(acc, multiplier), -shift);
#endif
}

/* int64 accumulators (int16 activations): a multiplier of 16 bits, rounded once.
 * -31 <= shift <= 7, |acc| < 2^47. */
EC_INLINE int32_t ec_requant_wide(int64_t acc, int32_t multiplier, int32_t shift) {
    const int32_t reduced =
        multiplier < 0x7FFF0000 ? (multiplier + (1 << 15)) >> 16 : 0x7FFF;
    const int32_t total = 15 - shift;
    return (int32_t)((acc * reduced + ((int64_t)1 << (total - 1))) >> total);
}

/* acc[j] += sum of (x[i] + x_offset) * (w[i + j * stride] + w_offset), four filters at once. */
EC_INLINE void ec_dot4(
    const int8_t *x, const int8_t *w, int32_t count, int32_t stride, int32_t x_offset,
    int32_t w_offset, int32_t acc[4]) {
    const int8_t *w0 = w, *w1 = w + stride, *w2 = w + 2 * stride, *w3 = w + 3 * stride;
    int32_t a0 = acc[0], a1 = acc[1], a2 = acc[2], a3 = acc[3];
    for (int32_t i = 0; i < count; ++i) {
        const int32_t v = x[i] + x_offset;
        a0 += v * (w0[i] + w_offset);
        a1 += v * (w1[i] + w_offset);
        a2 += v * (w2[i] + w_offset);
        a3 += v * (w3[i] + w_offset);
    }
    acc[0] = a0;
    acc[1] = a1;
    acc[2] = a2;
    acc[3] = a3;
}

EC_INLINE int32_t ec_dot1(
    const int8_t *x, const int8_t *w, int32_t count, int32_t x_offset, int32_t w_offset,
    int32_t acc) {
    for (int32_t i = 0; i < count; ++i) {
        acc += (x[i] + x_offset) * (w[i] + w_offset);
    }
    return acc;
}

/* Two operands under the output's shape. Strides count elements, and are 0 along dimensions in
 * which an operand is repeated. The output is contiguous. */
typedef struct {
    int32_t rank, dims[EC_MAX_DIMS], strides1[EC_MAX_DIMS], strides2[EC_MAX_DIMS];
} ec_broadcast;

/* Advances an odometer over dims (last one fastest) and the offsets a and b along with it.
 * Returns 0 when it wraps around. */
EC_INLINE int ec_next(
    int32_t rank, const int32_t *dims, int32_t *index, const int32_t *strides_a, int32_t *a,
    const int32_t *strides_b, int32_t *b) {
    for (int32_t d = rank - 1; d >= 0; --d) {
        *a += strides_a[d];
        *b += strides_b[d];
        if (++index[d] < dims[d]) {
            return 1;
        }
        *a -= strides_a[d] * dims[d];
        *b -= strides_b[d] * dims[d];
        index[d] = 0;
    }
    return 0;
}

/* NOLINTEND(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

#endif
