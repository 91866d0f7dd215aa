/* SPDX-License-Identifier: Apache-2.0 */
/* What the depthwise kernels for Armv6-M share: rows of rings, outputs in the place of inputs. */
#ifndef EDGECNN_V6M_PLACES_H
#define EDGECNN_V6M_PLACES_H

#include "edgecnn_common.h"

/* NOLINTBEGIN(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

/* What constant parameters would not speed up: never repeated per layer. */
#define EC_V6M_ONCE static EC_NOINLINE EC_UNUSED

/* What a function in assembly reads through a pointer: an argument that no C uses could be taken
 * for unused, and what was stored there for dead. */
#if defined(__GNUC__)
#define EC_V6M_SHOW(pointer) __asm__ volatile("" : : "r"(pointer) : "memory")
#else
#define EC_V6M_SHOW(pointer) ((void)(pointer))
#endif

/* A signed byte of a word. */
EC_INLINE int32_t ec_v6m_byte(uint32_t word, int32_t byte) {
    return (int32_t)(int8_t)(word >> (8 * byte));
}

/* The next row of a ring. */
EC_INLINE int32_t ec_v6m_next(int32_t slot, int32_t rows) {
    return slot + 1 == rows ? 0 : slot + 1;
}

/* a mod b, of a core without division. */
EC_INLINE uint32_t ec_v6m_remainder(uint32_t a, uint32_t b) {
    uint32_t times = b;
    while (times <= a >> 1) {
        times <<= 1;
    }
    for (; times >= b; times >>= 1) {
        a = a >= times ? a - times : a;
    }
    return a;
}

/* Words of any memory. */
#if defined(__GNUC__)
typedef uint32_t __attribute__((may_alias)) ec_v6m_word;
#else
typedef uint32_t ec_v6m_word;
#endif

/* Moves bytes down; fast where both places are word-aligned. */
EC_INLINE void ec_v6m_move(int8_t *to, const int8_t *from, int32_t bytes) {
    int32_t done = 0;
    if ((((uintptr_t)to | (uintptr_t)from) & 3u) == 0) {
        ec_v6m_word *to_word = (ec_v6m_word *)(void *)to;
        const ec_v6m_word *from_word = (const ec_v6m_word *)(const void *)from;
        for (; bytes - done >= 4; done += 4) {
            *to_word++ = *from_word++;
        }
    }
    EC_ROLLED
    for (; done < bytes; ++done) {
        to[done] = from[done];
    }
}

/* A channel's output may take the place of the channel's own input as far as that is gone by then,
 * but not of another channel's. So an input that the output covers is first moved down where the
 * two are not a multiple of in_place bytes apart (0: not in one place). Returns where it is
 * then. */
EC_INLINE const int8_t *ec_v6m_in_place(
    const ec_window *g, int32_t in_place, int8_t *in, const int8_t *out) {
    const int32_t bytes = g->batches * g->in_h * g->in_w * g->in_c;
    const int32_t out_bytes = g->batches * g->out_h * g->out_w * g->out_c;
    const uintptr_t apart = (uintptr_t)in - (uintptr_t)out;
    if ((uintptr_t)in <= (uintptr_t)out || apart >= (uintptr_t)out_bytes) {
        return in;
    }
    const uint32_t lower = in_place == 0
                               ? (uint32_t)apart
                               : ec_v6m_remainder((uint32_t)apart, (uint32_t)in_place);
    if (lower != 0) {
        ec_v6m_move(in - lower, in, bytes);
    }
    return in - lower;
}

/* NOLINTEND(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

#endif
