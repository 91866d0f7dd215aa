/* SPDX-License-Identifier: Apache-2.0 */
/* Microseconds from SysTick (Armv7-M architecture reference manual, section B3.3): 24 bits that
 * count down and start again every half second, with an interrupt. Half a second is a whole number
 * of microseconds, so that nothing is lost at the start of the next one.
 *
 * Before it is included: EDGECNN_SYSTICK_HZ, a multiple of 125 kHz of at most 33.5 MHz, and
 * EDGECNN_SYSTICK_CORE, 1 if it counts the core's clock and 0 if the reference clock. Faster clocks
 * start again more often: EDGECNN_SYSTICK_ROUNDS a second, by which 125 kHz can be divided. */
#ifndef EDGECNN_CLOCK_SYSTICK_H
#define EDGECNN_CLOCK_SYSTICK_H

#include "chip.h"

#define SYST_CSR 0xE000E010u /* control and status: bit 0 enable, 1 interrupt, 2 core's clock */
#define SYST_RVR 0xE000E014u /* reload value */
#define SYST_CVR 0xE000E018u /* current value; a write clears it */
#define ICSR 0xE000ED04u
#define ICSR_PENDSTSET (1u << 26u)

#if !defined(EDGECNN_SYSTICK_ROUNDS)
#define EDGECNN_SYSTICK_ROUNDS 2u
#endif
#define ROUND_TICKS (EDGECNN_SYSTICK_HZ / EDGECNN_SYSTICK_ROUNDS)
#define ROUND_US (1000000u / EDGECNN_SYSTICK_ROUNDS)
#define EIGHTHS_PER_US (EDGECNN_SYSTICK_HZ / 125000u)

#if EDGECNN_SYSTICK_HZ % 125000u != 0u || ROUND_TICKS > 0x1000000u
#error "SysTick's clock must be a multiple of 125 kHz, and a round of it must fit 24 bits"
#endif

static volatile uint32_t edgecnn_rounds;

static void edgecnn_systick_start(void) {
  EDGECNN_REG(SYST_CSR) = 0u;
  EDGECNN_REG(SYST_RVR) = ROUND_TICKS - 1u;
  EDGECNN_REG(SYST_CVR) = 0u;
  edgecnn_rounds = 0u;
  EDGECNN_REG(SYST_CSR) = 3u | (EDGECNN_SYSTICK_CORE << 2u);
}

void edgecnn_clock_irq(void) { ++edgecnn_rounds; }

/* Where interrupts are off, or the handler has not run yet, a restart is seen as pending. */
uint32_t edgecnn_clock_us(void) {
  uint32_t rounds, left, pending;
  do {
    rounds = edgecnn_rounds;
    left = EDGECNN_REG(SYST_CVR);
    pending = EDGECNN_REG(ICSR) & ICSR_PENDSTSET;
    if (pending != 0u) {
      left = EDGECNN_REG(SYST_CVR); /* read before or after the restart? certainly after it */
    }
  } while (rounds != edgecnn_rounds);
  if (pending != 0u) {
    ++rounds;
  }
  /* The value 0 is the last tick of a round: left = 0 counts as ROUND_TICKS. */
  return rounds * ROUND_US + (left == 0u ? 0u : ROUND_TICKS - left) * 8u / EIGHTHS_PER_US;
}

#endif
