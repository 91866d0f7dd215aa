/* SPDX-License-Identifier: Apache-2.0 */
/* A small program that tries a chip's drivers: clock, line, watchdog. It greets with 'G' and the
 * cause of the last reset as a digit, then obeys one command at a time:
 *   e LOW HIGH BYTES   sends the bytes back
 *   s LOW HIGH BYTES   sends nothing but 's' when the bytes have come
 *   c MILLIONS         runs a loop of two instructions so many million times, then sends 'c'
 *   t                  sends the clock, four bytes
 *   l                  sends how many bytes the ring had no room for, four bytes
 *   g                  sends the greeting again
 *   h                  asks the watchdog for little patience, and hangs
 *   r                  resets the chip */
#include <stdint.h>

#include "board_config.h"
#include "chip.h"

#define RING 1024u
#define WATCHDOG_MS 4000u

static volatile uint8_t ring[RING];
static volatile uint32_t head, tail, lost;

int edgecnn_ring_has_room(void) { return head - tail < RING; }

int edgecnn_ring_put(uint8_t byte) {
  if (head - tail >= RING) {
    ++lost;
    return 0;
  }
  ring[head % RING] = byte;
  ++head;
  return 1;
}

static uint8_t get(void) {
  uint8_t byte;
  while (head == tail) {
    edgecnn_watchdog_feed();
    edgecnn_line_flush();
    edgecnn_interrupts_off();
    if (head == tail) {
      edgecnn_wait_for_interrupt();
    }
    edgecnn_interrupts_on();
  }
  byte = ring[tail % RING];
  ++tail;
  edgecnn_line_poll();
  return byte;
}

static void put_word(uint32_t word) {
  unsigned i;
  for (i = 0u; i < 4u; ++i) {
    edgecnn_line_put((uint8_t)(word >> (8u * i)));
  }
}

static void compute(uint32_t millions) {
  uint32_t left = millions * 1000000u;
#if defined(__riscv)
  __asm__ volatile("1: addi %0, %0, -1\n\tbnez %0, 1b" : "+r"(left));
#else
  __asm__ volatile(".syntax unified\n1:\tsubs %0, #1\n\tbne 1b" : "+l"(left)::"cc");
#endif
}

int main(void) {
  edgecnn_reset_cause cause;
  edgecnn_interrupts_off();
  cause = edgecnn_chip_reset_cause();
  edgecnn_clock_init();
  edgecnn_line_init();
  edgecnn_watchdog_start(WATCHDOG_MS);
  edgecnn_interrupts_on();
  edgecnn_line_put('G');
  edgecnn_line_put((uint8_t)('0' + (unsigned)cause));
  for (;;) {
    const uint8_t command = get();
    if (command == 'e' || command == 's') {
      uint32_t left = get();
      left |= (uint32_t)get() << 8u;
      for (; left != 0u; --left) {
        const uint8_t byte = get();
        if (command == 'e') {
          edgecnn_line_put(byte);
        }
        edgecnn_watchdog_feed();
      }
      if (command == 's') {
        edgecnn_line_put('s');
      }
    } else if (command == 'c') {
      compute(get());
      edgecnn_line_put('c');
    } else if (command == 't') {
      put_word(edgecnn_clock_us());
    } else if (command == 'l') {
      put_word(lost);
    } else if (command == 'g') {
      edgecnn_line_put('G');
      edgecnn_line_put((uint8_t)('0' + (unsigned)cause));
    } else if (command == 'h') {
      edgecnn_watchdog_start(20u);
      for (;;) {
        __asm__ volatile("");
      }
    } else if (command == 'r') {
      edgecnn_line_flush();
      edgecnn_chip_reset();
    }
  }
}
