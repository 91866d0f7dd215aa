/* SPDX-License-Identifier: Apache-2.0 */
/* The walk of a convolution over its output pixels, forwards or backwards. Included at the end of a
 * kernel's body, with EC_V and EC_PARAMS as there. EC_WALK: the kernel's name. EC_PIXEL: its
 * function of one pixel. EC_REACH EC_FIND(window, y, x): what that pixel reads. EC_WALK_ROWS: the
 * name of the kernel over rings of rows, for those whose EC_REACH is ec_taps. */

/* NOLINTBEGIN(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

EC_KERNEL(EC_WALK) void EC_WALK(
    const EC_PARAMS *p, const EC_V(ec_in) *in, const EC_V(ec_filter) *filters,
    const EC_V(ec_bias) *bias, const int32_t *multipliers, const int8_t *shifts,
    EC_V(ec_in) *out) {
    const ec_window *g = &p->window;
    int32_t at = p->reverse ? g->batches * g->out_h * g->out_w - 1 : 0;
    for (int32_t b = 0; b < g->batches; ++b) {
        const int32_t n = ec_turn(p->reverse, b, g->batches);
        const EC_V(ec_in) *image = in + n * g->in_h * g->in_w * g->in_c;
        for (int32_t i = 0; i < g->out_h; ++i) {
            const int32_t oy = ec_turn(p->reverse, i, g->out_h);
            for (int32_t j = 0; j < g->out_w; ++j) {
                const EC_REACH reach = EC_FIND(g, oy, ec_turn(p->reverse, j, g->out_w));
                EC_PIXEL(
                    p, &reach, image, filters, bias, multipliers, shifts, out + at * g->out_c);
                at += p->reverse ? -1 : 1;
            }
        }
    }
}

#if defined(EC_WALK_ROWS)
/* Some rows of one image, forwards. */
EC_KERNEL(EC_WALK_ROWS) void EC_WALK_ROWS(
    const EC_PARAMS *p, const EC_V(ec_in) *in, const EC_V(ec_filter) *filters,
    const EC_V(ec_bias) *bias, const int32_t *multipliers, const int8_t *shifts,
    EC_V(ec_in) *out, ec_rows rows) {
    const ec_window *g = &p->window;
    for (int32_t oy = rows.first; oy < rows.end; ++oy) {
        const int32_t shift = ec_ring_shift(g, oy, rows.in_rows);
        EC_V(ec_in) *to = out + ec_ring(oy, rows.out_rows) * g->out_w * g->out_c;
        for (int32_t ox = 0; ox < g->out_w; ++ox) {
            ec_taps reach = EC_FIND(g, oy, ox);
            reach.y -= shift;
            reach.ring = rows.in_rows == g->in_h ? 0 : rows.in_rows;
            EC_PIXEL(p, &reach, in, filters, bias, multipliers, shifts, to + ox * g->out_c);
        }
    }
}
#undef EC_WALK_ROWS
#endif
#undef EC_WALK
#undef EC_PIXEL
#undef EC_REACH
#undef EC_FIND

/* NOLINTEND(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */
