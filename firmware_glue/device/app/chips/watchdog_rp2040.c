/* SPDX-License-Identifier: Apache-2.0 */
/* Watchdog and reset causes of RP2040 (RP2040 datasheet, sections 4.7, 2.13 and 2.12.8). It counts
 * the microseconds of the tick that clock_rp2040.c starts, twice each (erratum RP2040-E1). */
#include "board_config.h"
#include "chip.h"
#include "kept_cause.h"
#include "rp_chip.h"

#define WATCHDOG 0x40058000u
#define CTRL (WATCHDOG + 0x00u)
#define CTRL_ENABLE (1u << 30u)
#define CTRL_TRIGGER (1u << 31u)
#define LOAD (WATCHDOG + 0x04u)
#define LOAD_MOST 0xFFFFFFu
#define LOAD_PER_MS 2000u
#define REASON (WATCHDOG + 0x08u)
#define REASON_TIMER (1u << 0u)
#define REASON_FORCE (1u << 1u)

/* What a watchdog resets: all but the oscillators. */
#define PSM_WDSEL 0x40010008u
#define PSM_ALL_BUT_OSCILLATORS 0x1FFFCu

#define CHIP_RESET 0x40064008u
#define HAD_POR (1u << 8u)
#define HAD_RUN (1u << 16u)

static uint32_t load;

void edgecnn_watchdog_start(uint32_t milliseconds) {
  load = milliseconds > LOAD_MOST / LOAD_PER_MS ? LOAD_MOST : milliseconds * LOAD_PER_MS;
  edgecnn_keep_cause(EDGECNN_RESET_WATCHDOG);
  EDGECNN_REG(CTRL + EDGECNN_RP_CLEAR) = CTRL_ENABLE;
  EDGECNN_REG(PSM_WDSEL) = PSM_ALL_BUT_OSCILLATORS;
  EDGECNN_REG(LOAD) = load;
  EDGECNN_REG(CTRL + EDGECNN_RP_SET) = CTRL_ENABLE;
}

void edgecnn_watchdog_feed(void) { EDGECNN_REG(LOAD) = load; }

/* The boot ROM too resets by this timer when it has written a program: it is our watchdog that
 * ended a hang only where RAM says that it was on. */
edgecnn_reset_cause edgecnn_chip_reset_cause(void) {
  const uint32_t reason = EDGECNN_REG(REASON);
  const edgecnn_reset_cause kept = edgecnn_kept_cause(EDGECNN_RESET_SOFTWARE);
  if ((reason & REASON_TIMER) != 0u) {
    return kept;
  }
  if ((reason & REASON_FORCE) != 0u) {
    return EDGECNN_RESET_SOFTWARE;
  }
  if ((EDGECNN_REG(CHIP_RESET) & HAD_POR) != 0u) {
    return EDGECNN_RESET_POWER;
  }
  return (EDGECNN_REG(CHIP_RESET) & HAD_RUN) != 0u ? EDGECNN_RESET_PIN : EDGECNN_RESET_UNKNOWN;
}

void edgecnn_chip_reset(void) {
  edgecnn_keep_cause(EDGECNN_RESET_SOFTWARE);
  EDGECNN_REG(PSM_WDSEL) = PSM_ALL_BUT_OSCILLATORS;
  EDGECNN_REG(CTRL + EDGECNN_RP_SET) = CTRL_TRIGGER;
  for (;;) {
    __asm__ volatile("" ::: "memory");
  }
}
