/* SPDX-License-Identifier: Apache-2.0 */
/* The four functions that a freestanding C compiler may call: there is no libc. */
#include <stddef.h>
#include <stdint.h>

/* NOLINTBEGIN(bugprone-easily-swappable-parameters): the C standard's functions. */

void *memcpy(void *restrict to, const void *restrict from, size_t size);
void *memmove(void *to, const void *from, size_t size);
void *memset(void *to, int value, size_t size);
int memcmp(const void *a, const void *b, size_t size);

typedef uint32_t __attribute__((may_alias)) word;

#define WORD_MASK ((uintptr_t)(sizeof(word) - 1u))

/* GCC would turn the loops below into calls of the functions that they are the body of. */
#if defined(__GNUC__) && !defined(__clang__)
#define PLAIN __attribute__((optimize("no-tree-loop-distribute-patterns")))
#else
#define PLAIN
#endif

/* Upwards: also right for regions that overlap with the target below the source. */
PLAIN static inline void copy_up(uint8_t *d, const uint8_t *s, size_t size) {
  if ((((uintptr_t)d ^ (uintptr_t)s) & WORD_MASK) == 0u) {
    for (; size != 0u && ((uintptr_t)d & WORD_MASK) != 0u; --size) {
      *d++ = *s++;
    }
    for (; size >= 16u; size -= 16u, d += 16, s += 16) {
      const word a = ((const word *)(const void *)s)[0], b = ((const word *)(const void *)s)[1];
      const word c = ((const word *)(const void *)s)[2], e = ((const word *)(const void *)s)[3];
      ((word *)(void *)d)[0] = a;
      ((word *)(void *)d)[1] = b;
      ((word *)(void *)d)[2] = c;
      ((word *)(void *)d)[3] = e;
    }
    for (; size >= 4u; size -= 4u, d += 4, s += 4) {
      *(word *)(void *)d = *(const word *)(const void *)s;
    }
  }
  for (; size != 0u; --size) {
    *d++ = *s++;
  }
}

PLAIN void *memcpy(void *restrict to, const void *restrict from, size_t size) {
  copy_up(to, from, size);
  return to;
}

PLAIN void *memmove(void *to, const void *from, size_t size) {
  uint8_t *d = to;
  const uint8_t *s = from;
  if ((uintptr_t)d - (uintptr_t)s >= size) {
    copy_up(d, s, size);
    return to;
  }
  while (size != 0u) {
    --size;
    d[size] = s[size];
  }
  return to;
}

PLAIN void *memset(void *to, int value, size_t size) {
  uint8_t *d = to;
  const uint8_t byte = (uint8_t)value;
  const word four = byte * 0x01010101u;
  for (; size != 0u && ((uintptr_t)d & WORD_MASK) != 0u; --size) {
    *d++ = byte;
  }
  for (; size >= 16u; size -= 16u, d += 16) {
    ((word *)(void *)d)[0] = four;
    ((word *)(void *)d)[1] = four;
    ((word *)(void *)d)[2] = four;
    ((word *)(void *)d)[3] = four;
  }
  for (; size != 0u; --size) {
    *d++ = byte;
  }
  return to;
}

PLAIN int memcmp(const void *a, const void *b, size_t size) {
  const uint8_t *x = a;
  const uint8_t *y = b;
  for (; size != 0u; --size, ++x, ++y) {
    if (*x != *y) {
      return (int)*x - (int)*y;
    }
  }
  return 0;
}

/* NOLINTEND(bugprone-easily-swappable-parameters) */
