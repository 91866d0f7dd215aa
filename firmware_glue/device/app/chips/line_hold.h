/* SPDX-License-Identifier: Apache-2.0 */
/* What UART drivers do when the ring is full: their interrupt is held off, so that bytes wait in the
 * hardware as far as it has room, until the main loop has made some in the ring. */
#ifndef EDGECNN_LINE_HOLD_H
#define EDGECNN_LINE_HOLD_H

#include "board_config.h"
#include "chip.h"
#include "nvic.h"

static volatile uint8_t edgecnn_line_held;

/* In the interrupt's handler, before a byte is taken: 1 if it has room, else the handler returns. */
static inline int edgecnn_line_may_take(void) {
  if (edgecnn_ring_has_room()) {
    return 1;
  }
  edgecnn_line_held = 1u;
  edgecnn_nvic_hold(EDGECNN_LINE_IRQ);
  return 0;
}

/* In the main loop. */
static inline void edgecnn_line_go_on(void) {
  if (edgecnn_line_held != 0u && edgecnn_ring_has_room()) {
    edgecnn_line_held = 0u;
    edgecnn_nvic_resume(EDGECNN_LINE_IRQ);
  }
}

#endif
