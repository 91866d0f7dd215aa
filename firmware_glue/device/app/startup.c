/* Start-up of a bare Cortex-M: vector table, .data, .bss, and a painted stack to measure it by. */
#include <stdint.h>

#define EDGECNN_PAINT 0xA5A5A5A5u

extern uint32_t edgecnn_stack_bottom[], edgecnn_stack_top[];
extern uint32_t edgecnn_data_begin[], edgecnn_data_end[], edgecnn_data_load[];
extern uint32_t edgecnn_bss_begin[], edgecnn_bss_end[];

int main(void);
void edgecnn_reset(void);
void edgecnn_fault(void);

/* Every exception ends here; a debugger or the emulator finds the program counter. */
void edgecnn_fault(void) {
  for (;;) {
    __asm__ volatile("");
  }
}

/* Stores are volatile: a loop turned into a memset call would paint over its own frame. */
void edgecnn_reset(void) {
  volatile uint32_t *to;
  const uint32_t *from = edgecnn_data_load;
  uint32_t *here;

  __asm__ volatile("mov %0, sp" : "=r"(here));
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

typedef union {
  uint32_t *stack;
  void (*handler)(void);
} edgecnn_vector;

__attribute__((section(".edgecnn.vectors"), used)) static const edgecnn_vector edgecnn_vectors[16] = {
    {.stack = edgecnn_stack_top},  {.handler = edgecnn_reset}, {.handler = edgecnn_fault},
    {.handler = edgecnn_fault},    {.handler = edgecnn_fault}, {.handler = edgecnn_fault},
    {.handler = edgecnn_fault},    {.handler = 0},             {.handler = 0},
    {.handler = 0},                {.handler = 0},             {.handler = edgecnn_fault},
    {.handler = edgecnn_fault},    {.handler = 0},             {.handler = edgecnn_fault},
    {.handler = edgecnn_fault},
};
