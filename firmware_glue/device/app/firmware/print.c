/* SPDX-License-Identifier: Apache-2.0 */
/* Text to the line, byte by byte: no buffer, no libc. */
#include "print.h"

#include "chip.h"

void edgecnn_print(const char *text) {
  while (*text != '\0') {
    edgecnn_line_put((uint8_t)*text++);
  }
}

void edgecnn_print_safely(const char *text, uint32_t count) {
  while (count-- != 0u) {
    const uint8_t byte = (uint8_t)*text++;
    const int safe = byte >= 0x20u && byte < 0x7Fu && byte != ']' && byte != '-';
    edgecnn_line_put(safe ? byte : (uint8_t)'?');
  }
}

void edgecnn_print_number(uint32_t number) { edgecnn_print_long(number); }

void edgecnn_print_long(uint64_t number) {
  uint8_t digits[20];
  uint32_t count = 0u;
  do {
    digits[count++] = (uint8_t)('0' + edgecnn_divide(&number, 10u));
  } while (number != 0u);
  while (count != 0u) {
    edgecnn_line_put(digits[--count]);
  }
}

void edgecnn_print_real(edgecnn_real real) {
  uint32_t thousandths = real.thousandths;
  if (real.nan) {
    edgecnn_print("nan");
    return;
  }
  if (real.negative) {
    edgecnn_line_put('-');
  }
  edgecnn_print_number(real.whole);
  edgecnn_line_put('.');
  edgecnn_print_number(thousandths / 100u);
  thousandths %= 100u;
  edgecnn_print_number(thousandths / 10u);
  edgecnn_print_number(thousandths % 10u);
}

void edgecnn_print_hex(uint8_t byte) {
  edgecnn_line_put((uint8_t)"0123456789abcdef"[byte >> 4]);
  edgecnn_line_put((uint8_t)"0123456789abcdef"[byte & 15u]);
}
