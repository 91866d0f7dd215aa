/* SPDX-License-Identifier: Apache-2.0 */
/* What the firmware asks of a chip. One family of chips answers with three small files: its clock,
 * its line (the UART or USB port that a host is connected to) and its watchdog. board_config.h is
 * made from the board's TOML: pins, baud rate, peripheral addresses, clock in Hz. */
#ifndef EDGECNN_CHIP_H
#define EDGECNN_CHIP_H

#include <stdint.h>

/* A register. */
#define EDGECNN_REG(address) (*(volatile uint32_t *)(uintptr_t)(address))

/* Why the chip started. */
typedef enum edgecnn_reset_cause {
  EDGECNN_RESET_UNKNOWN = 0,
  EDGECNN_RESET_POWER = 1,
  EDGECNN_RESET_PIN = 2,
  EDGECNN_RESET_SOFTWARE = 3,
  EDGECNN_RESET_WATCHDOG = 4
} edgecnn_reset_cause;

/* Waits for bits of a register, but not for ever: hardware that does not answer (or an emulator
 * that lacks it) must not hang the start. Returns 1 if all bits of mask became what wanted says. */
static inline int edgecnn_wait_for(uint32_t address, uint32_t mask, uint32_t wanted) {
  uint32_t tries;
  for (tries = 0; tries < 1000000u; ++tries) {
    if ((EDGECNN_REG(address) & mask) == wanted) {
      return 1;
    }
  }
  return 0;
}

/* clock_*.c: the clock tree, and a counter that never stops. */

/* Brings the core to EDGECNN_CLOCK_HZ and starts the counter; interrupts are off. */
void edgecnn_clock_init(void);
/* Microseconds since then, modulo 2^32, counted by hardware: right whether the core sleeps or not. */
uint32_t edgecnn_clock_us(void);
/* Handler of the counter's interrupt (vector EDGECNN_CLOCK_IRQ, or SysTick), for counters narrower
 * than 32 bits; it also wakes the core at least once a second, for the watchdog. */
void edgecnn_clock_irq(void);

/* line_*.c */

/* Pins, baud rate, the receive interrupt; interrupts are off, and stay so. */
void edgecnn_line_init(void);
/* Sends a byte; waits while the transmitter is full, but not for ever. */
void edgecnn_line_put(uint8_t byte);
/* Sends what is held back (USB packets); nothing on a UART. */
void edgecnn_line_flush(void);
/* What has to be done between interrupts (USB that is polled); nothing on a UART. */
void edgecnn_line_poll(void);
/* Handler of vector EDGECNN_LINE_IRQ: moves what has arrived into the ring. Where the ring is full
 * it stops taking bytes if the hardware can hold the sender back, else it counts them as lost. */
void edgecnn_line_irq(void);

/* watchdog_*.c */

/* Resets the chip when it is not fed for that long; rounds to what the hardware can do. */
void edgecnn_watchdog_start(uint32_t milliseconds);
void edgecnn_watchdog_feed(void);
/* Read once after reset; clears the hardware's flags. */
edgecnn_reset_cause edgecnn_chip_reset_cause(void);
/* Does not return. */
void edgecnn_chip_reset(void);

/* firmware/ring.c: bytes from the interrupt handler to the main loop. */

/* 1 if there was room, else 0: the byte is counted as lost. */
int edgecnn_ring_put(uint8_t byte);
/* 1 if a further byte has room: for handlers that can hold the sender back. */
int edgecnn_ring_has_room(void);

/* core_*.h: one core architecture. */
#if defined(__riscv)
static inline void edgecnn_interrupts_off(void) { __asm__ volatile(".insn i 0x73, 7, x0, x8, 0x300" ::: "memory"); }
static inline void edgecnn_interrupts_on(void) { __asm__ volatile(".insn i 0x73, 6, x0, x8, 0x300" ::: "memory"); }
static inline void edgecnn_wait_for_interrupt(void) { __asm__ volatile("wfi" ::: "memory"); }
#elif defined(__arm__)
static inline void edgecnn_interrupts_off(void) { __asm__ volatile("cpsid i" ::: "memory"); }
static inline void edgecnn_interrupts_on(void) { __asm__ volatile("cpsie i" ::: "memory"); }
static inline void edgecnn_wait_for_interrupt(void) { __asm__ volatile("dsb\n\twfi" ::: "memory"); }
#else /* the host, in tests */
static inline void edgecnn_interrupts_off(void) {}
static inline void edgecnn_interrupts_on(void) {}
static inline void edgecnn_wait_for_interrupt(void) {}
#endif

#endif
