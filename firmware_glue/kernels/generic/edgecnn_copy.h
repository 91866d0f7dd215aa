/* Moves bytes: strided copies (TRANSPOSE, PAD, TILE, slices, CONCATENATION …) and fills. */
#ifndef EDGECNN_COPY_H
#define EDGECNN_COPY_H

#include "edgecnn_common.h"

/* All in bytes. from_strides may be 0 (repeat) or negative (reverse). */
typedef struct {
    int32_t rank, dims[EC_MAX_DIMS], from_strides[EC_MAX_DIMS], to_strides[EC_MAX_DIMS];
    int32_t from_base, to_base;
} ec_copy_params;

typedef struct {
    int32_t count, value;
} ec_fill_params;

EC_KERNEL void ec_copy(const ec_copy_params *p, const void *in, void *out) {
    const int32_t outer = p->rank - 1;
    const int32_t count = p->dims[outer];
    const int32_t from_step = p->from_strides[outer], to_step = p->to_strides[outer];
    int32_t index[EC_MAX_DIMS] = {0};
    int32_t from_at = p->from_base, to_at = p->to_base;
    do {
        const uint8_t *from = (const uint8_t *)in + from_at;
        uint8_t *to = (uint8_t *)out + to_at;
        for (int32_t i = 0; i < count; ++i) {
            to[i * to_step] = from[i * from_step];
        }
    } while (ec_next(
        outer, p->dims, index, p->from_strides, &from_at, p->to_strides, &to_at));
}

EC_KERNEL void ec_fill(const ec_fill_params *p, void *out) {
    uint8_t *to = (uint8_t *)out;
    for (int32_t i = 0; i < p->count; ++i) {
        to[i] = (uint8_t)p->value;
    }
}

#endif
