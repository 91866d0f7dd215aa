/* SPDX-License-Identifier: Apache-2.0 */
/* What binary requests do. docs/protocol.md has every payload. */
#ifndef EDGECNN_REQUESTS_H
#define EDGECNN_REQUESTS_H

#include <stdint.h>

#include "chip.h"
#include "frames.h"

#define EDGECNN_PROTOCOL_VERSION 1u

typedef enum {
  EDGECNN_HELLO = 0x01,
  EDGECNN_WRITE = 0x02,
  EDGECNN_READ = 0x03,
  EDGECNN_INVOKE = 0x04,
  EDGECNN_STATUS = 0x05,
  EDGECNN_MEMORY_USE = 0x06,
  EDGECNN_PROFILE_TIMES = 0x07,
  EDGECNN_HASH = 0x08,
  EDGECNN_RESTART = 0x09,
  EDGECNN_REPLY = 0x80, /* added to the request's type */
  EDGECNN_WAIT = 0xFD,  /* the request is being worked on */
  EDGECNN_ERROR = 0xFE,
  EDGECNN_NAK = 0xFF /* send it again */
} edgecnn_type;

typedef enum {
  EDGECNN_NAK_CRC = 1,
  EDGECNN_NAK_CUT = 2,
  EDGECNN_NAK_LOST = 3,
  EDGECNN_NAK_TOO_LONG = 4
} edgecnn_nak;

typedef enum {
  EDGECNN_E_NO_SESSION = 1, /* the chip has started anew, or text commands came: HELLO first */
  EDGECNN_E_UNKNOWN = 2,
  EDGECNN_E_LENGTH = 3, /* of the payload */
  EDGECNN_E_RANGE = 4,
  EDGECNN_E_BUSY = 5,
  EDGECNN_E_INPUT = 6, /* the inputs are not those that the CRC belongs to */
  EDGECNN_E_MODEL = 7  /* the model returned an error */
} edgecnn_error;

void edgecnn_requests_init(edgecnn_reset_cause cause, uint32_t hung_step);
/* A whole frame that has come intact. */
void edgecnn_requests_take(const edgecnn_frame *frame);
/* A frame that has not. known: its sequence number is known. */
void edgecnn_requests_refuse(edgecnn_nak reason, int known, uint8_t sequence);
/* Goes on with a request that takes more than one turn. Returns 1 if there was something to do. */
int edgecnn_requests_turn(void);
/* Whether a host that speaks in frames has opened a session. */
int edgecnn_requests_are_open(void);
/* Text commands take over: ends the session and what it was doing. */
void edgecnn_requests_close(void);

#endif
