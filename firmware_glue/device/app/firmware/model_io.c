/* SPDX-License-Identifier: Apache-2.0 */
/* Glue between the firmware and the C of one compiled model. */
#include "model_io.h"

#include "model_config.h"
#include EDGECNN_MODEL_HEADER
#include "model_memory.h"

#include <float.h>
#include <stddef.h>

void *memcpy(void *restrict to, const void *restrict from, size_t size);

#define JOIN2(a, b) a##b
#define JOIN(a, b) JOIN2(a, b)
#define MODEL(what) JOIN(EDGECNN_MODEL, what)

#ifndef EDGECNN_MODEL_MEMORY
#define EDGECNN_MODEL_MEMORY EDGECNN_MEMORY
#endif
#ifndef EDGECNN_DETECT_THOUSANDTHS
#define EDGECNN_DETECT_THOUSANDTHS 500u
#endif
#if defined(EDGECNN_RESULT_MSE) && !defined(EDGECNN_DB_FLOATS)
#error "EDGECNN_RESULT_MSE needs EDGECNN_DB_FLOATS"
#endif

extern const uint8_t edgecnn_image_begin[]; /* of the linker script */

static const edgecnn_tensor inputs[] = {EDGECNN_INPUTS};
static const edgecnn_tensor outputs[] = {EDGECNN_OUTPUTS};
static const uint8_t model_sha256[32] = {EDGECNN_MODEL_SHA256};
static MODEL(_state) state;

#define COUNT(array) ((uint32_t)(sizeof(array) / sizeof(array)[0]))

#if defined(EDGECNN_DB_FLOATS)
#define DB_BYTES (4u * MODEL(_INPUT0_ELEMENTS))
#define KEPT_BYTES (DB_BYTES > EDGECNN_INPUT_BYTES ? DB_BYTES : EDGECNN_INPUT_BYTES)
#else
#define DB_BYTES EDGECNN_INPUT_BYTES
#define KEPT_BYTES EDGECNN_INPUT_BYTES
#endif

static union {
  uint8_t bytes[KEPT_BYTES];
  float align;
} kept;

uint8_t *edgecnn_kept(void) { return kept.bytes; }

const edgecnn_model_info edgecnn_model = {
    EDGECNN_BOARD_NAME,
    EDGECNN_MODEL_ID,
    EDGECNN_FIRMWARE_VERSION,
    model_sha256,
    inputs,
    outputs,
    COUNT(inputs),
    COUNT(outputs),
    EDGECNN_INPUT_BYTES,
    DB_BYTES,
    MODEL(_STEP_COUNT),
    EDGECNN_MODEL_BYTES,
    edgecnn_image_begin,
    EDGECNN_FLASH_BYTES,
};

int edgecnn_model_init(void) { return MODEL(_init)(&state, EDGECNN_MODEL_MEMORY); }

void edgecnn_model_reset(void) { MODEL(_reset)(&state); }

int edgecnn_model_step(uint32_t step) { return MODEL(_run_step)(&state, (int)step); }

#if defined(EDGECNN_DB_FLOATS)

/* Whether the last inference was made from floats, which its results are compared with. */
static uint8_t from_floats;

static float db_float(uint32_t index) {
  float value;
  memcpy(&value, kept.bytes + 4u * index, sizeof value);
  return value;
}

#endif

void edgecnn_model_fill(edgecnn_holds holds) {
  const uint8_t *from = kept.bytes;
  uint32_t i;
#if defined(EDGECNN_DB_FLOATS)
  from_floats = holds == EDGECNN_HOLDS_DB;
  if (from_floats) {
    for (i = 0u; i < MODEL(_INPUT0_ELEMENTS); ++i) {
      MODEL(_input0)(&state)[i] = MODEL(_quantize_input0)(db_float(i));
    }
    return;
  }
#endif
  for (i = 0u; i < COUNT(inputs); ++i) {
    memcpy(inputs[i].data, from, inputs[i].bytes);
    from += inputs[i].bytes;
  }
#if defined(EDGECNN_DB_PIXELS)
  for (i = 0u; i < inputs[0].bytes && holds == EDGECNN_HOLDS_DB; ++i) {
    inputs[0].data[i] ^= 0x80u; /* value - 128 */
  }
#endif
  (void)holds;
}

static uint32_t element_bytes(edgecnn_dtype dtype) {
  static const uint8_t bytes[] = {1, 1, 1, 2, 2, 4, 4, 8, 8, 4};
  return bytes[dtype];
}

/* An integer's distance from its zero point. Values of 64 bits that do not fit 32 are cut to what
 * does: none is printed exactly beyond. */
static edgecnn_real from_integer(const edgecnn_tensor *tensor, uint64_t value, int is_signed) {
  const uint32_t scale = tensor->scale_bits != 0u ? tensor->scale_bits : EDGECNN_ONE_BITS;
  const int64_t zero = tensor->zero_point;
  int negative;
  if (!is_signed && (value >> 63) != 0u) {
    return edgecnn_real_of(0, 0xFFFFFFFFu, scale);
  }
  value -= (uint64_t)zero; /* |zero| < 2^31: wraps for values near the ends of 64 bits alone */
  negative = (value >> 63) != 0u;
  value = negative ? 0u - value : value;
  return edgecnn_real_of(negative, value >> 32 != 0u ? 0xFFFFFFFFu : (uint32_t)value, scale);
}

static edgecnn_real tensor_value(const edgecnn_tensor *tensor, uint32_t index) {
  const uint32_t bytes = element_bytes(tensor->dtype);
  const uint8_t *at = tensor->data + index * bytes;
  const int is_signed = tensor->dtype == EDGECNN_INT8 || tensor->dtype == EDGECNN_INT16 ||
                        tensor->dtype == EDGECNN_INT32 || tensor->dtype == EDGECNN_INT64;
  uint64_t value = 0u;
  uint32_t i;
  for (i = bytes; i-- > 0u;) {
    value = value << 8 | at[i];
  }
  if (tensor->dtype == EDGECNN_FLOAT32) {
    return edgecnn_real_of(0, 1u, (uint32_t)value);
  }
  if (is_signed && bytes < 8u && (at[bytes - 1u] & 0x80u) != 0u) {
    value |= ~(uint64_t)0u << (8u * bytes);
  }
  return from_integer(tensor, value, is_signed);
}

uint32_t edgecnn_result_count(void) {
  uint32_t count = 0u, i;
#if defined(EDGECNN_RESULT_MSE)
  if (from_floats) {
    return 1u;
  }
#endif
  for (i = 0u; i < COUNT(outputs); ++i) {
    count += outputs[i].bytes / element_bytes(outputs[i].dtype);
  }
  return count;
}

#if defined(EDGECNN_RESULT_MSE)

/* Kahan's summation: what an addition cuts off goes into the next one (Comm. ACM 8, 1965). */
static edgecnn_real mean_squared_error(void) {
  float sum = 0.0f, over = 0.0f;
  uint32_t i, bits;
  for (i = 0u; i < MODEL(_INPUT0_ELEMENTS); ++i) {
    const float error =
        db_float(i) - MODEL(_dequantize_output0)(MODEL(_output0)(&state)[i]);
    const float term = error * error - over, more = sum + term;
    over = more <= FLT_MAX ? (more - sum) - term : 0.0f; /* infinite stays so */
    sum = more;
  }
  sum /= (float)MODEL(_INPUT0_ELEMENTS);
  memcpy(&bits, &sum, sizeof bits);
  return edgecnn_real_of(0, 1u, bits);
}

#endif

edgecnn_real edgecnn_result(uint32_t index) {
  uint32_t i = 0u, count;
#if defined(EDGECNN_RESULT_MSE)
  if (from_floats) {
    return mean_squared_error();
  }
#endif
  for (;;) {
    count = outputs[i].bytes / element_bytes(outputs[i].dtype);
    if (index < count || i + 1u == COUNT(outputs)) {
      return tensor_value(&outputs[i], index);
    }
    index -= count;
    ++i;
  }
}

int edgecnn_detected(void) {
  return edgecnn_real_reaches(tensor_value(&outputs[0], 0u), EDGECNN_DETECT_THOUSANDTHS);
}
