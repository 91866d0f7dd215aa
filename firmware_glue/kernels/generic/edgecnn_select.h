/* SPDX-License-Identifier: Apache-2.0 */
/* SELECT and SELECT_V2, of elements of any size; and LOGICAL_NOT. */
#ifndef EDGECNN_SELECT_H
#define EDGECNN_SELECT_H

#include "edgecnn_common.h"

/* NOLINTBEGIN(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

/* Strides count elements, and are 0 along dimensions in which an operand is repeated. size: bytes
 * per element. The output is contiguous. */
typedef struct {
    int32_t rank, dims[EC_MAX_DIMS], strides0[EC_MAX_DIMS];
    int32_t strides1[EC_MAX_DIMS], strides2[EC_MAX_DIMS], size;
} ec_select_params;

/* out = condition ? in1 : in2, in ascending order: see EC_MIXED_KERNEL on shared memory. */
EC_KERNEL(ec_select) void ec_select(
    const ec_select_params *p, const uint8_t *condition, const void *in1, const void *in2,
    void *out) {
    const int32_t outer = p->rank - 1, size = p->size;
    int32_t index[EC_MAX_DIMS] = {0};
    int32_t at0 = 0, at1 = 0;
    uint8_t *to = (uint8_t *)out;
    do {
        int32_t at2 = 0;
        for (int32_t d = 0; d < outer; ++d) {
            at2 += index[d] * p->strides2[d];
        }
        for (int32_t i = 0; i < p->dims[outer]; ++i) {
            const ptrdiff_t from1 = at1 + i * p->strides1[outer];
            const ptrdiff_t from2 = at2 + i * p->strides2[outer];
            const uint8_t *from = condition[at0 + i * p->strides0[outer]] != 0
                                      ? (const uint8_t *)in1 + from1 * size
                                      : (const uint8_t *)in2 + from2 * size;
            for (int32_t b = 0; b < size; ++b) {
                *to++ = from[b];
            }
        }
    } while (ec_next(outer, p->dims, index, p->strides0, &at0, p->strides1, &at1));
}

/* NOLINTEND(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

#endif
