/* SPDX-License-Identifier: Apache-2.0 */
/* SHA-256 (FIPS 180-4), fed piece by piece. */
#ifndef EDGECNN_SHA256_H
#define EDGECNN_SHA256_H

#include <stdint.h>

#define EDGECNN_SHA256_BYTES 32u

typedef struct {
  uint32_t hash[8];
  uint32_t count; /* bytes so far, modulo 2^32: flash is smaller */
  uint8_t block[64];
} edgecnn_sha256;

void edgecnn_sha256_start(edgecnn_sha256 *sha);
void edgecnn_sha256_add(edgecnn_sha256 *sha, const uint8_t *data, uint32_t count);
/* Nothing may be added afterwards. The digest is sha->hash, big-endian. */
void edgecnn_sha256_end(edgecnn_sha256 *sha);

#endif
