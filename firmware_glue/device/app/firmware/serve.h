/* SPDX-License-Identifier: Apache-2.0 */
/* What the main loop does in a turn. */
#ifndef EDGECNN_SERVE_H
#define EDGECNN_SERVE_H

#include "chip.h"

/* After the chip is ready: greets. */
void edgecnn_serve_start(edgecnn_reset_cause cause);
/* Takes what has arrived, and runs at most one step of the model. Returns 0 when there is nothing to
 * do until another byte arrives. */
int edgecnn_serve_turn(void);

#endif
