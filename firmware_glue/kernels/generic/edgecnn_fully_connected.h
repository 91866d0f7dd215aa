/* FULLY_CONNECTED, int8: out[r][c] = sum over i of in[r][i] * filters[c][i]. */
#ifndef EDGECNN_FULLY_CONNECTED_H
#define EDGECNN_FULLY_CONNECTED_H

#include "edgecnn_common.h"

/* per_channel: multipliers and shifts have one entry per output, else one entry. */
typedef struct {
    int32_t rows, in_depth, out_depth;
    int32_t in_offset, filter_offset, out_offset, act_min, act_max;
    int32_t per_channel;
} ec_fully_connected_params;

EC_INLINE int8_t ec_fully_connected_output(
    const ec_fully_connected_params *p, int32_t acc, const int32_t *multipliers,
    const int8_t *shifts, int32_t oc) {
    const int32_t c = p->per_channel ? oc : 0;
    const int32_t scaled = ec_requant_single(acc, multipliers[c], shifts[c]);
    return (int8_t)ec_clamp(scaled + p->out_offset, p->act_min, p->act_max);
}

EC_KERNEL void ec_fully_connected_s8(
    const ec_fully_connected_params *p, const int8_t *in, const int8_t *filters,
    const int32_t *bias, const int32_t *multipliers, const int8_t *shifts, int8_t *out) {
    const int32_t depth = p->in_depth;
    for (int32_t r = 0; r < p->rows; ++r) {
        int32_t oc = 0;
        for (int32_t quad = 0; quad < p->out_depth / 4; ++quad) {
            int32_t acc[4] = {0, 0, 0, 0};
            for (int32_t j = 0; bias != NULL && j < 4; ++j) {
                acc[j] = bias[oc + j];
            }
            ec_dot4(in, filters + oc * depth, depth, depth, p->in_offset, p->filter_offset, acc);
            for (int32_t j = 0; j < 4; ++j) {
                out[oc + j] = ec_fully_connected_output(p, acc[j], multipliers, shifts, oc + j);
            }
            oc += 4;
        }
        for (int32_t rest = 0; rest < p->out_depth % 4; ++rest) {
            const int32_t start = bias != NULL ? bias[oc] : 0;
            const int32_t acc = ec_dot1(
                in, filters + oc * depth, depth, p->in_offset, p->filter_offset, start);
            out[oc] = ec_fully_connected_output(p, acc, multipliers, shifts, oc);
            oc += 1;
        }
        in += depth;
        out += p->out_depth;
    }
}

#endif
