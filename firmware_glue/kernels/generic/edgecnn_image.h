/* SPDX-License-Identifier: Apache-2.0 */
/* Types of <name>_preprocess and <name>_postprocess, shared by all models of a program. */
#ifndef EDGECNN_IMAGE_H
#define EDGECNN_IMAGE_H

#include <stdint.h>

/* Frames are at most this wide and high; all arithmetic is exact up to here. */
#define EC_MAX_FRAME 4096

/* How a frame's pixels lie in memory. RGB565 is a word of two bytes, red in its high bits:
 * low byte first, or (_BIG, as many camera interfaces deliver it) high byte first. Its channels
 * are widened to 8 bits by repeating their high bits. */
typedef enum { EC_RGB888, EC_BGR888, EC_GRAY8, EC_RGB565, EC_RGB565_BIG } ec_pixels;

/* How the tensor lies in the frame: the part of the frame that is shown (x, y, width, height, frame
 * pixels) fills fit_width x fit_height tensor pixels from (left, top) on. */
typedef struct {
    int32_t frame_width, frame_height;
    int32_t x, y, width, height;
    int32_t left, top, fit_width, fit_height;
} ec_frame_map;

/* One detection: corners in frame pixels, score in [0, 1], index of its label. */
typedef struct {
    float x1, y1, x2, y2;
    float score;
    int16_t label;
} ec_box;

/* One key point of an object: where it is, in frame pixels (it may lie outside the frame), and how
 * sure that is, in [0, 1]. */
typedef struct {
    float x, y;
    float score;
} ec_keypoint;

/* Scratch of the detector: a candidate that passed the threshold. */
typedef struct {
    float score;
    int32_t index;
    int16_t label;
} ec_candidate;

/* One object of a model that finds points: where it is, what its cells cover (frame pixels), score
 * in [0, 1], its first cell in the grid, index of its label. */
typedef struct {
    float x, y;
    float x1, y1, x2, y2;
    float score;
    int32_t cell;
    int16_t label;
} ec_point;

/* Scratch of such a model: a cell of its grid. */
typedef struct {
    float score, best;
    int32_t first;
    int16_t label;
} ec_cell;

#endif
