/* SPDX-License-Identifier: Apache-2.0 */
/* NHWC rows as planes of 16-bit values, one plane per channel, four channels at a time.
 *
 * A block is eight words: a pixel pair (neighbours along a row) of two rows of four channels. Word
 * 2c + r is row r of channel c, the left pixel in its low half. Blocks of the same pixel pair
 * follow each other down the rows; `pitch` bytes lie between neighbouring pixel pairs. So the
 * windows of two output rows are a few double words, and none of them needs to be unpacked.
 *
 * Padding is in the planes, as pixels of the input's zero point: no window is clipped.
 */
#ifndef EDGECNN_DSP_PLANES_H
#define EDGECNN_DSP_PLANES_H

#include "edgecnn_dsp_common.h"

/* NOLINTBEGIN(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

/* Of a row pair: its rows and the bytes between pixels. A row of padding has step 0. */
typedef struct {
    const int8_t *a, *b;
    int32_t a_step, b_step;
} ec_planes_rows;

/* What is filled, in this order from left to right: `left` 1 if the first pixel pair has its left
 * pixel in the padding, `bytes` (a multiple of pitch) of pairs that are all inside, `right` 1 for a
 * pair with its right pixel in the padding. pad: the zero point in each byte. */
typedef struct {
    int32_t pitch, bytes, left, right, row_pairs;
    uint32_t pad;
} ec_planes_run;

#if EC_DSP
/* The words of one row from two pixels: (r4, r12), and (r5, lr). */
#define EC_PLANES_A                                                                 \
    "sxtb16 lr, r4, ror #8\n\tsxtb16 r4, r4\n\tsxtb16 r10, r12, ror #8\n\t"         \
    "sxtb16 r12, r12\n\tpkhtb r8, r12, r4, asr #16\n\tpkhbt r4, r4, r12, lsl #16\n\t" \
    "pkhbt r6, lr, r10, lsl #16\n\tpkhtb r10, r10, lr, asr #16\n\t"
#define EC_PLANES_B                                                                 \
    "sxtb16 r12, r5, ror #8\n\tsxtb16 r5, r5\n\tsxtb16 r11, lr, ror #8\n\t"         \
    "sxtb16 lr, lr\n\tpkhtb r9, lr, r5, asr #16\n\tpkhbt r5, r5, lr, lsl #16\n\t"   \
    "pkhbt r7, r12, r11, lsl #16\n\tpkhtb r11, r11, r12, asr #16\n\t"

/* Fills the planes of four channels, from byte `channel` of each pixel on.
 * r0: block, r1, r2: pixels, r3: a_step. Stack: b_step, pitch, end of the run, bytes, left,
 * right, row pairs, pad, channel, rows, first block of the row pair. */
EC_NAKED void ec_planes_fill(
    const ec_planes_run *run EC_UNUSED, uint32_t *to EC_UNUSED,
    const ec_planes_rows *rows EC_UNUSED, int32_t channel EC_UNUSED) {
    __asm__ volatile(
        "push {r4-r11, lr}\n\tsub sp, #44\n\tldm r0, {r4-r9}\n\t"
        "str r4, [sp, #4]\n\tstr r5, [sp, #12]\n\tstrd r6, r7, [sp, #16]\n\t"
        "strd r8, r9, [sp, #24]\n\tstrd r3, r2, [sp, #32]\n\tstr r1, [sp, #40]\n"
        "1:\n\tldrd r5, r12, [sp, #32]\n\tldm r12!, {r1, r2, r3, r4}\n\t"
        "str r12, [sp, #36]\n\tstr r4, [sp]\n\tadd r1, r5\n\tadd r2, r5\n\t"
        "ldr r0, [sp, #40]\n\tldr r4, [sp, #16]\n\tcbz r4, 2f\n\t"
        "ldr r4, [sp, #28]\n\tldr r12, [r1]\n\tadd r1, r3\n\tmov r5, r4\n\t" EC_PLANES_A
        "ldr r12, [sp]\n\tldr lr, [r2]\n\tadd r2, r12\n\t" EC_PLANES_B
        "stm r0, {r4-r11}\n\tldr r12, [sp, #4]\n\tadd r0, r12\n"
        "2:\n\tldr r4, [sp, #12]\n\tadds r5, r4, r0\n\tstr r5, [sp, #8]\n\tcbz r4, 4f\n"
        "3:\n\tldr r4, [r1]\n\tldr r12, [r1, r3]\n\tadd r1, r1, r3, lsl #1\n\t" EC_PLANES_A
        "ldr r12, [sp]\n\tldr r5, [r2]\n\tldr lr, [r2, r12]\n\tadd r2, r2, r12, lsl #1\n\t"
        EC_PLANES_B
        "stm r0, {r4-r11}\n\tldrd r12, lr, [sp, #4]\n\tadd r0, r12\n\tcmp r0, lr\n\tbne 3b\n"
        "4:\n\tldr r4, [sp, #20]\n\tcbz r4, 5f\n\t"
        "ldr r4, [r1]\n\tldr r12, [sp, #28]\n\t" EC_PLANES_A
        "ldr r5, [r2]\n\tldr lr, [sp, #28]\n\t" EC_PLANES_B "stm r0, {r4-r11}\n"
        "5:\n\tldr r0, [sp, #40]\n\tldr r4, [sp, #24]\n\tadd r0, #32\n\tsubs r4, #1\n\t"
        "str r0, [sp, #40]\n\tstr r4, [sp, #24]\n\tbne 1b\n\t"
        "add sp, #44\n\tpop {r4-r11, pc}");
}
#else
/* The words of one row of a block from two pixels. */
EC_INLINE void ec_planes_pair(uint32_t *to, uint32_t left, uint32_t right) {
    for (int32_t i = 0; i < 4; ++i) {
        to[2 * i] =
            ec_pair((int8_t)(uint8_t)(left >> (8 * i)), (int8_t)(uint8_t)(right >> (8 * i)));
    }
}

EC_INLINE void ec_planes_row(
    const ec_planes_run *run, uint32_t *to, const int8_t *from, int32_t step) {
    const int32_t pitch = run->pitch / 4;
    if (run->left) {
        ec_planes_pair(to, run->pad, ec_load4(from));
        from += step;
        to += pitch;
    }
    for (int32_t i = 0; i < run->bytes; i += run->pitch) {
        ec_planes_pair(to, ec_load4(from), ec_load4(from + step));
        from += 2 * step;
        to += pitch;
    }
    if (run->right) {
        ec_planes_pair(to, ec_load4(from), run->pad);
    }
}

/* Fills the planes of four channels, from byte `channel` of each pixel on. */
static EC_NOINLINE EC_UNUSED void ec_planes_fill(
    const ec_planes_run *run, uint32_t *to, const ec_planes_rows *rows, int32_t channel) {
    for (int32_t i = 0; i < run->row_pairs; ++i) {
        ec_planes_row(run, to + 8 * i, rows[i].a + channel, rows[i].a_step);
        ec_planes_row(run, to + 8 * i + 1, rows[i].b + channel, rows[i].b_step);
    }
}
#endif

/* NOLINTEND(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

#endif
