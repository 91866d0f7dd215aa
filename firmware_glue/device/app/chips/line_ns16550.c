/* SPDX-License-Identifier: Apache-2.0 */
/* NS16550 UART (National Semiconductor PC16550D data sheet, section 8) of QEMU's RISC-V machine
 * virt, behind a PLIC (RISC-V platform-level interrupt controller specification 1.0). Its registers
 * are bytes, side by side. The divisor is left: no crystal is there that it would divide. */
#include "board_config.h"
#include "chip.h"

#define BYTE(address) (*(volatile uint8_t *)(uintptr_t)(address))
#define DATA (EDGECNN_LINE_BASE + 0u)
#define IER (EDGECNN_LINE_BASE + 1u)
#define IER_RECEIVED (1u << 0u)
#define LCR (EDGECNN_LINE_BASE + 3u)
#define LCR_8N1 3u
#define LSR (EDGECNN_LINE_BASE + 5u)
#define LSR_RECEIVED (1u << 0u)
#define LSR_THR_EMPTY (1u << 5u)

#define PLIC 0x0C000000u
#define PLIC_PRIORITY(irq) (PLIC + 4u * (irq))
#define PLIC_ENABLE (PLIC + 0x2000u + 4u * (EDGECNN_LINE_IRQ / 32u)) /* hart 0, machine mode */
#define PLIC_THRESHOLD (PLIC + 0x200000u)
#define MIE_EXTERNAL "0x800" /* machine external interrupt: bit 11 */
#define TRIES 1000000u

static volatile uint8_t held;
static uint8_t stuck;

void edgecnn_line_init(void) {
  BYTE(LCR) = LCR_8N1;
  BYTE(IER) = IER_RECEIVED;
  EDGECNN_REG(PLIC_PRIORITY(EDGECNN_LINE_IRQ)) = 1u;
  EDGECNN_REG(PLIC_THRESHOLD) = 0u;
  EDGECNN_REG(PLIC_ENABLE) = 1u << (EDGECNN_LINE_IRQ % 32u);
  __asm__ volatile("li t0, " MIE_EXTERNAL "\n\t.insn i 0x73, 2, x0, t0, 0x304" ::: "t0", "memory"); /* csrs mie, t0 */
}

/* As edgecnn_line_wait (line_wait.h), which reads words. */
void edgecnn_line_put(uint8_t byte) {
  uint32_t tries = stuck != 0u ? 1u : TRIES;
  while ((BYTE(LSR) & LSR_THR_EMPTY) == 0u) {
    if (--tries == 0u) {
      stuck = 1u;
      return;
    }
  }
  stuck = 0u;
  BYTE(DATA) = byte;
}

void edgecnn_line_flush(void) {}

void edgecnn_line_poll(void) {
  if (held != 0u && edgecnn_ring_has_room()) {
    held = 0u;
    BYTE(IER) = IER_RECEIVED;
  }
}

void edgecnn_line_irq(void) {
  while ((BYTE(LSR) & LSR_RECEIVED) != 0u) {
    if (!edgecnn_ring_has_room()) {
      held = 1u;
      BYTE(IER) = 0u;
      return;
    }
    (void)edgecnn_ring_put(BYTE(DATA));
  }
}
