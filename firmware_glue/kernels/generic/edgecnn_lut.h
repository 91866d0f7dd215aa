/* Any function of one 8-bit value: a table of 256 bytes, indexed by the value's bit pattern. */
#ifndef EDGECNN_LUT_H
#define EDGECNN_LUT_H

#include "edgecnn_common.h"

typedef struct {
    int32_t count;
} ec_lut_params;

EC_KERNEL void ec_lut_8(const ec_lut_params *p, const void *in, const void *table, void *out) {
    const uint8_t *from = (const uint8_t *)in, *values = (const uint8_t *)table;
    uint8_t *to = (uint8_t *)out;
    for (int32_t i = 0; i < p->count; ++i) {
        to[i] = values[from[i]];
    }
}

#endif
