/* SPDX-License-Identifier: Apache-2.0 */
/* A ring of bytes for one writer and one reader. Both counters run freely and only their owner
 * writes them, so neither side has to hold the other off. */
#include "ring.h"

#include "chip.h"

#define MASK (EDGECNN_RING_BYTES - 1u)
#if (EDGECNN_RING_BYTES & (EDGECNN_RING_BYTES - 1)) != 0
#error "EDGECNN_RING_BYTES has to be a power of two"
#endif

static volatile uint8_t bytes[EDGECNN_RING_BYTES];
static volatile uint32_t put_count, got_count, lost_count;

int edgecnn_ring_has_room(void) { return put_count - got_count < EDGECNN_RING_BYTES; }

int edgecnn_ring_put(uint8_t byte) {
  const uint32_t at = put_count;
  if (at - got_count >= EDGECNN_RING_BYTES) {
    ++lost_count;
    return 0;
  }
  bytes[at & MASK] = byte;
  put_count = at + 1u; /* after the byte itself: the reader sees it from here on */
  return 1;
}

int edgecnn_ring_get(void) {
  const uint32_t at = got_count;
  int byte;
  if (at == put_count) {
    return -1;
  }
  byte = bytes[at & MASK];
  got_count = at + 1u;
  return byte;
}

int edgecnn_ring_is_empty(void) { return got_count == put_count; }

uint32_t edgecnn_ring_lost(void) { return lost_count; }
