/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes on their way from the line's interrupt handler (the only writer, through edgecnn_ring_put of
 * chip.h) to the main loop (the only reader). */
#ifndef EDGECNN_RING_H
#define EDGECNN_RING_H

#include <stdint.h>

/* A power of two, at least a frame and a half. */
#ifndef EDGECNN_RING_BYTES
#define EDGECNN_RING_BYTES 1024u
#endif

/* The oldest byte, or -1. */
int edgecnn_ring_get(void);
int edgecnn_ring_is_empty(void);
/* Bytes that found no room since the start, modulo 2^32. */
uint32_t edgecnn_ring_lost(void);

#endif
