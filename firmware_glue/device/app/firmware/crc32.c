/* SPDX-License-Identifier: Apache-2.0 */
/* Four bits at a time: a table of 64 bytes instead of 1024. */
#include "crc32.h"

/* What four bits shifted out leave behind, for the polynomial EDB88320. */
static const uint32_t left_behind[16] = {
    0x00000000u, 0x1DB71064u, 0x3B6E20C8u, 0x26D930ACu, 0x76DC4190u, 0x6B6B51F4u,
    0x4DB26158u, 0x5005713Cu, 0xEDB88320u, 0xF00F9344u, 0xD6D6A3E8u, 0xCB61B38Cu,
    0x9B64C2B0u, 0x86D3D2D4u, 0xA00AE278u, 0xBDBDF21Cu,
};

uint32_t edgecnn_crc32(uint32_t crc, const uint8_t *data, uint32_t count) {
  crc = ~crc;
  while (count-- != 0u) {
    crc ^= *data++;
    crc = crc >> 4 ^ left_behind[crc & 15u];
    crc = crc >> 4 ^ left_behind[crc & 15u];
  }
  return ~crc;
}
