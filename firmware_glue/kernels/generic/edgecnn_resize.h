/* SPDX-License-Identifier: Apache-2.0 */
/* RESIZE_NEAREST_NEIGHBOR and RESIZE_BILINEAR, NHWC: source positions come from tables. */
#ifndef EDGECNN_RESIZE_H
#define EDGECNN_RESIZE_H

#include "edgecnn_common.h"

/* NOLINTBEGIN(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

typedef struct {
    int32_t batches, in_h, in_w, out_h, out_w, pixel_bytes;
} ec_resize_params;

typedef struct {
    int32_t batches, in_h, in_w, out_h, out_w, depth;
} ec_bilinear_params;

EC_KERNEL(ec_resize_nearest) void ec_resize_nearest(
    const ec_resize_params *p, const void *in, const uint16_t *rows, const uint16_t *columns,
    void *out) {
    const uint8_t *image = (const uint8_t *)in;
    uint8_t *to = (uint8_t *)out;
    for (int32_t n = 0; n < p->batches; ++n) {
        for (int32_t y = 0; y < p->out_h; ++y) {
            const uint8_t *row = image + rows[y] * p->in_w * p->pixel_bytes;
            for (int32_t x = 0; x < p->out_w; ++x) {
                const uint8_t *from = row + columns[x] * p->pixel_bytes;
                for (int32_t i = 0; i < p->pixel_bytes; ++i) {
                    *to++ = from[i];
                }
            }
        }
        image += p->in_h * p->in_w * p->pixel_bytes;
    }
}

/* v / 2^20 to nearest, ties away from zero. */
EC_INLINE int64_t ec_round_q20(int64_t v) {
    const int64_t half = (int64_t)1 << 19;
    return v > 0 ? (v + half) >> 20 : -((half - v) >> 20);
}

/* rows and columns: per output position two input positions and the second one's weight in
 * units of 1/1024. SUM holds 2^22 times a value. */
#define EC_BILINEAR(NAME, TYPE, SUM)                                                          \
    EC_KERNEL(NAME) void NAME(                                                                \
        const ec_bilinear_params *p, const TYPE *in, const int16_t *rows,                     \
        const int16_t *columns, TYPE out[]) {                                                 \
        const int32_t depth = p->depth, line = p->in_w * depth;                               \
        for (int32_t n = 0; n < p->batches; ++n) {                                            \
            for (int32_t y = 0; y < p->out_h; ++y) {                                          \
                const TYPE *top = in + rows[3 * y] * line;                                    \
                const TYPE *bottom = in + rows[3 * y + 1] * line;                             \
                const int32_t down = rows[3 * y + 2], up = 1024 - down;                       \
                for (int32_t x = 0; x < p->out_w; ++x) {                                      \
                    const int32_t left = columns[3 * x] * depth;                              \
                    const int32_t right = columns[3 * x + 1] * depth;                         \
                    const int32_t east = columns[3 * x + 2], west = 1024 - east;              \
                    for (int32_t c = 0; c < depth; ++c) {                                     \
                        const SUM sum = (SUM)(top[left + c] * up * (SUM)west)                 \
                            + (SUM)(bottom[left + c] * down * (SUM)west)                      \
                            + (SUM)(top[right + c] * up * (SUM)east)                          \
                            + (SUM)(bottom[right + c] * down * (SUM)east);                    \
                        *out++ = (TYPE)ec_round_q20(sum);                                     \
                    }                                                                         \
                }                                                                             \
            }                                                                                 \
            in += p->in_h * line;                                                             \
        }                                                                                     \
    }

EC_BILINEAR(ec_resize_bilinear_s8, int8_t, int32_t)
EC_BILINEAR(ec_resize_bilinear_s16, int16_t, int64_t)

/* a * b * c, rounded twice. exact: whatever the compiler may fuse (uint8 depends on it). */
EC_INLINE float ec_product3(float a, float b, float c, int exact) {
    const float first = a * b;
    if (exact) {
        const volatile float product = first * c;
        return product;
    }
    return first * c;
}

/* u8: rounded to nearest, in float32 as TFLite does. */
EC_INLINE uint8_t ec_to_u8(float v) {
    return (uint8_t)(int32_t)(v + 0.5f);
}

EC_INLINE float ec_to_f32(float v) {
    return v;
}

/* rows and columns: two input positions per output position; downs and easts: the second ones'
 * weights. */
#define EC_BILINEAR_REAL(SUFFIX, TYPE, EXACT)                                                 \
    EC_KERNEL(ec_resize_bilinear_##SUFFIX) void ec_resize_bilinear_##SUFFIX(                  \
        const ec_bilinear_params *p, const TYPE *in, const int16_t *rows,                     \
        const int16_t *columns, const float *downs, const float *easts, TYPE out[]) {         \
        const int32_t depth = p->depth, line = p->in_w * depth;                               \
        for (int32_t n = 0; n < p->batches; ++n) {                                            \
            for (int32_t y = 0; y < p->out_h; ++y) {                                          \
                const TYPE *top = in + rows[2 * y] * line;                                    \
                const TYPE *bottom = in + rows[2 * y + 1] * line;                             \
                const float down = downs[y], up = 1.0f - down;                                \
                for (int32_t x = 0; x < p->out_w; ++x) {                                      \
                    const int32_t left = columns[2 * x] * depth;                              \
                    const int32_t right = columns[2 * x + 1] * depth;                         \
                    const float east = easts[x], west = 1.0f - east;                          \
                    for (int32_t c = 0; c < depth; ++c) {                                     \
                        const float sum = ec_product3(top[left + c], up, west, EXACT)         \
                            + ec_product3(bottom[left + c], down, west, EXACT)                \
                            + ec_product3(top[right + c], up, east, EXACT)                    \
                            + ec_product3(bottom[right + c], down, east, EXACT);              \
                        *out++ = ec_to_##SUFFIX(sum);                                         \
                    }                                                                         \
                }                                                                             \
            }                                                                                 \
            in += p->in_h * line;                                                             \
        }                                                                                     \
    }

EC_BILINEAR_REAL(u8, uint8_t, 1)
EC_BILINEAR_REAL(f32, float, 0)

/* NOLINTEND(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

#endif
