/* SPDX-License-Identifier: Apache-2.0 */
/* CAST between element types, and the loop that all changes of type share.
 *
 * Input and output may overlap: forwards where the output starts early enough, backwards
 * (reverse = 1) where it ends late enough. */
#ifndef EDGECNN_CAST_H
#define EDGECNN_CAST_H

#include "edgecnn_common.h"

/* NOLINTBEGIN(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

/* Overlapping elements of two types: the compiler must not assume that they are apart. */
#if defined(__GNUC__)
#define EC_MAY_ALIAS __attribute__((__may_alias__))
#else
#define EC_MAY_ALIAS
#endif

/* One kernel: y is an expression of x and p. */
#define EC_CONVERT(name, params, from, to, y)                                                     \
    EC_KERNEL(ec_##name) void ec_##name(const params *p, const void *in, void *out) {             \
        typedef from EC_MAY_ALIAS source;                                                         \
        typedef to EC_MAY_ALIAS target;                                                           \
        const source *read = (const source *)in;                                                  \
        target *write = (target *)out;                                                            \
        for (int32_t i = 0; i < p->count; ++i) {                                                  \
            const int32_t k = p->reverse ? p->count - 1 - i : i;                                  \
            const from x = read[k];                                                               \
            write[k] = (y);                                                                       \
        }                                                                                         \
    }

typedef struct {
    int32_t count, reverse;
} ec_cast_params;

/* Towards zero; what does not fit is saturated, NaN gives the highest, as in LiteRT. "end" is the
 * first float above the type's range. */
#define EC_SATURATE(name, type, lowest, highest, end)                                             \
    EC_INLINE type name(float x) {                                                                \
        return x < (float)(lowest) ? (lowest) : x < (end) ? (type)x : (highest);                  \
    }

EC_SATURATE(ec_saturate_s8, int8_t, INT8_MIN, INT8_MAX, 128.0f)
EC_SATURATE(ec_saturate_u8, uint8_t, 0, UINT8_MAX, 256.0f)
EC_SATURATE(ec_saturate_s16, int16_t, INT16_MIN, INT16_MAX, 32768.0f)
EC_SATURATE(ec_saturate_s32, int32_t, INT32_MIN, INT32_MAX, 2147483648.0f)
EC_SATURATE(ec_saturate_s64, int64_t, INT64_MIN, INT64_MAX, 9223372036854775808.0f)

/* Integers keep their low bits. */
#define EC_CAST_FROM(from, type)                                                                  \
    EC_CONVERT(cast_##from##_s8, ec_cast_params, type, int8_t, (int8_t)x)                         \
    EC_CONVERT(cast_##from##_u8, ec_cast_params, type, uint8_t, (uint8_t)x)                       \
    EC_CONVERT(cast_##from##_s16, ec_cast_params, type, int16_t, (int16_t)x)                      \
    EC_CONVERT(cast_##from##_s32, ec_cast_params, type, int32_t, (int32_t)x)                      \
    EC_CONVERT(cast_##from##_s64, ec_cast_params, type, int64_t, (int64_t)x)                      \
    EC_CONVERT(cast_##from##_f32, ec_cast_params, type, float, (float)x)                          \
    EC_CONVERT(cast_##from##_bool, ec_cast_params, type, uint8_t, x != 0)

EC_CAST_FROM(s8, int8_t)
EC_CAST_FROM(u8, uint8_t)
EC_CAST_FROM(s16, int16_t)
EC_CAST_FROM(s32, int32_t)
EC_CAST_FROM(s64, int64_t)
EC_CAST_FROM(bool, uint8_t)

EC_CONVERT(cast_f32_s8, ec_cast_params, float, int8_t, ec_saturate_s8(x))
EC_CONVERT(cast_f32_u8, ec_cast_params, float, uint8_t, ec_saturate_u8(x))
EC_CONVERT(cast_f32_s16, ec_cast_params, float, int16_t, ec_saturate_s16(x))
EC_CONVERT(cast_f32_s32, ec_cast_params, float, int32_t, ec_saturate_s32(x))
EC_CONVERT(cast_f32_s64, ec_cast_params, float, int64_t, ec_saturate_s64(x))
EC_CONVERT(cast_f32_f32, ec_cast_params, float, float, x)
EC_CONVERT(cast_f32_bool, ec_cast_params, float, uint8_t, x != 0.0f)

/* NOLINTEND(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

#endif
