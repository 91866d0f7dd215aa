/* SPDX-License-Identifier: Apache-2.0 */
/* Counts the wraps of the chip's clock. */
#include "clock64.h"

#include "chip.h"

static uint32_t last, wraps;

uint64_t edgecnn_time_us(void) {
  const uint32_t now = edgecnn_clock_us();
  if (now < last) {
    ++wraps;
  }
  last = now;
  return (uint64_t)wraps << 32 | now;
}
