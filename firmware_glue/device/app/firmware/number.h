/* SPDX-License-Identifier: Apache-2.0 */
/* Real numbers to three decimals with integers alone: most cores have no FPU, and there is no printf. */
#ifndef EDGECNN_NUMBER_H
#define EDGECNN_NUMBER_H

#include <stdint.h>

/* |value| rounded to thousandths, halves up; from 2^32 on it stays at 4294967295.999. */
typedef struct {
  uint32_t whole;
  uint16_t thousandths;
  uint8_t negative, nan;
} edgecnn_real;

/* count * scale, for the bits of a float (IEEE 754, binary32). */
edgecnn_real edgecnn_real_of(int negative, uint32_t count, uint32_t scale_bits);
/* Divides in place and returns the rest. */
uint32_t edgecnn_divide(uint64_t *value, uint32_t divisor);
/* value >= thousandths / 1000; never for NaN. */
int edgecnn_real_reaches(edgecnn_real value, uint32_t thousandths);

#define EDGECNN_ONE_BITS 0x3F800000u /* 1.0f */

#endif
