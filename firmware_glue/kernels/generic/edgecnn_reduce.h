/* MEAN, SUM, REDUCE_MAX, REDUCE_MIN over any axes, int8. */
#ifndef EDGECNN_REDUCE_H
#define EDGECNN_REDUCE_H

#include "edgecnn_common.h"

/* kept_*: the dimensions that stay, in output order; reduced_*: those that are summed up.
 * sum_offset: -zero_point * (elements per output). */
typedef struct {
    int32_t kept_rank, kept_dims[EC_MAX_DIMS], kept_strides[EC_MAX_DIMS];
    int32_t reduced_rank, reduced_dims[EC_MAX_DIMS], reduced_strides[EC_MAX_DIMS];
    int32_t sum_offset, multiplier, shift, out_offset;
} ec_reduce_params;

typedef enum { EC_SUM, EC_MAX, EC_MIN } ec_reduce_op;

EC_INLINE int32_t ec_reduce_one(const ec_reduce_params *p, ec_reduce_op op, const int8_t *in) {
    const int32_t outer = p->reduced_rank - 1;
    const int32_t count = p->reduced_dims[outer], step = p->reduced_strides[outer];
    int32_t index[EC_MAX_DIMS] = {0};
    int32_t at = 0, unused = 0;
    int32_t acc = op == EC_SUM ? 0 : *in;
    do {
        const int8_t *from = in + at;
        for (int32_t i = 0; i < count; ++i) {
            const int32_t v = from[i * step];
            acc = op == EC_SUM ? acc + v : (op == EC_MAX) == (v > acc) ? v : acc;
        }
    } while (ec_next(
        outer, p->reduced_dims, index, p->reduced_strides, &at, p->reduced_strides, &unused));
    return acc;
}

EC_INLINE void ec_reduce(
    const ec_reduce_params *p, ec_reduce_op op, const int8_t *in, int8_t *out) {
    int32_t index[EC_MAX_DIMS] = {0};
    int32_t at = 0, unused = 0;
    do {
        int32_t acc = ec_reduce_one(p, op, in + at);
        if (op == EC_SUM) {
            acc = ec_requant(acc + p->sum_offset, p->multiplier, p->shift) + p->out_offset;
        }
        *out++ = (int8_t)ec_clamp(acc, -128, 127);
    } while (ec_next(
        p->kept_rank, p->kept_dims, index, p->kept_strides, &at, p->kept_strides, &unused));
}

EC_KERNEL void ec_reduce_sum_s8(const ec_reduce_params *p, const int8_t *in, int8_t *out) {
    ec_reduce(p, EC_SUM, in, out);
}

EC_KERNEL void ec_reduce_max_s8(const ec_reduce_params *p, const int8_t *in, int8_t *out) {
    ec_reduce(p, EC_MAX, in, out);
}

EC_KERNEL void ec_reduce_min_s8(const ec_reduce_params *p, const int8_t *in, int8_t *out) {
    ec_reduce(p, EC_MIN, in, out);
}

#endif
