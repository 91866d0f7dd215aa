/* SPDX-License-Identifier: Apache-2.0 */
/* Watchdog of Arm's Cortex-M System Design Kit (DDI 0479, APB watchdog). When its counter
 * ends it raises the NMI, starts again, and resets at the second end: each gets half the time. No
 * register tells of it after the reset, so that the NMI leaves word in RAM. */
#include "board_config.h"
#include "chip.h"
#include "kept_cause.h"
#include "nvic.h"

#if defined(EDGECNN_FAMILY_MPS3)
/* Corstone SSE-300 (101773), section S32K watchdog: secure, and clocked with 32 kHz. */
#define WATCHDOG 0x5802E000u
#define WATCHDOG_HZ 32768u
#else
#define WATCHDOG 0x40008000u
#define WATCHDOG_HZ EDGECNN_CLOCK_HZ
#endif
#define WDOGLOAD (WATCHDOG + 0x000u)
#define WDOGCONTROL (WATCHDOG + 0x008u) /* bit 0: count and interrupt; bit 1: reset */
#define WDOGINTCLR (WATCHDOG + 0x00Cu)  /* any write: clear, and start again */
#define WDOGLOCK (WATCHDOG + 0xC00u)
#define UNLOCK 0x1ACCE551u

void edgecnn_watchdog_nmi(void);

void edgecnn_watchdog_start(uint32_t milliseconds) {
  const uint32_t per_ms = WATCHDOG_HZ / 1000u;
  const uint32_t half = milliseconds / 2u + 1u;
  EDGECNN_REG(WDOGLOCK) = UNLOCK;
  EDGECNN_REG(WDOGLOAD) = half > 0xFFFFFFFFu / per_ms ? 0xFFFFFFFFu : half * per_ms;
  EDGECNN_REG(WDOGCONTROL) = 3u;
}

void edgecnn_watchdog_feed(void) { EDGECNN_REG(WDOGINTCLR) = 1u; }

/* The vector table names it. It does not return: the reset follows. */
void edgecnn_watchdog_nmi(void) {
  edgecnn_keep_cause(EDGECNN_RESET_WATCHDOG);
  for (;;) {
    __asm__ volatile("" ::: "memory");
  }
}

edgecnn_reset_cause edgecnn_chip_reset_cause(void) { return edgecnn_kept_cause(EDGECNN_RESET_POWER); }

void edgecnn_chip_reset(void) {
  edgecnn_keep_cause(EDGECNN_RESET_SOFTWARE);
  edgecnn_nvic_reset_chip();
}
