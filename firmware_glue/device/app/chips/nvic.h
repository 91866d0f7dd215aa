/* SPDX-License-Identifier: Apache-2.0 */
/* The interrupt controller of Cortex-M cores (Armv6-M and Armv7-M architecture reference manuals,
 * section B3.4, Nested Vectored Interrupt Controller). */
#ifndef EDGECNN_NVIC_H
#define EDGECNN_NVIC_H

#include "chip.h"

#define EDGECNN_NVIC_ISER 0xE000E100u /* set enable */
#define EDGECNN_NVIC_ICER 0xE000E180u /* clear enable */
#define EDGECNN_NVIC_ISPR 0xE000E200u /* set pending */
#define EDGECNN_AIRCR 0xE000ED0Cu     /* application interrupt and reset control */
#define EDGECNN_AIRCR_RESET 0x05FA0004u /* the key, and SYSRESETREQ */

static inline void edgecnn_nvic_set(uint32_t bank, uint32_t irq) {
  EDGECNN_REG(bank + 4u * (irq / 32u)) = 1u << (irq % 32u);
}

/* A line without flow control cannot stop its sender, but an emulated one and USB can: its handler
 * switches itself off while the ring is full, and the main loop switches it on again. */
static inline void edgecnn_nvic_hold(uint32_t irq) { edgecnn_nvic_set(EDGECNN_NVIC_ICER, irq); }

static inline void edgecnn_nvic_resume(uint32_t irq) {
  edgecnn_nvic_set(EDGECNN_NVIC_ISPR, irq);
  edgecnn_nvic_set(EDGECNN_NVIC_ISER, irq);
}

static inline void edgecnn_nvic_reset_chip(void) {
  __asm__ volatile("dsb" ::: "memory");
  EDGECNN_REG(EDGECNN_AIRCR) = EDGECNN_AIRCR_RESET;
  for (;;) {
    __asm__ volatile("dsb" ::: "memory");
  }
}

#endif
