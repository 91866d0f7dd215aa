/* SPDX-License-Identifier: Apache-2.0 */
/* Clock of QEMU's RISC-V machine virt: the core-local interruptor's mtime, 10 MHz, and its
 * comparator (SiFive FU540-C000 manual, chapter 9, which QEMU's model follows). */
#include "board_config.h"
#include "chip.h"

#define MTIMECMP 0x02004000u
#define MTIME 0x0200BFF8u
#define TICKS_PER_US 10u
#define HALF_SECOND 5000000u
#define MIE_TIMER "0x80" /* machine timer interrupt: bit 7 */

static uint64_t ticks(void) {
  uint32_t high, low;
  do {
    high = EDGECNN_REG(MTIME + 4u);
    low = EDGECNN_REG(MTIME);
  } while (high != EDGECNN_REG(MTIME + 4u));
  return (uint64_t)high << 32u | low;
}

/* The upper half is put out of reach first, so that no value between raises an interrupt. */
static void wake_later(void) {
  const uint64_t then = ticks() + HALF_SECOND;
  EDGECNN_REG(MTIMECMP + 4u) = 0xFFFFFFFFu;
  EDGECNN_REG(MTIMECMP) = (uint32_t)then;
  EDGECNN_REG(MTIMECMP + 4u) = (uint32_t)(then >> 32u);
}

void edgecnn_clock_init(void) {
  wake_later();
  __asm__ volatile("li t0, " MIE_TIMER "\n\t.insn i 0x73, 2, x0, t0, 0x304" ::: "t0", "memory"); /* csrs mie, t0 */
}

uint32_t edgecnn_clock_us(void) { return (uint32_t)(ticks() / TICKS_PER_US); }

void edgecnn_clock_irq(void) { wake_later(); }
