/* SPDX-License-Identifier: Apache-2.0 */
/* Dot products over a run of memory. Included by edgecnn_channels.h, once per dtype:
 * EC_V(name) is the name with the dtype's suffix. */

/* NOLINTBEGIN(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

/* acc[j] += sum of x[i] * w[i + j * stride]: four filters at once. */
EC_INLINE void EC_V(ec_run4)(
    const EC_V(ec_finish) *q, const EC_V(ec_in) *x, const EC_V(ec_filter) *w, int32_t count,
    int32_t stride, EC_V(ec_acc) acc[4]) {
    const EC_V(ec_filter) *w0 = w, *w1 = w + stride, *w2 = w + 2 * stride, *w3 = w + 3 * stride;
    EC_V(ec_acc) a0 = acc[0], a1 = acc[1], a2 = acc[2], a3 = acc[3];
    for (int32_t i = 0; i < count; ++i) {
        const EC_V(ec_in) v = x[i];
        a0 = EC_V(ec_mac)(q, a0, v, w0[i]);
        a1 = EC_V(ec_mac)(q, a1, v, w1[i]);
        a2 = EC_V(ec_mac)(q, a2, v, w2[i]);
        a3 = EC_V(ec_mac)(q, a3, v, w3[i]);
    }
    acc[0] = a0;
    acc[1] = a1;
    acc[2] = a2;
    acc[3] = a3;
}

EC_INLINE EC_V(ec_acc) EC_V(ec_run1)(
    const EC_V(ec_finish) *q, const EC_V(ec_in) *x, const EC_V(ec_filter) *w, int32_t count,
    EC_V(ec_acc) acc) {
    for (int32_t i = 0; i < count; ++i) {
        acc = EC_V(ec_mac)(q, acc, x[i], w[i]);
    }
    return acc;
}

/* NOLINTEND(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */
