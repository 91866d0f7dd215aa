/* CONV_2D as one blocked matrix product: two pixels by four output channels at a time, 16 products
 * each per VMLADAVA.
 *
 * filters, per four channels: their biases (16 bytes), then per 16 taps (of K = k_h * k_w * in_c, in
 * the order of the patch; the last ones filled up with zeros) 16 bytes of each channel. So bytes
 * behind a patch do not matter.
 * Channels come in groups of eight, first the even ones of a group, then the odd ones, as VQSHRNB
 * and VQSHRNT put them side by side; up to four left over are a group of their own.
 * finish: edgecnn_mve_common.h, in the same order.
 *
 * A pixel's patch is read where it lies (direct: 1x1, stride 1), or gathered into scratch. Padding
 * is gathered as the input's zero point: the biases hold its share.
 *
 * Exact: sums of products of bytes wrap around at 32 bits and end within them; how they become
 * outputs is proven by the compiler on every sum that a channel can have. */
#ifndef EDGECNN_MVE_GEMM_H
#define EDGECNN_MVE_GEMM_H

#include "edgecnn_mve_common.h"

/* NOLINTBEGIN(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

/* direct: patches are read in place. chunks: of 16 taps. trips: rounds of the core's inner loop.
 * tile: patches that scratch holds, `pitch` bytes from one to the next: their rows are copied by 16
 * bytes, so that the last one of each needs room. line: bytes of an input row with its borders, where patches
 * are made of such copies; else 0. words: int32 values per group of finish. */
typedef struct {
    ec_window window;
    int32_t direct, chunks, trips, tile, pitch, line, words, in_zero, act_min, act_max, reverse;
} ec_mve_gemm_params;

/* What a core is called with: `pairs` pairs of pixels. x0, x1: the patches of the first pair. x_step
 * leads to the next pair's, out_step from behind the outputs' last group of eight to the next pair's
 * outputs. last: finish behind the last whole group of eight. The core changes it. */
typedef struct {
    const int8_t *x0, *x1;
    int32_t trips;
    int8_t *out0, *out1;
    int32_t x_step, out_step, pairs;
    const int8_t *filters;
    const int32_t *finish, *last;
    int32_t act_min, act_max;
} ec_mve_block;

typedef struct {
    const int8_t *filters;
    const int32_t *finish;
} ec_mve_tables;

typedef void (*ec_mve_core)(ec_mve_block *block);

#if EC_MVE
/* Registers: r11 the block, r1 and r3 its patches, r5 filters, r9 finish, r7 the inner loop's count;
 * VMLADAVA sums in even ones: r0, r2, r4, r6 the first pixel's, r8, r10, r12, r14 the second's. */

/* X0, X1: 16 taps of both pixels. */
#define EC_MVE_MACS(X0, X1)                                                                  \
    "vldrb.8 q2, [r5], #16\n vmladava.s8 r0, " X0 ", q2\n vmladava.s8 r8, " X1 ", q2\n"      \
    "vldrb.8 q3, [r5], #16\n vmladava.s8 r2, " X0 ", q3\n vmladava.s8 r10, " X1 ", q3\n"     \
    "vldrb.8 q2, [r5], #16\n vmladava.s8 r4, " X0 ", q2\n vmladava.s8 r12, " X1 ", q2\n"     \
    "vldrb.8 q3, [r5], #16\n vmladava.s8 r6, " X0 ", q3\n vmladava.s8 lr, " X1 ", q3\n"

/* The first of two general registers goes to the lower lane. */
#define EC_MVE_TO_VECTORS                                                                    \
    "vmov q0[2], q0[0], r0, r4\n vmov q0[3], q0[1], r2, r6\n"                                \
    "vmov q1[2], q1[0], r8, r12\n vmov q1[3], q1[1], r10, lr\n"                              \
    "vldrw.32 q2, [r9], #16\n"

/* Sums of four channels of both pixels. HOISTED: one chunk, its patches in q6 and q7. */
#define EC_MVE_SUMS(UNROLL, LOOP)                                                            \
    "ldm r5, {r0, r2, r4, r6}\n ldm r5!, {r8, r10, r12, lr}\n"                               \
    ".if " #UNROLL " > 1 || " #LOOP "\n"                                                     \
    "ldm r11, {r1, r3, r7}\n"                                                                \
    "1:\n .rept " #UNROLL "\n"                                                               \
    "vldrb.8 q0, [r1], #16\n vldrb.8 q1, [r3], #16\n" EC_MVE_MACS("q0", "q1")                \
    ".endr\n"                                                                                \
    ".if " #LOOP "\n subs r7, #1\n bne 1b\n .endif\n"                                        \
    ".else\n" EC_MVE_MACS("q6", "q7") ".endif\n"

/* Their outputs as 16-bit values, in the even (b) or odd (t) lanes of q4 and q5. */
#define EC_MVE_HALF(LANES, FORM, SHIFT)                                                      \
    EC_MVE_TO_VECTORS                                                                        \
    ".if " #FORM " == 0\n"                                                                   \
    "vmulh.s32 q0, q0, q2\n vldrw.32 q3, [r9], #16\n vmulh.s32 q1, q1, q2\n"                 \
    "vadd.i32 q0, q0, q3\n vadd.i32 q1, q1, q3\n"                                            \
    "vqshrn" LANES ".s32 q4, q0, #" #SHIFT "\n vqshrn" LANES ".s32 q5, q1, #" #SHIFT "\n"    \
    ".else\n"                                                                                \
    ".if " #FORM " == 1\n"                                                                   \
    "vshr.s32 q3, q0, #31\n vqrdmulh.s32 q0, q0, q2\n vadd.i32 q0, q0, q3\n"                 \
    "vshr.s32 q3, q1, #31\n vqrdmulh.s32 q1, q1, q2\n vadd.i32 q1, q1, q3\n"                 \
    ".else\n"                                                                                \
    "vqdmulh.s32 q0, q0, q2\n vqdmulh.s32 q1, q1, q2\n"                                      \
    ".endif\n"                                                                               \
    "vldrw.32 q3, [r9], #16\n vldrw.32 q2, [r9], #16\n"                                      \
    "vadd.i32 q0, q0, q3\n vadd.i32 q1, q1, q3\n"                                            \
    "vshl.s32 q0, q0, q2\n vshl.s32 q1, q1, q2\n"                                            \
    "vqmovn" LANES ".s32 q4, q0\n vqmovn" LANES ".s32 q5, q1\n"                              \
    ".endif\n"

/* q4 and q5 as bytes in q0 and q1. */
#define EC_MVE_BYTES(CLAMP)                                                                  \
    ".if " #CLAMP "\n"                                                                       \
    "ldrd r4, r6, [r11, #44]\n vdup.16 q2, r4\n vdup.16 q3, r6\n"                            \
    "vmax.s16 q0, q4, q2\n vmax.s16 q1, q5, q2\n vmin.s16 q0, q0, q3\n vmin.s16 q1, q1, q3\n" \
    ".else\n"                                                                                \
    "vqmovnb.s16 q0, q4\n vqmovnb.s16 q1, q5\n"                                              \
    ".endif\n"

/* The last TAIL channels, less than eight. */
#define EC_MVE_TAIL(FORM, SHIFT, UNROLL, LOOP, CLAMP, TAIL)                                  \
    ".if " #TAIL "\n"                                                                        \
    EC_MVE_SUMS(UNROLL, LOOP)                                                                \
    EC_MVE_HALF("b", FORM, SHIFT)                                                            \
    ".if " #TAIL " > 4\n"                                                                    \
    EC_MVE_SUMS(UNROLL, LOOP)                                                                \
    EC_MVE_HALF("t", FORM, SHIFT)                                                            \
    ".endif\n"                                                                               \
    EC_MVE_BYTES(CLAMP)                                                                      \
    "ldrd r0, r2, [r11, #12]\n movs r4, #" #TAIL "\n"                                        \
    ".if " #TAIL " > 4\n"                                                                    \
    "vctp.16 r4\n vpstt\n vstrbt.16 q0, [r0]\n vstrbt.16 q1, [r2]\n"                         \
    ".else\n"                                                                                \
    "vctp.32 r4\n vpstt\n vstrbt.32 q0, [r0]\n vstrbt.32 q1, [r2]\n"                         \
    ".endif\n"                                                                               \
    ".endif\n"

/* Defines the core NAME. FORM, SHIFT (1 to 16, or 0 but for the affine form): how sums become
 * outputs. UNROLL: chunks per round of the inner loop, LOOP: 1 if there is more than one round.
 * CLAMP: 1 if the activation leaves less than int8's range. TAIL: out_c % 8. */
#define EC_MVE_GEMM(NAME, FORM, SHIFT, UNROLL, LOOP, CLAMP, TAIL)                            \
    EC_NAKED void NAME(EC_UNUSED ec_mve_block *block) {                                      \
        __asm__ volatile(                                                                    \
            "push {r3-r11, lr}\n vpush {d8-d15}\n mov r11, r0\n"                             \
            "2:\n"                                                                           \
            ".if " #UNROLL " == 1 && " #LOOP " == 0\n"                                       \
            "ldrd r1, r3, [r11]\n vldrb.8 q6, [r1]\n vldrb.8 q7, [r3]\n"                     \
            ".endif\n"                                                                       \
            "ldrd r5, r9, [r11, #32]\n"                                                      \
            ".if " #TAIL "\n ldr r0, [r11, #40]\n cmp r9, r0\n beq 4f\n .endif\n"              \
            "3:\n"                                                                           \
            EC_MVE_SUMS(UNROLL, LOOP)                                                        \
            EC_MVE_HALF("b", FORM, SHIFT)                                                    \
            EC_MVE_SUMS(UNROLL, LOOP)                                                        \
            EC_MVE_HALF("t", FORM, SHIFT)                                                    \
            EC_MVE_BYTES(CLAMP)                                                              \
            "ldrd r0, r2, [r11, #12]\n ldr r4, [r11, #40]\n cmp r9, r4\n"                    \
            "vstrb.16 q0, [r0], #8\n vstrb.16 q1, [r2], #8\n"                                \
            "strd r0, r2, [r11, #12]\n bne 3b\n"                                             \
            "4:\n"                                                                           \
            EC_MVE_TAIL(FORM, SHIFT, UNROLL, LOOP, CLAMP, TAIL)                              \
            "ldm r11, {r0-r7}\n"                                                             \
            "add r0, r5\n add r1, r5\n add r3, r6\n add r4, r6\n subs r7, #1\n"              \
            "stm r11, {r0-r7}\n bne 2b\n"                                                    \
            "vpop {d8-d15}\n pop {r3-r11, pc}\n");                                           \
    }
#else
#define EC_MVE_GEMM(NAME, FORM, SHIFT, UNROLL, LOOP, CLAMP, TAIL)                            \
    static EC_UNUSED void NAME(ec_mve_block *block) {                                        \
        ec_mve_gemm_plain(block, FORM, SHIFT, UNROLL, TAIL);                                 \
    }

/* A core in plain C. */
EC_INLINE void ec_mve_gemm_plain(
    ec_mve_block *block, int32_t form, int32_t shift, int32_t unroll, int32_t tail) {
    const int32_t words = ec_mve_finish_words(form), chunks = block->trips * unroll;
    for (; block->pairs > 0; --block->pairs) {
        const int8_t *w = block->filters;
        const int32_t *q = block->finish;
        const int32_t whole = (int32_t)(block->last - q) / words * 4;
        for (int32_t i = 0; i < whole + (tail > 4 ? 8 : tail > 0 ? 4 : 0); ++i) {
            const int32_t spread = i < whole || tail > 4;
            const int32_t c = spread ? i / 8 * 8 + i % 4 * 2 + i / 4 % 2 : i;
            const int32_t *r = q + i / 4 * words + i % 4;
            const int8_t *group = w + i / 4 * (16 + chunks * 64), *taps = group + 16 + i % 4 * 16;
            const int32_t bias = (int32_t)ec_load4(group + i % 4 * 4);
            int32_t sums[2] = {bias, bias};
            for (int32_t k = 0; k < chunks * 16; ++k) {
                const int32_t v = taps[k / 16 * 64 + k % 16];
                sums[0] = ec_wrap_add(sums[0], v != 0 ? v * block->x0[k] : 0);
                sums[1] = ec_wrap_add(sums[1], v != 0 ? v * block->x1[k] : 0);
            }
            for (int32_t j = 0; c < whole + tail && j < 2; ++j) {
                const int32_t right = form == EC_MVE_AFFINE ? shift : r[8];
                const int32_t value = ec_mve_finish(form, right, sums[j], r[0], r[4]);
                (j ? block->out1 : block->out0)[c] =
                    (int8_t)ec_clamp(value, block->act_min, block->act_max);
            }
        }
        block->x0 += block->x_step;
        block->x1 += block->x_step;
        block->out0 += whole + block->out_step;
        block->out1 += whole + block->out_step;
    }
}
#endif

/* `count` neighbouring pixels, `pixel` bytes from patch to patch; backwards in reverse. */
static EC_NOINLINE EC_UNUSED void ec_mve_gemm_pixels(
    const ec_mve_gemm_params *p, const ec_mve_tables *tables, const int8_t *x, int32_t pixel,
    int32_t count, int8_t *out, ec_mve_core core) {
    const int32_t out_c = p->window.out_c, pairs = count / 2;
    const int32_t turn = p->reverse ? -2 : 2, first = p->reverse ? (pairs - 1) * 2 : 0;
    ec_mve_block block;
    block.trips = p->trips;
    block.x_step = turn * pixel;
    block.out_step = turn * out_c - out_c / 8 * 8;
    block.filters = tables->filters;
    block.finish = tables->finish;
    block.last = tables->finish + out_c / 8 * 2 * p->words;
    block.act_min = p->act_min;
    block.act_max = p->act_max;
    for (int32_t i = 0; i < 2; ++i) {
        /* The last one of an odd number is computed twice. */
        const int32_t single = p->reverse ? i == 0 : i == 1;
        const int32_t at = single ? count - 1 : first;
        block.pairs = single ? count % 2 : pairs;
        block.x0 = x + at * pixel;
        block.x1 = single ? block.x0 : block.x0 + pixel;
        block.out0 = out + at * out_c;
        block.out1 = single ? block.out0 : block.out0 + out_c;
        if (block.pairs > 0) {
            core(&block);
        }
    }
}

/* `count` pixels at x, of which a core may read all bytes before x + readable. */
static EC_NOINLINE EC_UNUSED void ec_mve_gemm_direct(
    const ec_mve_gemm_params *p, const ec_mve_tables *tables, const int8_t *x, int32_t readable,
    int32_t count, int8_t *scratch, int8_t *out, ec_mve_core core) {
    const int32_t in_c = p->window.in_c, patch = p->chunks * 16;
    const int32_t whole = readable < patch ? 0 : (readable - patch) / in_c + 1;
    const int32_t safe = whole < count ? whole : count;
    for (int32_t i = 0; i < 2; ++i) {
        if ((i == 0) != (p->reverse != 0)) {
            ec_mve_gemm_pixels(p, tables, x, in_c, safe, out, core);
        } else if (safe < count) {
            ec_mve_copy(scratch, x + safe * in_c, (count - safe) * in_c);
            ec_mve_gemm_pixels(
                p, tables, scratch, in_c, count - safe, out + safe * p->window.out_c, core);
        }
    }
}

/* A row of one patch: the taps at input columns x, x + dilation_w ... of an input row, of which some
 * may lie outside; row NULL: all do. */
static EC_NOINLINE EC_UNUSED void ec_mve_gemm_line(
    const ec_mve_gemm_params *p, const int8_t *row, int32_t x, int8_t *to) {
    const ec_window *g = &p->window;
    if (row != NULL && g->dilation_w > 1) {
        for (int32_t k = 0; k < g->k_w; ++k) {
            const int32_t at = x + k * g->dilation_w;
            if (at < 0 || at >= g->in_w) {
                ec_mve_fill(to + k * g->in_c, p->in_zero, g->in_c);
            } else {
                ec_mve_copy(to + k * g->in_c, row + at * g->in_c, g->in_c);
            }
        }
    } else {
        const int32_t first = row == NULL ? g->k_w : ec_clamp(-x, 0, g->k_w);
        const int32_t end = ec_clamp(g->in_w - x, first, g->k_w);
        ec_mve_fill(to, p->in_zero, first * g->in_c);
        if (first < end) {
            ec_mve_copy(to + first * g->in_c, row + (x + first) * g->in_c, (end - first) * g->in_c);
        }
        ec_mve_fill(to + end * g->in_c, p->in_zero, (g->k_w - end) * g->in_c);
    }
}

/* Behind the last output column whose window lies inside an input row, and may be copied by sixteen
 * bytes where `readable` ones lie from the row's first byte on. */
EC_INLINE int32_t ec_mve_gemm_inside(const ec_mve_gemm_params *p, int32_t readable) {
    const ec_window *g = &p->window;
    const int32_t run = (g->k_w * g->in_c + 15) / 16 * 16;
    const int32_t room = g->in_w - g->k_w + g->pad_left;
    const int32_t inside = room < 0 ? 0 : room / g->stride_w + 1;
    if (readable < g->in_w * g->in_c + 15) {
        const int32_t spare = readable - run + g->pad_left * g->in_c;
        const int32_t held = spare < 0 ? 0 : spare / (g->stride_w * g->in_c) + 1;
        return held < inside ? held : inside;
    }
    return inside;
}

/* One row each of `count` patches that lie inside the row at `from`. */
EC_INLINE void ec_mve_gemm_inner_lines(
    const ec_mve_gemm_params *p, const int8_t *from, int32_t count, int8_t *to) {
    const ec_window *g = &p->window;
    EC_ROLLED for (int32_t n = count; n > 0; --n) {
        for (int32_t i = 0; i < g->k_w * g->in_c; i += 16) {
            ec_mve_copy16(to + i, from + i);
        }
        from += g->stride_w * g->in_c;
        to += p->pitch;
    }
}

/* The same from output column ox on, where the first and the last ones may reach outside. */
EC_INLINE void ec_mve_gemm_outer_lines(
    const ec_mve_gemm_params *p, const int8_t *row, int32_t readable, int32_t ox, int32_t count,
    int8_t *to) {
    const ec_window *g = &p->window;
    const int32_t none = row == NULL || g->dilation_w > 1;
    const int32_t inside = none ? 0 : ec_mve_gemm_inside(p, readable);
    const int32_t first = ec_clamp((g->pad_left + g->stride_w - 1) / g->stride_w - ox, 0, count);
    const int32_t end = ec_clamp(inside - ox, first, count);
    if (first < end) {
        const int32_t x = (ox + first) * g->stride_w - g->pad_left;
        ec_mve_gemm_inner_lines(p, row + x * g->in_c, end - first, to + first * p->pitch);
    }
    EC_ROLLED for (int32_t j = first > 0 ? 0 : end; j < count; j = j + 1 == first ? end : j + 1) {
        ec_mve_gemm_line(p, row, (ox + j) * g->stride_w - g->pad_left, to + j * p->pitch);
    }
}

/* The same by a copy of the row with its borders: cheaper where rows are short. */
EC_INLINE void ec_mve_gemm_bordered_lines(
    const ec_mve_gemm_params *p, const int8_t *row, int32_t ox, int32_t count, int8_t *line,
    int8_t *to) {
    const ec_window *g = &p->window;
    const int32_t left = g->pad_left * g->in_c, middle = g->in_w * g->in_c;
    ec_mve_fill(line, p->in_zero, row == NULL ? p->line : left);
    if (row != NULL) {
        ec_mve_copy(line + left, row, middle);
        ec_mve_fill(line + left + middle, p->in_zero, p->line - left - middle);
    }
    ec_mve_gemm_inner_lines(p, line + ox * g->stride_w * g->in_c, count, to);
}

/* Patches of `count` output pixels of row oy from column ox on. */
EC_INLINE void ec_mve_gemm_gather(
    const ec_mve_gemm_params *p, const int8_t *in, int32_t in_rows, int32_t oy, int32_t ox,
    int32_t count, int8_t *line, int8_t *to) {
    const ec_window *g = &p->window;
    EC_ROLLED for (int32_t k = 0; k < g->k_h; ++k) {
        const int32_t y = oy * g->stride_h - g->pad_top + k * g->dilation_h;
        const int32_t outside = g->clip_h && (y < 0 || y >= g->in_h);
        const int32_t at = outside || in_rows == g->in_h ? y : y % in_rows;
        const int32_t pitch = g->in_w * g->in_c;
        const int8_t *row = outside ? NULL : in + at * pitch;
        if (p->line > 0) {
            ec_mve_gemm_bordered_lines(p, row, ox, count, line, to);
        } else {
            ec_mve_gemm_outer_lines(p, row, (in_rows - at) * pitch, ox, count, to);
        }
        to += g->k_w * g->in_c;
    }
}

/* `count` output pixels of one image from pixel `first` on, which lie side by side at `out`: by tiles
 * of patches in scratch. */
EC_INLINE void ec_mve_gemm_tiles(
    const ec_mve_gemm_params *p, const ec_mve_tables *tables, const int8_t *in, int32_t in_rows,
    int32_t first, int32_t count, int8_t *scratch, int8_t *out, ec_mve_core core) {
    const int32_t tiles = (count + p->tile - 1) / p->tile, out_w = p->window.out_w;
    for (int32_t i = 0; i < tiles; ++i) {
        const int32_t begin = ec_turn(p->reverse, i, tiles) * p->tile;
        const int32_t size = count - begin < p->tile ? count - begin : p->tile;
        int32_t oy = (first + begin) / out_w, ox = (first + begin) % out_w;
        for (int32_t done = 0; done < size;) {
            const int32_t some = out_w - ox < size - done ? out_w - ox : size - done;
            ec_mve_gemm_gather(
                p, in, in_rows, oy, ox, some, scratch + p->tile * p->pitch,
                scratch + done * p->pitch);
            done += some;
            ox = 0;
            ++oy;
        }
        ec_mve_gemm_pixels(
            p, tables, scratch, p->pitch, size, out + begin * p->window.out_c, core);
    }
}

/* Some output rows of one image. scratch: `tile` patches, `pitch` bytes each, and `line` bytes;
 * direct: one patch of 16 * chunks bytes and 16 bytes more. */
EC_KERNEL void ec_mve_gemm_rows(
    const ec_mve_gemm_params *p, const int8_t *in, const int8_t *filters, const int32_t *finish,
    int8_t *scratch, int8_t *out, ec_rows rows, ec_mve_core core) {
    const ec_window *g = &p->window;
    const ec_mve_tables tables = {filters, finish};
    for (int32_t i = rows.first; i < rows.end; ++i) {
        const int32_t oy = ec_turn(p->reverse, i - rows.first, rows.end - rows.first) + rows.first;
        const int32_t to = rows.out_rows == g->out_h ? oy : oy % rows.out_rows;
        int8_t *row = out + to * g->out_w * g->out_c;
        if (p->direct) {
            const int32_t at = rows.in_rows == g->in_h ? oy : oy % rows.in_rows;
            const int32_t pitch = g->in_w * g->in_c;
            ec_mve_gemm_direct(
                p, &tables, in + at * pitch, (rows.in_rows - at) * pitch, g->out_w, scratch, row,
                core);
        } else {
            ec_mve_gemm_tiles(
                p, &tables, in, rows.in_rows, oy * g->out_w, g->out_w, scratch, row, core);
        }
    }
}

/* The whole tensor. */
EC_KERNEL void ec_mve_gemm(
    const ec_mve_gemm_params *p, const int8_t *in, const int8_t *filters, const int32_t *finish,
    int8_t *scratch, int8_t *out, ec_mve_core core) {
    const ec_window *g = &p->window;
    const ec_mve_tables tables = {filters, finish};
    if (p->direct) {
        const int32_t pixels = g->batches * g->out_h * g->out_w;
        ec_mve_gemm_direct(p, &tables, in, pixels * g->in_c, pixels, scratch, out, core);
        return;
    }
    for (int32_t i = 0; i < g->batches; ++i) {
        const int32_t n = ec_turn(p->reverse, i, g->batches), pixels = g->out_h * g->out_w;
        ec_mve_gemm_tiles(
            p, &tables, in + n * g->in_h * g->in_w * g->in_c, g->in_h, 0, pixels, scratch,
            out + n * pixels * g->out_c, core);
    }
}

/* NOLINTEND(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

#endif
