/* SPDX-License-Identifier: Apache-2.0 */
/* Points from a grid of class scores. The Python twin is edgecnn/core/decode/
 * centroids.py with joined_cells.py:
 *
 * 1. a cell's class is its highest score's, the background apart (the first of equal ones); those
 *    below the threshold, or that class's own one, go;
 * 2. cells of one class that touch, corners included, are one object: its score is the highest of
 *    theirs, its point their centres' mean, weighted by score; the best objects stay (of equal
 *    ones the one whose first cell comes first);
 * 3. points and cells are mapped to the frame and clipped; objects with no cell inside it go.
 */
#ifndef EDGECNN_CENTROIDS_H
#define EDGECNN_CENTROIDS_H

#include "edgecnn_boxes.h"

/* NOLINTBEGIN(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

/* scores.count: with the background, which is the first of them if background is 1. */
typedef struct {
    ec_score_params scores;
    int32_t rows, cols, background, max_points;
    float stride, threshold;
} ec_centroid_params;

EC_INLINE int32_t ec_first_cell(const ec_cell *cells, int32_t at) {
    while (cells[at].first != at) {
        at = cells[at].first;
    }
    return at;
}

/* Makes two cells one object if both are of one class. */
EC_INLINE void ec_join_cells(ec_cell *cells, int32_t a, int32_t b) {
    if (cells[a].label == cells[b].label) {
        const int32_t i = ec_first_cell(cells, a);
        const int32_t k = ec_first_cell(cells, b);
        cells[i < k ? k : i].first = i < k ? i : k;
    }
}

/* Joins cell at (row, col) with its neighbours that come before it. */
EC_INLINE void ec_join_before(const ec_centroid_params *p, ec_cell *cells, int32_t row, int32_t col) {
    const int32_t at = row * p->cols + col;
    if (col > 0) {
        ec_join_cells(cells, at, at - 1);
    }
    if (row > 0) {
        for (int32_t c = col > 0 ? col - 1 : 0; c <= col + 1 && c < p->cols; ++c) {
            ec_join_cells(cells, at, (row - 1) * p->cols + c);
        }
    }
}

/* Puts an object into the list, best first; a full list loses its last. Returns the new count. */
EC_INLINE int32_t ec_insert_point(
    ec_point *list, int32_t count, int32_t room, const ec_cell *cell, int32_t first) {
    int32_t at = count < room ? count : room - 1;
    if (count == room && !(cell->best > list[at].score)) {
        return count;
    }
    for (; at > 0 && list[at - 1].score < cell->best; --at) {
        list[at] = list[at - 1];
    }
    list[at].score = cell->best;
    list[at].label = cell->label;
    list[at].cell = first;
    return count < room ? count + 1 : count;
}

/* Fills in where an object is, in tensor pixels. */
EC_INLINE void ec_locate(const ec_centroid_params *p, const ec_cell *cells, ec_point *point) {
    float total = 0.0f, x = 0.0f, y = 0.0f;
    int32_t low = p->cols, high = 0, bottom = 0;
    const int32_t top = point->cell / p->cols;
    for (int32_t row = top; row < p->rows; ++row) {
        for (int32_t col = 0; col < p->cols; ++col) {
            const ec_cell *cell = &cells[row * p->cols + col];
            if (cell->label >= 0 && cell->first == point->cell) {
                const float weight = cell->score > 1e-6f ? cell->score : 1e-6f;
                total += weight;
                x += ec_product(weight, (float)col + 0.5f);
                y += ec_product(weight, (float)row + 0.5f);
                low = col < low ? col : low;
                high = col > high ? col : high;
                bottom = row;
            }
        }
    }
    point->x = ec_product(x / total, p->stride);
    point->y = ec_product(y / total, p->stride);
    point->x1 = ec_product((float)low, p->stride);
    point->y1 = ec_product((float)top, p->stride);
    point->x2 = ec_product((float)(high + 1), p->stride);
    point->y2 = ec_product((float)(bottom + 1), p->stride);
}

/* Maps objects to the frame, drops those outside; returns how many are left. */
EC_INLINE int32_t ec_map_points(const ec_frame_map *m, ec_point *points, int32_t count) {
    int32_t kept = 0;
    for (int32_t i = 0; i < count; ++i) {
        ec_point o = points[i];
        o.x = ec_to_frame(o.x, m->left, m->fit_width, m->x, m->width, m->frame_width);
        o.y = ec_to_frame(o.y, m->top, m->fit_height, m->y, m->height, m->frame_height);
        o.x1 = ec_to_frame(o.x1, m->left, m->fit_width, m->x, m->width, m->frame_width);
        o.x2 = ec_to_frame(o.x2, m->left, m->fit_width, m->x, m->width, m->frame_width);
        o.y1 = ec_to_frame(o.y1, m->top, m->fit_height, m->y, m->height, m->frame_height);
        o.y2 = ec_to_frame(o.y2, m->top, m->fit_height, m->y, m->height, m->frame_height);
        if (o.x2 > o.x1 && o.y2 > o.y1) {
            points[kept++] = o;
        }
    }
    return kept;
}

/* Returns the number of objects, best first. cells: one per cell of the grid. map may be NULL:
 * tensor pixels, unclipped. */
EC_KERNEL(ec_centroids) int ec_centroids(
    const ec_centroid_params *p, const void *scores, const float *table, const float *thresholds,
    const ec_frame_map *map, ec_point *points, int32_t max_points, ec_cell *cells) {
    const int32_t room = max_points < p->max_points ? max_points : p->max_points;
    const int32_t all = p->rows * p->cols;
    const uint8_t *raw = (const uint8_t *)scores;
    int32_t count = 0;
    for (int32_t i = 0; i < all; ++i, raw += p->scores.count * p->scores.element_bytes) {
        const int32_t label =
            ec_best_class(&p->scores, p->background, raw, table, &cells[i].score);
        const float least = thresholds == NULL ? p->threshold : thresholds[label];
        cells[i].label = cells[i].score >= least ? (int16_t)label : (int16_t)-1;
        cells[i].best = cells[i].score;
        cells[i].first = i;
        if (cells[i].label >= 0) {
            ec_join_before(p, cells, i / p->cols, i % p->cols);
        }
    }
    for (int32_t i = 0; i < all; ++i) {
        if (cells[i].label >= 0) {
            const int32_t first = ec_first_cell(cells, i);
            cells[i].first = first;
            cells[first].best =
                cells[i].score > cells[first].best ? cells[i].score : cells[first].best;
        }
    }
    for (int32_t i = 0; i < all; ++i) {
        if (cells[i].label >= 0 && cells[i].first == i) {
            count = ec_insert_point(points, count, room, &cells[i], i);
        }
    }
    for (int32_t i = 0; i < count; ++i) {
        ec_locate(p, cells, &points[i]);
    }
    return map == NULL ? count : ec_map_points(map, points, count);
}

/* NOLINTEND(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

#endif
