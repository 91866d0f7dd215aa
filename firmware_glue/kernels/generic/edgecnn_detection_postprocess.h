/* SPDX-License-Identifier: Apache-2.0 */
/* TFLite_Detection_PostProcess: boxes from SSD encodings and anchors, then non-maximum
 * suppression, over all classes at once by each box's best class ("fast"), or class by class
 * ("regular"). Orders of equal scores are TFLite's: stable among boxes, std::partial_sort's (as
 * libstdc++ has it) among the classes of a box. Rows without a detection are 0. */
#ifndef EDGECNN_DETECTION_POSTPROCESS_H
#define EDGECNN_DETECTION_POSTPROCESS_H

#include "edgecnn_math.h"

/* NOLINTBEGIN(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

/* label_offset: 1 if class 0 is the background. blocked: that many uint8 scores from the start are
 * computed as score * scale - zero * scale, in LiteRT's vectors; the rest as (score - zero) *
 * scale. */
typedef struct {
    int32_t boxes, encoding, classes, label_offset, detections, categories, per_class, blocked;
    float score_threshold, iou_threshold;
    float scale[4]; /* y, x, h, w */
    float encoding_scale, encoding_zero, class_scale, class_zero;
} ec_detection_params;

/* Scratch memory. rows and ranks: as many as classes or detections, whichever is more. */
typedef struct {
    float *boxes, *values, *rows;
    int32_t *order, *selected, *ranks;
} ec_detection_memory;

EC_MATH double ec_exp_f64(double x) {
    double rest, power = 1.0, scale = 1.0;
    int32_t n;
    if (x < -745.0) {
        return 0.0;
    }
    if (x > 709.0) { /* beyond float32 by far */
        x = 709.0;
    }
    n = (int32_t)(x * 1.44269504088896341 + (x < 0.0 ? -0.5 : 0.5));
    rest = (x - (double)n * 0.693147180369123816490) - (double)n * 1.90821492927058770002e-10;
    for (int32_t k = 14; k >= 1; --k) {
        power = 1.0 + power * rest / (double)k;
    }
    for (; n > 0; --n) {
        scale *= 2.0;
    }
    for (; n < 0; ++n) {
        scale *= 0.5;
    }
    return power * scale;
}

/* Whether index a goes before b. stable: equal values in the order of their indices. */
EC_INLINE int ec_detection_before(const float *values, int32_t a, int32_t b, int stable) {
    return values[a] > values[b] || (stable && values[a] == values[b] && a < b);
}

/* Puts `index` into the hole of a heap whose first element goes last. */
EC_INLINE void ec_detection_sift(
    const float *values, int32_t *heap, int32_t hole, int32_t count, int32_t index, int stable) {
    const int32_t top = hole;
    int32_t child = hole;
    while (child < (count - 1) / 2) {
        child = 2 * (child + 1);
        child -= ec_detection_before(values, heap[child], heap[child - 1], stable);
        heap[hole] = heap[child];
        hole = child;
    }
    if (count % 2 == 0 && child == (count - 2) / 2) {
        child = 2 * child + 1;
        heap[hole] = heap[child];
        hole = child;
    }
    while (hole > top && ec_detection_before(values, heap[(hole - 1) / 2], index, stable)) {
        heap[hole] = heap[(hole - 1) / 2];
        hole = (hole - 1) / 2;
    }
    heap[hole] = index;
}

/* The first `wanted` of `count` indices, best value first. */
EC_MATH void ec_detection_sort(
    const float *values, int32_t *order, int32_t count, int32_t wanted, int stable) {
    for (int32_t i = wanted / 2 - 1; i >= 0; --i) {
        ec_detection_sift(values, order, i, wanted, order[i], stable);
    }
    for (int32_t i = wanted; i < count; ++i) {
        if (ec_detection_before(values, order[i], order[0], stable)) {
            const int32_t index = order[i];
            order[i] = order[0];
            ec_detection_sift(values, order, 0, wanted, index, stable);
        }
    }
    for (int32_t i = wanted - 1; i > 0; --i) {
        const int32_t index = order[i];
        order[i] = order[0];
        ec_detection_sift(values, order, 0, i, index, stable);
    }
}

/* (y, x, h, w) of an encoding and its anchor as (ymin, xmin, ymax, xmax). */
EC_INLINE void ec_detection_box(
    const ec_detection_params *p, const float *code, const float *anchor, float *box) {
    for (int32_t axis = 0; axis < 2; ++axis) {
        const double size = (double)anchor[axis + 2];
        const float centre = (float)((double)code[axis] / (double)p->scale[axis] * size
                                     + (double)anchor[axis]);
        const double stretch = ec_exp_f64((double)code[axis + 2] / (double)p->scale[axis + 2]);
        const float half = (float)(0.5 * stretch * size);
        box[axis] = centre - half;
        box[axis + 2] = centre + half;
    }
}

EC_INLINE float ec_detection_area(const float *box) {
    return (box[2] - box[0]) * (box[3] - box[1]);
}

/* Intersection over union; 0 where a box is empty. */
EC_INLINE float ec_detection_iou(const float *a, const float *b) {
    const float area_a = ec_detection_area(a), area_b = ec_detection_area(b);
    float common = 1.0f;
    if (area_a <= 0.0f || area_b <= 0.0f) {
        return 0.0f;
    }
    for (int32_t axis = 0; axis < 2; ++axis) {
        const float low = a[axis] > b[axis] ? a[axis] : b[axis];
        const float high = a[axis + 2] < b[axis + 2] ? a[axis + 2] : b[axis + 2];
        common *= high - low > 0.0f ? high - low : 0.0f;
    }
    return common / (area_a + area_b - common);
}

/* The best boxes by m->values that overlap no better one too much; returns how many. */
EC_MATH int32_t ec_detection_select(
    const ec_detection_params *p, const ec_detection_memory *m, int32_t limit) {
    int32_t kept = 0, count = 0;
    for (int32_t i = 0; i < p->boxes; ++i) {
        if (m->values[i] >= p->score_threshold) {
            m->order[kept++] = i;
        }
    }
    ec_detection_sort(m->values, m->order, kept, kept, 1);
    for (int32_t i = 0; i < kept && count < limit; ++i) {
        const float *box = m->boxes + 4 * m->order[i];
        int32_t clear = 0;
        while (clear < count
               && !(ec_detection_iou(m->boxes + 4 * m->selected[clear], box) > p->iou_threshold)) {
            ++clear;
        }
        if (clear == count) {
            m->selected[count++] = m->order[i];
        }
    }
    return count;
}

EC_INLINE void ec_detection_write(
    const float *box, float kind, float score, int32_t row, float *out_boxes, float *out_classes,
    float *out_scores) {
    for (int32_t i = 0; i < 4; ++i) {
        out_boxes[4 * row + i] = box != NULL ? box[i] : 0.0f;
    }
    out_classes[row] = kind;
    out_scores[row] = score;
}

EC_INLINE float ec_detection_value_f32(
    const ec_detection_params *p, const float *scores, int32_t index) {
    (void)p;
    return scores[index];
}

EC_INLINE float ec_detection_value_u8(
    const ec_detection_params *p, const uint8_t *scores, int32_t index) {
    const float value = (float)scores[index];
    if (index < p->blocked) {
        const float product = value * p->class_scale, shift = -p->class_zero * p->class_scale;
        return product + shift;
    }
    return (value - p->class_zero) * p->class_scale;
}

EC_INLINE float ec_detection_code_f32(const ec_detection_params *p, float code) {
    (void)p;
    return code;
}

EC_INLINE float ec_detection_code_u8(const ec_detection_params *p, uint8_t code) {
    return ((float)code - p->encoding_zero) * p->encoding_scale;
}

/* Inserts a detection into the list of the best ones; equal ones stay in order. */
EC_INLINE int32_t ec_detection_insert(
    const ec_detection_memory *m, int32_t count, int32_t limit, float score, int32_t rank) {
    int32_t at = count;
    while (at > 0 && score > m->rows[at - 1]) {
        --at;
    }
    if (at == limit) {
        return count;
    }
    count += count < limit;
    for (int32_t i = count - 1; i > at; --i) {
        m->rows[i] = m->rows[i - 1];
        m->ranks[i] = m->ranks[i - 1];
    }
    m->rows[at] = score;
    m->ranks[at] = rank;
    return count;
}

/* Both ways, per type of encodings and scores. */
#define EC_DETECTION(SUFFIX, TYPE)                                                               \
    EC_INLINE void ec_detection_boxes_##SUFFIX(                                                  \
        const ec_detection_params *p, const TYPE *encodings, const float *anchors,               \
        float *boxes) {                                                                          \
        for (int32_t i = 0; i < p->boxes; ++i) {                                                 \
            float code[4];                                                                       \
            for (int32_t k = 0; k < 4; ++k) {                                                    \
                code[k] = ec_detection_code_##SUFFIX(p, encodings[i * p->encoding + k]);         \
            }                                                                                    \
            ec_detection_box(p, code, anchors + 4 * i, boxes + 4 * i);                           \
        }                                                                                        \
    }                                                                                            \
    /* m->ranks: the best classes of a box, their scores in m->rows. */                          \
    EC_INLINE void ec_detection_rank_##SUFFIX(                                                   \
        const ec_detection_params *p, const TYPE *scores, const ec_detection_memory *m,          \
        int32_t box, int32_t wanted) {                                                           \
        const int32_t start = box * (p->classes + p->label_offset) + p->label_offset;            \
        int32_t best = 0;                                                                        \
        for (int32_t c = 0; c < p->classes; ++c) {                                               \
            m->rows[c] = ec_detection_value_##SUFFIX(p, scores, start + c);                      \
            m->ranks[c] = c;                                                                     \
            best = m->rows[c] > m->rows[best] ? c : best;                                        \
        }                                                                                        \
        if (wanted == 1) {                                                                       \
            m->ranks[0] = best;                                                                  \
        } else {                                                                                 \
            ec_detection_sort(m->rows, m->ranks, p->classes, wanted, 0);                         \
        }                                                                                        \
    }                                                                                            \
    EC_INLINE int32_t ec_detection_fast_##SUFFIX(                                                \
        const ec_detection_params *p, const TYPE *scores, const ec_detection_memory *m,          \
        float *out_boxes, float *out_classes, float *out_scores) {                               \
        const int32_t wanted = p->categories < p->classes ? p->categories : p->classes;          \
        int32_t count;                                                                           \
        for (int32_t i = 0; i < p->boxes; ++i) {                                                 \
            ec_detection_rank_##SUFFIX(p, scores, m, i, 1);                                      \
            m->values[i] = m->rows[m->ranks[0]];                                                 \
        }                                                                                        \
        count = ec_detection_select(p, m, p->detections);                                        \
        for (int32_t i = 0; i < count; ++i) {                                                    \
            const int32_t box = m->selected[i];                                                  \
            ec_detection_rank_##SUFFIX(p, scores, m, box, wanted);                               \
            for (int32_t k = 0; k < wanted; ++k) {                                               \
                ec_detection_write(                                                              \
                    m->boxes + 4 * box, (float)m->ranks[k], m->rows[m->ranks[k]],                \
                    i * p->categories + k, out_boxes, out_classes, out_scores);                  \
            }                                                                                    \
        }                                                                                        \
        return count;                                                                            \
    }                                                                                            \
    EC_INLINE int32_t ec_detection_regular_##SUFFIX(                                             \
        const ec_detection_params *p, const TYPE *scores, const ec_detection_memory *m,          \
        float *out_boxes, float *out_classes, float *out_scores) {                               \
        const int32_t width = p->classes + p->label_offset;                                      \
        int32_t count = 0;                                                                       \
        for (int32_t c = 0; c < p->classes; ++c) {                                               \
            int32_t found;                                                                       \
            for (int32_t i = 0; i < p->boxes; ++i) {                                             \
                m->values[i] =                                                                   \
                    ec_detection_value_##SUFFIX(p, scores, i * width + c + p->label_offset);     \
            }                                                                                    \
            found = ec_detection_select(p, m, p->per_class);                                     \
            for (int32_t i = 0; i < found; ++i) {                                                \
                const int32_t box = m->selected[i];                                              \
                count = ec_detection_insert(                                                     \
                    m, count, p->detections, m->values[box], box * p->classes + c);              \
            }                                                                                    \
        }                                                                                        \
        for (int32_t i = 0; i < count; ++i) {                                                    \
            ec_detection_write(                                                                  \
                m->boxes + 4 * (m->ranks[i] / p->classes), (float)(m->ranks[i] % p->classes),    \
                m->rows[i], i, out_boxes, out_classes, out_scores);                              \
        }                                                                                        \
        return count;                                                                            \
    }                                                                                            \
    EC_KERNEL(ec_detection_##SUFFIX) void ec_detection_##SUFFIX(                                 \
        const ec_detection_params *p, const TYPE *encodings, const TYPE *scores,                 \
        const float *anchors, float *boxes, float *values, float *rows, int32_t *order,          \
        int32_t *selected, int32_t *ranks, float *out_boxes, float *out_classes,                 \
        float *out_scores, float *out_count) {                                                   \
        ec_detection_memory m;                                                                   \
        m.boxes = boxes;                                                                         \
        m.values = values;                                                                       \
        m.rows = rows;                                                                           \
        m.order = order;                                                                         \
        m.selected = selected;                                                                   \
        m.ranks = ranks;                                                                         \
        ec_detection_boxes_##SUFFIX(p, encodings, anchors, boxes);                               \
        for (int32_t i = 0; i < p->detections * p->categories; ++i) {                            \
            ec_detection_write(NULL, 0.0f, 0.0f, i, out_boxes, out_classes, out_scores);         \
        }                                                                                        \
        *out_count = (float)(p->per_class > 0                                                    \
                                 ? ec_detection_regular_##SUFFIX(                                \
                                       p, scores, &m, out_boxes, out_classes, out_scores)        \
                                 : ec_detection_fast_##SUFFIX(                                   \
                                       p, scores, &m, out_boxes, out_classes, out_scores));      \
    }

EC_DETECTION(f32, float)
EC_DETECTION(u8, uint8_t)

/* NOLINTEND(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

#endif
