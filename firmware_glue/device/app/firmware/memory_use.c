/* SPDX-License-Identifier: Apache-2.0 */
/* Reads the linker script's symbols and the stack's paint. */
#include "memory_use.h"

#define PAINT 0xA5A5A5A5u /* as in startup.c */

extern uint32_t edgecnn_stack_bottom[], edgecnn_stack_top[];
extern uint32_t edgecnn_data_begin[], edgecnn_data_end[];
extern uint32_t edgecnn_bss_begin[], edgecnn_bss_end[];

static uint32_t between(const uint32_t *begin, const uint32_t *end) {
  return (uint32_t)((uintptr_t)end - (uintptr_t)begin);
}

uint32_t edgecnn_static_bytes(void) {
  return between(edgecnn_data_begin, edgecnn_data_end) + between(edgecnn_bss_begin, edgecnn_bss_end);
}

uint32_t edgecnn_stack_bytes(void) { return between(edgecnn_stack_bottom, edgecnn_stack_top); }

uint32_t edgecnn_stack_used(void) {
  const volatile uint32_t *word = edgecnn_stack_bottom;
  uint32_t unused = 0u;
  while (unused < edgecnn_stack_bytes() && *word == PAINT) {
    ++word;
    unused += 4u;
  }
  return edgecnn_stack_bytes() - unused;
}
