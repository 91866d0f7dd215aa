/* SPDX-License-Identifier: Apache-2.0 */
/* Frames: how binary requests and replies are wrapped. Numbers are little-endian.
 *
 *   0  ED C7     magic: neither is ASCII
 *   2  type      of the request; a reply has bit 7 set
 *   3  sequence  of the request; a reply repeats it
 *   4  length    of the payload, 16 bits
 *   6  check     low 16 bits of the CRC-32 of bytes 0 to 5
 *   8  payload
 *   .  CRC-32    of everything before it
 *
 * Bytes outside frames belong to the text commands. */
#ifndef EDGECNN_FRAMES_H
#define EDGECNN_FRAMES_H

#include <stdint.h>

typedef struct {
  uint8_t type, sequence;
  uint32_t length;
  const uint8_t *payload;
  uint32_t crc; /* tells a repeated frame from another one of the same sequence number */
} edgecnn_frame;

/* Takes a byte from the line; hands on whole frames and the text between them. */
void edgecnn_frames_byte(uint8_t byte);
/* Whether a frame has begun and not ended. */
int edgecnn_frames_pending(void);
/* The frame that has begun is cut: asks for it again, and looks at what followed its beginning. */
void edgecnn_frames_cut(void);
/* Bytes were lost: forgets the frame that has begun, and asks for it again. */
void edgecnn_frames_lost(void);

/* Sends a frame: begin, as many bytes as announced, end. */
void edgecnn_frames_begin(uint8_t type, uint8_t sequence, uint32_t length);
void edgecnn_frames_put(const void *data, uint32_t count);
void edgecnn_frames_end(void);
/* All three, for payloads that lie in memory as they are sent: cores are little-endian. */
void edgecnn_frames_send(uint8_t type, uint8_t sequence, const void *payload, uint32_t length);

#endif
