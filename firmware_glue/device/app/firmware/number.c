/* SPDX-License-Identifier: Apache-2.0 */
/* A float is mantissa / 2^places: with at most 52 places all products below stay in 64 bits. */
#include "number.h"

#define MOST_PLACES 52

static edgecnn_real saturated(int negative) {
  edgecnn_real real = {0xFFFFFFFFu, 999u, 0u, 0u};
  real.negative = (uint8_t)(negative != 0);
  return real;
}

edgecnn_real edgecnn_real_of(int negative, uint32_t count, uint32_t scale_bits) {
  const uint32_t exponent = scale_bits >> 23 & 0xFFu;
  const uint32_t fraction = scale_bits & 0x7FFFFFu;
  int places = 150 - (int)(exponent != 0u ? exponent : 1u);
  uint64_t product = (uint64_t)count * (exponent != 0u ? fraction | 0x800000u : fraction);
  edgecnn_real real = {0u, 0u, 0u, 0u};
  uint64_t rest;

  negative ^= (int)(scale_bits >> 31);
  if (exponent == 0xFFu) {
    real.nan = fraction != 0u;
    return real.nan ? real : saturated(negative);
  }
  for (; places < 0 && product >> 32 == 0u && product != 0u; ++places) {
    product <<= 1;
  }
  if (places < 0 && product != 0u) {
    return saturated(negative);
  }
  places = places < 0 ? 0 : places;
  if (places > MOST_PLACES) {
    product = places - MOST_PLACES < 64 ? product >> (places - MOST_PLACES) : 0u;
    places = MOST_PLACES;
  }
  if (product >> places >> 32 != 0u) {
    return saturated(negative);
  }
  real.whole = (uint32_t)(product >> places);
  rest = (product - ((uint64_t)real.whole << places)) * 1000u;
  real.thousandths = (uint16_t)((rest + ((uint64_t)1u << places) / 2u) >> places);
  if (real.thousandths == 1000u) {
    real.thousandths = 0u;
    if (++real.whole == 0u) {
      return saturated(negative);
    }
  }
  real.negative = (uint8_t)(negative && (real.whole | real.thousandths) != 0u);
  return real;
}

uint32_t edgecnn_divide(uint64_t *value, uint32_t divisor) {
  uint64_t quotient = 0u;
  uint32_t rest = 0u;
  int place;
  for (place = 48; place >= 0; place -= 16) { /* divisor < 2^16: 32-bit divisions are enough */
    rest = rest << 16 | (uint16_t)(*value >> place);
    quotient |= (uint64_t)(rest / divisor) << place;
    rest %= divisor;
  }
  *value = quotient;
  return rest;
}

int edgecnn_real_reaches(edgecnn_real value, uint32_t thousandths) {
  const uint32_t whole = thousandths / 1000u;
  return !value.nan && !value.negative &&
         (value.whole > whole || (value.whole == whole && value.thousandths >= thousandths % 1000u));
}
