/* SPDX-License-Identifier: Apache-2.0 */
/* What every core does between its reset and main: paints the stack to measure it by, and fills
 * .data and .bss. The core's own entry_*.c comes first. */
#include <stdint.h>

#define EDGECNN_PAINT 0xA5A5A5A5u

#if defined(__riscv)
#define READ_STACK_POINTER "mv %0, sp"
#else
#define READ_STACK_POINTER "mov %0, sp"
#endif

extern uint32_t edgecnn_stack_bottom[];
extern uint32_t edgecnn_data_begin[], edgecnn_data_end[], edgecnn_data_load[];
extern uint32_t edgecnn_bss_begin[], edgecnn_bss_end[];

int main(void);
void edgecnn_start(void);
void edgecnn_fault(void);

/* Every exception ends here; a debugger or the emulator finds the program counter. RISC-V wants the
 * address of a handler to be a multiple of 4. */
__attribute__((noinline, used, aligned(4))) void edgecnn_fault(void) {
  for (;;) {
    __asm__ volatile("");
  }
}

/* Stores are volatile: a loop turned into a memset call would paint over its own frame. */
__attribute__((noinline, used)) void edgecnn_start(void) {
  volatile uint32_t *to;
  const uint32_t *from = edgecnn_data_load;
  uint32_t *here;

  __asm__ volatile(READ_STACK_POINTER : "=r"(here));
  for (to = edgecnn_stack_bottom; to < here; ++to) {
    *to = EDGECNN_PAINT;
  }
  for (to = edgecnn_data_begin; to < edgecnn_data_end; ++to) {
    *to = *from++;
  }
  for (to = edgecnn_bss_begin; to < edgecnn_bss_end; ++to) {
    *to = 0u;
  }
  (void)main();
  edgecnn_fault();
}
