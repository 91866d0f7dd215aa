/* SPDX-License-Identifier: Apache-2.0 */
/* Parts of registers. */
#ifndef EDGECNN_BITS_H
#define EDGECNN_BITS_H

#include "chip.h"

/* Replaces the bits of mask by those of value. */
static inline void edgecnn_change(uint32_t address, uint32_t mask, uint32_t value) {
  EDGECNN_REG(address) = (EDGECNN_REG(address) & ~mask) | value;
}

/* Switches a clock on, and reads the register again: what it clocks may be written only after that. */
static inline void edgecnn_enable(uint32_t address, uint32_t bit) {
  EDGECNN_REG(address) |= 1u << bit;
  (void)EDGECNN_REG(address);
}

#endif
