/* SPDX-License-Identifier: Apache-2.0 */
/* UNIDIRECTIONAL_SEQUENCE_LSTM with 8-bit weights and activations, 16-bit gates and cells; and
 * in float32. Gates stand in the order forget, cell, output, input; the last one is missing where
 * the input gate is coupled to the forget gate (cifg). */
#ifndef EDGECNN_LSTM_H
#define EDGECNN_LSTM_H

#include "edgecnn_fixed16.h"
#include "edgecnn_l2_normalization.h"
#include "edgecnn_math.h"

/* NOLINTBEGIN(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

enum { EC_LSTM_FORGET, EC_LSTM_CELL, EC_LSTM_OUTPUT, EC_LSTM_INPUT, EC_LSTM_GATES };

typedef struct {
    int32_t batches, times, time_major, inputs, cells, outputs, cifg;
} ec_lstm_sizes;

/* Multipliers and shifts: one per gate. bits: integer bits of the cells. Clips: 0 is none. */
typedef struct {
    ec_lstm_sizes sizes;
    int32_t input_multipliers[4], input_shifts[4];
    int32_t recurrent_multipliers[4], recurrent_shifts[4];
    int32_t peephole_multipliers[4], peephole_shifts[4];
    int32_t norm_multipliers[4], norm_shifts[4], norm_guards[4];
    int32_t hidden_multiplier, hidden_shift, hidden_offset;
    int32_t projection_multiplier, projection_shift, projection_clip;
    int32_t out_offset, bits, cell_clip;
} ec_lstm_s8_params;

typedef struct {
    ec_lstm_sizes sizes;
    float cell_clip, projection_clip;
} ec_lstm_f32_params;

/* Weights of all gates, gate after gate; absent ones are NULL. */
typedef struct {
    const int8_t *input, *recurrent, *projection;
    const int32_t *input_bias, *recurrent_bias, *norm_bias, *projection_bias;
    const int16_t *peephole, *norm;
} ec_lstm_s8_weights;

/* (x - mean) / deviation * weight + bias; 10 more bits inside (TFLite's steps). */
EC_INLINE void ec_lstm_normalize(
    const ec_lstm_s8_params *p, int32_t gate, const int16_t *weights, const int32_t *bias,
    int16_t *x) {
    const int32_t count = p->sizes.cells;
    int64_t sum = 0, squares = 0;
    int32_t mean, variance, multiplier, shift;
    for (int32_t i = 0; i < count; ++i) {
        sum += x[i];
        squares += x[i] * x[i];
    }
    mean = (int32_t)(sum * 1024 / count);
    variance = (int32_t)((squares * ((1 << 20) / count) - (int64_t)mean * mean) / (1 << 20));
    ec_inverse_sqrt(variance < 1 ? p->norm_guards[gate] : variance, &multiplier, &shift);
    for (int32_t i = 0; i < count; ++i) {
        const int32_t scaled = ec_requant(1024 * x[i] - mean, multiplier, shift);
        const int64_t y =
            (int32_t)((uint32_t)scaled * (uint32_t)weights[i] + (uint32_t)bias[i]);
        const int32_t rounded = (int32_t)((y > 0 ? y + 512 : y - 512) / 1024);
        x[i] = (int16_t)ec_clamp16(
            ec_requant(rounded, p->norm_multipliers[gate], p->norm_shifts[gate]));
    }
}

EC_INLINE void ec_lstm_gate_s8(
    const ec_lstm_s8_params *p, const ec_lstm_s8_weights *w, int32_t gate, const int8_t *in,
    const int8_t *state, const int16_t *cells, int16_t *out) {
    const ec_lstm_sizes *g = &p->sizes;
    for (int32_t c = 0; c < g->cells; ++c) {
        const int32_t row = gate * g->cells + c;
        const int32_t from_input = ec_dot1(
            in, w->input + row * g->inputs, g->inputs, 0, 0, w->input_bias[row]);
        const int32_t from_state = ec_dot1(
            state, w->recurrent + row * g->outputs, g->outputs, 0, 0, w->recurrent_bias[row]);
        int32_t x =
            ec_clamp16(ec_requant(from_input, p->input_multipliers[gate], p->input_shifts[gate]));
        x = ec_clamp16(
            x + ec_requant(
                    from_state, p->recurrent_multipliers[gate], p->recurrent_shifts[gate]));
        if (w->peephole != NULL && gate != EC_LSTM_CELL) {
            x = ec_clamp16(
                x + ec_requant(
                        w->peephole[row] * cells[c], p->peephole_multipliers[gate],
                        p->peephole_shifts[gate]));
        }
        out[c] = (int16_t)x;
    }
    if (w->norm != NULL) {
        ec_lstm_normalize(p, gate, w->norm + gate * g->cells, w->norm_bias + gate * g->cells, out);
    }
    for (int32_t c = 0; c < g->cells; ++c) {
        out[c] = (int16_t)(gate == EC_LSTM_CELL ? ec_tanh_q15(out[c], 3)
                                                : ec_logistic_q15(out[c], 3));
    }
}

/* cells = forget * cells + input * new, clipped. */
EC_INLINE void ec_lstm_update_s8(
    const ec_lstm_s8_params *p, const int16_t *gates, int16_t *cells) {
    const int32_t count = p->sizes.cells;
    for (int32_t c = 0; c < count; ++c) {
        const int32_t forget = gates[c];
        const int32_t input =
            p->sizes.cifg ? INT16_MAX - forget : gates[EC_LSTM_INPUT * count + c];
        const int32_t kept = ec_round_shift_positive(forget * cells[c], 15);
        const int32_t fresh =
            ec_round_shift_positive(input * gates[EC_LSTM_CELL * count + c], 15 + p->bits);
        const int32_t cell = ec_clamp16(kept + (int16_t)fresh);
        cells[c] =
            (int16_t)(p->cell_clip > 0 ? ec_clamp(cell, -p->cell_clip, p->cell_clip) : cell);
    }
}

EC_INLINE void ec_lstm_project_s8(
    const ec_lstm_s8_params *p, const ec_lstm_s8_weights *w, const int8_t *hidden,
    int8_t *state) {
    for (int32_t o = 0; o < p->sizes.outputs; ++o) {
        const int32_t acc = ec_dot1(
            hidden, w->projection + o * p->sizes.cells, p->sizes.cells, 0, 0,
            w->projection_bias[o]);
        const int32_t scaled = ec_requant(acc, p->projection_multiplier, p->projection_shift);
        const int32_t y = ec_clamp_shifted(scaled, p->out_offset, INT8_MIN, INT8_MAX);
        const int32_t clip = p->projection_clip;
        state[o] = (int8_t)(clip > 0 ? ec_clamp(y, -clip, clip) : y);
    }
}

EC_INLINE void ec_lstm_step_s8(
    const ec_lstm_s8_params *p, const ec_lstm_s8_weights *w, const int8_t *in, int8_t *state,
    int16_t *cells, int16_t *gates, int8_t *hidden) {
    const int32_t count = p->sizes.cells;
    int8_t *target = w->projection != NULL ? hidden : state;
    if (!p->sizes.cifg) {
        ec_lstm_gate_s8(p, w, EC_LSTM_INPUT, in, state, cells, gates + EC_LSTM_INPUT * count);
    }
    ec_lstm_gate_s8(p, w, EC_LSTM_FORGET, in, state, cells, gates);
    ec_lstm_gate_s8(p, w, EC_LSTM_CELL, in, state, cells, gates + EC_LSTM_CELL * count);
    ec_lstm_update_s8(p, gates, cells);
    ec_lstm_gate_s8(p, w, EC_LSTM_OUTPUT, in, state, cells, gates + EC_LSTM_OUTPUT * count);
    for (int32_t c = 0; c < count; ++c) {
        const int32_t y = gates[EC_LSTM_OUTPUT * count + c] * ec_tanh_q15(cells[c], p->bits);
        const int32_t scaled = ec_requant(y, p->hidden_multiplier, p->hidden_shift);
        target[c] = (int8_t)ec_clamp_shifted(scaled, p->hidden_offset, INT8_MIN, INT8_MAX);
    }
    if (w->projection != NULL) {
        ec_lstm_project_s8(p, w, hidden, state);
    }
}

/* Batches do not touch each other: each runs through all of its times. */
#define EC_LSTM_RUN(g, STEP)                                                            \
    for (int32_t b = 0; b < (g)->batches; ++b) {                                        \
        for (int32_t t = 0; t < (g)->times; ++t) {                                      \
            const int32_t at =                                                          \
                (g)->time_major ? t * (g)->batches + b : b * (g)->times + t;            \
            STEP(p, &w, in + at * (g)->inputs, state, cells, gates, hidden);            \
            for (int32_t o = 0; o < (g)->outputs; ++o) {                                \
                out[at * (g)->outputs + o] = state[o];                                  \
            }                                                                           \
        }                                                                               \
        state += (g)->outputs;                                                          \
        cells += (g)->cells;                                                            \
    }

EC_KERNEL(ec_lstm_s8) void ec_lstm_s8(
    const ec_lstm_s8_params *p, const int8_t *in, const int8_t *input, const int8_t *recurrent,
    const int32_t *input_bias, const int32_t *recurrent_bias, const int16_t *peephole,
    const int16_t *norm, const int32_t *norm_bias, const int8_t *projection,
    const int32_t *projection_bias, int8_t *state, int16_t *cells, int16_t *gates, int8_t *hidden,
    int8_t *out) {
    ec_lstm_s8_weights w;
    w.input = input;
    w.recurrent = recurrent;
    w.projection = projection;
    w.input_bias = input_bias;
    w.recurrent_bias = recurrent_bias;
    w.norm_bias = norm_bias;
    w.projection_bias = projection_bias;
    w.peephole = peephole;
    w.norm = norm;
    EC_LSTM_RUN(&p->sizes, ec_lstm_step_s8)
}

typedef struct {
    const float *input, *recurrent, *bias, *peephole, *norm, *projection, *projection_bias;
} ec_lstm_f32_weights;

EC_INLINE float ec_lstm_dot_f32(const float *a, const float *b, int32_t count) {
    float sum = 0.0f;
    for (int32_t i = 0; i < count; ++i) {
        sum += a[i] * b[i];
    }
    return sum;
}

EC_INLINE float ec_lstm_clip_f32(float x, float clip) {
    return clip <= 0.0f ? x : x < -clip ? -clip : x > clip ? clip : x;
}

EC_INLINE void ec_lstm_normalize_f32(
    const float *weights, const float *bias, int32_t count, float *x) {
    float mean = 0.0f, variance = 0.0f, factor;
    for (int32_t i = 0; i < count; ++i) {
        mean += x[i];
    }
    mean /= (float)count;
    for (int32_t i = 0; i < count; ++i) {
        variance += (x[i] - mean) * (x[i] - mean);
    }
    factor = 1.0f / ec_sqrtf(variance / (float)count + 1e-8f);
    for (int32_t i = 0; i < count; ++i) {
        x[i] = (x[i] - mean) * factor * weights[i] + bias[i];
    }
}

EC_INLINE void ec_lstm_gate_f32(
    const ec_lstm_f32_params *p, const ec_lstm_f32_weights *w, int32_t gate, const float *in,
    const float *state, const float *cells, float *out) {
    const ec_lstm_sizes *g = &p->sizes;
    const float *bias = w->bias + gate * g->cells;
    for (int32_t c = 0; c < g->cells; ++c) {
        const int32_t row = gate * g->cells + c;
        out[c] = w->norm != NULL ? 0.0f : bias[c];
        out[c] += ec_lstm_dot_f32(in, w->input + row * g->inputs, g->inputs);
        out[c] += ec_lstm_dot_f32(state, w->recurrent + row * g->outputs, g->outputs);
        if (w->peephole != NULL && gate != EC_LSTM_CELL) {
            out[c] += w->peephole[row] * cells[c];
        }
    }
    if (w->norm != NULL) {
        ec_lstm_normalize_f32(w->norm + gate * g->cells, bias, g->cells, out);
    }
    for (int32_t c = 0; c < g->cells; ++c) {
        out[c] = gate == EC_LSTM_CELL ? ec_tanhf(out[c]) : 1.0f / (1.0f + ec_expf(-out[c]));
    }
}

EC_INLINE void ec_lstm_step_f32(
    const ec_lstm_f32_params *p, const ec_lstm_f32_weights *w, const float *in, float *state,
    float *cells, float *gates, float *hidden) {
    const int32_t count = p->sizes.cells;
    float *target = w->projection != NULL ? hidden : state;
    if (!p->sizes.cifg) {
        ec_lstm_gate_f32(p, w, EC_LSTM_INPUT, in, state, cells, gates + EC_LSTM_INPUT * count);
    }
    ec_lstm_gate_f32(p, w, EC_LSTM_FORGET, in, state, cells, gates);
    ec_lstm_gate_f32(p, w, EC_LSTM_CELL, in, state, cells, gates + EC_LSTM_CELL * count);
    for (int32_t c = 0; c < count; ++c) {
        const float input =
            p->sizes.cifg ? 1.0f - gates[c] : gates[EC_LSTM_INPUT * count + c];
        const float cell = gates[c] * cells[c] + gates[EC_LSTM_CELL * count + c] * input;
        cells[c] = ec_lstm_clip_f32(cell, p->cell_clip);
    }
    ec_lstm_gate_f32(p, w, EC_LSTM_OUTPUT, in, state, cells, gates + EC_LSTM_OUTPUT * count);
    for (int32_t c = 0; c < count; ++c) {
        target[c] = gates[EC_LSTM_OUTPUT * count + c] * ec_tanhf(cells[c]);
    }
    for (int32_t o = 0; w->projection != NULL && o < p->sizes.outputs; ++o) {
        const float bias = w->projection_bias != NULL ? w->projection_bias[o] : 0.0f;
        const float y = ec_lstm_dot_f32(hidden, w->projection + o * count, count) + bias;
        state[o] = ec_lstm_clip_f32(y, p->projection_clip);
    }
}

EC_KERNEL(ec_lstm_f32) void ec_lstm_f32(
    const ec_lstm_f32_params *p, const float *in, const float *input, const float *recurrent,
    const float *bias, const float *peephole, const float *norm, const float *projection,
    const float *projection_bias, float *state, float *cells, float *gates, float *hidden,
    float *out) {
    ec_lstm_f32_weights w;
    w.input = input;
    w.recurrent = recurrent;
    w.bias = bias;
    w.peephole = peephole;
    w.norm = norm;
    w.projection = projection;
    w.projection_bias = projection_bias;
    EC_LSTM_RUN(&p->sizes, ec_lstm_step_f32)
}

/* NOLINTEND(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

#endif
