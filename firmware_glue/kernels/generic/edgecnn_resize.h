/* RESIZE_NEAREST_NEIGHBOR, NHWC: source rows and columns come from tables. */
#ifndef EDGECNN_RESIZE_H
#define EDGECNN_RESIZE_H

#include "edgecnn_common.h"

typedef struct {
    int32_t batches, in_h, in_w, out_h, out_w, pixel_bytes;
} ec_resize_params;

EC_KERNEL void ec_resize_nearest(
    const ec_resize_params *p, const void *in, const uint16_t *rows, const uint16_t *columns,
    void *out) {
    const uint8_t *image = (const uint8_t *)in;
    uint8_t *to = (uint8_t *)out;
    for (int32_t n = 0; n < p->batches; ++n) {
        for (int32_t y = 0; y < p->out_h; ++y) {
            const uint8_t *row = image + rows[y] * p->in_w * p->pixel_bytes;
            for (int32_t x = 0; x < p->out_w; ++x) {
                const uint8_t *from = row + columns[x] * p->pixel_bytes;
                for (int32_t i = 0; i < p->pixel_bytes; ++i) {
                    *to++ = from[i];
                }
            }
        }
        image += p->in_h * p->in_w * p->pixel_bytes;
    }
}

#endif
