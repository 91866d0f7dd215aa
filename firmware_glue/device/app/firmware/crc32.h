/* SPDX-License-Identifier: Apache-2.0 */
/* The CRC-32 of zlib, PNG and Ethernet (polynomial 04C11DB7, reflected). */
#ifndef EDGECNN_CRC32_H
#define EDGECNN_CRC32_H

#include <stdint.h>

/* The CRC of what came before (0 at first) and count more bytes. */
uint32_t edgecnn_crc32(uint32_t crc, const uint8_t *data, uint32_t count);

#endif
