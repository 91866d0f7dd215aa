/* SPDX-License-Identifier: Apache-2.0 */
/* One channel of an NHWC image as a plane with borders, in scratch, for edgecnn_mve_depthwise.h.
 *
 * Two rows are zipped: byte (row r, column x) lies at (r / 2) * pitch + 2 * x + r % 2. So a
 * window of 4 x 4 at an even row and column is four aligned words: two of a pair of rows, two of
 * the next. */
#ifndef EDGECNN_MVE_PLANES_H
#define EDGECNN_MVE_PLANES_H

#include "edgecnn_mve_common.h"

/* NOLINTBEGIN(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

/* A run of rows: `pairs` pairs, or a single one (0 pairs) whose bytes are every second from `to`
 * on. from: bytes from the image's start. */
typedef struct {
    int32_t from;
    int8_t *to;
    int32_t pairs;
} ec_mve_run;

/* Runs of rows of `count` columns. step: bytes from column to column, odd: from the first row of
 * a pair to the second, pair_step: to the next pair. odd + 7 * step fits 16 bits. A band of a
 * ring has up to two runs of pairs, and single rows before, between and behind. */
#define EC_MVE_RUNS 6
typedef struct {
    int32_t step, odd, pair_step, count, pitch, size;
    ec_mve_run runs[EC_MVE_RUNS];
} ec_mve_runs;

/* Gathers a channel's rows, whose first byte in the image is at `in`. At least one run. */
#if EC_MVE
EC_NAKED void ec_mve_zip(EC_UNUSED const ec_mve_runs *runs, EC_UNUSED const int8_t *in) {
    __asm__ volatile(
        "push {r4-r11, lr}\n"
        "ldm r0!, {r2-r7}\n"
        "mov r12, #0\n"
        "vidup.u16 q2, r12, #1\n"
        "vmul.i16 q2, q2, r2\n"
        "vadd.i16 q3, q2, r3\n"
        "lsl r2, r2, #3\n"
        "1:\n"
        "ldm r0!, {r8-r10}\n"
        "add r8, r1\n"
        "cmp r10, #0\n"
        "beq 5f\n"
        "2:\n"
        "mov r11, r8\n"
        "mov r12, r9\n"
        "wlstp.16 lr, r5, 4f\n"
        "3:\n"
        "vldrb.u16 q0, [r11, q2]\n"
        "vldrb.u16 q1, [r11, q3]\n"
        "add r11, r2\n"
        "vsli.16 q0, q1, #8\n"
        "vstrh.16 q0, [r12], #16\n"
        "letp lr, 3b\n"
        "4:\n"
        "add r8, r4\n"
        "add r9, r6\n"
        "subs r10, #1\n"
        "bne 2b\n"
        "b 7f\n"
        "5:\n"
        "mov r12, #0\n"
        "vidup.u16 q1, r12, #2\n"
        "wlstp.16 lr, r5, 7f\n"
        "6:\n"
        "vldrb.u16 q0, [r8, q2]\n"
        "add r8, r2\n"
        "vstrb.16 q0, [r9, q1]\n"
        "add r9, #16\n"
        "letp lr, 6b\n"
        "7:\n"
        "subs r7, #1\n"
        "bne 1b\n"
        "pop {r4-r11, pc}\n");
}
#else
static EC_UNUSED void ec_mve_zip(const ec_mve_runs *runs, const int8_t *in) {
    for (int32_t n = 0; n < runs->size; ++n) {
        const ec_mve_run *run = &runs->runs[n];
        const int32_t rows = run->pairs > 0 ? 2 * run->pairs : 1;
        for (int32_t r = 0; r < rows; ++r) {
            const int32_t from = run->from + r / 2 * runs->pair_step + r % 2 * runs->odd;
            for (int32_t x = 0; x < runs->count; ++x) {
                run->to[r / 2 * runs->pitch + r % 2 + 2 * x] = in[from + x * runs->step];
            }
        }
    }
}
#endif

/* The runs of plane rows that image rows top, top + 1 ... fill: those of `height` rows that are
 * in the image, of a ring of in_rows rows. in_y: bytes from row to row. to: of row top and the
 * first column. */
EC_INLINE void ec_mve_find_runs(
    ec_mve_runs *runs, int32_t top, int32_t height, int32_t in_h, int32_t in_rows, int32_t in_y,
    int8_t *to) {
    const int32_t end = in_h - top < height ? in_h - top : height;
    runs->odd = in_y;
    runs->pair_step = 2 * in_y;
    runs->size = 0;
    for (int32_t y = top < 0 ? -top : 0; y < end;) {
        ec_mve_run *run = &runs->runs[runs->size++];
        const int32_t at = in_rows == in_h ? top + y : (top + y) % in_rows;
        const int32_t left = (in_rows - at < end - y ? in_rows - at : end - y) / 2;
        run->from = at * in_y;
        run->to = to + y / 2 * runs->pitch + y % 2;
        run->pairs = y % 2 != 0 ? 0 : left;
        y += run->pairs > 0 ? 2 * run->pairs : 1;
    }
}

/* NOLINTEND(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

#endif
