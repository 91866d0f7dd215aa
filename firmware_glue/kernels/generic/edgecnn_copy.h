/* SPDX-License-Identifier: Apache-2.0 */
/* Moves bytes: strided copies (TRANSPOSE, PAD, TILE, slices, CONCATENATION ...) and fills. */
#ifndef EDGECNN_COPY_H
#define EDGECNN_COPY_H

#include "edgecnn_common.h"

#if defined(__ARM_FEATURE_MVE) && defined(__GNUC__)
#define EC_COPY_VECTORS 1
#include <arm_mve.h>
#else
#define EC_COPY_VECTORS 0
#endif

/* NOLINTBEGIN(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

/* All in bytes. from_strides may be 0 (repeat) or negative (reverse). */
typedef struct {
    int32_t rank, dims[EC_MAX_DIMS], from_strides[EC_MAX_DIMS], to_strides[EC_MAX_DIMS];
    int32_t from_base, to_base;
} ec_copy_params;

/* count elements of size bytes each. */
typedef struct {
    int32_t count, size, value[8];
} ec_fill_params;

/* Cores that read and write words at any address. */
#if defined(__GNUC__) && \
    (defined(__ARM_FEATURE_UNALIGNED) || defined(__aarch64__) || defined(__x86_64__))
#define EC_COPY_WORDS 1
typedef struct __attribute__((packed, may_alias)) {
    uint32_t value;
} ec_copy_word;
#else
#define EC_COPY_WORDS 0
#endif

EC_INLINE void ec_copy_four(const uint8_t *from, uint8_t *to) {
#if EC_COPY_WORDS
    ((ec_copy_word *)(void *)to)->value = ((const ec_copy_word *)(const void *)from)->value;
#else
    to[0] = from[0];
    to[1] = from[1];
    to[2] = from[2];
    to[3] = from[3];
#endif
}

/* Bytes that follow each other. The loops stay loops: unrolled, they were seen to take 12 kB of
 * code and 2 kB of stack for one row. */
EC_INLINE void ec_copy_bytes(const uint8_t *from, uint8_t *to, int32_t count) {
    int32_t i = 0;
#if EC_COPY_VECTORS
    EC_ROLLED
    for (; i < count; i += 16) {
        const mve_pred16_t lanes = vctp8q((uint32_t)(count - i));
        vstrbq_p_u8(to + i, vldrbq_z_u8(from + i, lanes), lanes);
    }
#else
    EC_ROLLED
    for (; i + 8 <= count; i += 8) {
        ec_copy_four(from + i, to + i);
        ec_copy_four(from + i + 4, to + i + 4);
    }
    EC_ROLLED
    for (; i < count; ++i) {
        to[i] = from[i];
    }
#endif
}

/* Bytes in ascending order, so that an output in front of its input may overlap it. */
EC_INLINE void ec_copy_run(
    const uint8_t *from, uint8_t *to, int32_t count, int32_t from_step, int32_t to_step) {
    if (from_step == 1 && to_step == 1) {
        ec_copy_bytes(from, to, count);
    } else {
        /* Offsets, not pointers: after the last byte they may leave the arrays. */
        ptrdiff_t from_at = 0, to_at = 0;
        for (int32_t i = 0; i < count; ++i) {
            to[to_at] = from[from_at];
            from_at += from_step;
            to_at += to_step;
        }
    }
}

/* The two innermost loops are plain: an element, or a row, and how often. */
EC_KERNEL(ec_copy) void ec_copy(const ec_copy_params *p, const void *in, void *out) {
    const int32_t inner = p->rank - 1, outer = p->rank > 1 ? p->rank - 2 : 0;
    const int32_t rows = p->rank > 1 ? p->dims[outer] : 1;
    const int32_t from_row = p->rank > 1 ? p->from_strides[outer] : 0;
    const int32_t to_row = p->rank > 1 ? p->to_strides[outer] : 0;
    int32_t index[EC_MAX_DIMS] = {0};
    int32_t from_at = p->from_base, to_at = p->to_base;
    do {
        ptrdiff_t from = from_at, to = to_at;
        EC_ROLLED
        for (int32_t row = 0; row < rows; ++row) {
            ec_copy_run(
                (const uint8_t *)in + from, (uint8_t *)out + to, p->dims[inner],
                p->from_strides[inner], p->to_strides[inner]);
            from += from_row;
            to += to_row;
        }
    } while (ec_next(
        outer, p->dims, index, p->from_strides, &from_at, p->to_strides, &to_at));
}

/* Bytes through a table: a copy that changes the scale. */
EC_KERNEL(ec_copy_table) void ec_copy_table(
    const ec_copy_params *p, const void *in, const uint8_t *table, void *out) {
    const int32_t outer = p->rank - 1;
    const int32_t from_step = p->from_strides[outer], to_step = p->to_strides[outer];
    int32_t index[EC_MAX_DIMS] = {0};
    int32_t from_at = p->from_base, to_at = p->to_base;
    do {
        ptrdiff_t from = from_at, to = to_at;
        for (int32_t i = 0; i < p->dims[outer]; ++i) {
            ((uint8_t *)out)[to] = table[((const uint8_t *)in)[from]];
            from += from_step;
            to += to_step;
        }
    } while (ec_next(
        outer, p->dims, index, p->from_strides, &from_at, p->to_strides, &to_at));
}

EC_KERNEL(ec_fill) void ec_fill(const ec_fill_params *p, void *out) {
    uint8_t *to = (uint8_t *)out;
    if (p->size == 1) {
        for (int32_t i = 0; i < p->count; ++i) {
            to[i] = (uint8_t)p->value[0];
        }
        return;
    }
    for (int32_t i = 0; i < p->count; ++i) {
        for (int32_t b = 0; b < p->size; ++b) {
            *to++ = (uint8_t)p->value[b];
        }
    }
}

/* NOLINTEND(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

#endif
