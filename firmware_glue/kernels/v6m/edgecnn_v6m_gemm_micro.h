/* SPDX-License-Identifier: Apache-2.0 */
/* The inner loops of edgecnn_v6m_gemm.h: assembly for Thumb-1, and C that gives the same words.
 *
 * Two products in one multiplication: a word of inputs x0 + 2^16 * x1 times a word of weights
 * w1 + 2^16 * w0, each of them from -128 to 127, has x0 * w0 + x1 * w1 in its upper half: modulo
 * 2^16, and the sum has to fit 16 bits with its sign (the compiler sees to it). The lower half holds
 * x0 * w1, which is less than 2^15 in size, so that rounding to nearest removes it: ASRS leaves the
 * bit below in the carry, and ADCS adds it.
 *
 * Of four consecutive bytes the words hold (0, 2) and (1, 3), which is what masks leave of a word. */
#ifndef EDGECNN_V6M_GEMM_MICRO_H
#define EDGECNN_V6M_GEMM_MICRO_H

#include "edgecnn_v6m_common.h"

/* NOLINTBEGIN(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

#if defined(__GNUC__) && defined(__thumb__) && \
    (defined(__ARM_ARCH_6M__) || defined(__ARM_ARCH_7M__))
#define EC_V6M_ASM 1
#else
#define EC_V6M_ASM 0
#endif

/* Two output channels of some pixels.
 * x, x_end, x_step: the pixels' patches, one behind the other, x_step bytes each: two words for
 * four inputs.
 * w: the sums' starts, then for four inputs two words of the first and two of the second channel,
 * then the channels' numbers: ec_v6m_scale, without kink and drop if the kernel has no kink.
 * out: the first pixel's two outputs, or words for its two sums; out_step bytes later: the next
 * one's.
 * skip: bytes of the unrolled loop's code that do not belong to the first turn. */
typedef struct {
    const uint32_t *x, *x_end;
    uint32_t x_step;
    const uint32_t *w;
    int8_t *out;
    uint32_t out_step, skip;
    int32_t act_min, act_max;
} ec_v6m_job;

typedef void (*ec_v6m_pair)(const ec_v6m_job *job);

/* Code of the inner loop for four inputs, in bytes, and how often it is repeated. */
#define EC_V6M_TURN 30
#define EC_V6M_TURNS 8

/* `quads` quads of inputs: the job's skip. */
EC_INLINE uint32_t ec_v6m_skip(uint32_t quads) {
    const uint32_t rest = quads % EC_V6M_TURNS;
    return rest == 0u ? 0u : (EC_V6M_TURNS - rest) * EC_V6M_TURN;
}

#if EC_V6M_ASM

/* clang-format off */
#define EC_V6M_FOUR                                                    \
    "ldmia r0!, {r2, r3}\n\t" "ldmia r1!, {r4, r5}\n\t"                \
    "muls r4, r2, r4\n\t" "asrs r4, r4, #16\n\t" "adcs r6, r4\n\t"     \
    "muls r5, r3, r5\n\t" "asrs r5, r5, #16\n\t" "adcs r6, r5\n\t"     \
    "ldmia r1!, {r4, r5}\n\t"                                          \
    "muls r4, r2, r4\n\t" "asrs r4, r4, #16\n\t" "adcs r7, r4\n\t"     \
    "muls r5, r3, r5\n\t" "asrs r5, r5, #16\n\t" "adcs r7, r5\n\t"

/* The output of accumulator A to out + AT. Clamped ones go by way of label FAR and come back to
 * NEAR. */
#define EC_V6M_OUT(A, AT, FAR, NEAR, KINK)                             \
    "ldmia r1!, {r0, r2, r3, r4, r5}\n\t"                              \
    "cmp " A ", r2\n\t" "bhi " FAR "f\n\t"                             \
    "muls r3, " A ", r3\n\t" "muls r4, " A ", r4\n\t"                  \
    "lsrs r4, r0\n\t" "adds r3, r3, r4\n\t" "adds r3, r3, r5\n\t"      \
    KINK(A)                                                            \
    "lsrs r3, r3, #24\n\t"                                             \
    NEAR ": mov r0, r11\n\t" "strb r3, [r0, #" AT "]\n\t"

#define EC_V6M_FAR(A, FAR, NEAR, SKIP)                                 \
    FAR ": " SKIP "ldr r3, [sp, #4]\n\t" "cmp " A ", #0\n\t"           \
    "blt " NEAR "b\n\t" "ldr r3, [sp, #8]\n\t" "b " NEAR "b\n\t"

#define EC_V6M_NO_KINK(A)
#define EC_V6M_KINK(A)                                                 \
    "ldmia r1!, {r4, r5}\n\t" "cmp " A ", r4\n\t" "bhs 3f\n\t"         \
    "subs r3, r3, r5\n\t" "3:\n\t"

/* Both outputs, or the sums themselves. */
#define EC_V6M_OUTPUTS(KINK)                                           \
    EC_V6M_OUT("r6", "0", "4", "5", KINK) EC_V6M_OUT("r7", "1", "6", "7", KINK)
#define EC_V6M_FAR_ONES(SKIP)                                          \
    EC_V6M_FAR("r6", "4", "5", SKIP) EC_V6M_FAR("r7", "6", "7", SKIP)
#define EC_V6M_SUMS "mov r0, r11\n\t" "stmia r0!, {r6, r7}\n\t"

/* r0 inputs, r1 weights, r6 and r7 sums, r8 end of the pixel's inputs, r9 the job's w, r10 x_step,
 * r11 out, r12 out_step, lr where the loop is entered; on the stack x_end, act_min, act_max. */
#define EC_V6M_PAIR(NAME, FINISH, FAR_ONES)                            \
    static EC_UNUSED EC_NOINLINE __attribute__((naked, aligned(4))) void NAME( \
        EC_UNUSED const ec_v6m_job *job) {                             \
        __asm__ volatile(                                              \
            ".syntax unified\n\t"                                      \
            "push {r4-r7, lr}\n\t"                                     \
            "mov r4, r8\n\t" "mov r5, r9\n\t"                          \
            "mov r6, r10\n\t" "mov r7, r11\n\t" "push {r4-r7}\n\t"     \
            "ldr r1, [r0, #4]\n\t" "ldr r2, [r0, #28]\n\t"             \
            "ldr r3, [r0, #32]\n\t" "push {r1-r3}\n\t"                 \
            "ldr r1, [r0, #8]\n\t" "mov r10, r1\n\t"                   \
            "ldr r2, [r0, #12]\n\t" "mov r9, r2\n\t"                   \
            "ldr r3, [r0, #16]\n\t" "mov r11, r3\n\t"                  \
            "ldr r4, [r0, #20]\n\t" "mov r12, r4\n\t"                  \
            "ldr r5, [r0, #24]\n\t" "adr r6, 2f\n\t"                   \
            "adds r6, r6, r5\n\t" "mov lr, r6\n\t"                     \
            "ldr r0, [r0]\n\t" "adds r1, r0, r1\n\t" "mov r8, r1\n\t"  \
            "mov r1, r9\n\t" "ldmia r1!, {r6, r7}\n\t" "mov pc, lr\n\t" \
            ".balign 4\n\t"                                            \
            "2:\n\t"                                                   \
            EC_V6M_FOUR EC_V6M_FOUR EC_V6M_FOUR EC_V6M_FOUR            \
            EC_V6M_FOUR EC_V6M_FOUR EC_V6M_FOUR EC_V6M_FOUR            \
            "cmp r0, r8\n\t" "bne 2b\n\t"                              \
            FINISH                                                     \
            "add r11, r12\n\t" "mov r0, r8\n\t" "add r8, r10\n\t"      \
            "ldr r2, [sp]\n\t" "cmp r0, r2\n\t" "beq 8f\n\t"           \
            "mov r1, r9\n\t" "ldmia r1!, {r6, r7}\n\t" "mov pc, lr\n\t" \
            "8: add sp, #12\n\t" "pop {r4-r7}\n\t"                     \
            "mov r8, r4\n\t" "mov r9, r5\n\t"                          \
            "mov r10, r6\n\t" "mov r11, r7\n\t" "pop {r4-r7, pc}\n\t"  \
            FAR_ONES);                                                 \
    }

EC_V6M_PAIR(ec_v6m_pair_straight, EC_V6M_OUTPUTS(EC_V6M_NO_KINK), EC_V6M_FAR_ONES(""))
EC_V6M_PAIR(
    ec_v6m_pair_kinked, EC_V6M_OUTPUTS(EC_V6M_KINK), EC_V6M_FAR_ONES("adds r1, #8\n\t"))
EC_V6M_PAIR(ec_v6m_pair_sums, EC_V6M_SUMS, "")

#define EC_V6M_MASKS                                                   \
    "movs r2, #255\n\t" "lsls r3, r2, #16\n\t" "orrs r2, r3\n\t"       \
    "movs r3, #128\n\t" "lsls r4, r3, #16\n\t" "orrs r3, r4\n\t"

/* [to, end): two words for each word of bytes + 128. An even number of words. */
static EC_UNUSED EC_NOINLINE __attribute__((naked, aligned(4))) void ec_v6m_widen_weights(
    EC_UNUSED uint32_t *to, EC_UNUSED const uint32_t *from, EC_UNUSED const uint32_t *end) {
    __asm__ volatile(
        ".syntax unified\n\t"
        "push {r4-r7, lr}\n\t" "mov r12, r2\n\t"
        EC_V6M_MASKS
        "1: ldmia r1!, {r4, r6}\n\t"
        "lsrs r5, r4, #8\n\t" "lsrs r7, r6, #8\n\t"
        "ands r4, r2\n\t" "ands r5, r2\n\t" "ands r6, r2\n\t" "ands r7, r2\n\t"
        "subs r4, r4, r3\n\t" "subs r5, r5, r3\n\t"
        "subs r6, r6, r3\n\t" "subs r7, r7, r3\n\t"
        "stmia r0!, {r4-r7}\n\t"
        "cmp r0, r12\n\t" "bne 1b\n\t"
        "pop {r4-r7, pc}\n\t");
}

/* [to, end): two words for each word of int8. */
static EC_UNUSED EC_NOINLINE __attribute__((naked, aligned(4))) void ec_v6m_widen_words(
    EC_UNUSED uint32_t *to, EC_UNUSED const int8_t *from, EC_UNUSED const uint32_t *end) {
    __asm__ volatile(
        ".syntax unified\n\t"
        "push {r4-r7, lr}\n\t" "mov r12, r2\n\t" "subs r5, r2, r0\n\t"
        EC_V6M_MASKS
        "lsls r5, r5, #28\n\t" "beq 2f\n\t"
        "ldmia r1!, {r4}\n\t" "lsrs r5, r4, #8\n\t"
        "ands r4, r2\n\t" "ands r5, r2\n\t" "eors r4, r3\n\t" "eors r5, r3\n\t"
        "subs r4, r4, r3\n\t" "subs r5, r5, r3\n\t" "stmia r0!, {r4, r5}\n\t"
        "2: cmp r0, r12\n\t" "beq 3f\n\t"
        "1: ldmia r1!, {r4, r6}\n\t"
        "lsrs r5, r4, #8\n\t" "lsrs r7, r6, #8\n\t"
        "ands r4, r2\n\t" "ands r5, r2\n\t" "ands r6, r2\n\t" "ands r7, r2\n\t"
        "eors r4, r3\n\t" "eors r5, r3\n\t" "eors r6, r3\n\t" "eors r7, r3\n\t"
        "subs r4, r4, r3\n\t" "subs r5, r5, r3\n\t"
        "subs r6, r6, r3\n\t" "subs r7, r7, r3\n\t"
        "stmia r0!, {r4-r7}\n\t"
        "cmp r0, r12\n\t" "bne 1b\n\t"
        "3: pop {r4-r7, pc}\n\t");
}

/* The same from any address. */
static EC_UNUSED EC_NOINLINE __attribute__((naked, aligned(4))) void ec_v6m_widen_bytes(
    EC_UNUSED uint32_t *to, EC_UNUSED const int8_t *from, EC_UNUSED const uint32_t *end) {
    __asm__ volatile(
        ".syntax unified\n\t"
        "push {r4-r7, lr}\n\t" "mov r12, r2\n\t"
        "movs r3, #128\n\t" "lsls r4, r3, #16\n\t" "orrs r3, r4\n\t"
        "cmp r0, r12\n\t" "beq 3f\n\t"
        "1: ldrb r4, [r1, #0]\n\t" "ldrb r5, [r1, #1]\n\t"
        "ldrb r6, [r1, #2]\n\t" "ldrb r7, [r1, #3]\n\t"
        "lsls r6, r6, #16\n\t" "lsls r7, r7, #16\n\t"
        "orrs r4, r6\n\t" "orrs r5, r7\n\t"
        "eors r4, r3\n\t" "eors r5, r3\n\t"
        "subs r4, r4, r3\n\t" "subs r5, r5, r3\n\t"
        "stmia r0!, {r4, r5}\n\t" "adds r1, #4\n\t"
        "cmp r0, r12\n\t" "bne 1b\n\t"
        "3: pop {r4-r7, pc}\n\t");
}
/* clang-format on */

#else

EC_INLINE uint32_t ec_v6m_lanes(int32_t low, int32_t high) {
    return (uint32_t)low + ((uint32_t)high << 16);
}

EC_SHARED void ec_v6m_widen_weights(uint32_t *to, const uint32_t *from, const uint32_t *end) {
    for (; to != end; to += 2) {
        const uint32_t bytes = *from++;
        to[0] = (bytes & 0x00FF00FFu) - 0x00800080u;
        to[1] = ((bytes >> 8) & 0x00FF00FFu) - 0x00800080u;
    }
}

EC_SHARED void ec_v6m_widen_bytes(uint32_t *to, const int8_t *from, const uint32_t *end) {
    for (; to != end; to += 2) {
        to[0] = ec_v6m_lanes(from[0], from[2]);
        to[1] = ec_v6m_lanes(from[1], from[3]);
        from += 4;
    }
}

EC_INLINE void ec_v6m_widen_words(uint32_t *to, const int8_t *from, const uint32_t *end) {
    ec_v6m_widen_bytes(to, from, end);
}

/* Two products, rounded out of their upper half. */
EC_INLINE uint32_t ec_v6m_two(uint32_t sum, uint32_t x, uint32_t w) {
    return sum + (uint32_t)((int32_t)(x * w + 0x8000u) >> 16);
}

/* The outputs of one pixel from its sums; q: the channels' numbers. */
EC_INLINE void ec_v6m_pair_outputs(
    const ec_v6m_job *job, const uint32_t sums[2], const uint32_t *q, int32_t finish,
    int8_t *out) {
    const int32_t kinked = finish == EC_V6M_KINKED;
    if (finish >= EC_V6M_EXACT) {
        uint32_t *to = (uint32_t *)(void *)out;
        to[0] = sums[0];
        to[1] = sums[1];
        return;
    }
    for (int32_t c = 0; c < 2; ++c) {
        const ec_v6m_scale scale = {
            q[0], q[1], q[2], q[3], q[4], kinked ? q[5] : 0u, kinked ? q[6] : 0u};
        out[c] = ec_v6m_output(sums[c], &scale, kinked, job->act_min, job->act_max);
        q += kinked ? 7 : 5;
    }
}

/* Two pixels at a time: what is loaded is used twice. The last of an odd number goes twice. */
EC_INLINE void ec_v6m_pair_in_c(const ec_v6m_job *job, int32_t finish) {
    const uint32_t words = job->x_step / 4u;
    int8_t *out = job->out;
    for (const uint32_t *x = job->x; x != job->x_end;) {
        const uint32_t two = x + words != job->x_end;
        const uint32_t *a = x, *b = two ? x + words : x, *end = x + words, *w = job->w + 2;
        uint32_t s0[2], s1[2];
        s0[0] = s1[0] = job->w[0];
        s0[1] = s1[1] = job->w[1];
        EC_ROLLED
        for (; a != end; a += 2) {
            s0[0] = ec_v6m_two(ec_v6m_two(s0[0], a[0], w[0]), a[1], w[1]);
            s1[0] = ec_v6m_two(ec_v6m_two(s1[0], b[0], w[0]), b[1], w[1]);
            s0[1] = ec_v6m_two(ec_v6m_two(s0[1], a[0], w[2]), a[1], w[3]);
            s1[1] = ec_v6m_two(ec_v6m_two(s1[1], b[0], w[2]), b[1], w[3]);
            b += 2;
            w += 4;
        }
        ec_v6m_pair_outputs(job, s0, w, finish, out);
        if (two) {
            ec_v6m_pair_outputs(job, s1, w, finish, out + job->out_step);
        }
        x += two ? 2u * words : words;
        out += 2u * job->out_step;
    }
}

EC_SHARED void ec_v6m_pair_straight(const ec_v6m_job *job) {
    ec_v6m_pair_in_c(job, EC_V6M_STRAIGHT);
}

EC_SHARED void ec_v6m_pair_kinked(const ec_v6m_job *job) {
    ec_v6m_pair_in_c(job, EC_V6M_KINKED);
}

EC_SHARED void ec_v6m_pair_sums(const ec_v6m_job *job) {
    ec_v6m_pair_in_c(job, EC_V6M_EXACT);
}

#endif

/* NOLINTEND(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

#endif
