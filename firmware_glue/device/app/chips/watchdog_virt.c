/* SPDX-License-Identifier: Apache-2.0 */
/* QEMU's RISC-V machine virt has no watchdog: a hang stays one. Its test device (at 0x100000, the
 * 'SiFive test finisher') resets the machine; what caused a reset is kept in RAM. */
#include "chip.h"
#include "kept_cause.h"

#define TEST_DEVICE 0x00100000u
#define TEST_RESET 0x7777u

void edgecnn_watchdog_start(uint32_t milliseconds) { (void)milliseconds; }

void edgecnn_watchdog_feed(void) {}

edgecnn_reset_cause edgecnn_chip_reset_cause(void) { return edgecnn_kept_cause(EDGECNN_RESET_POWER); }

void edgecnn_chip_reset(void) {
  edgecnn_keep_cause(EDGECNN_RESET_SOFTWARE);
  EDGECNN_REG(TEST_DEVICE) = TEST_RESET;
  for (;;) {
    __asm__ volatile("" ::: "memory");
  }
}
