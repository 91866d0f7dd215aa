/* SPDX-License-Identifier: Apache-2.0 */
/* Pools. Included by edgecnn_pool2d.h, once per dtype: EC_V(name) is the name with the dtype's
 * suffix; EC_PARAMS, EC_VALUE, EC_ACC, EC_LOWEST, EC_ADD, EC_FACTOR, EC_MEAN, EC_CLAMP as there. */

/* NOLINTBEGIN(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

EC_INLINE EC_ACC EC_V(ec_pool2d_take)(EC_ACC acc, EC_VALUE value, int32_t kind) {
    const EC_ACC x = (EC_ACC)value;
    if (kind == EC_POOL_MAX) {
        return x > acc ? x : acc;
    }
    return EC_ADD(acc, kind == EC_POOL_L2 ? x * x : x);
}

EC_INLINE EC_VALUE EC_V(ec_pool2d_finish)(
    const EC_PARAMS *p, const ec_pool2d_walk *w, EC_ACC acc, int32_t kind) {
    if (kind != EC_POOL_MAX) {
        acc = EC_MEAN(acc, w->rows * w->columns, w->factor);
    }
    if (kind == EC_POOL_L2) {
        acc = (EC_ACC)ec_sqrtf((float)acc);
    }
    return (EC_VALUE)EC_CLAMP(acc, p->act_min, p->act_max);
}

/* `lanes` channels of one pixel, 1 to 4. */
EC_INLINE void EC_V(ec_pool2d_channels)(
    const EC_PARAMS *p, const ec_pool2d_walk *w, const EC_VALUE *from, EC_VALUE *out,
    int32_t kind, int32_t lanes) {
    EC_ACC a = EC_LOWEST, b, c, d;
    if (kind != EC_POOL_MAX) {
        a = 0;
    }
    b = c = d = a;
    for (int32_t rows = w->rows;;) {
        for (int32_t columns = w->columns; columns > 0; --columns) {
            a = EC_V(ec_pool2d_take)(a, from[0], kind);
            b = lanes > 1 ? EC_V(ec_pool2d_take)(b, from[1], kind) : b;
            c = lanes > 2 ? EC_V(ec_pool2d_take)(c, from[2], kind) : c;
            d = lanes > 3 ? EC_V(ec_pool2d_take)(d, from[3], kind) : d;
            from += p->window.in_c;
        }
        if (--rows <= 0) {
            break;
        }
        from += rows == w->turn ? w->back : w->gap;
    }
    out[0] = EC_V(ec_pool2d_finish)(p, w, a, kind);
    if (lanes > 1) {
        out[1] = EC_V(ec_pool2d_finish)(p, w, b, kind);
    }
    if (lanes > 2) {
        out[2] = EC_V(ec_pool2d_finish)(p, w, c, kind);
    }
    if (lanes > 3) {
        out[3] = EC_V(ec_pool2d_finish)(p, w, d, kind);
    }
}

/* All channels of one pixel, `lanes` at a time. None is read after its own output is written. */
EC_INLINE void EC_V(ec_pool2d_walked)(
    const EC_PARAMS *p, const ec_pool2d_walk *w, const EC_VALUE *from, EC_VALUE *out,
    int32_t kind, int32_t lanes) {
    const int32_t groups = p->window.in_c / lanes, steps = groups + p->window.in_c % lanes;
    for (int32_t i = 0; i < steps; ++i) {
        const int32_t step = ec_turn(p->reverse, i, steps);
        if (step < groups) {
            const int32_t c = step * lanes;
            EC_V(ec_pool2d_channels)(p, w, from + c, out + c, kind, lanes);
        } else {
            const int32_t c = step + groups * (lanes - 1);
            EC_V(ec_pool2d_channels)(p, w, from + c, out + c, kind, 1);
        }
    }
}

/* factor: of a whole window. */
EC_INLINE void EC_V(ec_pool2d_pixel)(
    const EC_PARAMS *p, const ec_taps *t, const EC_VALUE *image, EC_VALUE *out, int32_t kind,
    int32_t factor) {
    const ec_window *g = &p->window;
    const int32_t rows = t->ky1 - t->ky0, columns = t->kx1 - t->kx0;
    const EC_VALUE *from = image + ((t->y + t->ky0) * g->in_w + t->x + t->kx0) * g->in_c;
    const int32_t whole = rows == g->k_h && columns == g->k_w;
    if (whole && !EC_POOL_COMPACT) {
        /* With constants for the loops' counts. */
        const ec_pool2d_walk w = ec_pool2d_walk_of(g, t, g->k_h, g->k_w, factor);
        EC_V(ec_pool2d_walked)(p, &w, from, out, kind, EC_POOL_LANES);
    } else {
        const int32_t own = whole ? factor : EC_FACTOR(kind, rows * columns);
        const ec_pool2d_walk w = ec_pool2d_walk_of(g, t, rows, columns, own);
        EC_V(ec_pool2d_walked)(p, &w, from, out, kind, EC_POOL_COMPACT ? EC_POOL_LANES : 1);
    }
}

/* params are copied: no output can be taken for them. */
EC_INLINE void EC_V(ec_pool2d)(
    const EC_PARAMS *params, const EC_VALUE *in, EC_VALUE *out, int32_t kind) {
    const EC_PARAMS own = *params, *p = &own;
    const ec_window *g = &p->window;
    const int32_t factor = EC_FACTOR(kind, g->k_h * g->k_w);
    int32_t at = p->reverse ? g->batches * g->out_h * g->out_w - 1 : 0;
    for (int32_t b = 0; b < g->batches; ++b) {
        const int32_t n = ec_turn(p->reverse, b, g->batches);
        const EC_VALUE *image = in + n * g->in_h * g->in_w * g->in_c;
        for (int32_t i = 0; i < g->out_h; ++i) {
            const int32_t oy = ec_turn(p->reverse, i, g->out_h);
            for (int32_t j = 0; j < g->out_w; ++j) {
                const ec_taps t = ec_pool2d_clip(g, oy, ec_turn(p->reverse, j, g->out_w));
                EC_V(ec_pool2d_pixel)(p, &t, image, out + at * g->out_c, kind, factor);
                at += p->reverse ? -1 : 1;
            }
        }
    }
}

/* Some rows of one image, forwards. */
EC_INLINE void EC_V(ec_pool2d_rows)(
    const EC_PARAMS *params, const EC_VALUE *in, EC_VALUE *out, ec_rows rows, int32_t kind) {
    const EC_PARAMS own = *params, *p = &own;
    const ec_window *g = &p->window;
    const int32_t factor = EC_FACTOR(kind, g->k_h * g->k_w);
    for (int32_t oy = rows.first; oy < rows.end; ++oy) {
        const int32_t shift = ec_ring_shift(g, oy, rows.in_rows);
        EC_VALUE *to = out + ec_ring(oy, rows.out_rows) * g->out_w * g->out_c;
        for (int32_t ox = 0; ox < g->out_w; ++ox) {
            ec_taps t = ec_pool2d_clip(g, oy, ox);
            t.y -= shift;
            t.ring = rows.in_rows == g->in_h ? 0 : rows.in_rows;
            EC_V(ec_pool2d_pixel)(p, &t, in, to + ox * g->out_c, kind, factor);
        }
    }
}

EC_KERNEL(EC_V(ec_average_pool2d))
void EC_V(ec_average_pool2d)(const EC_PARAMS *p, const EC_VALUE *in, EC_VALUE *out) {
    EC_V(ec_pool2d)(p, in, out, EC_POOL_AVERAGE);
}

EC_KERNEL(EC_V(ec_max_pool2d))
void EC_V(ec_max_pool2d)(const EC_PARAMS *p, const EC_VALUE *in, EC_VALUE *out) {
    EC_V(ec_pool2d)(p, in, out, EC_POOL_MAX);
}

EC_KERNEL(EC_V(ec_average_pool2d_rows)) void EC_V(ec_average_pool2d_rows)(
    const EC_PARAMS *p, const EC_VALUE *in, EC_VALUE *out, ec_rows rows) {
    EC_V(ec_pool2d_rows)(p, in, out, rows, EC_POOL_AVERAGE);
}

EC_KERNEL(EC_V(ec_max_pool2d_rows)) void EC_V(ec_max_pool2d_rows)(
    const EC_PARAMS *p, const EC_VALUE *in, EC_VALUE *out, ec_rows rows) {
    EC_V(ec_pool2d_rows)(p, in, out, rows, EC_POOL_MAX);
}

/* NOLINTEND(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */
