/* SPDX-License-Identifier: Apache-2.0 */
/* APB UART of Arm's Cortex-M System Design Kit (DDI 0479, APB UART): one byte of
 * buffer in each direction. */
#include "board_config.h"
#include "chip.h"
#include "line_hold.h"
#include "line_wait.h"
#include "nvic.h"

#define DATA (EDGECNN_LINE_BASE + 0x00u)
#define STATE (EDGECNN_LINE_BASE + 0x04u)
#define STATE_TX_FULL (1u << 0u)
#define STATE_RX_FULL (1u << 1u)
#define STATE_OVERRUNS (3u << 2u) /* write 1 to clear */
#define CTRL (EDGECNN_LINE_BASE + 0x08u)
#define CTRL_TX_ENABLE (1u << 0u)
#define CTRL_RX_ENABLE (1u << 1u)
#define CTRL_RX_INTERRUPT (1u << 3u)
#define INTCLEAR (EDGECNN_LINE_BASE + 0x0Cu)
#define INT_RX (1u << 1u)
#define BAUDDIV (EDGECNN_LINE_BASE + 0x10u) /* at least 16 */

/* AN547, section 4: the peripherals run at 25 MHz, whatever the core does. */
#define PERIPHERAL_HZ 25000000u

static uint8_t stuck;

void edgecnn_line_init(void) {
  EDGECNN_REG(BAUDDIV) = (PERIPHERAL_HZ + EDGECNN_LINE_BAUD / 2u) / EDGECNN_LINE_BAUD;
  EDGECNN_REG(CTRL) = CTRL_TX_ENABLE | CTRL_RX_ENABLE | CTRL_RX_INTERRUPT;
  edgecnn_nvic_resume(EDGECNN_LINE_IRQ);
}

void edgecnn_line_put(uint8_t byte) {
  if (edgecnn_line_wait(STATE, STATE_TX_FULL, 0u, &stuck)) {
    EDGECNN_REG(DATA) = byte;
  }
}

void edgecnn_line_flush(void) {}

void edgecnn_line_poll(void) { edgecnn_line_go_on(); }

void edgecnn_line_irq(void) {
  EDGECNN_REG(STATE) = STATE_OVERRUNS;
  /* Cleared first: a byte that arrives while the loop runs raises it again. */
  EDGECNN_REG(INTCLEAR) = INT_RX;
  while ((EDGECNN_REG(STATE) & STATE_RX_FULL) != 0u) {
    if (!edgecnn_line_may_take()) {
      return;
    }
    (void)edgecnn_ring_put((uint8_t)EDGECNN_REG(DATA));
  }
}
