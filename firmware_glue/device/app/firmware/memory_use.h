/* SPDX-License-Identifier: Apache-2.0 */
/* How much memory is in use, read from the symbols of the linker script and from the stack's paint. */
#ifndef EDGECNN_MEMORY_USE_H
#define EDGECNN_MEMORY_USE_H

#include <stdint.h>

uint32_t edgecnn_static_bytes(void); /* .data and .bss */
uint32_t edgecnn_stack_bytes(void);
/* The most that was used since the start: start-up code painted the stack, see startup.c. */
uint32_t edgecnn_stack_used(void);

#endif
