/* Pools. Included by edgecnn_pool2d.h, once per dtype: EC_V(name) is the name with the dtype's
 * suffix; EC_PARAMS, EC_VALUE, EC_ACC, EC_LOWEST, EC_ADD, EC_MEAN, EC_CLAMP as there. */

/* NOLINTBEGIN(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

/* All channels of one pixel. */
EC_INLINE void EC_V(ec_pool2d_pixel)(
    const EC_PARAMS *p, const ec_taps *t, const EC_VALUE *image, EC_VALUE *out, int32_t kind) {
    const ec_window *g = &p->window;
    const int32_t rows = t->ky1 - t->ky0, columns = t->kx1 - t->kx0;
    const EC_VALUE *corner = image + (t->x + t->kx0) * g->in_c;
    for (int32_t i = 0; i < g->in_c; ++i) {
        const int32_t c = ec_turn(p->reverse, i, g->in_c);
        EC_ACC acc = EC_LOWEST;
        if (kind != EC_POOL_MAX) {
            acc = 0;
        }
        for (int32_t ky = 0; ky < rows; ++ky) {
            const int32_t y = ec_tap_row(g, t, t->ky0 + ky);
            const EC_VALUE *from = corner + y * g->in_w * g->in_c + c;
            for (int32_t kx = 0; kx < columns; ++kx) {
                const EC_ACC x = (EC_ACC)*from;
                if (kind == EC_POOL_MAX) {
                    acc = x > acc ? x : acc;
                } else {
                    acc = EC_ADD(acc, kind == EC_POOL_L2 ? x * x : x);
                }
                from += g->in_c;
            }
        }
        if (kind != EC_POOL_MAX) {
            acc = EC_MEAN(acc, rows * columns);
        }
        if (kind == EC_POOL_L2) {
            acc = (EC_ACC)ec_sqrtf((float)acc);
        }
        out[c] = (EC_VALUE)EC_CLAMP(acc, p->act_min, p->act_max);
    }
}

EC_INLINE void EC_V(ec_pool2d)(
    const EC_PARAMS *p, const EC_VALUE *in, EC_VALUE *out, int32_t kind) {
    const ec_window *g = &p->window;
    int32_t at = p->reverse ? g->batches * g->out_h * g->out_w - 1 : 0;
    for (int32_t b = 0; b < g->batches; ++b) {
        const int32_t n = ec_turn(p->reverse, b, g->batches);
        const EC_VALUE *image = in + n * g->in_h * g->in_w * g->in_c;
        for (int32_t i = 0; i < g->out_h; ++i) {
            const int32_t oy = ec_turn(p->reverse, i, g->out_h);
            for (int32_t j = 0; j < g->out_w; ++j) {
                const ec_taps t = ec_clip_window(g, oy, ec_turn(p->reverse, j, g->out_w));
                EC_V(ec_pool2d_pixel)(p, &t, image, out + at * g->out_c, kind);
                at += p->reverse ? -1 : 1;
            }
        }
    }
}

/* Some rows of one image, forwards. */
EC_INLINE void EC_V(ec_pool2d_rows)(
    const EC_PARAMS *p, const EC_VALUE *in, EC_VALUE *out, ec_rows rows, int32_t kind) {
    const ec_window *g = &p->window;
    for (int32_t oy = rows.first; oy < rows.end; ++oy) {
        const int32_t shift = ec_ring_shift(g, oy, rows.in_rows);
        EC_VALUE *to = out + ec_ring(oy, rows.out_rows) * g->out_w * g->out_c;
        for (int32_t ox = 0; ox < g->out_w; ++ox) {
            ec_taps t = ec_clip_window(g, oy, ox);
            t.y -= shift;
            t.ring = rows.in_rows == g->in_h ? 0 : rows.in_rows;
            EC_V(ec_pool2d_pixel)(p, &t, in, to + ox * g->out_c, kind);
        }
    }
}

EC_KERNEL void EC_V(ec_average_pool2d)(const EC_PARAMS *p, const EC_VALUE *in, EC_VALUE *out) {
    EC_V(ec_pool2d)(p, in, out, EC_POOL_AVERAGE);
}

EC_KERNEL void EC_V(ec_max_pool2d)(const EC_PARAMS *p, const EC_VALUE *in, EC_VALUE *out) {
    EC_V(ec_pool2d)(p, in, out, EC_POOL_MAX);
}

EC_KERNEL void EC_V(ec_average_pool2d_rows)(
    const EC_PARAMS *p, const EC_VALUE *in, EC_VALUE *out, ec_rows rows) {
    EC_V(ec_pool2d_rows)(p, in, out, rows, EC_POOL_AVERAGE);
}

EC_KERNEL void EC_V(ec_max_pool2d_rows)(
    const EC_PARAMS *p, const EC_VALUE *in, EC_VALUE *out, ec_rows rows) {
    EC_V(ec_pool2d_rows)(p, in, out, rows, EC_POOL_MAX);
}

/* NOLINTEND(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */
