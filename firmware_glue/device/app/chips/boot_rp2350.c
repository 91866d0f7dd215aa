/* SPDX-License-Identifier: Apache-2.0 */
/* What the boot ROM of RP2350 starts (RP2350 datasheet, section 5.9): a block in the first 4 KiB of
 * flash that says what this is (IMAGE_DEF), a loop of one block. The smallest one that section 5.9.5.1
 * lists has no vector table: the ROM then takes the image's first words for it, which are this very
 * block. So an item names the table (section 5.9.3.3); it follows at the next multiple of 256, which
 * the core's 50 vectors need. */
#include <stdint.h>

#define BLOCK_BEGIN 0xFFFFDED3u
#define BLOCK_END 0xAB123579u
/* Section 5.9.3.1: type 0x42, one word, flags: executable (1), secure (2 << 4), Arm (0 << 8), RP2350
 * (1 << 12). */
#define IMAGE_TYPE (0x42u | (1u << 8u) | (0x1021u << 16u))
/* Section 5.9.3.3: type 0x03, two words. */
#define VECTOR_TABLE (0x03u | (2u << 8u))
/* Section 5.9.1: type 0xFF, and how many words the items before it have. */
#define LAST (0xFFu | (3u << 8u))

/* Where image.ld puts the table. */
extern const uint32_t edgecnn_vectors_begin[];

typedef union {
  uint32_t word;
  const uint32_t *address;
} boot_word;

__attribute__((section(".edgecnn.boot"), used)) static const boot_word boot_block[7] = {
    {.word = BLOCK_BEGIN}, {.word = IMAGE_TYPE}, {.word = VECTOR_TABLE}, {.address = edgecnn_vectors_begin},
    {.word = LAST},        {.word = 0u}, /* the next block is this one */
    {.word = BLOCK_END},
};
