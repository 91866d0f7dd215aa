/* SPDX-License-Identifier: Apache-2.0 */
/* How long a transmitter is waited for. A UART is always ready after a character's time, but an
 * emulated one waits for a host that reads; when that one does not, bytes are dropped. */
#ifndef EDGECNN_LINE_WAIT_H
#define EDGECNN_LINE_WAIT_H

#include "chip.h"

/* Waits until mask's bits are as wanted; 0 if that took too long. From then on (*stuck) it only
 * looks, until it was ready once: the watchdog is fed by the main loop alone, which must go on. */
static inline int edgecnn_line_wait(uint32_t address, uint32_t mask, uint32_t wanted, uint8_t *stuck) {
  const int ready = *stuck != 0u ? (EDGECNN_REG(address) & mask) == wanted
                                 : edgecnn_wait_for(address, mask, wanted);
  *stuck = (uint8_t)(ready ? 0u : 1u);
  return ready;
}

#endif
