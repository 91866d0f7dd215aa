/* SPDX-License-Identifier: Apache-2.0 */
/* The text commands of MLPerf Tiny's runner: words of ASCII ended by '%'; every reply ends with the
 * line m-ready. docs/protocol.md has them all. */
#ifndef EDGECNN_TEXT_H
#define EDGECNN_TEXT_H

#include <stdint.h>

#include "chip.h"

/* Says hello after a start. */
void edgecnn_text_greet(edgecnn_reset_cause cause, uint32_t hung_step);
const char *edgecnn_reset_name(edgecnn_reset_cause cause);
/* Takes a byte that belongs to no frame. */
void edgecnn_text_byte(uint8_t byte);
/* Forgets what has come of a command: a frame begins. */
void edgecnn_text_discard(void);
/* Bytes were lost: what has come of a command is not carried out when its '%' comes. */
void edgecnn_text_damaged(void);
/* Goes on with a command that takes more than one turn. Returns 1 if there was something to do. */
int edgecnn_text_turn(void);
/* Ends such a command without a word. */
void edgecnn_text_stop(void);
/* The copy of the inputs is filled by frames: what db brought is gone. */
void edgecnn_text_forget_db(void);

#endif
