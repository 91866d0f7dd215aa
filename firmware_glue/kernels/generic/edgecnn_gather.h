/* SPDX-License-Identifier: Apache-2.0 */
/* GATHER, GATHER_ND, EMBEDDING_LOOKUP and ONE_HOT, of elements of any size. An index outside of
 * its dimension, at which TFLite stops, is taken as the nearest one inside. */
#ifndef EDGECNN_GATHER_H
#define EDGECNN_GATHER_H

#include "edgecnn_common.h"

/* NOLINTBEGIN(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

/* in: [batches][outer][axis][inner], indices: [batches][count], out: [batches][outer][count]
 * [inner]; inner counts bytes. */
typedef struct {
    int32_t batches, outer, axis, count, inner;
} ec_gather_params;

/* count tuples of depth indices, each below dims and counted in strides bytes; size: bytes that
 * a tuple picks. */
typedef struct {
    int32_t count, depth, dims[EC_MAX_DIMS], strides[EC_MAX_DIMS], size;
} ec_gather_nd_params;

/* indices: [outer][inner], out: [outer][depth][inner] elements of size bytes. */
typedef struct {
    int32_t outer, depth, inner, size;
} ec_one_hot_params;

EC_INLINE uint8_t *ec_put(uint8_t *to, const uint8_t *from, int32_t size) {
    for (int32_t b = 0; b < size; ++b) {
        to[b] = from[b];
    }
    return to + size;
}

EC_INLINE int32_t ec_inside(int64_t index, int32_t size) {
    return index < 0 ? 0 : index >= size ? size - 1 : (int32_t)index;
}

/* For indices of type T, named by S. */
#define EC_GATHER_KERNELS(T, S)                                                                 \
    EC_KERNEL(ec_gather_##S) void ec_gather_##S(                                                \
        const ec_gather_params *p, const void *in, const T *indices, void *out) {               \
        const uint8_t *from = (const uint8_t *)in;                                              \
        uint8_t *to = (uint8_t *)out;                                                           \
        for (int32_t b = 0; b < p->batches; ++b) {                                              \
            for (int32_t o = 0; o < p->outer; ++o) {                                            \
                for (int32_t i = 0; i < p->count; ++i) {                                        \
                    const ptrdiff_t at = ec_inside(indices[i], p->axis);                        \
                    to = ec_put(to, from + at * p->inner, p->inner);                            \
                }                                                                               \
                from += (ptrdiff_t)p->axis * p->inner;                                          \
            }                                                                                   \
            indices += p->count;                                                                \
        }                                                                                       \
    }                                                                                           \
    EC_KERNEL(ec_gather_nd_##S) void ec_gather_nd_##S(                                          \
        const ec_gather_nd_params *p, const void *in, const T *indices, void *out) {            \
        uint8_t *to = (uint8_t *)out;                                                           \
        for (int32_t i = 0; i < p->count; ++i) {                                                \
            int32_t at = 0;                                                                     \
            for (int32_t d = 0; d < p->depth; ++d) {                                            \
                at += ec_inside(*indices++, p->dims[d]) * p->strides[d];                        \
            }                                                                                   \
            to = ec_put(to, (const uint8_t *)in + at, p->size);                                 \
        }                                                                                       \
    }

EC_GATHER_KERNELS(int16_t, i16)
EC_GATHER_KERNELS(int32_t, i32)
EC_GATHER_KERNELS(int64_t, i64)

#define EC_ONE_HOT_KERNEL(T, S)                                                                 \
    EC_KERNEL(ec_one_hot_##S) void ec_one_hot_##S(                                              \
        const ec_one_hot_params *p, const T *indices, const void *on, const void *off,          \
        void *out) {                                                                            \
        uint8_t *to = (uint8_t *)out;                                                           \
        for (int32_t o = 0; o < p->outer; ++o) {                                                \
            for (int32_t d = 0; d < p->depth; ++d) {                                            \
                for (int32_t i = 0; i < p->inner; ++i) {                                        \
                    const void *from = indices[i] == d ? on : off;                              \
                    to = ec_put(to, (const uint8_t *)from, p->size);                            \
                }                                                                               \
            }                                                                                   \
            indices += p->inner;                                                                \
        }                                                                                       \
    }

EC_ONE_HOT_KERNEL(int32_t, i32)
EC_ONE_HOT_KERNEL(int64_t, i64)

/* NOLINTEND(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

#endif
