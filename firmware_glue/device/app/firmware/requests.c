/* SPDX-License-Identifier: Apache-2.0 */
/* Carries out binary requests and replies to them.
 *
 * Every request may come twice, because its reply was lost. Most do the same again; INVOKE and HASH,
 * which take long, are not begun again when the last request comes a second time: they say that they
 * are still at work, or what came out. */
#include "requests.h"

#include "crc32.h"
#include "memory_use.h"
#include "model_config.h"
#include "model_io.h"
#include "ring.h"
#include "run.h"
#include "sha256.h"
#include "text.h"
#include "whole.h"

#include <stddef.h>

void *memcpy(void *restrict to, const void *restrict from, size_t size);

#ifndef EDGECNN_MAX_PAYLOAD
#define EDGECNN_MAX_PAYLOAD 256u
#endif
#define HELLO_BYTES 5u
#define STATUS_BYTES 24u
#define SPAN_BYTES 8u /* index, 0, count, offset: of READ and WRITE */
#define HASH_A_TURN 1024u
#define NAME_BYTES 40u
#define RESET_AFTER_US 20000u /* the last byte is still being sent */

typedef struct {
  uint32_t index, count, offset;
} span;

static EDGECNN_WHOLE struct {
  edgecnn_reset_cause cause;
  uint32_t hung_step;
  uint8_t open;               /* a HELLO came, and no text command since */
  uint8_t type, sequence;     /* of the last request */
  uint32_t crc;               /* of the last request */
  uint8_t working, owed;      /* type of the long request; its reply has not been sent */
  uint8_t working_sequence;
  uint32_t hash_size, hashed;
} session;

static edgecnn_sha256 hash;

static uint32_t half_at(const uint8_t *data) { return (uint32_t)data[1] << 8 | data[0]; }

static uint32_t word_at(const uint8_t *data) { return half_at(data + 2) << 16 | half_at(data); }

static uint32_t at_most(uint32_t number, uint32_t most) { return number < most ? number : most; }

static void reply(const edgecnn_frame *frame, const void *payload, uint32_t length) {
  edgecnn_frames_send((uint8_t)(frame->type | EDGECNN_REPLY), frame->sequence, payload, length);
}

static void send_two(uint8_t type, uint8_t sequence, uint32_t first, uint32_t second) {
  const uint16_t both = (uint16_t)(first | second << 8);
  edgecnn_frames_send(type, sequence, &both, 2u);
}

static void refuse(const edgecnn_frame *frame, edgecnn_error code) {
  send_two(EDGECNN_ERROR, frame->sequence, frame->type, (uint32_t)code);
}

void edgecnn_requests_refuse(edgecnn_nak reason, int known, uint8_t sequence) {
  if (!known && !session.open) {
    return; /* no host that speaks in frames is there to be asked */
  }
  send_two(EDGECNN_NAK, known ? sequence : 0u, (uint32_t)reason, known != 0);
}

/* HELLO */

static uint32_t name_length(const char *name) {
  uint32_t length = 0u;
  while (length < NAME_BYTES && name[length] != '\0') {
    ++length;
  }
  return length;
}

static void put_name(const char *name) {
  const uint8_t length = (uint8_t)name_length(name);
  edgecnn_frames_put(&length, 1u);
  edgecnn_frames_put(name, length);
}

static void put_sizes(const edgecnn_tensor *tensors, uint32_t count) {
  for (; count != 0u; --count, ++tensors) {
    edgecnn_frames_put(&tensors->bytes, 4u);
  }
}

static void hello(const edgecnn_frame *frame) {
  const edgecnn_model_info *model = &edgecnn_model;
  const char *const names[] = {model->board, model->model_id, model->firmware};
  uint32_t length = 48u + 4u * (model->input_count + model->output_count), i;
  uint16_t figures[6];
  figures[0] = (uint16_t)(EDGECNN_PROTOCOL_VERSION | (uint32_t)session.cause << 8);
  figures[1] = (uint16_t)session.hung_step;
  figures[2] = EDGECNN_MAX_PAYLOAD;
  figures[3] = EDGECNN_RING_BYTES;
  figures[4] = (uint16_t)model->steps;
  figures[5] = (uint16_t)(model->input_count | model->output_count << 8);
  edgecnn_requests_close();
  edgecnn_text_stop();
  session.open = 1u;
  for (i = 0u; i < 3u; ++i) {
    length += 1u + name_length(names[i]);
  }
  edgecnn_frames_begin(EDGECNN_HELLO | EDGECNN_REPLY, frame->sequence, length);
  edgecnn_frames_put(figures, 4u);
  edgecnn_frames_put(frame->payload + 1, 4u); /* the host's number */
  edgecnn_frames_put(figures + 2, 8u);
  edgecnn_frames_put(model->model_sha256, 32u);
  put_sizes(model->inputs, model->input_count);
  put_sizes(model->outputs, model->output_count);
  for (i = 0u; i < 3u; ++i) {
    put_name(names[i]);
  }
  edgecnn_frames_end();
}

/* WRITE, READ */

static span span_of(const edgecnn_frame *frame) {
  const uint8_t *payload = frame->payload;
  const span s = {payload[0], half_at(payload + 2), word_at(payload + 4)};
  return s;
}

static int inside(const span *s, uint32_t bytes) {
  return s->offset <= bytes && s->count <= bytes - s->offset;
}

static void write(const edgecnn_frame *frame) {
  uint8_t *to = edgecnn_kept();
  const span s = span_of(frame);
  uint32_t i;
  if (s.count != frame->length - SPAN_BYTES) {
    refuse(frame, EDGECNN_E_LENGTH);
    return;
  }
  if (s.index >= edgecnn_model.input_count || !inside(&s, edgecnn_model.inputs[s.index].bytes)) {
    refuse(frame, EDGECNN_E_RANGE);
    return;
  }
  for (i = 0u; i < s.index; ++i) {
    to += edgecnn_model.inputs[i].bytes;
  }
  edgecnn_text_forget_db();
  memcpy(to + s.offset, frame->payload + SPAN_BYTES, s.count);
  reply(frame, frame->payload, 0u);
}

static void read(const edgecnn_frame *frame) {
  const span s = span_of(frame);
  if (s.count > EDGECNN_MAX_PAYLOAD || s.index >= edgecnn_model.output_count ||
      !inside(&s, edgecnn_model.outputs[s.index].bytes)) {
    refuse(frame, EDGECNN_E_RANGE);
    return;
  }
  reply(frame, edgecnn_model.outputs[s.index].data + s.offset, s.count);
}

/* STATUS, and the reply to INVOKE */

static uint32_t crc_of_outputs(void) {
  uint32_t crc = 0u, i;
  for (i = 0u; i < edgecnn_model.output_count; ++i) {
    crc = edgecnn_crc32(crc, edgecnn_model.outputs[i].data, edgecnn_model.outputs[i].bytes);
  }
  return crc;
}

static void put_status(uint8_t type, uint8_t sequence) {
  const edgecnn_run *run = &edgecnn_running;
  uint32_t words[6];
  words[0] = (uint32_t)run->state | (uint32_t)session.working << 8 | run->step << 16;
  words[1] = session.working == EDGECNN_HASH ? session.hashed : run->done;
  words[2] = run->last_us;
  words[3] = run->total_us;
  words[4] = run->state == EDGECNN_RUN_DONE ? crc_of_outputs() : 0u;
  words[5] = edgecnn_ring_lost();
  edgecnn_frames_send(type, sequence, words, STATUS_BYTES);
}

/* INVOKE, HASH: begun here, ended in later turns */

static void work(const edgecnn_frame *frame) {
  session.working = frame->type;
  session.working_sequence = frame->sequence;
  session.owed = 1u;
}

static void invoke(const edgecnn_frame *frame) {
  const uint32_t flags = frame->payload[2], runs = half_at(frame->payload);
  if (runs == 0u || (flags & ~3u) != 0u) {
    refuse(frame, EDGECNN_E_RANGE);
  } else if (edgecnn_crc32(0u, edgecnn_kept(), edgecnn_model.input_bytes) !=
             word_at(frame->payload + 4)) {
    refuse(frame, EDGECNN_E_INPUT);
  } else {
    work(frame);
    edgecnn_run_start(EDGECNN_HOLDS_TENSORS, runs, (int)(flags & 1u), (int)(flags >> 1));
  }
}

static void start_hash(const edgecnn_frame *frame) {
  const uint32_t size = word_at(frame->payload);
  if (size > edgecnn_model.flash_bytes) {
    refuse(frame, EDGECNN_E_RANGE);
    return;
  }
  session.hash_size = size;
  session.hashed = 0u;
  edgecnn_sha256_start(&hash);
  work(frame);
}

static void put_hash(void) {
  uint8_t digest[EDGECNN_SHA256_BYTES];
  uint32_t i;
  for (i = 0u; i < EDGECNN_SHA256_BYTES; ++i) {
    digest[i] = (uint8_t)(hash.hash[i / 4u] >> (24u - 8u * (i % 4u)));
  }
  edgecnn_frames_send(EDGECNN_HASH | EDGECNN_REPLY, session.working_sequence, digest,
                      EDGECNN_SHA256_BYTES);
}

static int is_working(void) {
  return (session.working == EDGECNN_INVOKE && edgecnn_running.state == EDGECNN_RUN_BUSY) ||
         (session.working == EDGECNN_HASH && session.hashed <= session.hash_size);
}

/* What came out of a long request. */
static void put_outcome(void) {
  session.owed = 0u;
  if (session.working == EDGECNN_HASH) {
    put_hash();
  } else if (edgecnn_running.state == EDGECNN_RUN_FAILED) {
    const edgecnn_frame frame = {EDGECNN_INVOKE, session.working_sequence, 0u, 0, 0u};
    refuse(&frame, EDGECNN_E_MODEL);
  } else {
    put_status(EDGECNN_INVOKE | EDGECNN_REPLY, session.working_sequence);
  }
}

static void hash_turn(void) {
  const uint32_t left = session.hash_size - session.hashed;
  const uint32_t count = at_most(left, HASH_A_TURN);
  edgecnn_sha256_add(&hash, edgecnn_model.flash + session.hashed, count);
  session.hashed += count;
  if (count == left) {
    edgecnn_sha256_end(&hash);
    session.hashed = session.hash_size + 1u; /* one more: ended */
  }
}

int edgecnn_requests_turn(void) {
  const int was_working = is_working();
  if (was_working && session.working == EDGECNN_HASH) {
    hash_turn();
  }
  if (session.owed && !is_working()) {
    put_outcome();
    return 1;
  }
  return was_working;
}

int edgecnn_requests_are_open(void) { return session.open; }

void edgecnn_requests_close(void) {
  if (session.working == EDGECNN_INVOKE) {
    edgecnn_run_stop();
  }
  session.open = 0u;
  session.type = 0u;
  session.working = 0u;
  session.owed = 0u;
}

/* The others */

static void memory(const edgecnn_frame *frame) {
  uint32_t words[4];
  words[0] = edgecnn_model.memory_bytes;
  words[1] = edgecnn_static_bytes();
  words[2] = edgecnn_stack_bytes();
  words[3] = edgecnn_stack_used();
  reply(frame, words, sizeof words);
}

static void profile(const edgecnn_frame *frame) {
  const uint32_t first = half_at(frame->payload), count = half_at(frame->payload + 2);
  if (first > edgecnn_model.steps || count > edgecnn_model.steps - first ||
      count > EDGECNN_MAX_PAYLOAD / 4u) {
    refuse(frame, EDGECNN_E_RANGE);
    return;
  }
  reply(frame, edgecnn_run_step_us() + first, 4u * count);
}

static void restart(const edgecnn_frame *frame) {
  uint32_t start, tries;
  reply(frame, frame->payload, 0u);
  start = edgecnn_clock_us();
  for (tries = 0u; tries < 10000000u && edgecnn_clock_us() - start < RESET_AFTER_US; ++tries) {
    edgecnn_line_poll();
  }
  edgecnn_chip_reset();
}

static void status(const edgecnn_frame *frame) {
  put_status(EDGECNN_STATUS | EDGECNN_REPLY, frame->sequence);
}

typedef struct {
  uint8_t bytes, more; /* of the payload; whether more may follow */
  void (*carry_out)(const edgecnn_frame *frame);
} request;

static const request requests[] = {
    [EDGECNN_HELLO] = {HELLO_BYTES, 0u, hello},
    [EDGECNN_WRITE] = {SPAN_BYTES, 1u, write},
    [EDGECNN_READ] = {SPAN_BYTES, 0u, read},
    [EDGECNN_INVOKE] = {8u, 0u, invoke},
    [EDGECNN_STATUS] = {0u, 0u, status},
    [EDGECNN_MEMORY_USE] = {0u, 0u, memory},
    [EDGECNN_PROFILE_TIMES] = {4u, 0u, profile},
    [EDGECNN_HASH] = {4u, 0u, start_hash},
    [EDGECNN_RESTART] = {0u, 0u, restart},
};

/* The last request once more, and it takes long: it is not begun again. */
static int is_repeated(const edgecnn_frame *frame) {
  return session.working != 0u && session.working == frame->type && session.type == frame->type &&
         session.sequence == frame->sequence && session.crc == frame->crc;
}

static void repeat(void) {
  if (is_working()) {
    session.owed = 1u;
    put_status(EDGECNN_WAIT, session.working_sequence);
  } else {
    put_outcome();
  }
}

void edgecnn_requests_take(const edgecnn_frame *frame) {
  const request *found = 0;
  if (frame->type < sizeof requests / sizeof requests[0]) {
    found = &requests[frame->type];
  }
  if (found == 0 || found->carry_out == 0) {
    refuse(frame, EDGECNN_E_UNKNOWN);
  } else if (frame->length < found->bytes || (frame->length > found->bytes && !found->more)) {
    refuse(frame, EDGECNN_E_LENGTH);
  } else if (frame->type != EDGECNN_HELLO && !session.open) {
    refuse(frame, EDGECNN_E_NO_SESSION);
  } else if (is_repeated(frame)) {
    repeat();
  } else {
    const int busy = is_working();
    session.owed = 0u; /* the host has something newer on its mind */
    session.type = frame->type;
    session.sequence = frame->sequence;
    session.crc = frame->crc;
    if (busy && frame->type != EDGECNN_HELLO && frame->type != EDGECNN_STATUS &&
        frame->type != EDGECNN_RESTART) {
      refuse(frame, EDGECNN_E_BUSY);
      return;
    }
    found->carry_out(frame);
  }
}

void edgecnn_requests_init(edgecnn_reset_cause cause, uint32_t hung_step) {
  session.cause = cause;
  session.hung_step = hung_step;
}
