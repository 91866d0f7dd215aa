/* SPDX-License-Identifier: Apache-2.0 */
/* Entry of a bare RISC-V core: global pointer, stack, and the trap vector. */

void edgecnn_reset(void);

#if defined(EDGECNN_FIRMWARE)
#include "board_config.h"
#include "chip.h"
#define TRAP "edgecnn_trap"

/* Claiming and completing of the platform-level interrupt controller (its specification 1.0,
 * sections 7 and 8), for hart 0 in machine mode. */
#define PLIC_CLAIM 0x0C200004u
#define MCAUSE_TIMER 0x80000007u
#define MCAUSE_EXTERNAL 0x8000000Bu

void edgecnn_fault(void);
void edgecnn_trap(void);

/* All traps: those of the timer and of the line are handled, every other one is a fault. */
__attribute__((interrupt("machine"), aligned(4), used)) void edgecnn_trap(void) {
  uint32_t cause;
  __asm__ volatile(".insn i 0x73, 2, %0, x0, 0x342" : "=r"(cause)); /* csrr cause, mcause */
  if (cause == MCAUSE_TIMER) {
    edgecnn_clock_irq();
  } else if (cause == MCAUSE_EXTERNAL) {
    const uint32_t irq = EDGECNN_REG(PLIC_CLAIM);
    if (irq == EDGECNN_LINE_IRQ) {
      edgecnn_line_irq();
    }
    if (irq != 0u) {
      EDGECNN_REG(PLIC_CLAIM) = irq;
    }
  } else {
    edgecnn_fault();
  }
}
#else
#define TRAP "edgecnn_fault"
#endif

/* The last instruction but one is csrw mtvec, t0: spelled out, because assemblers differ on whether
 * RV32IMC has it. */
__attribute__((naked, section(".edgecnn.vectors"), used)) void edgecnn_reset(void) {
  __asm__ volatile(
      ".option push\n\t"
      ".option norelax\n\t"
      "la gp, __global_pointer$\n\t"
      ".option pop\n\t"
      "la sp, edgecnn_stack_top\n\t"
      "la t0, " TRAP "\n\t"
      ".insn i 0x73, 1, x0, t0, 0x305\n\t"
      "j edgecnn_start\n\t");
}
