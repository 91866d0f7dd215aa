/* SPDX-License-Identifier: Apache-2.0 */
/* Entry of a bare RISC-V core: global pointer, stack, and the trap vector. */

void edgecnn_reset(void);

/* The last instruction but one is csrw mtvec, t0: spelled out, because assemblers differ on whether
 * RV32IMC has it. */
__attribute__((naked, section(".edgecnn.vectors"), used)) void edgecnn_reset(void) {
  __asm__ volatile(
      ".option push\n\t"
      ".option norelax\n\t"
      "la gp, __global_pointer$\n\t"
      ".option pop\n\t"
      "la sp, edgecnn_stack_top\n\t"
      "la t0, edgecnn_fault\n\t"
      ".insn i 0x73, 1, x0, t0, 0x305\n\t"
      "j edgecnn_start\n\t");
}
