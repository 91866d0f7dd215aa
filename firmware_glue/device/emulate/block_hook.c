/* Counts how often each block of code is entered: unicorn's block hook, built for the host.
 * A table with open addressing, filled up to three quarters; see block_counter.py. */
#include <stdint.h>

typedef struct {
  uint64_t key; /* address << 32 | size; 0: free (blocks are never empty) */
  uint64_t entered;
} edgecnn_slot;

typedef struct {
  edgecnn_slot *slots;
  uint32_t mask; /* number of slots − 1; a power of two */
  uint32_t used;
  uint64_t lost; /* entries that found no slot */
} edgecnn_table;

#if defined(_WIN32)
#define EXPORT __declspec(dllexport)
#else
#define EXPORT __attribute__((visibility("default")))
#endif

EXPORT void edgecnn_block_hook(void *uc, uint64_t address, uint32_t size, void *user);

EXPORT void edgecnn_block_hook(void *uc, uint64_t address, uint32_t size, void *user) {
  edgecnn_table *table = user;
  const uint64_t key = address << 32 | size;
  uint32_t at = (uint32_t)((key * 0x9E3779B97F4A7C15u) >> 40) & table->mask;
  (void)uc;
  while (table->slots[at].key != key) {
    if (table->slots[at].key == 0u) {
      if (table->used > table->mask - table->mask / 4u) {
        ++table->lost;
        return;
      }
      table->slots[at].key = key;
      ++table->used;
      break;
    }
    at = (at + 1u) & table->mask;
  }
  ++table->slots[at].entered;
}
