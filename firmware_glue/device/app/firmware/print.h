/* SPDX-License-Identifier: Apache-2.0 */
/* Text to the line. */
#ifndef EDGECNN_PRINT_H
#define EDGECNN_PRINT_H

#include <stdint.h>

#include "number.h"

void edgecnn_print(const char *text);
/* For what was received: bytes outside printable ASCII, ']' and '-' as '?', so that no reply is ended
 * by it, and m-ready is not in it. */
void edgecnn_print_safely(const char *text, uint32_t count);
void edgecnn_print_number(uint32_t number);
void edgecnn_print_long(uint64_t number);
void edgecnn_print_real(edgecnn_real real);
void edgecnn_print_hex(uint8_t byte);

#endif
