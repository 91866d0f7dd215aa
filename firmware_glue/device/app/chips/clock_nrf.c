/* SPDX-License-Identifier: Apache-2.0 */
/* Clock of Nordic's nRF51 and nRF52: the crystal, and TIMER0 as 32 bits of
 * microseconds (nRF51 Series reference manual 3.0 and nRF52833 product specification 1.6, chapters
 * CLOCK and TIMER). nRF51 has no SysTick. */
#include "board_config.h"
#include "chip.h"
#include "nvic.h"

#define CLOCK 0x40000000u
#define TASKS_HFCLKSTART (CLOCK + 0x000u)
#define EVENTS_HFCLKSTARTED (CLOCK + 0x100u)

/* nRF52833 product specification 1.6, section 4.3 (NVMC): the flash's instruction cache. */
#define ICACHECNF 0x4001E540u
#define CACHEEN 1u

#define TIMER0 0x40008000u
#define TASKS_START (TIMER0 + 0x000u)
#define TASKS_STOP (TIMER0 + 0x004u)
#define TASKS_CLEAR (TIMER0 + 0x00Cu)
#define TASKS_CAPTURE0 (TIMER0 + 0x040u)
#define EVENTS_COMPARE1 (TIMER0 + 0x144u)
#define INTENSET (TIMER0 + 0x304u)
#define INT_COMPARE1 (1u << 17u)
#define MODE (TIMER0 + 0x504u)
#define BITMODE (TIMER0 + 0x508u)
#define BITMODE_32 3u
#define PRESCALER (TIMER0 + 0x510u)
#define PRESCALER_1MHZ 4u /* 16 MHz / 2^4, in both series */
#define CC0 (TIMER0 + 0x540u)
#define CC1 (TIMER0 + 0x544u)

#define HALF_SECOND_US 500000u
/* The crystal needs less than 2 ms; a try takes 5 cycles or more of 16 or 64 MHz. */
#define CRYSTAL_TRIES 30000u

void edgecnn_clock_init(void) {
  uint32_t tries;
#if defined(EDGECNN_FAMILY_NRF52)
  EDGECNN_REG(ICACHECNF) = CACHEEN;
#endif
  /* The UART's baud rate wants the crystal; without one the chip goes on with its own oscillator. */
  EDGECNN_REG(EVENTS_HFCLKSTARTED) = 0u;
  EDGECNN_REG(TASKS_HFCLKSTART) = 1u;
  for (tries = 0u; tries < CRYSTAL_TRIES && EDGECNN_REG(EVENTS_HFCLKSTARTED) == 0u; ++tries) {
  }
  EDGECNN_REG(TASKS_STOP) = 1u;
  EDGECNN_REG(TASKS_CLEAR) = 1u;
  EDGECNN_REG(MODE) = 0u;
  EDGECNN_REG(BITMODE) = BITMODE_32;
  EDGECNN_REG(PRESCALER) = PRESCALER_1MHZ;
  EDGECNN_REG(EVENTS_COMPARE1) = 0u;
  EDGECNN_REG(CC1) = HALF_SECOND_US;
  EDGECNN_REG(INTENSET) = INT_COMPARE1;
  EDGECNN_REG(TASKS_START) = 1u;
  edgecnn_nvic_resume(EDGECNN_CLOCK_IRQ);
}

/* A capture that an interrupt handler makes meanwhile is only later, never wrong. */
uint32_t edgecnn_clock_us(void) {
  EDGECNN_REG(TASKS_CAPTURE0) = 1u;
  return EDGECNN_REG(CC0);
}

/* Two wakes a second, counted from now: one that came late does not make the next one miss. */
void edgecnn_clock_irq(void) {
  EDGECNN_REG(EVENTS_COMPARE1) = 0u;
  EDGECNN_REG(CC1) = edgecnn_clock_us() + HALF_SECOND_US;
  (void)EDGECNN_REG(EVENTS_COMPARE1); /* the write has arrived before the handler returns */
}
