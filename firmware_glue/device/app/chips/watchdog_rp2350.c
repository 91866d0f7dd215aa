/* SPDX-License-Identifier: Apache-2.0 */
/* Watchdog and reset causes of RP2350 (RP2350 datasheet, section 12.9, WATCHDOG; section 7.4, PSM;
 * section 6.4, POWMAN). It counts the microseconds of TICKS, which clock_rp2350.c starts. */
#include "board_config.h"
#include "chip.h"
#include "kept_cause.h"
#include "rp_chip.h"

#define CTRL 0x400D8000u
#define CTRL_ENABLE (1u << 30u)
#define CTRL_TRIGGER (1u << 31u)
#define LOAD 0x400D8004u
#define LOAD_MOST 0xFFFFFFu
#define REASON 0x400D8008u
#define REASON_TIMER (1u << 0u)
#define REASON_FORCE (1u << 1u)

/* What a watchdog resets: all but the oscillators (section 7.4.4, register WDSEL). */
#define PSM_WDSEL 0x40018008u
#define PSM_ALL 0x01FFFFFFu
#define PSM_ROSC (1u << 2u)
#define PSM_XOSC (1u << 3u)

/* Section 6.4: the last reset of the chip or of its power-on state machine. */
#define CHIP_RESET 0x4010002Cu
#define HAD_POR (1u << 16u)
#define HAD_BOR (1u << 17u)
#define HAD_RUN_LOW (1u << 18u)

static uint32_t load;

void edgecnn_watchdog_start(uint32_t milliseconds) {
  load = milliseconds > LOAD_MOST / 1000u ? LOAD_MOST : milliseconds * 1000u;
  edgecnn_keep_cause(EDGECNN_RESET_WATCHDOG);
  EDGECNN_REG(CTRL + EDGECNN_RP_CLEAR) = CTRL_ENABLE;
  EDGECNN_REG(PSM_WDSEL) = PSM_ALL & ~(PSM_ROSC | PSM_XOSC);
  EDGECNN_REG(LOAD) = load;
  EDGECNN_REG(CTRL + EDGECNN_RP_SET) = CTRL_ENABLE;
}

void edgecnn_watchdog_feed(void) { EDGECNN_REG(LOAD) = load; }

/* The boot ROM too resets by this timer when it has written a program: it is our watchdog that
 * ended a hang only where RAM says that it was on. Every other reset clears REASON. */
edgecnn_reset_cause edgecnn_chip_reset_cause(void) {
  const uint32_t reason = EDGECNN_REG(REASON);
  const uint32_t chip = EDGECNN_REG(CHIP_RESET);
  const edgecnn_reset_cause kept = edgecnn_kept_cause(EDGECNN_RESET_SOFTWARE);

  if ((reason & REASON_TIMER) != 0u) {
    return kept;
  }
  if ((reason & REASON_FORCE) != 0u) {
    return EDGECNN_RESET_SOFTWARE;
  }
  if ((chip & (HAD_POR | HAD_BOR)) != 0u) {
    return EDGECNN_RESET_POWER;
  }
  return (chip & HAD_RUN_LOW) != 0u ? EDGECNN_RESET_PIN : EDGECNN_RESET_UNKNOWN;
}

void edgecnn_chip_reset(void) {
  edgecnn_keep_cause(EDGECNN_RESET_SOFTWARE);
  EDGECNN_REG(PSM_WDSEL) = PSM_ALL & ~(PSM_ROSC | PSM_XOSC);
  EDGECNN_REG(CTRL + EDGECNN_RP_SET) = CTRL_TRIGGER;
  for (;;) {
    __asm__ volatile("dsb" ::: "memory");
  }
}
