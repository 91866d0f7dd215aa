/* SPDX-License-Identifier: Apache-2.0 */
/* Finds frames among the bytes of the line, and sends them.
 *
 * What might be a frame is gathered until it is one. Where it turns out not to be, its first byte
 * is text and the search goes on with the second: no frame is missed because noise, or a frame
 * that was cut, came before it. */
#include "frames.h"

#include <stddef.h>

#include "chip.h"
#include "crc32.h"
#include "model_config.h"
#include "requests.h"
#include "text.h"

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "numbers are sent as they lie in memory: little-endian"
#endif
#ifndef EDGECNN_MAX_PAYLOAD
#define EDGECNN_MAX_PAYLOAD 256u
#endif
#define MAGIC_0 0xEDu
#define MAGIC_1 0xC7u
#define HEADER 8u
#define CRC 4u

void *memmove(void *to, const void *from, size_t size);

static uint8_t buffer[HEADER + EDGECNN_MAX_PAYLOAD + CRC];
static uint32_t gathered;
static uint32_t sent_crc;

static uint32_t word_at(const uint8_t *data) {
  return (uint32_t)data[3] << 24 | (uint32_t)data[2] << 16 | (uint32_t)data[1] << 8 | data[0];
}

static uint32_t length_of_payload(void) { return (uint32_t)buffer[5] << 8 | buffer[4]; }

static int header_is_right(void) {
  const uint32_t check = (uint32_t)buffer[7] << 8 | buffer[6];
  return (edgecnn_crc32(0u, buffer, 6u) & 0xFFFFu) == check;
}

static void drop(uint32_t count) {
  gathered -= count;
  memmove(buffer, buffer + count, gathered);
}

/* The first byte begins no frame: it is text, and so is what follows up to the next candidate. */
static void drop_text(void) {
  uint32_t count = 0u;
  do {
    edgecnn_text_byte(buffer[count++]);
  } while (count < gathered && buffer[count] != MAGIC_0);
  drop(count);
}

static void hand_on(void) {
  const uint32_t length = length_of_payload();
  const uint32_t crc = word_at(buffer + HEADER + length);
  if (edgecnn_crc32(0u, buffer, HEADER + length) == crc) {
    const edgecnn_frame frame = {buffer[2], buffer[3], length, buffer + HEADER, crc};
    edgecnn_text_discard();
    edgecnn_requests_take(&frame);
    drop(HEADER + length + CRC);
  } else {
    edgecnn_requests_refuse(EDGECNN_NAK_CRC, 1, buffer[3]);
    drop_text();
  }
}

/* Looks at what was gathered until more is needed. */
static void look(void) {
  while (gathered != 0u) {
    if (buffer[0] != MAGIC_0 || (gathered >= 2u && buffer[1] != MAGIC_1)) {
      drop_text();
    } else if (gathered < HEADER) {
      return;
    } else if (!header_is_right()) {
      drop_text();
    } else if (length_of_payload() > EDGECNN_MAX_PAYLOAD) {
      edgecnn_requests_refuse(EDGECNN_NAK_TOO_LONG, 1, buffer[3]);
      drop_text();
    } else if (gathered < HEADER + length_of_payload() + CRC) {
      return;
    } else {
      hand_on();
    }
  }
}

void edgecnn_frames_byte(uint8_t byte) {
  buffer[gathered++] = byte;
  look();
}

int edgecnn_frames_pending(void) { return gathered != 0u; }

void edgecnn_frames_cut(void) {
  if (gathered >= HEADER) {
    edgecnn_requests_refuse(EDGECNN_NAK_CUT, 1, buffer[3]);
  }
  while (gathered != 0u) {
    drop_text();
    look();
  }
}

void edgecnn_frames_lost(void) {
  edgecnn_requests_refuse(EDGECNN_NAK_LOST, gathered >= HEADER, buffer[3]);
  gathered = 0u;
}

void edgecnn_frames_put(const void *data, uint32_t count) {
  const uint8_t *byte = data;
  sent_crc = edgecnn_crc32(sent_crc, byte, count);
  while (count-- != 0u) {
    edgecnn_line_put(*byte++);
  }
}

void edgecnn_frames_begin(uint8_t type, uint8_t sequence, uint32_t length) {
  uint8_t header[HEADER] = {MAGIC_0, MAGIC_1};
  uint32_t check;
  header[2] = type;
  header[3] = sequence;
  header[4] = (uint8_t)length;
  header[5] = (uint8_t)(length >> 8);
  check = edgecnn_crc32(0u, header, 6u);
  header[6] = (uint8_t)check;
  header[7] = (uint8_t)(check >> 8);
  sent_crc = 0u;
  edgecnn_frames_put(header, HEADER);
}

void edgecnn_frames_end(void) {
  const uint32_t crc = sent_crc;
  edgecnn_frames_put(&crc, CRC);
  edgecnn_line_flush();
}

void edgecnn_frames_send(uint8_t type, uint8_t sequence, const void *payload, uint32_t length) {
  edgecnn_frames_begin(type, sequence, length);
  edgecnn_frames_put(payload, length);
  edgecnn_frames_end();
}
