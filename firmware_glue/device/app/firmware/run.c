/* SPDX-License-Identifier: Apache-2.0 */
/* Inferences in single steps. */
#include "run.h"

#include "model_config.h"
#include EDGECNN_MODEL_HEADER

#define JOIN2(a, b) a##b
#define JOIN(a, b) JOIN2(a, b)
#define STEPS JOIN(EDGECNN_MODEL, _STEP_COUNT)

#define STEP_MARK 0xED6E0000u

edgecnn_run edgecnn_running;

static uint32_t step_us[STEPS > 0 ? STEPS : 1];
static uint32_t this_us; /* of the inference that runs */

/* The step that runs, and its complement, so that what memory holds after power-on is not taken for
 * one. */
static volatile uint32_t noted[2] __attribute__((section(".edgecnn.noinit")));

static void note(uint32_t step) {
  noted[0] = STEP_MARK | step;
  noted[1] = ~(STEP_MARK | step);
}

uint32_t edgecnn_run_init(edgecnn_reset_cause cause) {
  const uint32_t word = noted[0];
  const int known = (word & 0xFFFF0000u) == STEP_MARK && noted[1] == ~word;
  note(EDGECNN_NO_STEP);
  return known && cause == EDGECNN_RESET_WATCHDOG ? word & 0xFFFFu : EDGECNN_NO_STEP;
}

void edgecnn_run_start(edgecnn_holds holds, uint32_t count, int profile, int keep_state) {
  edgecnn_run *run = &edgecnn_running;
  run->state = EDGECNN_RUN_BUSY;
  run->holds = holds;
  run->profile = (uint8_t)profile;
  run->keep_state = (uint8_t)keep_state;
  run->wanted = count;
  run->done = 0u;
  run->step = 0u;
  run->last_us = 0u;
  run->total_us = 0u;
}

static void one_step(edgecnn_run *run) {
  uint32_t start, took;
  int failed;
  note(run->step);
  start = edgecnn_clock_us();
  failed = edgecnn_model_step(run->step);
  took = edgecnn_clock_us() - start;
  note(EDGECNN_NO_STEP);
  if (failed) {
    run->state = EDGECNN_RUN_FAILED;
    return;
  }
  if (run->profile) {
    step_us[run->step] = took;
  }
  this_us += took;
  ++run->step;
}

int edgecnn_run_turn(void) {
  edgecnn_run *run = &edgecnn_running;
  if (run->state != EDGECNN_RUN_BUSY) {
    return 0;
  }
  if (run->step == 0u) {
    this_us = 0u;
    if (!run->keep_state) {
      edgecnn_model_reset();
    }
    edgecnn_model_fill(run->holds);
  }
  if (run->step < edgecnn_model.steps) {
    one_step(run);
  }
  if (run->state == EDGECNN_RUN_BUSY && run->step == edgecnn_model.steps) {
    run->step = 0u;
    run->last_us = this_us;
    run->total_us += this_us;
    if (++run->done == run->wanted) {
      run->state = EDGECNN_RUN_DONE;
    }
  }
  return 1;
}

void edgecnn_run_stop(void) {
  if (edgecnn_running.state == EDGECNN_RUN_BUSY) {
    edgecnn_running.state = EDGECNN_RUN_IDLE;
  }
}

const uint32_t *edgecnn_run_step_us(void) { return step_us; }
