/* SPDX-License-Identifier: Apache-2.0 */
/* Entry of a bare Cortex-M: the vector table, and what must be switched on before C code runs. */
#include <stdint.h>

#if defined(EDGECNN_FIRMWARE)
#include "board_config.h"
#include "chip.h"
#define VECTORS (16u + EDGECNN_LAST_IRQ + 1u)
#else
#define VECTORS 16u
#endif

/* System control block; see the Armv7-M, Armv8-M and Armv8.1-M architecture reference manuals. */
#define VTOR (*(volatile uint32_t *)0xE000ED08u)
#define CCR (*(volatile uint32_t *)0xE000ED14u)
#define CCR_LOB (1u << 19u) /* low-overhead loops and branches */
#define CPACR (*(volatile uint32_t *)0xE000ED88u)
#define CPACR_CP10_CP11 (0xFu << 20u) /* FPU and vector unit */

extern uint32_t edgecnn_stack_top[];

void edgecnn_start(void);
void edgecnn_reset(void);
void edgecnn_fault(void);

#if defined(EDGECNN_FAMILY_MPS2) || defined(EDGECNN_FAMILY_MPS3)
void edgecnn_watchdog_nmi(void); /* watchdog_cmsdk.c */
#define NMI edgecnn_watchdog_nmi
#else
#define NMI edgecnn_fault
#endif

typedef union {
  uint32_t *stack;
  void (*handler)(void);
} edgecnn_vector;

__attribute__((section(".edgecnn.vectors"), used)) static const edgecnn_vector edgecnn_vectors[VECTORS] = {
    {.stack = edgecnn_stack_top},  {.handler = edgecnn_reset}, {.handler = NMI},
    {.handler = edgecnn_fault},    {.handler = edgecnn_fault}, {.handler = edgecnn_fault},
    {.handler = edgecnn_fault},    {.handler = 0},             {.handler = 0},
    {.handler = 0},                {.handler = 0},             {.handler = edgecnn_fault},
    {.handler = edgecnn_fault},    {.handler = 0},             {.handler = edgecnn_fault},
#if defined(EDGECNN_FIRMWARE)
    {.handler = edgecnn_clock_irq},
    [16u + EDGECNN_LINE_IRQ] = {.handler = edgecnn_line_irq},
#if defined(EDGECNN_CLOCK_IRQ)
    [16u + EDGECNN_CLOCK_IRQ] = {.handler = edgecnn_clock_irq},
#endif
#else
    {.handler = edgecnn_fault},
#endif
};

/* Calls a function that is not inlined, so that no vector register is used before this is done. */
void edgecnn_reset(void) {
  VTOR = (uint32_t)(uintptr_t)edgecnn_vectors;
#if defined(__ARM_FP) || defined(__ARM_FEATURE_MVE)
  CPACR |= CPACR_CP10_CP11;
#endif
#if defined(__ARM_FEATURE_MVE)
  CCR |= CCR_LOB;
#endif
  __asm__ volatile("dsb\n\tisb" ::: "memory");
  edgecnn_start();
}
