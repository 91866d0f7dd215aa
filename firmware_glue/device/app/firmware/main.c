/* SPDX-License-Identifier: Apache-2.0 */
/* The firmware: sets the chip up, then serves the line for ever. The watchdog is fed here and nowhere
 * else, once a turn: whatever hangs, hangs the main loop and resets the chip. */
#include "model_config.h"
#include "model_io.h"
#include "ring.h"
#include "serve.h"

#ifndef EDGECNN_WATCHDOG_MS
#define EDGECNN_WATCHDOG_MS 8000u
#endif

int main(void);
void edgecnn_fault(void);

/* A byte that arrives after the ring was looked at still ends the wait: interrupts are off, and a
 * pending one wakes the core. */
static void rest(void) {
  edgecnn_interrupts_off();
  if (edgecnn_ring_is_empty()) {
    edgecnn_wait_for_interrupt();
  }
  edgecnn_interrupts_on();
}

int main(void) {
  const edgecnn_reset_cause cause = edgecnn_chip_reset_cause();
  edgecnn_clock_init();
  edgecnn_line_init();
  edgecnn_watchdog_start(EDGECNN_WATCHDOG_MS);
  if (edgecnn_model_init() != 0) {
    edgecnn_fault();
  }
  edgecnn_interrupts_on();
  edgecnn_serve_start(cause);
  for (;;) {
    edgecnn_watchdog_feed();
    if (!edgecnn_serve_turn()) {
      rest();
    }
  }
}
