/* SPDX-License-Identifier: Apache-2.0 */
/* A camera frame -> the model's input: crop, resize, colour, padding, table. One pass over the
 * tensor, straight from the frame: no buffers, and no stack that depends on a size.
 *
 * The Python twin is edgecnn/core/imaging.py.
 */
#ifndef EDGECNN_FRAME_H
#define EDGECNN_FRAME_H

#include "edgecnn_image.h"
#include "edgecnn_resample.h"

/* NOLINTBEGIN(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

enum { EC_FIT_STRETCH, EC_FIT_LETTERBOX, EC_FIT_CROP };
enum { EC_RESIZE_LINEAR, EC_RESIZE_NEAREST, EC_RESIZE_AREA };

/* bgr: the tensor's colour order. pad: byte around a letterboxed frame. element_bytes: 1 or 4.
 * table_stride: from one channel's table to the next, 0 if they share one. */
typedef struct {
    int32_t height, width, channels, bgr;
    int32_t fit, resize, pad, element_bytes, table_stride;
} ec_image_params;

/* The part of a frame that is shown: its first pixel, and how to step and read. */
typedef struct {
    const uint8_t *data;
    size_t stride;
    int32_t pixel_bytes, format, planes;
} ec_view;

/* One colour channel (0 red, 1 green, 2 blue) of a pixel. */
EC_INLINE int32_t ec_channel(const uint8_t *pixel, int32_t format, int32_t channel) {
    int32_t word;
    if (format == EC_GRAY8) {
        return pixel[0];
    }
    if (format == EC_RGB888 || format == EC_BGR888) {
        return pixel[format == EC_RGB888 ? channel : 2 - channel];
    }
    word = format == EC_RGB565 ? pixel[0] | pixel[1] << 8 : pixel[1] | pixel[0] << 8;
    if (channel == 1) {
        word = word >> 5 & 63;
        return word << 2 | word >> 4;
    }
    word = (channel == 0 ? word >> 11 : word) & 31;
    return word << 3 | word >> 2;
}

/* A gray frame's one value is all three colours. */
EC_INLINE void ec_spread_gray(const ec_view *v, int32_t *rgb) {
    if (v->planes == 1) {
        rgb[1] = rgb[2] = rgb[0];
    }
}

/* Which part of the frame goes where in the tensor. */
EC_INLINE ec_frame_map ec_fit_frame(const ec_image_params *p, int32_t width, int32_t height) {
    ec_frame_map m;
    m.frame_width = m.width = width;
    m.frame_height = m.height = height;
    m.fit_width = p->width;
    m.fit_height = p->height;
    if (p->fit == EC_FIT_LETTERBOX) {
        if (p->width * height <= p->height * width) {
            m.fit_height = (height * p->width + width / 2) / width;
            m.fit_height = m.fit_height > 1 ? m.fit_height : 1;
        } else {
            m.fit_width = (width * p->height + height / 2) / height;
            m.fit_width = m.fit_width > 1 ? m.fit_width : 1;
        }
    } else if (p->fit == EC_FIT_CROP) {
        if (width * p->height >= height * p->width) {
            m.width = (height * p->width + p->height / 2) / p->height;
            m.width = m.width > 1 ? m.width : 1;
        } else {
            m.height = (width * p->height + p->width / 2) / p->width;
            m.height = m.height > 1 ? m.height : 1;
        }
    }
    m.x = (width - m.width) / 2;
    m.y = (height - m.height) / 2;
    m.left = (p->width - m.fit_width) / 2;
    m.top = (p->height - m.fit_height) / 2;
    return m;
}

/* Writes one tensor pixel through the table. rgb: bytes. */
EC_INLINE void ec_put_pixel(
    const ec_image_params *p, const void *table, void *tensor, int32_t pixel, const int32_t *rgb) {
    for (int32_t c = 0; c < p->channels; ++c) {
        int32_t byte = rgb[p->bgr ? 2 - c : c];
        int32_t entry;
        if (p->channels == 1) {
            byte = (9798 * rgb[0] + 19235 * rgb[1] + 3735 * rgb[2] + 16384) >> 15;
        }
        entry = byte + c * p->table_stride;
        if (p->element_bytes == 1) {
            ((uint8_t *)tensor)[pixel * p->channels + c] = ((const uint8_t *)table)[entry];
        } else {
            ((float *)tensor)[pixel * p->channels + c] = ((const float *)table)[entry];
        }
    }
}

/* Fills the whole tensor: the frame is put over it. */
EC_INLINE void ec_put_padding(const ec_image_params *p, const void *table, void *tensor) {
    const int32_t rgb[3] = {p->pad, p->pad, p->pad};
    for (int32_t i = 0; i < p->height * p->width; ++i) {
        ec_put_pixel(p, table, tensor, i, rgb);
    }
}

/* One row of the tensor, linear: four taps, weights in 1/256 along each axis, rounded once. */
EC_INLINE void ec_row_linear(
    const ec_image_params *p, const ec_view *v, ec_linear columns, int32_t y, int32_t rows,
    const void *table, void *tensor, int32_t pixel) {
    const uint8_t *top = v->data + (size_t)(y >> 8) * v->stride;
    const uint8_t *bottom = (y >> 8) + 1 < rows ? top + v->stride : top;
    const int32_t wy = y & 255;
    for (int32_t i = 0; i < columns.target; ++i) {
        const int32_t x = ec_linear_next(&columns);
        const int32_t wx = x & 255;
        const int32_t left = (x >> 8) * v->pixel_bytes;
        const int32_t right = (x >> 8) + 1 < columns.size ? left + v->pixel_bytes : left;
        int32_t rgb[3];
        for (int32_t c = 0; c < v->planes; ++c) {
            const int32_t a = ec_channel(top + left, v->format, c) * (256 - wx) +
                              ec_channel(top + right, v->format, c) * wx;
            const int32_t b = ec_channel(bottom + left, v->format, c) * (256 - wx) +
                              ec_channel(bottom + right, v->format, c) * wx;
            rgb[c] = (a * (256 - wy) + b * wy + 32768) >> 16;
        }
        ec_spread_gray(v, rgb);
        ec_put_pixel(p, table, tensor, pixel + i, rgb);
    }
}

EC_INLINE void ec_row_nearest(
    const ec_image_params *p, const ec_view *v, ec_nearest columns, int32_t count, int32_t y,
    const void *table, void *tensor, int32_t pixel) {
    const uint8_t *row = v->data + (size_t)y * v->stride;
    for (int32_t i = 0; i < count; ++i) {
        const uint8_t *from = row + ec_nearest_next(&columns) * v->pixel_bytes;
        int32_t rgb[3];
        for (int32_t c = 0; c < v->planes; ++c) {
            rgb[c] = ec_channel(from, v->format, c);
        }
        ec_spread_gray(v, rgb);
        ec_put_pixel(p, table, tensor, pixel + i, rgb);
    }
}

/* total / count to nearest, in the rule's float32 steps (half to even); 2 x 2 blocks half up. */
EC_INLINE int32_t ec_block_mean(uint32_t total, int32_t fx, int32_t fy) {
    /* volatile: no compiler may fuse the product with the subtraction below. */
    volatile float mean;
    int32_t whole;
    float part;
    if (fx == 2 && fy == 2) {
        return (int32_t)((total + 2) >> 2);
    }
    mean = (float)total * (1.0f / (float)(fx * fy));
    whole = (int32_t)mean;
    part = mean - (float)whole;
    return whole + (part > 0.5f || (part >= 0.5f && (whole & 1) != 0) ? 1 : 0);
}

/* One row of the tensor: means of blocks of fx x fy pixels. */
EC_INLINE void ec_row_area(
    const ec_image_params *p, const ec_view *v, int32_t fx, int32_t fy, int32_t count, int32_t y,
    const void *table, void *tensor, int32_t pixel) {
    const uint8_t *block = v->data + (size_t)(y * fy) * v->stride;
    for (int32_t i = 0; i < count; ++i, block += fx * v->pixel_bytes) {
        uint32_t total[3] = {0, 0, 0};
        int32_t rgb[3];
        for (int32_t by = 0; by < fy; ++by) {
            const uint8_t *from = block + (size_t)by * v->stride;
            for (int32_t bx = 0; bx < fx; ++bx, from += v->pixel_bytes) {
                for (int32_t c = 0; c < v->planes; ++c) {
                    total[c] += (uint32_t)ec_channel(from, v->format, c);
                }
            }
        }
        for (int32_t c = 0; c < v->planes; ++c) {
            rgb[c] = ec_block_mean(total[c], fx, fy);
        }
        ec_spread_gray(v, rgb);
        ec_put_pixel(p, table, tensor, pixel + i, rgb);
    }
}

/* The rows of the tensor that show the frame. */
EC_INLINE void ec_show_frame(
    const ec_image_params *p, const ec_view *v, const ec_frame_map *m, const void *table,
    void *tensor) {
    const ec_linear columns = ec_linear_start(m->width, m->fit_width);
    ec_linear rows = ec_linear_start(m->height, m->fit_height);
    const ec_nearest nearest_columns = ec_nearest_start(m->width, m->fit_width);
    ec_nearest nearest_rows = ec_nearest_start(m->height, m->fit_height);
    const int32_t area = p->resize == EC_RESIZE_AREA && m->width % m->fit_width == 0 &&
                         m->height % m->fit_height == 0;
    for (int32_t y = 0; y < m->fit_height; ++y) {
        const int32_t pixel = (m->top + y) * p->width + m->left;
        if (p->resize == EC_RESIZE_NEAREST) {
            const int32_t at = ec_nearest_next(&nearest_rows);
            ec_row_nearest(p, v, nearest_columns, m->fit_width, at, table, tensor, pixel);
        } else if (area) {
            ec_row_area(p, v, m->width / m->fit_width, m->height / m->fit_height, m->fit_width, y,
                table, tensor, pixel);
        } else {
            const int32_t at = ec_linear_next(&rows);
            ec_row_linear(p, v, columns, at, m->height, table, tensor, pixel);
        }
    }
}

/* Returns 0; -1: no frame; -2: width or height is not 1 to EC_MAX_FRAME, or a row is longer than
 * stride; -3: unknown format. map may be NULL. */
EC_KERNEL(ec_frame_to_tensor) int ec_frame_to_tensor(
    const ec_image_params *p, const uint8_t *frame, int width, int height, int stride, int format,
    const void *table, void *tensor, ec_frame_map *map) {
    ec_frame_map m;
    ec_view v;
    if (frame == NULL) {
        return -1;
    }
    if (format < EC_RGB888 || format > EC_RGB565_BIG) {
        return -3;
    }
    v.pixel_bytes = format == EC_GRAY8 ? 1 : format <= EC_BGR888 ? 3 : 2;
    if (width < 1 || width > EC_MAX_FRAME || height < 1 || height > EC_MAX_FRAME ||
        stride < width * v.pixel_bytes) {
        return -2;
    }
    m = ec_fit_frame(p, width, height);
    v.format = format;
    v.planes = format == EC_GRAY8 ? 1 : 3;
    v.stride = (size_t)stride;
    v.data = frame + (size_t)m.y * v.stride + (size_t)(m.x * v.pixel_bytes);
    if (p->fit == EC_FIT_LETTERBOX) {
        ec_put_padding(p, table, tensor);
    }
    ec_show_frame(p, &v, &m, table, tensor);
    if (map != NULL) {
        *map = m;
    }
    return 0;
}

/* NOLINTEND(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

#endif
