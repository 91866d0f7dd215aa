/* SPDX-License-Identifier: Apache-2.0 */
/* A turn of the main loop: bytes from the ring, then work. */
#include "serve.h"

#include "clock64.h"
#include "frames.h"
#include "requests.h"
#include "ring.h"
#include "run.h"
#include "text.h"

/* So long after its last byte a frame is taken for cut. */
#define GAP_US 250000u

static uint32_t lost, last_byte_us;

/* What is in the ring has a hole somewhere: none of it is used. A host that sends text waits for an
 * answer to what has ended in there. */
static void bytes_were_lost(void) {
  uint32_t count = EDGECNN_RING_BYTES;
  int byte = 0, ended = 0;
  lost = edgecnn_ring_lost();
  for (; count != 0u && byte >= 0; --count) {
    byte = edgecnn_ring_get();
    ended |= byte == '%';
  }
  edgecnn_frames_lost();
  edgecnn_text_damaged();
  if (ended && !edgecnn_requests_are_open()) {
    edgecnn_text_byte('%');
    edgecnn_text_damaged();
  }
}

/* At most what fits into the ring, and at most one text command: a host that never stops sending does
 * not stop the main loop. */
static void take_bytes(void) {
  uint32_t count;
  int byte = 0;
  edgecnn_line_poll();
  for (count = 0u; count < EDGECNN_RING_BYTES && byte != '%'; ++count) {
    if (edgecnn_ring_lost() != lost) {
      bytes_were_lost();
      break;
    }
    byte = edgecnn_ring_get();
    if (byte < 0) {
      break;
    }
    edgecnn_frames_byte((uint8_t)byte);
    last_byte_us = edgecnn_clock_us();
  }
  edgecnn_line_poll();
}

void edgecnn_serve_start(edgecnn_reset_cause cause) {
  const uint32_t hung_step = edgecnn_run_init(cause);
  edgecnn_requests_init(cause, hung_step);
  edgecnn_text_greet(cause, hung_step);
}

int edgecnn_serve_turn(void) {
  int busy;
  (void)edgecnn_time_us();
  take_bytes();
  if (edgecnn_frames_pending() && edgecnn_clock_us() - last_byte_us >= GAP_US) {
    edgecnn_frames_cut();
  }
  busy = edgecnn_run_turn();
  busy |= edgecnn_text_turn();
  busy |= edgecnn_requests_turn();
  edgecnn_line_flush();
  return busy || edgecnn_frames_pending() || !edgecnn_ring_is_empty();
}
