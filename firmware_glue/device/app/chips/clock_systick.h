/* SPDX-License-Identifier: Apache-2.0 */
/* Microseconds from SysTick (Armv7-M architecture reference manual, section B3.3): 24 bits that
 * count down and start again every half second, with an interrupt. Half a second is a whole number
 * of microseconds, so that nothing is lost at the start of the next one.
 *
 * Before it is included: EDGECNN_SYSTICK_HZ, a multiple of 125 kHz of at most 33.5 MHz, and
 * EDGECNN_SYSTICK_CORE, 1 if it counts the core's clock and 0 if the reference clock. */
#ifndef EDGECNN_CLOCK_SYSTICK_H
#define EDGECNN_CLOCK_SYSTICK_H

#include "chip.h"

#define SYST_CSR 0xE000E010u /* control and status: bit 0 enable, 1 interrupt, 2 core's clock */
#define SYST_RVR 0xE000E014u /* reload value */
#define SYST_CVR 0xE000E018u /* current value; a write clears it */
#define ICSR 0xE000ED04u
#define ICSR_PENDSTSET (1u << 26u)

#define HALF_SECOND (EDGECNN_SYSTICK_HZ / 2u)
#define EIGHTHS_PER_US (EDGECNN_SYSTICK_HZ / 125000u)

#if EDGECNN_SYSTICK_HZ % 125000u != 0u || EDGECNN_SYSTICK_HZ / 2u > 0x1000000u
#error "SysTick's clock must be a multiple of 125 kHz, and its half must fit 24 bits"
#endif

static volatile uint32_t edgecnn_half_seconds;

static void edgecnn_systick_start(void) {
  EDGECNN_REG(SYST_CSR) = 0u;
  EDGECNN_REG(SYST_RVR) = HALF_SECOND - 1u;
  EDGECNN_REG(SYST_CVR) = 0u;
  edgecnn_half_seconds = 0u;
  EDGECNN_REG(SYST_CSR) = 3u | (EDGECNN_SYSTICK_CORE << 2u);
}

void edgecnn_clock_irq(void) { ++edgecnn_half_seconds; }

/* Where interrupts are off, or the handler has not run yet, a restart is seen as pending. */
uint32_t edgecnn_clock_us(void) {
  uint32_t halves, left, pending;
  do {
    halves = edgecnn_half_seconds;
    left = EDGECNN_REG(SYST_CVR);
    pending = EDGECNN_REG(ICSR) & ICSR_PENDSTSET;
    if (pending != 0u) {
      left = EDGECNN_REG(SYST_CVR); /* read before or after the restart? certainly after it */
    }
  } while (halves != edgecnn_half_seconds);
  if (pending != 0u) {
    ++halves;
  }
  /* The value 0 is the last tick of a round: left = 0 counts as HALF_SECOND. */
  return halves * 500000u + (left == 0u ? 0u : HALF_SECOND - left) * 8u / EIGHTHS_PER_US;
}

#endif
