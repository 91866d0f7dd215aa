/* SPDX-License-Identifier: Apache-2.0 */
/* SHA-256 by FIPS 180-4, section 6.2, with the message schedule in 16 words that are renewed as the
 * rounds go on (6.1.3 shows the idea for SHA-1): 192 bytes of stack less than a table of 64. */
#include "sha256.h"

static const uint32_t round_constants[64] = {
    0x428a2f98u, 0x71374491u, 0xb5c0fbcfu, 0xe9b5dba5u, 0x3956c25bu, 0x59f111f1u, 0x923f82a4u,
    0xab1c5ed5u, 0xd807aa98u, 0x12835b01u, 0x243185beu, 0x550c7dc3u, 0x72be5d74u, 0x80deb1feu,
    0x9bdc06a7u, 0xc19bf174u, 0xe49b69c1u, 0xefbe4786u, 0x0fc19dc6u, 0x240ca1ccu, 0x2de92c6fu,
    0x4a7484aau, 0x5cb0a9dcu, 0x76f988dau, 0x983e5152u, 0xa831c66du, 0xb00327c8u, 0xbf597fc7u,
    0xc6e00bf3u, 0xd5a79147u, 0x06ca6351u, 0x14292967u, 0x27b70a85u, 0x2e1b2138u, 0x4d2c6dfcu,
    0x53380d13u, 0x650a7354u, 0x766a0abbu, 0x81c2c92eu, 0x92722c85u, 0xa2bfe8a1u, 0xa81a664bu,
    0xc24b8b70u, 0xc76c51a3u, 0xd192e819u, 0xd6990624u, 0xf40e3585u, 0x106aa070u, 0x19a4c116u,
    0x1e376c08u, 0x2748774cu, 0x34b0bcb5u, 0x391c0cb3u, 0x4ed8aa4au, 0x5b9cca4fu, 0x682e6ff3u,
    0x748f82eeu, 0x78a5636fu, 0x84c87814u, 0x8cc70208u, 0x90befffau, 0xa4506cebu, 0xbef9a3f7u,
    0xc67178f2u,
};

static uint32_t rotate(uint32_t word, uint32_t places) {
  return word >> places | word << (32u - places);
}

static uint32_t big_endian(const uint8_t *data) {
  return (uint32_t)data[0] << 24 | (uint32_t)data[1] << 16 | (uint32_t)data[2] << 8 | data[3];
}

static uint32_t scheduled(uint32_t *words, uint32_t round) {
  uint32_t *word = &words[round & 15u];
  const uint32_t near = words[(round + 14u) & 15u], far = words[(round + 1u) & 15u];
  *word += words[(round + 9u) & 15u];
  *word += rotate(near, 17u) ^ rotate(near, 19u) ^ near >> 10;
  *word += rotate(far, 7u) ^ rotate(far, 18u) ^ far >> 3;
  return *word;
}

static void block(edgecnn_sha256 *sha) {
  uint32_t words[16], v[8], round, i;
  for (i = 0u; i < 8u; ++i) {
    v[i] = sha->hash[i];
  }
  for (round = 0u; round < 64u; ++round) {
    const uint32_t choice = (v[4] & v[5]) ^ (~v[4] & v[6]);
    const uint32_t majority = (v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]);
    uint32_t sum = v[7] + choice + round_constants[round];
    if (round < 16u) {
      words[round] = big_endian(sha->block + 4u * round);
      sum += words[round];
    } else {
      sum += scheduled(words, round);
    }
    sum += rotate(v[4], 6u) ^ rotate(v[4], 11u) ^ rotate(v[4], 25u);
    for (i = 7u; i > 0u; --i) {
      v[i] = v[i - 1u];
    }
    v[4] += sum;
    v[0] = sum + (rotate(v[1], 2u) ^ rotate(v[1], 13u) ^ rotate(v[1], 22u)) + majority;
  }
  for (i = 0u; i < 8u; ++i) {
    sha->hash[i] += v[i];
  }
}

void edgecnn_sha256_start(edgecnn_sha256 *sha) {
  static const uint32_t first[8] = {0x6a09e667u, 0xbb67ae85u, 0x3c6ef372u, 0xa54ff53au,
                                    0x510e527fu, 0x9b05688cu, 0x1f83d9abu, 0x5be0cd19u};
  uint32_t i;
  for (i = 0u; i < 8u; ++i) {
    sha->hash[i] = first[i];
  }
  sha->count = 0u;
}

void edgecnn_sha256_add(edgecnn_sha256 *sha, const uint8_t *data, uint32_t count) {
  while (count-- != 0u) {
    sha->block[sha->count++ & 63u] = *data++;
    if ((sha->count & 63u) == 0u) {
      block(sha);
    }
  }
}

void edgecnn_sha256_end(edgecnn_sha256 *sha) {
  const uint32_t bytes = sha->count;
  uint8_t end = 0x80u;
  uint32_t i;
  do {
    edgecnn_sha256_add(sha, &end, 1u);
    end = 0u;
  } while ((sha->count & 63u) != 56u);
  for (i = 0u; i < 8u; ++i) { /* the length in bits: 64 bits, of which bytes fill 35 */
    const uint32_t shift = 53u - 8u * i;
    sha->block[56u + i] = (uint8_t)(i < 3u ? 0u : i == 7u ? bytes << 3 : bytes >> shift);
  }
  block(sha);
}
