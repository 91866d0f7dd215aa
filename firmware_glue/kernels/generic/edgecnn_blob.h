/* SPDX-License-Identifier: Apache-2.0 */
/* Checks a blob of constant data before a model trusts it. */
#ifndef EDGECNN_BLOB_H
#define EDGECNN_BLOB_H

#include "edgecnn_common.h"

/* NOLINTBEGIN(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

/* Magic number, version, bytes that follow, their CRC-32: little-endian words. */
#define EC_BLOB_HEADER_BYTES 16

EC_INLINE uint32_t ec_blob_word(const uint8_t *at) {
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

/* CRC-32 as zlib computes it (ISO 3309, reflected polynomial 0xEDB88320), four bits at a time. */
EC_INLINE uint32_t ec_crc32(const uint8_t *data, uint32_t size) {
    static const uint32_t table[16] = {
        0x00000000u, 0x1DB71064u, 0x3B6E20C8u, 0x26D930ACu, 0x76DC4190u, 0x6B6B51F4u,
        0x4DB26158u, 0x5005713Cu, 0xEDB88320u, 0xF00F9344u, 0xD6D6A3E8u, 0xCB61B38Cu,
        0x9B64C2B0u, 0x86D3D2D4u, 0xA00AE278u, 0xBDBDF21Cu,
    };
    uint32_t crc = 0xFFFFFFFFu;
    for (uint32_t i = 0; i < size; ++i) {
        crc ^= data[i];
        crc = crc >> 4 ^ table[crc & 15u];
        crc = crc >> 4 ^ table[crc & 15u];
    }
    return ~crc;
}

/* Whether the blob is the one that the model was compiled with: 1 or 0. */
EC_INLINE int ec_blob_is(
    const uint8_t *blob, uint32_t bytes, uint32_t wanted_bytes, uint32_t wanted_crc) {
    if (bytes < wanted_bytes || wanted_bytes < EC_BLOB_HEADER_BYTES) {
        return 0;
    }
    if (ec_blob_word(blob) != 0x574E4345u || ec_blob_word(blob + 4) != 1u ||
        ec_blob_word(blob + 8) != wanted_bytes - EC_BLOB_HEADER_BYTES ||
        ec_blob_word(blob + 12) != wanted_crc) {
        return 0;
    }
    return ec_crc32(blob + EC_BLOB_HEADER_BYTES, wanted_bytes - EC_BLOB_HEADER_BYTES) == wanted_crc;
}

/* NOLINTEND(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

#endif
