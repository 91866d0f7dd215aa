/* SPDX-License-Identifier: Apache-2.0 */
/* Counts how often each block of code is entered, built for the host: unicorn's block hook, and with
 * EDGECNN_QEMU_API (the version of QEMU's plug-in interface) a plug-in for QEMU.
 * A table with open addressing, filled up to three quarters; see block_counter.py. */
#include <stddef.h>
#include <stdint.h>

typedef struct {
  uint64_t key; /* address << 32 | size; 0: free (blocks are never empty) */
  uint64_t entered;
} edgecnn_slot;

typedef struct {
  edgecnn_slot *slots; /* mask + 1 of them, and one more for what found no place */
  uint32_t mask;       /* number of slots - 1; a power of two */
  uint32_t used;
} edgecnn_table;

#if defined(_WIN32)
#define EXPORT __declspec(dllexport)
#else
#define EXPORT __attribute__((visibility("default")))
#endif

static edgecnn_slot *edgecnn_find(edgecnn_table *table, uint64_t address, uint64_t size) {
  const uint64_t key = address << 32 | size;
  uint32_t at = (uint32_t)((key * 0x9E3779B97F4A7C15u) >> 40) & table->mask;
  while (table->slots[at].key != key) {
    if (table->slots[at].key == 0u) {
      if (table->used > table->mask - table->mask / 4u) {
        return &table->slots[table->mask + 1u];
      }
      table->slots[at].key = key;
      ++table->used;
      break;
    }
    at = (at + 1u) & table->mask;
  }
  return &table->slots[at];
}

#if !defined(EDGECNN_QEMU_API)

EXPORT void edgecnn_block_hook(void *uc, uint64_t address, uint32_t size, void *user);

EXPORT void edgecnn_block_hook(void *uc, uint64_t address, uint32_t size, void *user) {
  (void)uc;
  ++edgecnn_find(user, address, size)->entered;
}

#else

/* QEMU's side of the interface, and two functions of the C library that QEMU is linked with. */
typedef void (*on_translation)(uint64_t id, void *block);
typedef void (*on_execution)(unsigned int cpu, void *user);
void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t id, on_translation call);
void qemu_plugin_register_vcpu_tb_exec_cb(void *block, on_execution call, int flags, void *user);
size_t qemu_plugin_tb_n_insns(const void *block);
void *qemu_plugin_tb_get_insn(const void *block, size_t index);
uint64_t qemu_plugin_insn_vaddr(const void *instruction);
size_t qemu_plugin_insn_size(const void *instruction);
int open(const char *path, int flags, ...);
void *mmap(void *address, size_t size, int protection, int flags, int file, long offset);

EXPORT int qemu_plugin_version = EDGECNN_QEMU_API;
EXPORT int qemu_plugin_install(uint64_t id, const void *info, int argc, char **argv);

static edgecnn_table blocks;

static void executed(unsigned int cpu, void *user) {
  (void)cpu;
  ++((edgecnn_slot *)user)->entered;
}

static void translated(uint64_t id, void *block) {
  const size_t count = qemu_plugin_tb_n_insns(block);
  const uint64_t address = qemu_plugin_insn_vaddr(qemu_plugin_tb_get_insn(block, 0u));
  uint64_t size = 0u;
  (void)id;
  for (size_t i = 0u; i < count; ++i) {
    size += qemu_plugin_insn_size(qemu_plugin_tb_get_insn(block, i));
  }
  qemu_plugin_register_vcpu_tb_exec_cb(block, executed, 0, edgecnn_find(&blocks, address, size));
}

/* The one argument is table=PATH: a file of EDGECNN_SLOTS + 1 slots, which the host maps too. */
EXPORT int qemu_plugin_install(uint64_t id, const void *info, int argc, char **argv) {
  const int read_write = 2, protection = 3, shared = 1;
  int file;
  (void)info;
  if (argc != 1) {
    return -1;
  }
  file = open(argv[0] + sizeof("table=") - 1u, read_write);
  if (file < 0) {
    return -1;
  }
  blocks.slots = mmap(NULL, (EDGECNN_SLOTS + 1u) * sizeof(edgecnn_slot), protection, shared, file, 0);
  if (blocks.slots == (void *)-1) {
    return -1;
  }
  blocks.mask = EDGECNN_SLOTS - 1u;
  qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
  return 0;
}

#endif
