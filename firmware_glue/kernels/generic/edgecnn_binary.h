/* ADD, SUB, MUL, MAXIMUM, MINIMUM, int8, with broadcasting: an operand repeated along a dimension
 * has stride 0 there. The output is contiguous. */
#ifndef EDGECNN_BINARY_H
#define EDGECNN_BINARY_H

#include "edgecnn_common.h"

/* multiplier1/2, shift1/2: of the inputs (ADD, SUB); multiplier, shift: of the result. */
typedef struct {
    int32_t rank, dims[EC_MAX_DIMS], strides1[EC_MAX_DIMS], strides2[EC_MAX_DIMS];
    int32_t offset1, offset2, out_offset, left_shift;
    int32_t multiplier1, shift1, multiplier2, shift2, multiplier, shift;
    int32_t act_min, act_max;
} ec_binary_params;

typedef enum { EC_ADD, EC_SUB, EC_MUL, EC_MAXIMUM, EC_MINIMUM } ec_binary_op;

EC_INLINE int32_t ec_binary_value(
    const ec_binary_params *p, ec_binary_op op, int32_t x1, int32_t x2) {
    if (op == EC_MAXIMUM) {
        return x1 > x2 ? x1 : x2;
    }
    if (op == EC_MINIMUM) {
        return x1 < x2 ? x1 : x2;
    }
    x1 += p->offset1;
    x2 += p->offset2;
    if (op == EC_MUL) {
        return ec_requant(x1 * x2, p->multiplier, p->shift) + p->out_offset;
    }
    x1 = ec_requant(ec_shift_left(x1, p->left_shift), p->multiplier1, p->shift1);
    x2 = ec_requant(ec_shift_left(x2, p->left_shift), p->multiplier2, p->shift2);
    x1 = op == EC_ADD ? x1 + x2 : x1 - x2;
    return ec_requant(x1, p->multiplier, p->shift) + p->out_offset;
}

EC_INLINE void ec_binary(
    const ec_binary_params *p, ec_binary_op op, const int8_t *in1, const int8_t *in2,
    int8_t *out) {
    const int32_t outer = p->rank - 1;
    const int32_t count = p->dims[outer];
    const int32_t step1 = p->strides1[outer], step2 = p->strides2[outer];
    int32_t index[EC_MAX_DIMS] = {0};
    int32_t at1 = 0, at2 = 0;
    do {
        const int8_t *x1 = in1 + at1, *x2 = in2 + at2;
        for (int32_t i = 0; i < count; ++i) {
            const int32_t value = ec_binary_value(p, op, x1[i * step1], x2[i * step2]);
            *out++ = (int8_t)ec_clamp(value, p->act_min, p->act_max);
        }
    } while (ec_next(outer, p->dims, index, p->strides1, &at1, p->strides2, &at2));
}

EC_KERNEL void ec_add_s8(
    const ec_binary_params *p, const int8_t *in1, const int8_t *in2, int8_t *out) {
    ec_binary(p, EC_ADD, in1, in2, out);
}

EC_KERNEL void ec_sub_s8(
    const ec_binary_params *p, const int8_t *in1, const int8_t *in2, int8_t *out) {
    ec_binary(p, EC_SUB, in1, in2, out);
}

EC_KERNEL void ec_mul_s8(
    const ec_binary_params *p, const int8_t *in1, const int8_t *in2, int8_t *out) {
    ec_binary(p, EC_MUL, in1, in2, out);
}

EC_KERNEL void ec_maximum_s8(
    const ec_binary_params *p, const int8_t *in1, const int8_t *in2, int8_t *out) {
    ec_binary(p, EC_MAXIMUM, in1, in2, out);
}

EC_KERNEL void ec_minimum_s8(
    const ec_binary_params *p, const int8_t *in1, const int8_t *in2, int8_t *out) {
    ec_binary(p, EC_MINIMUM, in1, in2, out);
}

#endif
