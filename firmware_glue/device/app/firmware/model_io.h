/* SPDX-License-Identifier: Apache-2.0 */
/* The compiled model as the firmware sees it: tensors, steps, and a copy of its inputs.
 *
 * Inputs are kept apart from the model's memory, because an inference may overwrite them: any number
 * of inferences then starts from the same ones. The copy is filled by the text command db or by the
 * request WRITE, and moved into the tensors before each inference.
 *
 * model_config.h is made for one model on one board. It has to #define:
 *
 *   EDGECNN_MODEL             name of the model's symbols, such as kws
 *   EDGECNN_MODEL_HEADER      its header in angle brackets, such as <kws.h>: a quoted name would be
 *                             looked for in this folder first
 *   EDGECNN_MODEL_ID          string: MLPerf Tiny's id (ad01 ic01 ic02 kws01 vww01), else the
 *                             model's name; printable ASCII without ']', at most 40 bytes
 *   EDGECNN_MODEL_SHA256      32 bytes, separated by commas: SHA-256 of the .tflite
 *   EDGECNN_BOARD_NAME        string, as above
 *   EDGECNN_FIRMWARE_VERSION  string, as above
 *   EDGECNN_FLASH_BYTES       bytes from image.ld's edgecnn_image_begin to the end of flash: what
 *                             HASH may read
 *   EDGECNN_INPUTS            rows {data, bytes, dtype, zero_point, scale_bits}, separated by commas:
 *                             data: uint8_t *, an address constant, such as
 *                               edgecnn_arena + kws_INPUT0_OFFSET
 *                             bytes: kws_INPUT0_BYTES
 *                             dtype: EDGECNN_INT8 ... below
 *                             zero_point, scale_bits: of the quantization; scale_bits are the bits of
 *                               the float32 scale, such as 0x3B800000u for 1/256; 0u: not quantized
 *   EDGECNN_OUTPUTS           the same for outputs
 *   EDGECNN_INPUT_BYTES       bytes of all inputs together
 *   EDGECNN_MODEL_BYTES       bytes of all memory regions of the model together (its arena)
 *   EDGECNN_MODEL_MEMORY      what kws_init takes after the state, such as edgecnn_arena (or
 *                             edgecnn_arena, edgecnn_blob, sizeof edgecnn_blob). The arrays are
 *                             declared by model_memory.h, which model_io.c includes after the
 *                             model's header; EDGECNN_MEMORY, if that file defines it, does as well
 * and it may #define:
 *   EDGECNN_DB_PIXELS         db carries uint8 pixels for an int8 input 0: value - 128
 *   EDGECNN_DB_FLOATS         db carries little-endian float32 for a quantized input 0 (of a model
 *                             with one input), quantized by kws_quantize_input0. Neither of the two:
 *                             db carries the bytes of all inputs, in order, as they are
 *   EDGECNN_RESULT_MSE        results is one number, the mean squared error between the floats of db
 *                             and output 0 (MLPerf Tiny's ad01; needs EDGECNN_DB_FLOATS and an int8
 *                             output 0 of as many elements). Without: all values of all outputs
 *   EDGECNN_DETECT_THOUSANDTHS  value 0 of output 0 from which on a detection is recorded between
 *                             start and stop; default 500
 *   EDGECNN_DETECTIONS        how many are recorded; default 8
 *   EDGECNN_MAX_PAYLOAD       bytes of a frame's payload; default 256
 *   EDGECNN_WATCHDOG_MS       default 8000; a step of the model has to end within it
 * Counts of inputs, outputs and steps are taken from the model's header. */
#ifndef EDGECNN_MODEL_IO_H
#define EDGECNN_MODEL_IO_H

#include <stdint.h>

#include "number.h"

typedef enum {
  EDGECNN_INT8 = 1,
  EDGECNN_UINT8 = 2, /* bool as well */
  EDGECNN_INT16 = 3,
  EDGECNN_UINT16 = 4,
  EDGECNN_INT32 = 5,
  EDGECNN_UINT32 = 6,
  EDGECNN_INT64 = 7,
  EDGECNN_UINT64 = 8,
  EDGECNN_FLOAT32 = 9
} edgecnn_dtype;

typedef struct {
  uint8_t *data;
  uint32_t bytes;
  edgecnn_dtype dtype;
  int32_t zero_point;
  uint32_t scale_bits;
} edgecnn_tensor;

/* What the copy of the inputs holds. */
typedef enum { EDGECNN_HOLDS_TENSORS = 0, EDGECNN_HOLDS_DB = 1 } edgecnn_holds;

/* Constants of the model and the board. */
typedef struct {
  const char *board, *model_id, *firmware;
  const uint8_t *model_sha256; /* 32 bytes */
  const edgecnn_tensor *inputs, *outputs;
  uint32_t input_count, output_count, input_bytes; /* of all inputs */
  uint32_t db_bytes;                               /* what db has to bring */
  uint32_t steps, memory_bytes;
  const uint8_t *flash;
  uint32_t flash_bytes;
} edgecnn_model_info;

extern const edgecnn_model_info edgecnn_model;
/* The copy: inputs one after the other, or what db brought. */
uint8_t *edgecnn_kept(void);

/* Returns 0, or the model's error. */
int edgecnn_model_init(void);
/* Forgets earlier inferences. */
void edgecnn_model_reset(void);
/* Moves the copy into the input tensors. */
void edgecnn_model_fill(edgecnn_holds holds);
/* Runs one step; returns 0, or the model's error. */
int edgecnn_model_step(uint32_t step);

/* How many numbers the results are, and each of them, for the last inference. */
uint32_t edgecnn_result_count(void);
edgecnn_real edgecnn_result(uint32_t index);
/* Value 0 of output 0 says that something was detected. */
int edgecnn_detected(void);

#endif
