/* SPDX-License-Identifier: Apache-2.0 */
/* A chip and a model for the host: the firmware's protocol with a clock that only this file moves, a
 * wire on which every byte has its time of arrival, and an interrupt handler that empties it. */
#include <setjmp.h>
#include <stdint.h>
#include <string.h>

#include "chip.h"
#include "model_io.h"
#include "m.h"
#include "serve.h"

#define KEPT_OVER_RESETS __attribute__((section(".host")))
#define WIRE 65536u
#define OUT 262144u

extern char __bss_start[], _end[];

typedef struct {
  uint8_t wire[WIRE];
  uint32_t due[WIRE];
  uint32_t wired, arrived;
  uint8_t out[OUT];
  uint32_t written;
  uint32_t now, step_us, byte_us, hang_step, invocations, steps_run;
  int reset_wanted, hung, holds_back, fail_step;
} host_state;

KEPT_OVER_RESETS static host_state host = {
    .step_us = 1, .byte_us = 87, .hang_step = 0xFFFFu, .fail_step = -1};
KEPT_OVER_RESETS static jmp_buf before_the_turn = {{0}};

const uint8_t edgecnn_image_begin[65536] = {1, 2, 3, 4, 5, 6, 7, 8, 9};
uint32_t edgecnn_test_stack[64];
__asm__(".globl edgecnn_stack_bottom\n.set edgecnn_stack_bottom, edgecnn_test_stack\n"
        ".globl edgecnn_stack_top\n.set edgecnn_stack_top, edgecnn_test_stack+256\n"
        ".globl edgecnn_data_begin\n.set edgecnn_data_begin, edgecnn_test_stack\n"
        ".globl edgecnn_data_end\n.set edgecnn_data_end, edgecnn_test_stack+16\n"
        ".globl edgecnn_bss_begin\n.set edgecnn_bss_begin, edgecnn_test_stack\n"
        ".globl edgecnn_bss_end\n.set edgecnn_bss_end, edgecnn_test_stack+100\n");

/* What the handler of the line's interrupt would have done until now. */
static void interrupts(void) {
  while (host.arrived < host.wired && (int32_t)(host.now - host.due[host.arrived]) >= 0) {
    if (host.holds_back && !edgecnn_ring_has_room()) {
      return;
    }
    (void)edgecnn_ring_put(host.wire[host.arrived++]);
  }
  if (host.arrived == host.wired) {
    host.arrived = host.wired = 0u;
  }
}

void edgecnn_clock_init(void) {}
uint32_t edgecnn_clock_us(void) {
  ++host.now;
  interrupts();
  return host.now;
}
void edgecnn_clock_irq(void) {}
void edgecnn_line_init(void) {}
void edgecnn_line_put(uint8_t byte) {
  if (host.written < OUT) {
    host.out[host.written++] = byte;
  }
  host.now += host.byte_us;
  interrupts();
}
void edgecnn_line_flush(void) {}
void edgecnn_line_poll(void) { interrupts(); }
void edgecnn_line_irq(void) {}
void edgecnn_watchdog_start(uint32_t milliseconds) { (void)milliseconds; }
void edgecnn_watchdog_feed(void) {}
edgecnn_reset_cause edgecnn_chip_reset_cause(void) { return EDGECNN_RESET_POWER; }
void edgecnn_chip_reset(void) { host.reset_wanted = 1; }

/* The model: outputs depend on every input and on the state; inputs are overwritten, as allowed. */
int m_init(m_state *state, void *arena) {
  state->arena = arena;
  m_reset(state);
  return 0;
}
void m_reset(m_state *state) { state->runs = 0u; }
int m_run_step(m_state *state, int step) {
  uint8_t *in = state->arena + m_INPUT0_OFFSET, *out = state->arena + m_OUTPUT0_OFFSET;
  uint32_t i;
  if ((uint32_t)step == host.hang_step) {
    host.hung = 1; /* for good: only the watchdog helps */
    longjmp(before_the_turn, 1);
  }
  host.now += host.step_us;
  interrupts();
  ++host.steps_run;
  if (step == host.fail_step) {
    return -1;
  }
  if (step == 0) {
    ++host.invocations;
    memset(state->arena + m_OUTPUT0_OFFSET, 0, m_OUTPUT0_BYTES);
  }
  for (i = (uint32_t)step; i < m_INPUT0_BYTES; i += m_STEP_COUNT) {
    out[i % m_OUTPUT0_BYTES] = (uint8_t)(out[i % m_OUTPUT0_BYTES] * 31u + in[i] + i);
    in[i] = 0x55u;
  }
  if (step + 1 == m_STEP_COUNT) {
    state->arena[m_OUTPUT1_OFFSET] = (uint8_t)++state->runs;
    for (i = 1u; i < m_OUTPUT1_BYTES; ++i) {
      state->arena[m_OUTPUT1_OFFSET + i] = state->arena[m_INPUT1_OFFSET + i % m_INPUT1_BYTES];
    }
    memset(state->arena + m_INPUT1_OFFSET, 0, m_INPUT1_BYTES);
  }
  return 0;
}

/* What start-up code does. Sanitizers keep guards between variables: this runs over them. */
#if defined(__GNUC__)
__attribute__((no_sanitize("address", "undefined"), noinline))
#endif
static void clear_bss(void) {
  volatile char *at = __bss_start;
  while (at < _end) {
    *at++ = 0;
  }
}

/* For the tests. */
void host_boot(uint32_t cause) {
  clear_bss();
  memset(edgecnn_test_stack, 0xA5, 40u * 4u);
  host.reset_wanted = host.hung = 0;
  host.arrived = host.wired = 0u;
  edgecnn_model_init();
  edgecnn_serve_start((edgecnn_reset_cause)cause);
}
void host_feed(const uint8_t *data, uint32_t count) {
  uint32_t i, due = host.wired != 0u ? host.due[host.wired - 1u] : host.now;
  if ((int32_t)(host.now - due) > 0) {
    due = host.now;
  }
  for (i = 0u; i < count && host.wired < WIRE; ++i) {
    due += host.byte_us;
    host.wire[host.wired] = data[i];
    host.due[host.wired++] = due;
  }
}
int host_turn(void) {
  if (host.hung || setjmp(before_the_turn) != 0) {
    return 0;
  }
  return edgecnn_serve_turn();
}
void host_wait(uint32_t us) {
  host.now += us;
  interrupts();
}
/* Turns until something was sent, the chip is reset or hangs, or the time is over; what sleeps is woken
 * by the next byte. Returns 0 when the time is over. */
int host_run(uint32_t most_us) {
  const uint32_t start = host.now;
  while (host.now - start < most_us) {
    const int busy = host_turn();
    if (host.written != 0u || host.reset_wanted || host.hung) {
      return 1;
    }
    if (!busy) {
      const uint32_t left = most_us - (host.now - start);
      const uint32_t due = host.arrived < host.wired ? host.due[host.arrived] - host.now : left;
      if (host.now - start < most_us) {
        host_wait((int32_t)due < 0 ? 1u : due < left ? due : left);
      }
    }
  }
  return 0;
}
uint32_t host_take(uint8_t *to, uint32_t most) {
  const uint32_t count = host.written < most ? host.written : most;
  memcpy(to, host.out, count);
  memmove(host.out, host.out + count, host.written - count);
  host.written -= count;
  return count;
}
uint32_t host_get(uint32_t what) {
  const uint32_t values[] = {host.now,           host.invocations,      (uint32_t)host.reset_wanted,
                             (uint32_t)host.hung, host.wired - host.arrived, host.steps_run,
                             host.written};
  return values[what];
}
void host_set(uint32_t what, uint32_t value) {
  switch (what) {
  case 0: host.step_us = value; break;
  case 1: host.byte_us = value; break;
  case 2: host.hang_step = value; break;
  case 3: host.holds_back = (int)value; break;
  case 4: host.fail_step = (int)value; break;
  default: host.now = value; break;
  }
}
