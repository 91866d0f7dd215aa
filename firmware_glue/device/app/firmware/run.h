/* SPDX-License-Identifier: Apache-2.0 */
/* Inferences, one step of the model per turn of the main loop: between two steps the line is served
 * and the watchdog fed. A step that never ends stops the main loop, the watchdog resets the chip, and
 * the number of that step is still in memory that no start clears. */
#ifndef EDGECNN_RUN_H
#define EDGECNN_RUN_H

#include <stdint.h>

#include "chip.h"
#include "model_io.h"

typedef enum {
  EDGECNN_RUN_IDLE = 0,
  EDGECNN_RUN_BUSY = 1,
  EDGECNN_RUN_DONE = 2,
  EDGECNN_RUN_FAILED = 3 /* the model returned an error */
} edgecnn_run_state;

typedef struct {
  edgecnn_run_state state;
  edgecnn_holds holds;
  uint8_t profile, keep_state;
  uint32_t wanted, done; /* inferences */
  uint32_t step;
  uint32_t last_us, total_us; /* inside steps: of the last whole inference, of all of them */
} edgecnn_run;

extern edgecnn_run edgecnn_running;

#define EDGECNN_NO_STEP 0xFFFFu

/* Reads what the last start left behind, and says which step hung in it, or EDGECNN_NO_STEP. */
uint32_t edgecnn_run_init(edgecnn_reset_cause cause);
/* profile: keep the time of each step. keep_state: models that remember go on from the last run. */
void edgecnn_run_start(edgecnn_holds holds, uint32_t count, int profile, int keep_state);
/* Runs a step if there is one to run. Returns 1 if there was. */
int edgecnn_run_turn(void);
/* Gives up inferences that run; the results of those that have ended stay. */
void edgecnn_run_stop(void);
/* Microseconds of each step in the last inference that kept them. */
const uint32_t *edgecnn_run_step_us(void);

#endif
