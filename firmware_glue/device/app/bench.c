/* SPDX-License-Identifier: Apache-2.0 */
/* The program that models are measured in. Without EDGECNN_MODEL (the name of its
 * symbols) and EDGECNN_MODEL_HEADER it is the empty program that code sizes are counted
 * against.
 *
 * It calls edgecnn_ready and the model in turn, for ever. The host stops it at edgecnn_ready, puts
 * inputs into edgecnn_arena and reads outputs from there; with edgecnn_by_step set, edgecnn_step is
 * called between the steps, for the host to count by. */
#include <stdint.h>

#define KEEP __attribute__((noinline, used))

int main(void);
void edgecnn_ready(void);
void edgecnn_step(void *context, int step);
void edgecnn_fault(void);

volatile uint32_t edgecnn_by_step;

KEEP void edgecnn_ready(void) { __asm__ volatile(""); }

KEEP void edgecnn_step(void *context, int step) {
  (void)context;
  (void)step;
  __asm__ volatile("");
}

#ifdef EDGECNN_MODEL

#define JOIN2(a, b) a##b
#define JOIN(a, b) JOIN2(a, b)
#define MODEL(what) JOIN(EDGECNN_MODEL, what)
#include EDGECNN_MODEL_HEADER
#include "model_memory.h"

static MODEL(_state) state;

int main(void) {
  if (MODEL(_init)(&state, EDGECNN_MEMORY) != 0) {
    edgecnn_fault();
  }
  for (;;) {
    edgecnn_ready();
    state.hook = edgecnn_by_step != 0u ? edgecnn_step : 0;
    MODEL(_reset)(&state); /* each run on its own, for models that remember */
    if (MODEL(_invoke)(&state) != 0) {
      edgecnn_fault();
    }
  }
}

#else

int main(void) {
  for (;;) {
    edgecnn_ready();
    if (edgecnn_by_step != 0u) {
      edgecnn_step(0, 0);
    }
  }
}

#endif
