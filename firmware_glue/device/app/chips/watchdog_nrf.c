/* SPDX-License-Identifier: Apache-2.0 */
/* Watchdog and reset reasons of Nordic's nRF51 and nRF52 (nRF51 Series reference manual 3.0 and
 * nRF52833 product specification 1.6, chapters WDT and POWER). It counts the low-frequency
 * oscillator, which it starts by itself, and cannot be stopped. */
#include "board_config.h"
#include "chip.h"
#include "kept_cause.h"
#include "nvic.h"

#define WDT 0x40010000u
#define TASKS_START (WDT + 0x000u)
#define RUNSTATUS (WDT + 0x400u)
#define CRV (WDT + 0x504u) /* the time-out is (CRV + 1) / 32768 s */
#define RREN (WDT + 0x508u)
#define CONFIG (WDT + 0x50Cu) /* bit 0: counts while the core sleeps; bit 3: and in the debugger */
#define RR0 (WDT + 0x600u)
#define RELOAD 0x6E524635u

#define RESETREAS 0x40000400u /* bits add up until they are cleared by writing 1; none: power-on */
#define RESETREAS_PIN (1u << 0u)
#define RESETREAS_DOG (1u << 1u)
#define RESETREAS_SREQ (1u << 2u)

void edgecnn_watchdog_start(uint32_t milliseconds) {
  if ((EDGECNN_REG(RUNSTATUS) & 1u) != 0u) {
    return; /* a boot loader started it, and its settings stay */
  }
  EDGECNN_REG(CONFIG) = 1u;
  EDGECNN_REG(CRV) = (milliseconds > 130000u ? 130000u : milliseconds) * 32768u / 1000u;
  EDGECNN_REG(RREN) = 1u;
  EDGECNN_REG(TASKS_START) = 1u;
}

void edgecnn_watchdog_feed(void) { EDGECNN_REG(RR0) = RELOAD; }

edgecnn_reset_cause edgecnn_chip_reset_cause(void) {
  const uint32_t reasons = EDGECNN_REG(RESETREAS);
  /* QEMU reads 1 here whatever happened: RAM knows better. */
  const edgecnn_reset_cause kept = edgecnn_kept_cause(EDGECNN_RESET_UNKNOWN);
  /* A pin reset may set the bits of others too (nRF52 anomaly 136). */
  const int by_pin = (reasons & RESETREAS_PIN) != 0u;
  EDGECNN_REG(RESETREAS) = reasons;
  if ((reasons & RESETREAS_DOG) != 0u && !by_pin) {
    return EDGECNN_RESET_WATCHDOG;
  }
  if (((reasons & RESETREAS_SREQ) != 0u && !by_pin) || kept == EDGECNN_RESET_SOFTWARE) {
    return EDGECNN_RESET_SOFTWARE;
  }
  if (by_pin) {
    return EDGECNN_RESET_PIN;
  }
  return reasons == 0u ? EDGECNN_RESET_POWER : EDGECNN_RESET_UNKNOWN;
}

void edgecnn_chip_reset(void) {
  edgecnn_keep_cause(EDGECNN_RESET_SOFTWARE);
  edgecnn_nvic_reset_chip();
}
