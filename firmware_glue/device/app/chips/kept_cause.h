/* SPDX-License-Identifier: Apache-2.0 */
/* The cause of a reset, kept in RAM over it: for chips whose own flags do not tell. */
#ifndef EDGECNN_KEPT_CAUSE_H
#define EDGECNN_KEPT_CAUSE_H

#include "chip.h"

#define EDGECNN_KEPT_MAGIC 0xED9E0000u

__attribute__((section(".edgecnn.noinit"))) static volatile uint32_t edgecnn_kept_word;

static inline void edgecnn_keep_cause(edgecnn_reset_cause cause) {
  edgecnn_kept_word = EDGECNN_KEPT_MAGIC | (uint32_t)cause;
}

/* Unless a cause was kept: otherwise. Forgets what was kept. */
static inline edgecnn_reset_cause edgecnn_kept_cause(edgecnn_reset_cause otherwise) {
  const uint32_t word = edgecnn_kept_word;
  edgecnn_kept_word = 0u;
  if ((word & 0xFFFF0000u) == EDGECNN_KEPT_MAGIC && (word & 0xFFFFu) <= EDGECNN_RESET_WATCHDOG) {
    return (edgecnn_reset_cause)(word & 0xFFFFu);
  }
  return otherwise;
}

#endif
