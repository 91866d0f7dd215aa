/* SPDX-License-Identifier: Apache-2.0 */
/* The work of edgecnn_v6m_depthwise.h on one channel, in assembly for Armv6-M and as its C twin.
 *
 * EC_V6M_DEPTHWISE3(NAME, STRIDE, ODD, KINK) defines NAME(frame, act_min, act_max): all rows of a
 * channel for stride 1 or 2. ODD: 1 if a row has an odd number of outputs, KINK: 1 if some channel
 * has a kink (compiler/fast/v6m/top_byte.py). Literals, but for NAME.
 *
 * A ring holds, per column of the padded input, the three rows of a window: x0, x1, x2. A step
 * moves the newest rows in from the right (x1, x2, new for stride 1) and then goes along the
 * columns, two outputs at a time: nine words each, in a row.
 *
 * r0: ring, r1: block of the channel or an address, r2 to r7: three inputs and three filters, then
 * the factors of the requantization; r8, r9: the sums, r10: the block, r11: output, r12: from one
 * output to the next, lr: end of the ring. Stack: frame, act_min, act_max, kink. */
#ifndef EDGECNN_V6M_DEPTHWISE_ASM_H
#define EDGECNN_V6M_DEPTHWISE_ASM_H

#include "edgecnn_common.h"

/* NOLINTBEGIN(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

#if defined(__thumb__) && defined(__ARM_ARCH_PROFILE) && __ARM_ARCH_PROFILE == 'M'
#define EC_V6M_THUMB 1
#else
#define EC_V6M_THUMB 0
#endif

enum { EC_V6M_DW_COLUMNS = 6, EC_V6M_DW_BLOCK = 3 * EC_V6M_DW_COLUMNS + 5 };

/* One channel at work.
 *
 * in, out: its first byte. steps, end: see edgecnn_v6m_depthwise.h. inside, inside_end: the columns
 * that input fills. last: where the ring's pointer stands after all outputs. in_step, out_step:
 * bytes from a pixel to the next. in_zero: the value of padding. odd: an odd number of columns is
 * filled. kink, drop: where kinked, else 0. block: filter columns from top to bottom, in the order
 * in which they are wanted (0, 1, 0, 2, 1, 2 for stride 1; 0, 1, 2, 0, 1, 2 for stride 2); low,
 * top, high_factor, low_factor, addend. */
typedef struct {
    const int8_t *in;
    int8_t *out;
    const int32_t *steps, *end;
    int32_t *ring, *inside, *inside_end, *last;
    int32_t in_step, out_step, in_zero, odd, kink;
    uint32_t drop;
    int32_t block[EC_V6M_DW_BLOCK];
} ec_v6m_depthwise3_frame;

/* The output of a sum. factors: low, top, high_factor, low_factor, addend. */
EC_INLINE int32_t ec_v6m_depthwise_output(
    uint32_t sum, const int32_t *factors, int32_t kink, uint32_t drop, int32_t act_min,
    int32_t act_max) {
    const uint32_t t = sum - (uint32_t)factors[0];
    if (t > (uint32_t)factors[1]) {
        return (int32_t)t < 0 ? act_min : act_max;
    }
    const uint32_t low = (t * (uint32_t)factors[3]) >> 12;
    const uint32_t word = sum * (uint32_t)factors[2] + low + (uint32_t)factors[4];
    return (int8_t)((word - (t < (uint32_t)kink ? drop : 0)) >> 24);
}

typedef void (*ec_v6m_depthwise3_kernel)(
    ec_v6m_depthwise3_frame *frame, int32_t act_min, int32_t act_max);

#if EC_V6M_THUMB

/* Three inputs, three filters, and the sum of their products: into SUM, or added to it. The inputs
 * are left (KEEP) where Armv6-M's multiplication, which takes one of its operands, can. */
#define EC_V6M_DW_INPUTS "ldmia r0!, {r2, r3, r4}\n\t"
#define EC_V6M_DW_FILTERS "ldmia r1!, {r5, r6, r7}\n\t"
#if __ARM_ARCH_ISA_THUMB == 1
#define EC_V6M_DW_LAST                                                                       \
    EC_V6M_DW_FILTERS "muls r2, r5\n\tmuls r3, r6\n\tmuls r4, r7\n\tadds r2, r2, r3\n\t"     \
                      "adds r2, r2, r4\n\t"
#define EC_V6M_DW_KEEP                                                                       \
    EC_V6M_DW_FILTERS "muls r5, r2\n\tmuls r6, r3\n\tmuls r7, r4\n\tadds r5, r5, r6\n\t"     \
                      "adds r5, r5, r7\n\t"
#define EC_V6M_DW_SET(SUM) EC_V6M_DW_LAST "mov " SUM ", r2\n\t"
#define EC_V6M_DW_ADD(SUM) EC_V6M_DW_LAST "add " SUM ", r2\n\t"
#define EC_V6M_DW_ADD_KEEP(SUM) EC_V6M_DW_KEEP "add " SUM ", r5\n\t"
/* r2 * r5 + (r1 * r6 >> 12) + r7 */
#define EC_V6M_DW_SCALE                                                                      \
    "muls r2, r5\n\tmuls r1, r6\n\tlsrs r1, r1, #12\n\tadds r2, r2, r1\n\tadds r2, r2, r7\n\t"
#else
#define EC_V6M_DW_SET(SUM)                                                                   \
    EC_V6M_DW_FILTERS "mul " SUM ", r2, r5\n\tmla " SUM ", r3, r6, " SUM "\n\t"              \
                      "mla " SUM ", r4, r7, " SUM "\n\t"
#define EC_V6M_DW_ADD(SUM)                                                                   \
    EC_V6M_DW_FILTERS "mla " SUM ", r2, r5, " SUM "\n\tmla " SUM ", r3, r6, " SUM "\n\t"     \
                      "mla " SUM ", r4, r7, " SUM "\n\t"
#define EC_V6M_DW_ADD_KEEP(SUM) EC_V6M_DW_ADD(SUM)
#define EC_V6M_DW_SCALE                                                                      \
    "muls r1, r6, r1\n\tmla r2, r2, r5, r7\n\tadd r2, r2, r1, lsr #12\n\t"
#endif

/* Two outputs side by side. Stride 1: the second one begins a column later, stride 2: two. */
#define EC_V6M_DW_TWO_1                                                                      \
    EC_V6M_DW_INPUTS EC_V6M_DW_SET("r8")                                                     \
    EC_V6M_DW_INPUTS EC_V6M_DW_ADD_KEEP("r8") EC_V6M_DW_SET("r9")                            \
    EC_V6M_DW_INPUTS EC_V6M_DW_ADD_KEEP("r8") EC_V6M_DW_ADD("r9")                            \
    EC_V6M_DW_INPUTS EC_V6M_DW_ADD("r9") "subs r0, #24\n\t"
#define EC_V6M_DW_TWO_2                                                                      \
    EC_V6M_DW_INPUTS EC_V6M_DW_SET("r8") EC_V6M_DW_INPUTS EC_V6M_DW_ADD("r8")                \
    EC_V6M_DW_INPUTS EC_V6M_DW_ADD_KEEP("r8") EC_V6M_DW_SET("r9")                            \
    EC_V6M_DW_INPUTS EC_V6M_DW_ADD("r9") EC_V6M_DW_INPUTS EC_V6M_DW_ADD("r9")                \
    "subs r0, #12\n\t"

/* The output of the sum in SUM, with low, top, factors and addend in r3 to r7. */
#define EC_V6M_DW_OUTPUT(SUM, KINK, CLAMP, STORE, BELOW)                                     \
    "mov r2, " SUM "\n\t"                                                                    \
    "subs r1, r2, r3\n\t"                                                                    \
    "cmp r1, r4\n\t"                                                                         \
    "bhi " CLAMP "f\n\t"                                                                     \
    ".if " #KINK "\n\t"                                                                      \
    "mov " SUM ", r3\n\t"                                                                    \
    "ldr r3, [sp, #12]\n\t"                                                                  \
    "cmp r1, r3\n\t"                                                                         \
    "mov r3, " SUM "\n\t"                                                                    \
    "blo " BELOW "f\n\t"                                                                     \
    ".endif\n\t" EC_V6M_DW_SCALE                                                             \
    "lsrs r2, r2, #24\n" STORE ":\n\t"                                                       \
    "mov r1, r11\n\t"                                                                        \
    "strb r2, [r1]\n\t"                                                                      \
    "add r11, r12\n\t"
/* Out of line: clamped sums, and those below the kink. */
#define EC_V6M_DW_RARE(KINK, DROP, CLAMP, STORE, BELOW, LOWEST)                              \
    CLAMP ":\n\t"                                                                            \
          "cmp r1, #0\n\t"                                                                   \
          "blt " LOWEST "f\n\t"                                                              \
          "ldr r2, [sp, #8]\n\t"                                                             \
          "b " STORE "b\n" LOWEST ":\n\t"                                                    \
          "ldr r2, [sp, #4]\n\t"                                                             \
          "b " STORE "b\n\t"                                                                 \
          ".if " #KINK "\n" BELOW ":\n\t" EC_V6M_DW_SCALE                                   \
          "ldr r1, [sp]\n\t"                                                                 \
          "ldr r1, [r1, #" DROP "]\n\t"                                                          \
          "subs r2, r2, r1\n\t"                                                              \
          "lsrs r2, r2, #24\n\t"                                                             \
          "b " STORE "b\n\t"                                                                 \
          ".endif\n"

/* One new row: r0: input, r6, r7: one and two columns further; r5: 0. */
#define EC_V6M_DW_COLUMN_1(AT)                                                               \
    "ldr r2, [r1, #4]\n\tldr r3, [r1, #8]\n\tldrsb r4, [r0, " AT "]\n\t"                     \
    "stmia r1!, {r2, r3, r4}\n\t"
#define EC_V6M_DW_FILL_1                                                                     \
    "ldmia r6!, {r0, r5}\n\t"                                                                \
    "str r6, [r7, #8]\n\t"                                                                   \
    "mov r11, r5\n\t"                                                                        \
    "ldr r6, [r7, #32]\n\t"                                                                  \
    "ldr r1, [r7]\n\t"                                                                       \
    "adds r1, r0, r1\n\t"                                                                    \
    "cmp r0, #0\n\t"                                                                         \
    "bge 20f\n\t"                                                                            \
    "movs r6, #0\n\t"                                                                        \
    "movs r1, #40\n\t"                                                                       \
    "adds r1, r1, r7\n"                                                                      \
    "20:\n\t"                                                                                \
    "mov r0, r1\n\t"                                                                         \
    "ldr r1, [r7, #20]\n\t"                                                                  \
    "ldr r5, [r7, #24]\n\t"                                                                  \
    "mov lr, r5\n\t"                                                                         \
    "movs r5, #0\n\t"                                                                        \
    "ldr r2, [r7, #44]\n\t"                                                                  \
    "lsls r7, r6, #1\n\t"                                                                    \
    "cmp r2, #0\n\t"                                                                         \
    "beq 21f\n\t" EC_V6M_DW_COLUMN_1("r5")                                                   \
    "adds r0, r0, r6\n\t"                                                                    \
    "b 22f\n"                                                                                \
    "21:\n\t" EC_V6M_DW_COLUMN_1("r5") EC_V6M_DW_COLUMN_1("r6")                              \
    "adds r0, r0, r7\n"                                                                      \
    "22:\n\t"                                                                                \
    "cmp r1, lr\n\t"                                                                         \
    "bne 21b\n\t"

/* Two new rows: r0, r6: input, r7, r8: one and two columns further; r5: 0. Where one of them is
 * padding, r8 and r9 lead r0 and r6 from column to column. */
#define EC_V6M_DW_COLUMN_2(AT)                                                               \
    "ldr r2, [r1, #8]\n\tldrsb r3, [r0, " AT "]\n\tldrsb r4, [r6, " AT "]\n\t"               \
    "stmia r1!, {r2, r3, r4}\n\t"
#define EC_V6M_DW_PADDING_2(ROW, STEP, INSIDE)                                               \
    "cmp " ROW ", #0\n\t"                                                                    \
    "bge " INSIDE "f\n\t"                                                                    \
    "mov " ROW ", r3\n\t"                                                                    \
    "mov " STEP ", r5\n\t"                                                                   \
    "subs " ROW ", " ROW ", r2\n" INSIDE ":\n\t"                                             \
    "adds " ROW ", " ROW ", r2\n\t"
#define EC_V6M_DW_FILL_2                                                                     \
    "ldmia r6!, {r0, r4, r5}\n\t"                                                            \
    "str r6, [r7, #8]\n\t"                                                                   \
    "mov r11, r5\n\t"                                                                        \
    "ldr r5, [r7, #24]\n\t"                                                                  \
    "mov lr, r5\n\t"                                                                         \
    "ldr r1, [r7, #20]\n\t"                                                                  \
    "ldr r2, [r7]\n\t"                                                                       \
    "ldr r3, [r7, #32]\n\t"                                                                  \
    "mov r8, r3\n\t"                                                                         \
    "mov r6, r0\n\t"                                                                         \
    "orrs r6, r4\n\t"                                                                        \
    "bmi 23f\n\t"                                                                            \
    "adds r0, r0, r2\n\t"                                                                    \
    "adds r6, r4, r2\n\t"                                                                    \
    "ldr r2, [r7, #44]\n\t"                                                                  \
    "mov r7, r3\n\t"                                                                         \
    "add r8, r3\n\t"                                                                         \
    "movs r5, #0\n\t"                                                                        \
    "cmp r2, #0\n\t"                                                                         \
    "beq 21f\n\t" EC_V6M_DW_COLUMN_2("r5")                                                   \
    "adds r0, r0, r7\n\t"                                                                    \
    "adds r6, r6, r7\n\t"                                                                    \
    "b 22f\n"                                                                                \
    "21:\n\t" EC_V6M_DW_COLUMN_2("r5") EC_V6M_DW_COLUMN_2("r7")                              \
    "add r0, r8\n\t"                                                                         \
    "add r6, r8\n"                                                                           \
    "22:\n\t"                                                                                \
    "cmp r1, lr\n\t"                                                                         \
    "bne 21b\n\t"                                                                            \
    "b 27f\n"                                                                                \
    "23:\n\t"                                                                                \
    "mov r9, r3\n\t"                                                                         \
    "movs r3, #40\n\t"                                                                       \
    "adds r3, r3, r7\n\t"                                                                    \
    "movs r5, #0\n\t" EC_V6M_DW_PADDING_2("r0", "r8", "24")                                  \
    EC_V6M_DW_PADDING_2("r4", "r9", "25")                                                    \
    "mov r6, r4\n"                                                                           \
    "26:\n\t" EC_V6M_DW_COLUMN_2("r5")                                                       \
    "add r0, r8\n\t"                                                                         \
    "add r6, r9\n\t"                                                                         \
    "cmp r1, lr\n\t"                                                                         \
    "bne 26b\n"                                                                              \
    "27:\n\t"

#define EC_V6M_DEPTHWISE3(NAME, STRIDE, ODD, KINK)                                           \
    static EC_NOINLINE EC_UNUSED __attribute__((naked)) void NAME(                           \
        EC_UNUSED ec_v6m_depthwise3_frame *frame, EC_UNUSED int32_t act_min,                 \
        EC_UNUSED int32_t act_max) {                                                         \
        __asm__ volatile(                                                                    \
            ".syntax unified\n\t"                                                            \
            "push {r4, r5, r6, r7, lr}\n\t"                                                  \
            "mov r4, r8\n\t"                                                                 \
            "mov r5, r9\n\t"                                                                 \
            "mov r6, r10\n\t"                                                                \
            "mov r7, r11\n\t"                                                                \
            "ldr r3, [r0, #48]\n\t"                                                          \
            "push {r0, r1, r2, r3, r4, r5, r6, r7}\n"                                        \
            "1:\n\t"                                                                         \
            "ldr r7, [sp]\n\t"                                                               \
            "ldr r6, [r7, #8]\n\t" EC_V6M_DW_FILL_##STRIDE                                   \
            "ldr r7, [sp]\n\t"                                                               \
            "mov r5, r11\n\t"                                                                \
            "cmp r5, #0\n\t"                                                                 \
            "blt 8f\n\t"                                                                     \
            "ldr r6, [r7, #4]\n\t"                                                           \
            "add r11, r6\n\t"                                                                \
            "ldr r6, [r7, #36]\n\t"                                                          \
            "mov r12, r6\n\t"                                                                \
            "ldr r6, [r7, #28]\n\t"                                                          \
            "mov lr, r6\n\t"                                                                 \
            "ldr r0, [r7, #16]\n\t"                                                          \
            "adds r7, #56\n\t"                                                               \
            "mov r10, r7\n"                                                                  \
            "5:\n\t"                                                                         \
            "mov r1, r10\n\t" EC_V6M_DW_TWO_##STRIDE                                         \
            "ldmia r1!, {r3, r4, r5, r6, r7}\n\t"                                            \
            EC_V6M_DW_OUTPUT("r8", KINK, "10", "6", "14")                                    \
            ".if " #ODD "\n\t"                                                               \
            "cmp r0, lr\n\t"                                                                 \
            "bhi 8f\n\t"                                                                     \
            ".endif\n\t" EC_V6M_DW_OUTPUT("r9", KINK, "11", "7", "15")                       \
            "cmp r0, lr\n\t"                                                                 \
            "blo 5b\n"                                                                       \
            "8:\n\t"                                                                         \
            "ldr r7, [sp]\n\t"                                                               \
            "ldr r6, [r7, #8]\n\t"                                                           \
            "ldr r5, [r7, #12]\n\t"                                                          \
            "cmp r6, r5\n\t"                                                                 \
            "beq 9f\n\t"                                                                     \
            "b 1b\n" EC_V6M_DW_RARE(KINK, "52", "10", "6", "14", "12")                             \
            EC_V6M_DW_RARE(KINK, "52", "11", "7", "15", "13") "9:\n\t"                             \
            "pop {r0, r1, r2, r3, r4, r5, r6, r7}\n\t"                                       \
            "mov r8, r4\n\t"                                                                 \
            "mov r9, r5\n\t"                                                                 \
            "mov r10, r6\n\t"                                                                \
            "mov r11, r7\n\t"                                                                \
            "pop {r4, r5, r6, r7, pc}\n");                                                   \
    }

#else

/* The newest rows move in. */
EC_INLINE void ec_v6m_depthwise3_fill(
    const ec_v6m_depthwise3_frame *f, const int32_t *step, int32_t stride) {
    const int8_t padding = (int8_t)f->in_zero;
    const int8_t *one = step[0] >= 0 ? f->in + step[0] : &padding;
    const int8_t *two = step[stride - 1] >= 0 ? f->in + step[stride - 1] : &padding;
    const int32_t one_step = step[0] >= 0 ? f->in_step : 0;
    const int32_t two_step = step[stride - 1] >= 0 ? f->in_step : 0;
    const int32_t *const end = f->inside_end;
    EC_ROLLED
    for (int32_t *word = f->inside; word != end; word += 3) {
        const int32_t kept = word[2];
        word[0] = stride == 1 ? word[1] : kept;
        word[1] = stride == 1 ? kept : *one;
        word[2] = (int32_t)*two;
        /* No pointer is formed beyond the last column. */
        if (word + 3 != end) {
            one += one_step;
            two += two_step;
        }
    }
}

/* A row of outputs. */
EC_INLINE void ec_v6m_depthwise3_row(
    const ec_v6m_depthwise3_frame *f, int8_t *out, int32_t act_min, int32_t act_max,
    int32_t stride, int32_t kinked) {
    /* Locals, as a compiler has to take it that outputs are written over the frame. */
    const int32_t *w = f->block, *v = w + (stride == 1 ? 9 : 6);
    const int32_t w0 = w[0], w1 = w[1], w2 = w[2], w3 = w[3], w4 = w[4], w5 = w[5];
    const int32_t w6 = v[0], w7 = v[1], w8 = v[2];
    const int32_t *factors = w + 3 * EC_V6M_DW_COLUMNS;
    const int32_t scale[5] = {factors[0], factors[1], factors[2], factors[3], factors[4]};
    const int32_t kink = kinked ? f->kink : 0, out_step = f->out_step;
    const uint32_t drop = kinked ? f->drop : 0;
    const int32_t *const last = f->last;
    EC_ROLLED
    for (const int32_t *x = f->ring; x < last; x += 3 * stride) {
        const int32_t sum = x[0] * w0 + x[1] * w1 + x[2] * w2 + x[3] * w3 + x[4] * w4 +
                            x[5] * w5 + x[6] * w6 + x[7] * w7 + x[8] * w8;
        *out = (int8_t)ec_v6m_depthwise_output(
            (uint32_t)sum, scale, kink, drop, act_min, act_max);
        out += x + 3 * stride < last ? out_step : 0;
    }
}

/* All rows of a channel. */
EC_INLINE void ec_v6m_depthwise3_channel(
    ec_v6m_depthwise3_frame *f, int32_t act_min, int32_t act_max, int32_t stride,
    int32_t kinked) {
    for (; f->steps != f->end; f->steps += stride + 1) {
        ec_v6m_depthwise3_fill(f, f->steps, stride);
        if (f->steps[stride] >= 0) {
            int8_t *out = f->out + f->steps[stride];
            ec_v6m_depthwise3_row(f, out, act_min, act_max, stride, kinked);
        }
    }
}

#define EC_V6M_DEPTHWISE3(NAME, STRIDE, ODD, KINK)                                           \
    EC_UNUSED static void NAME(                                                              \
        ec_v6m_depthwise3_frame *frame, int32_t act_min, int32_t act_max) {                  \
        ec_v6m_depthwise3_channel(frame, act_min, act_max, STRIDE, KINK);                    \
    }

#endif

/* NOLINTEND(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

#endif
