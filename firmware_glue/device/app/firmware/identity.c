/* SPDX-License-Identifier: Apache-2.0 */
/* Says in flash whose program this is: read back before anything is overwritten, so that nobody
 * else's program is lost. It stands right behind the vector table. */
#include <stdint.h>

#include "model_config.h"

#define TEXT_BYTES 48u

typedef struct {
  char magic[16];
  char board[TEXT_BYTES];
  char model_id[TEXT_BYTES];
  char firmware[TEXT_BYTES];
  uint8_t model_sha256[32];
} edgecnn_identity;

extern const edgecnn_identity edgecnn_program_identity;

__attribute__((section(".edgecnn.identity"), used)) const edgecnn_identity edgecnn_program_identity = {
    {'e', 'd', 'g', 'e', 'c', 'n', 'n', '-', 'f', 'i', 'r', 'm', 'w', 'a', 'r', 'e'},
    EDGECNN_BOARD_NAME,
    EDGECNN_MODEL_ID,
    EDGECNN_FIRMWARE_VERSION,
    {EDGECNN_MODEL_SHA256},
};
