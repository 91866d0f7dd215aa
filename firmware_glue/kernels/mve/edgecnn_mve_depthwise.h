/* DEPTHWISE_CONV_2D, one channel at a time, by windows of 4 x 4 inputs: 16 bytes in a vector, so that
 * one VMLADAV makes an output of up to 3 x 3 taps (or a part of one, of more taps).
 *
 * A channel's rows are gathered into a plane with its borders (the input's zero point), two rows zipped:
 * byte (row r, column x) lies at (r / 2) * pitch + 2 * x + r % 2. So a window at an even row and column
 * is four aligned words: two of a pair of rows, two of the next. Windows of odd rows or columns are read
 * from the even ones before, with taps moved by one.
 *
 * filters: per output channel its taps row by row, then a 0. places: for each vector of taps (for each
 * parity of the row that its stride has, for each of the column, for each block of 4 x 4 of the window)
 * 16 indices into a channel's filters. finish: bias, multiplier, addend, minus the shift (0 in the affine
 * form) per output channel.
 *
 * Exact: sums of products of bytes end within 32 bits; how they become outputs is proven by the
 * compiler on every sum that a channel can have. */
#ifndef EDGECNN_MVE_DEPTHWISE_H
#define EDGECNN_MVE_DEPTHWISE_H

#include "edgecnn_mve_common.h"

/* NOLINTBEGIN(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

/* The window's rows may be the image's columns, where these are longer: in_x, in_y, out_x and out_y are
 * the bytes from a column and from a row to the next. band: output rows computed at once. pitch: bytes per pair of rows of the plane, plane: of all. taps:
 * per output channel, with the 0. vectors: of taps. pairs: 1 if the core computes pairs of rows. blocks_h, blocks_w: windows of 4 x 4 per output.
 * form: EC_MVE_AFFINE..., shift: of the affine form. */
typedef struct {
    ec_window window;
    int32_t multiplier, band, pitch, plane, taps, vectors, pairs, blocks_h, blocks_w;
    int32_t in_x, in_y, out_x, out_y, in_zero, form, shift, act_min, act_max;
} ec_mve_depthwise_params;

/* What a core is called with: an output channel of some rows. plane: four bytes before the window of
 * the first output. pair_step: bytes of two output rows, step: of four output columns. pairs: of output
 * rows (singles: rows). columns: output columns by four, tail: which outputs of the last, less than
 * four, are written, as a predicate. at: where the outputs of a round lie; words: the words of a window.
 * The core changes plane, out and pairs. */
typedef struct {
    const int8_t *plane;
    int32_t pitch;
    int8_t *out;
    int32_t pair_step, step, pairs, columns, tail;
    int32_t bias, multiplier, addend, shift, act_min, act_max;
    const int8_t *vectors;
    uint16_t at[8];
    uint32_t words[4];
} ec_mve_plane;

typedef void (*ec_mve_plane_core)(ec_mve_plane *plane, const ec_mve_depthwise_params *p);

/* The constant arrays. */
typedef struct {
    const int8_t *filters;
    const uint8_t *places;
    const int32_t *finish;
} ec_mve_taps;

/* The sum of a window: 16 bytes, two words of each pair of rows. */
EC_INLINE int32_t ec_mve_window_sum(const int8_t *at, int32_t pitch, const int8_t *taps) {
    int32_t sum = 0;
    for (int32_t i = 0; i < 16; ++i) {
        sum += at[i / 8 * pitch + i % 8] * taps[i];
    }
    return sum;
}

EC_INLINE void ec_mve_plane_output(
    const ec_mve_plane *c, const ec_mve_depthwise_params *p, int32_t sum, int8_t *out) {
    const int32_t right = p->form == EC_MVE_AFFINE ? p->shift : c->shift;
    const int32_t total = ec_wrap_add(sum, c->bias);
    const int32_t value = ec_mve_finish(p->form, right, total, c->multiplier, c->addend);
    *out = (int8_t)ec_clamp(value, c->act_min, c->act_max);
}

/* Any kernel and stride: rows of outputs, from plane row `row` (a multiple of the stride) on. */
static EC_NOINLINE EC_UNUSED void ec_mve_depthwise_any(
    ec_mve_plane *c, const ec_mve_depthwise_params *p) {
    const ec_window *g = &p->window;
    const int32_t blocks = p->blocks_h * p->blocks_w, turns = 1 + g->stride_w % 2;
    for (int32_t y = 0; y < c->pairs; ++y) {
        const int32_t top = y * g->stride_h;
        const int8_t *taps = c->vectors + top % 2 * turns * blocks * 16;
        for (int32_t x = 0; x < g->out_w; ++x) {
            const int32_t left = x * g->stride_w;
            const int8_t *at = c->plane + 4 + top / 2 * c->pitch + left / 2 * 4;
            const int8_t *w = taps + left % 2 * blocks * 16;
            int32_t sum = 0;
            for (int32_t i = 0; i < p->blocks_h; ++i) {
                for (int32_t j = 0; j < p->blocks_w; ++j) {
#if EC_MVE
                    const int8x16_t v = vreinterpretq_s8_s32(vldrwq_gather_offset_s32(
                        (const int32_t *)(const void *)(at + j * 8), vldrwq_u32(c->words)));
                    sum = vmladavaq_s8(sum, v, vldrbq_s8(w));
#else
                    sum += ec_mve_window_sum(at + j * 8, c->pitch, w);
#endif
                    w += 16;
                }
                at += 2 * c->pitch;
            }
            ec_mve_plane_output(c, p, sum, c->out + x * p->out_x);
        }
        c->out += p->out_y;
    }
}

#if EC_MVE
/* Registers: r11 the plane; r1 the outputs; r3 bias, r5 multiplier, r7 addend, r8 shift, r9 step, lr
 * the columns left, r12 the tail; q3 the words of a window, q4 to q7 taps. */

/* Sums in q1 (and of the second row in q2) as 16-bit outputs in q0. ROWS: 1 or 2. */
#define EC_MVE_PLANE_FINISH(FORM, SHIFT, CLAMP, ROWS)                                        \
    "vadd.i32 q1, q1, r3\n .if " #ROWS " > 1\n vadd.i32 q2, q2, r3\n .endif\n"               \
    ".if " #FORM " == 0\n"                                                                   \
    "vdup.32 q0, r5\n vmulh.s32 q1, q1, q0\n vadd.i32 q1, q1, r7\n"                          \
    ".if " #ROWS " > 1\n vmulh.s32 q2, q2, q0\n vadd.i32 q2, q2, r7\n .endif\n"              \
    "vqshrnb.s32 q0, q1, #" #SHIFT "\n"                                                      \
    ".if " #ROWS " > 1\n vqshrnt.s32 q0, q2, #" #SHIFT "\n .endif\n"                         \
    ".else\n"                                                                                \
    EC_MVE_PLANE_SCALED("q1", FORM)                                                          \
    ".if " #ROWS " > 1\n" EC_MVE_PLANE_SCALED("q2", FORM) ".endif\n"                         \
    "vqmovnb.s32 q0, q1\n .if " #ROWS " > 1\n vqmovnt.s32 q0, q2\n .endif\n"                 \
    ".endif\n"                                                                               \
    ".if " #CLAMP "\n"                                                                       \
    "ldrd r0, r2, [r11, #48]\n vdup.16 q1, r0\n vdup.16 q2, r2\n"                            \
    "vmax.s16 q0, q0, q1\n vmin.s16 q0, q0, q2\n"                                            \
    ".else\n vqmovnb.s16 q0, q0\n .endif\n"

#define EC_MVE_PLANE_SCALED(Q, FORM)                                                         \
    ".if " #FORM " == 1\n"                                                                   \
    "vshr.s32 q0, " Q ", #31\n vqrdmulh.s32 " Q ", " Q ", r5\n vadd.i32 " Q ", " Q ", q0\n"  \
    ".else\n vqdmulh.s32 " Q ", " Q ", r5\n .endif\n"                                        \
    "vadd.i32 " Q ", " Q ", r7\n vshl.s32 " Q ", r8\n"

/* A window's four outputs, two by two, in lanes LOW and HIGH of both rows. */
#define EC_MVE_PLANE_WINDOW(LOW, HIGH)                                                       \
    "vldrw.u32 q0, [q3, #4]!\n"                                                              \
    "vmladav.s8 r0, q0, q4\n vmladav.s8 r2, q0, q5\n"                                        \
    "vmladav.s8 r4, q0, q6\n vmladav.s8 r6, q0, q7\n"                                        \
    "vmov q1[" #HIGH "], q1[" #LOW "], r0, r2\n vmov q2[" #HIGH "], q2[" #LOW "], r4, r6\n"

/* Two windows' first outputs, in lanes LOW and HIGH. */
#define EC_MVE_PLANE_SINGLES(LOW, HIGH)                                                      \
    "vldrw.u32 q0, [q3, #4]!\n vmladav.s8 r0, q0, q4\n"                                      \
    "vldrw.u32 q2, [q3, #4]!\n vmladav.s8 r2, q2, q4\n"                                      \
    "vmov q1[" #HIGH "], q1[" #LOW "], r0, r2\n"

#define EC_MVE_PLANE_ENTER                                                                   \
    "push {r3-r11, lr}\n vpush {d8-d15}\n mov r11, r0\n"                                     \
    "ldrd r3, r5, [r11, #32]\n ldrd r7, r8, [r11, #40]\n ldr r9, [r11, #16]\n"               \
    "ldr r0, [r11, #56]\n vldrb.8 q4, [r0], #16\n"

/* The next row: windows, outputs, count. */
#define EC_MVE_PLANE_ROW                                                                     \
    "ldrd r10, r4, [r11]\n vldrw.32 q3, [r11, #76]\n vadd.i32 q3, q3, r10\n"                 \
    "add r10, r4\n str r10, [r11]\n"                                                         \
    "ldrd r1, r4, [r11, #8]\n add r4, r1\n str r4, [r11, #8]\n ldrd lr, r12, [r11, #24]\n"

#define EC_MVE_PLANE_LEAVE                                                                   \
    "ldr r4, [r11, #20]\n subs r4, #1\n str r4, [r11, #20]\n bne 2b\n"                       \
    "vpop {d8-d15}\n pop {r3-r11, pc}\n"

/* Defines the core NAME of kernels of up to 3 x 3 taps at stride 1: pairs of output rows. FORM, SHIFT,
 * CLAMP: as in edgecnn_mve_gemm.h. */
#define EC_MVE_DEPTHWISE_PAIRS(NAME, FORM, SHIFT, CLAMP)                                     \
    EC_NAKED void NAME(                                                                      \
        EC_UNUSED ec_mve_plane *plane, EC_UNUSED const ec_mve_depthwise_params *p) {         \
        __asm__ volatile(                                                                    \
            EC_MVE_PLANE_ENTER                                                               \
            "vldrb.8 q5, [r0], #16\n vldrb.8 q6, [r0], #16\n vldrb.8 q7, [r0]\n"             \
            "2:\n" EC_MVE_PLANE_ROW "wls lr, lr, 4f\n"                                       \
            "3:\n" EC_MVE_PLANE_WINDOW(0, 2) EC_MVE_PLANE_WINDOW(1, 3)                       \
            EC_MVE_PLANE_FINISH(FORM, SHIFT, CLAMP, 2)                                       \
            "vldrh.16 q1, [r11, #60]\n vstrb.16 q0, [r1, q1]\n add r1, r9\n le lr, 3b\n"     \
            "4:\n cmp r12, #0\n beq 6f\n" EC_MVE_PLANE_WINDOW(0, 2)                          \
            "tst r12, #0xF0\n beq 5f\n" EC_MVE_PLANE_WINDOW(1, 3)                            \
            "5:\n" EC_MVE_PLANE_FINISH(FORM, SHIFT, CLAMP, 2)                                \
            "vldrh.16 q1, [r11, #60]\n vmsr p0, r12\n vpst\n vstrbt.16 q0, [r1, q1]\n"       \
            "6:\n" EC_MVE_PLANE_LEAVE);                                                      \
    }

/* The same for kernels of up to 4 x 4 taps at stride 2, row by row. */
#define EC_MVE_DEPTHWISE_SINGLES(NAME, FORM, SHIFT, CLAMP)                                   \
    EC_NAKED void NAME(                                                                      \
        EC_UNUSED ec_mve_plane *plane, EC_UNUSED const ec_mve_depthwise_params *p) {         \
        __asm__ volatile(                                                                    \
            EC_MVE_PLANE_ENTER                                                               \
            "mov r0, r11\n vldrh.u32 q5, [r0, #60]\n"                                        \
            "2:\n" EC_MVE_PLANE_ROW "wls lr, lr, 4f\n"                                       \
            "3:\n" EC_MVE_PLANE_SINGLES(0, 2) EC_MVE_PLANE_SINGLES(1, 3)                     \
            EC_MVE_PLANE_FINISH(FORM, SHIFT, CLAMP, 1)                                       \
            "vstrb.32 q0, [r1, q5]\n add r1, r9\n le lr, 3b\n"                               \
            "4:\n cmp r12, #0\n beq 6f\n" EC_MVE_PLANE_SINGLES(0, 2)                         \
            "tst r12, #0xF0\n beq 5f\n" EC_MVE_PLANE_SINGLES(1, 3)                           \
            "5:\n" EC_MVE_PLANE_FINISH(FORM, SHIFT, CLAMP, 1)                                \
            "vmsr p0, r12\n vpst\n vstrbt.32 q0, [r1, q5]\n"                                 \
            "6:\n" EC_MVE_PLANE_LEAVE);                                                      \
    }
#else
#define EC_MVE_DEPTHWISE_PAIRS(NAME, FORM, SHIFT, CLAMP)                                     \
    static EC_UNUSED void NAME(ec_mve_plane *plane, const ec_mve_depthwise_params *p) {      \
        ec_mve_depthwise_plain(plane, p, 2);                                                 \
    }
#define EC_MVE_DEPTHWISE_SINGLES(NAME, FORM, SHIFT, CLAMP)                                   \
    static EC_UNUSED void NAME(ec_mve_plane *plane, const ec_mve_depthwise_params *p) {      \
        ec_mve_depthwise_plain(plane, p, 1);                                                 \
    }

/* A core in plain C: windows of rows * rows outputs. */
EC_INLINE void ec_mve_depthwise_plain(
    ec_mve_plane *c, const ec_mve_depthwise_params *p, int32_t rows) {
    for (; c->pairs > 0; --c->pairs) {
        for (int32_t x = 0; x < p->window.out_w; ++x) {
            for (int32_t r = 0; r < rows; ++r) {
                const int32_t turned = x % 4 == 1 ? 2 : x % 4 == 2 ? 1 : x % 4;
                const int32_t at = c->at[rows * turned + r];
                const int32_t sum = ec_mve_window_sum(
                    c->plane + 4 + x / rows * 4, c->pitch,
                    c->vectors + (r * rows + x % rows) * 16);
                ec_mve_plane_output(c, p, sum, c->out + x / 4 * c->step + at);
            }
        }
        c->plane += c->pitch;
        c->out += c->pair_step;
    }
}
#endif

/* Pairs of rows zipped: `count` bytes from each of two rows, `step` apart, `pairs` times. odd: bytes
 * from a row to the next, which fit 16 bits together with seven steps. */
typedef struct {
    const int8_t *from;
    int32_t step, odd, pair_step, count, pairs;
    int8_t *to;
    int32_t pitch;
} ec_mve_rows;

#if EC_MVE
EC_NAKED void ec_mve_zip(EC_UNUSED const ec_mve_rows *rows) {
    __asm__ volatile(
        "push {r4-r10, lr}\n"
        "ldm r0, {r0-r7}\n"
        "mov r12, #0\n"
        "vidup.u16 q2, r12, #1\n"
        "vmul.i16 q2, q2, r1\n"
        "vadd.i16 q3, q2, r2\n"
        "lsl r1, r1, #3\n"
        "1:\n"
        "mov r9, r0\n"
        "mov r10, r6\n"
        "wlstp.16 lr, r4, 3f\n"
        "2:\n"
        "vldrb.u16 q0, [r9, q2]\n"
        "vldrb.u16 q1, [r9, q3]\n"
        "add r9, r1\n"
        "vsli.16 q0, q1, #8\n"
        "vstrh.16 q0, [r10], #16\n"
        "letp lr, 2b\n"
        "3:\n"
        "add r0, r3\n"
        "add r6, r7\n"
        "subs r5, #1\n"
        "bne 1b\n"
        "pop {r4-r10, pc}\n");
}

/* One row of a pair: every second byte from `to` on. */
EC_NAKED void ec_mve_zip_one(EC_UNUSED const ec_mve_rows *rows) {
    __asm__ volatile(
        "push {r4-r7, lr}\n"
        "ldm r0, {r0-r6}\n"
        "mov r12, #0\n"
        "vidup.u16 q2, r12, #1\n"
        "vshl.i16 q3, q2, #1\n"
        "vmul.i16 q2, q2, r1\n"
        "lsl r1, r1, #3\n"
        "wlstp.16 lr, r4, 2f\n"
        "1:\n"
        "vldrb.u16 q0, [r0, q2]\n"
        "add r0, r1\n"
        "vstrb.16 q0, [r6, q3]\n"
        "add r6, #16\n"
        "letp lr, 1b\n"
        "2:\n"
        "pop {r4-r7, pc}\n");
}
#else
static EC_UNUSED void ec_mve_zip(const ec_mve_rows *rows) {
    for (int32_t i = 0; i < rows->pairs; ++i) {
        for (int32_t j = 0; j < 2 * rows->count; ++j) {
            rows->to[i * rows->pitch + j] =
                rows->from[i * rows->pair_step + j % 2 * rows->odd + j / 2 * rows->step];
        }
    }
}

static EC_UNUSED void ec_mve_zip_one(const ec_mve_rows *rows) {
    for (int32_t i = 0; i < rows->count; ++i) {
        rows->to[2 * i] = rows->from[i * rows->step];
    }
}
#endif

/* The vectors of taps of an output channel. */
EC_INLINE void ec_mve_spread(
    const int8_t *filters, const uint8_t *places, int32_t vectors, int8_t *to) {
    EC_ROLLED for (int32_t i = 0; i < vectors; ++i) {
#if EC_MVE
        vstrbq_s8(to + i * 16, vldrbq_gather_offset_s8(filters, vldrbq_u8(places + i * 16)));
#else
        for (int32_t j = i * 16; j < (i + 1) * 16; ++j) {
            to[j] = filters[places[j]];
        }
#endif
    }
}

/* The input rows that output rows from `first` on are made of, as far as the plane reaches. */
EC_INLINE void ec_mve_plane_rows(
    const ec_mve_depthwise_params *p, const int8_t *in, int32_t in_rows, int32_t first,
    int8_t *plane) {
    const ec_window *g = &p->window;
    const int32_t top = first * g->stride_h - g->pad_top, whole = in_rows == g->in_h;
    const int32_t below = g->in_h - top, height = p->plane / p->pitch * 2;
    const int32_t end = below < height ? below : height;
    ec_mve_rows rows = {in, p->in_x, p->in_y, 2 * p->in_y, g->in_w, 1, plane, p->pitch};
    int32_t y = top < 0 ? -top : 0;
    plane += 2 * g->pad_left;
    while (y < end) {
        const int32_t at = whole ? top + y : (top + y) % in_rows;
        rows.from = in + at * p->in_y;
        rows.to = plane + y / 2 * p->pitch + y % 2;
        if (y % 2 != 0 || y + 1 == end || (!whole && at + 1 == in_rows)) {
            ec_mve_zip_one(&rows);
            y += 1;
        } else {
            rows.pairs = (end - y) / 2;
            if (!whole && (in_rows - at) / 2 < rows.pairs) {
                rows.pairs = (in_rows - at) / 2;
            }
            ec_mve_zip(&rows);
            y += 2 * rows.pairs;
        }
    }
}

/* What is the same for all channels of a band: `rows` output rows per round of the core, the second one
 * `apart` bytes behind the first. */
EC_INLINE ec_mve_plane ec_mve_plane_of(
    const ec_mve_depthwise_params *p, const int8_t *vectors, int32_t rows, int32_t apart) {
    const ec_window *g = &p->window;
    const int32_t tail = g->out_w % 4;
    ec_mve_plane c;
    c.pitch = p->pitch;
    c.pair_step = rows * p->out_y;
    c.step = 4 * p->out_x;
    c.columns = g->out_w / 4;
    c.tail = tail == 0 ? 0 : tail == 1 ? 0x000F : tail == 2 ? 0x0F0F : 0x0FFF;
    c.act_min = p->act_min;
    c.act_max = p->act_max;
    c.vectors = vectors;
    for (int32_t i = 0; i < 8; ++i) {
        /* Lanes 1 and 2 change places: see the cores. */
        const int32_t lane = i / rows, column = lane == 1 ? 2 : lane == 2 ? 1 : lane;
        c.at[i] = (uint16_t)(column % 4 * p->out_x + i % rows * apart);
    }
    for (uint32_t i = 0; i < 4; ++i) {
        c.words[i] = i / 2 * (uint32_t)p->pitch + i % 2 * 4;
    }
    return c;
}

EC_INLINE void ec_mve_plane_channel(ec_mve_plane *c, const int32_t *finish) {
    c->bias = finish[0];
    c->multiplier = finish[1];
    c->addend = finish[2];
    c->shift = finish[3];
}

/* Output rows [first, end) of one image, at `out`. */
EC_INLINE void ec_mve_depthwise_band(
    const ec_mve_depthwise_params *p, const int8_t *in, int32_t in_rows,
    const ec_mve_taps *taps, int8_t *scratch, int8_t *out, int32_t first, int32_t end,
    ec_mve_plane_core core) {
    const ec_window *g = &p->window;
    const int32_t rows = p->pairs ? 2 : 1, odd = p->pairs && (end - first) % 2 != 0;
    int8_t *plane = scratch + p->vectors * 16 + 4;
    /* The last of an odd number of rows is computed twice, in one place: vectors 0, 1, 0, 1. */
    ec_mve_plane c = ec_mve_plane_of(p, scratch + (p->vectors == 6 ? 32 : 0), rows, p->out_y);
    ec_mve_plane last = ec_mve_plane_of(p, scratch, rows, 0);
    ec_mve_fill(plane, p->in_zero, p->plane);
    EC_ROLLED for (int32_t i = 0; i < g->out_c; ++i) {
        if (p->multiplier == 1 || i % p->multiplier == 0) {
            ec_mve_plane_rows(p, in + i / p->multiplier, in_rows, first, plane);
        }
        ec_mve_spread(taps->filters + i * p->taps, taps->places, p->vectors, scratch);
        ec_mve_plane_channel(&c, taps->finish + 4 * i);
        c.plane = plane - 4;
        c.out = out + i;
        c.pairs = (end - first) / rows;
        if (c.pairs > 0) {
            core(&c, p);
        }
        if (odd) {
            ec_mve_plane_channel(&last, taps->finish + 4 * i);
            last.plane = plane - 4 + (end - first) / 2 * p->pitch;
            last.out = out + i + (end - first - 1) * p->out_y;
            last.pairs = 1;
            core(&last, p);
        }
    }
}

/* Some output rows of one image. scratch: the vectors, four bytes, the plane. */
EC_KERNEL void ec_mve_depthwise_rows(
    const ec_mve_depthwise_params *p, const int8_t *in, const int8_t *filters,
    const uint8_t *places, const int32_t *finish, int8_t *scratch, int8_t *out, ec_rows rows,
    ec_mve_plane_core core) {
    const ec_mve_taps taps = {filters, places, finish};
    for (int32_t y = rows.first; y < rows.end;) {
        /* A band ends where the output's ring does. */
        const int32_t at = rows.out_rows == p->window.out_h ? y : y % rows.out_rows;
        const int32_t band = rows.out_rows - at < p->band ? rows.out_rows - at : p->band;
        const int32_t end = rows.end - y < band ? rows.end : y + band;
        ec_mve_depthwise_band(
            p, in, rows.in_rows, &taps, scratch, out + at * p->out_y, y, end, core);
        y = end;
    }
}

/* The whole tensor. */
EC_KERNEL void ec_mve_depthwise(
    const ec_mve_depthwise_params *p, const int8_t *in, const int8_t *filters,
    const uint8_t *places, const int32_t *finish, int8_t *scratch, int8_t *out,
    ec_mve_plane_core core) {
    const ec_window *g = &p->window;
    const ec_rows all = {0, g->out_h, g->in_h, g->out_h};
    for (int32_t i = 0; i < g->batches; ++i) {
        ec_mve_depthwise_rows(
            p, in + i * g->in_h * g->in_w * g->in_c, filters, places, finish, scratch,
            out + i * g->out_h * g->out_w * g->out_c, all, core);
    }
}

/* NOLINTEND(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

#endif
