/* SPDX-License-Identifier: Apache-2.0 */
/* Detections between start and stop. */
#include "stream.h"

#include "clock64.h"
#include "model_config.h"
#include "model_io.h"
#include "print.h"
#include "whole.h"

#ifndef EDGECNN_DETECTIONS
#define EDGECNN_DETECTIONS 8u
#endif
#define VALUES_A_LINE 16u

static EDGECNN_WHOLE struct {
  uint32_t start_ms, count;
  uint32_t ms[EDGECNN_DETECTIONS];
  uint16_t thousandths[EDGECNN_DETECTIONS];
  uint8_t on;
} stream;

static uint32_t now_ms(void) {
  uint64_t now = edgecnn_time_us();
  (void)edgecnn_divide(&now, 1000u);
  return (uint32_t)now;
}

void edgecnn_stream_start(void) {
  stream.on = 1u;
  stream.count = 0u;
  stream.start_ms = now_ms();
  edgecnn_model_reset();
  edgecnn_print("Streaming started.\r\n");
}

void edgecnn_stream_stop(void) {
  uint32_t i;
  edgecnn_print(stream.on ? "Streaming stopped.\r\ntarget activations: \r\n["
                          : "Streaming is not started.\r\n");
  for (i = 0u; stream.on && i < stream.count; ++i) {
    if (i != 0u) {
      edgecnn_print(i % VALUES_A_LINE == 0u ? ",\r\n" : ", ");
    }
    edgecnn_print_number(stream.thousandths[i]);
  }
  if (stream.on) {
    edgecnn_print("]\r\n");
  }
  stream.on = 0u;
}

int edgecnn_stream_is_on(void) { return stream.on; }

void edgecnn_stream_look(void) {
  const edgecnn_real value = edgecnn_result(0u);
  if (!edgecnn_detected() || stream.count == EDGECNN_DETECTIONS) {
    return;
  }
  stream.ms[stream.count] = now_ms();
  stream.thousandths[stream.count] =
      (uint16_t)(value.whole < 65u ? value.whole * 1000u + value.thousandths : 65535u);
  ++stream.count;
}

void edgecnn_stream_print_detections(void) {
  uint32_t i;
  edgecnn_print("Detection Timestamps (ms)\r\n");
  edgecnn_print_number(stream.start_ms);
  for (i = 0u; i < stream.count; ++i) {
    edgecnn_print(",\r\n");
    edgecnn_print_number(stream.ms[i]);
  }
  edgecnn_print(",\r\n");
}
