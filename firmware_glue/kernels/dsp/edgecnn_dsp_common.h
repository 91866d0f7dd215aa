/* SPDX-License-Identifier: Apache-2.0 */
/* Instructions of the DSP extension (Armv7E-M, Armv8-M with DSP), and the same in plain C for any
 * other core. Each function gives the same result in both forms. C99, also valid C++. No libc.
 *
 * A "pair" is a 32-bit word that holds two signed 16-bit values. Sums wrap around at 32 bits.
 */
#ifndef EDGECNN_DSP_COMMON_H
#define EDGECNN_DSP_COMMON_H

#include "edgecnn_common.h"

/* NOLINTBEGIN(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

#if defined(__ARM_FEATURE_DSP) && defined(__GNUC__)
#define EC_DSP 1
#else
#define EC_DSP 0
#endif

/* Assembly in which a macro's argument is a literal. */
#define EC_TEXT_OF(x) #x
#define EC_TEXT(x) EC_TEXT_OF(x)

/* One and two lines of assembly. */
#define EC_ASM(LINE) LINE "\n\t"
#define EC_ASM2(ONE, TWO) EC_ASM(ONE) EC_ASM(TWO)

/* A function written in assembly from its first to its last instruction. Aligned: ADR counts from a
 * multiple of four, and compilers that save space align functions by two. */
#define EC_NAKED static __attribute__((naked, aligned(4))) EC_NOINLINE EC_UNUSED

#if defined(__GNUC__)
typedef struct __attribute__((packed, may_alias)) {
    uint32_t value;
} ec_unaligned;
#endif

/* The four bytes at any address as a word, the first one lowest. */
EC_INLINE uint32_t ec_load4(const int8_t *from) {
#if EC_DSP
    return ((const ec_unaligned *)(const void *)from)->value;
#else
    return (uint32_t)(uint8_t)from[0] | (uint32_t)(uint8_t)from[1] << 8 |
           (uint32_t)(uint8_t)from[2] << 16 | (uint32_t)(uint8_t)from[3] << 24;
#endif
}

EC_INLINE void ec_store4(int8_t *to, uint32_t word) {
#if EC_DSP
    ((ec_unaligned *)(void *)to)->value = word;
#else
    for (int32_t i = 0; i < 4; ++i) {
        to[i] = (int8_t)(uint8_t)(word >> (8 * i));
    }
#endif
}

/* The pair (low, high) of two values that fit 16 bits. */
EC_INLINE uint32_t ec_pair(int32_t low, int32_t high) {
    return ((uint32_t)low & 0xFFFFu) | (uint32_t)high << 16;
}

EC_INLINE int32_t ec_pair_low(uint32_t pair) {
    return (int16_t)(uint16_t)pair;
}

EC_INLINE int32_t ec_pair_high(uint32_t pair) {
    return (int16_t)(uint16_t)(pair >> 16);
}

EC_INLINE uint32_t ec_ror(uint32_t word, int32_t right) {
    return word >> right | word << (32 - right);
}

/* Bytes 0 and 2 of a word as a pair. */
EC_INLINE uint32_t ec_sxtb16(uint32_t word) {
#if EC_DSP
    uint32_t pair;
    __asm__("sxtb16 %0, %1" : "=r"(pair) : "r"(word));
    return pair;
#else
    return ec_pair((int8_t)(uint8_t)word, (int8_t)(uint8_t)(word >> 16));
#endif
}

/* Bytes 1 and 3 of a word as a pair: one instruction too. */
EC_INLINE uint32_t ec_sxtb16_ror8(uint32_t word) {
#if EC_DSP
    uint32_t pair;
    __asm__("sxtb16 %0, %1, ror #8" : "=r"(pair) : "r"(word));
    return pair;
#else
    return ec_sxtb16(word >> 8);
#endif
}

/* sum + low*low + high*high. */
EC_INLINE int32_t ec_smlad(uint32_t x, uint32_t w, int32_t sum) {
#if EC_DSP
    int32_t result;
    __asm__("smlad %0, %1, %2, %3" : "=r"(result) : "r"(x), "r"(w), "r"(sum));
    return result;
#else
    const uint32_t low = (uint32_t)(ec_pair_low(x) * ec_pair_low(w));
    const uint32_t high = (uint32_t)(ec_pair_high(x) * ec_pair_high(w));
    return (int32_t)((uint32_t)sum + low + high);
#endif
}

/* The high word of a*b + c*2^32. */
EC_INLINE int32_t ec_smmla(int32_t a, int32_t b, int32_t c) {
#if EC_DSP
    int32_t result;
    __asm__("smmla %0, %1, %2, %3" : "=r"(result) : "r"(a), "r"(b), "r"(c));
    return result;
#else
    return ec_wrap_add((int32_t)(((int64_t)a * b) >> 32), c);
#endif
}

/* The same, rounded: the high word of a*b + c*2^32 + 2^31. */
EC_INLINE int32_t ec_smmlar(int32_t a, int32_t b, int32_t c) {
#if EC_DSP
    int32_t result;
    __asm__("smmlar %0, %1, %2, %3" : "=r"(result) : "r"(a), "r"(b), "r"(c));
    return result;
#else
    return ec_wrap_add((int32_t)(((int64_t)a * b + ((int64_t)1 << 31)) >> 32), c);
#endif
}

/* Within int8. */
EC_INLINE int32_t ec_ssat8(int32_t x) {
#if EC_DSP
    int32_t result;
    __asm__("ssat %0, #8, %1" : "=r"(result) : "r"(x));
    return result;
#else
    return ec_clamp(x, -128, 127);
#endif
}

/* Defines name(x): x >> SHIFT within int8, one instruction. SHIFT: a literal, 1 to 31. */
#if EC_DSP
#define EC_SSAT8_ASR(NAME, SHIFT)                                                           \
    EC_INLINE int32_t NAME(int32_t x) {                                                     \
        int32_t result;                                                                     \
        __asm__("ssat %0, #8, %1, asr #" EC_TEXT(SHIFT) : "=r"(result) : "r"(x));           \
        return result;                                                                      \
    }
#else
#define EC_SSAT8_ASR(NAME, SHIFT)                                                           \
    EC_INLINE int32_t NAME(int32_t x) {                                                     \
        return ec_clamp(x >> (SHIFT), -128, 127);                                           \
    }
#endif

/* The forms of compiler/fast/requant.py for kernels in C, with the shift as a variable. The
 * affine one takes a single SSAT where the shift is a literal: EC_SSAT8_ASR. */
EC_INLINE int32_t ec_dsp_affine(int32_t sum, int32_t multiplier, int32_t addend, int32_t shift) {
    return ec_ssat8(ec_smmla(sum, multiplier, addend) >> shift);
}

/* |sum| < 2^30. */
EC_INLINE int32_t ec_dsp_twice(int32_t sum, int32_t multiplier, int32_t addend, int32_t shift) {
    return ec_ssat8(ec_smmlar(2 * sum, multiplier, addend + (sum >> 31)) >> shift);
}

/* |sum| < 2^30. */
EC_INLINE int32_t ec_dsp_once(int32_t sum, int32_t multiplier, int32_t addend, int32_t shift) {
    return ec_ssat8(ec_smmla(2 * sum, multiplier, addend) >> shift);
}

/* Bytes within [low, high], four at a time. */
EC_INLINE uint32_t ec_clamp_bytes(uint32_t bytes, uint32_t low, uint32_t high) {
#if EC_DSP
    uint32_t flags;
    __asm__("ssub8 %1, %0, %2\n\tsel %0, %0, %2\n\tssub8 %1, %3, %0\n\tsel %0, %0, %3"
            : "+r"(bytes), "=&r"(flags)
            : "r"(low), "r"(high));
    return bytes;
#else
    uint32_t result = 0;
    for (int32_t i = 0; i < 32; i += 8) {
        const int32_t value = ec_pair_low(ec_sxtb16(bytes >> i));
        const int32_t least = ec_pair_low(ec_sxtb16(low)), most = ec_pair_low(ec_sxtb16(high));
        result |= ((uint32_t)ec_clamp(value, least, most) & 0xFFu) << i;
    }
    return result;
#endif
}

/* `count` bytes within [low, high]: for activations that leave less than int8's range. */
EC_INLINE void ec_dsp_clamp(int8_t *values, int32_t count, int32_t low, int32_t high) {
    const uint32_t lows = (uint32_t)(uint8_t)low * 0x01010101u;
    const uint32_t highs = (uint32_t)(uint8_t)high * 0x01010101u;
    int32_t i = 0;
    EC_ROLLED
    for (; i + 4 <= count; i += 4) {
        ec_store4(values + i, ec_clamp_bytes(ec_load4(values + i), lows, highs));
    }
    EC_ROLLED
    for (; i < count; ++i) {
        values[i] = (int8_t)ec_clamp(values[i], low, high);
    }
}

/* NOLINTEND(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

#endif
