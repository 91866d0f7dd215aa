/* SPDX-License-Identifier: Apache-2.0 */
/* UART of Nordic's nRF51 and nRF52 (nRF51 Series reference manual 3.0 and nRF52833 product
 * specification 1.6, chapter UART): six bytes of buffer for what arrives. */
#include "board_config.h"
#include "chip.h"
#include "line_hold.h"
#include "line_wait.h"
#include "nvic.h"

#define TASKS_STARTRX (EDGECNN_LINE_BASE + 0x000u)
#define TASKS_STARTTX (EDGECNN_LINE_BASE + 0x008u)
#define EVENTS_RXDRDY (EDGECNN_LINE_BASE + 0x108u)
#define EVENTS_TXDRDY (EDGECNN_LINE_BASE + 0x11Cu)
#define INTENSET (EDGECNN_LINE_BASE + 0x304u)
#define INT_RXDRDY (1u << 2u)
#define ENABLE (EDGECNN_LINE_BASE + 0x500u)
#define ENABLE_UART 4u
#define PSELRTS (EDGECNN_LINE_BASE + 0x508u)
#define PSELTXD (EDGECNN_LINE_BASE + 0x50Cu)
#define PSELCTS (EDGECNN_LINE_BASE + 0x510u)
#define PSELRXD (EDGECNN_LINE_BASE + 0x514u)
#define NOT_CONNECTED 0xFFFFFFFFu
#define RXD (EDGECNN_LINE_BASE + 0x518u)
#define TXD (EDGECNN_LINE_BASE + 0x51Cu)
#define BAUDRATE (EDGECNN_LINE_BASE + 0x524u)
#define CONFIG (EDGECNN_LINE_BASE + 0x56Cu) /* 0: no parity, no flow control */

/* BAUDRATE is the rate in units of 16 MHz / 2^32, rounded to a multiple of 0x1000: that gives both
 * manuals' tables, but for one row. Those of UARTE, which the nRF52 has too, differ. */
#if EDGECNN_LINE_BAUD == 921600
#define BAUD_VALUE 0x0EBED000u
#elif EDGECNN_LINE_BAUD >= 1200 && EDGECNN_LINE_BAUD <= 1000000
#define BAUD_VALUE ((uint32_t)((((uint64_t)EDGECNN_LINE_BAUD << 32u) / 16000000u + 0x800u) & 0xFFFFF000u))
#else
#error "the baud rate of an nRF board's line must be 1200 to 1000000"
#endif

/* Chapter GPIO: port 1 of nRF52 lies 0x300 behind port 0. */
#define GPIO(port) (0x50000000u + 0x300u * (port))
#define OUTSET(port) (GPIO(port) + 0x508u)
#define DIRSET(port) (GPIO(port) + 0x518u)
#define PIN_CNF(port, pin) (GPIO(port) + 0x700u + 4u * (pin))
#define PIN_CNF_PULL_UP (3u << 2u) /* an input, connected */

static uint8_t sending;
static uint8_t stuck;

void edgecnn_line_init(void) {
  EDGECNN_REG(OUTSET(EDGECNN_LINE_TX_PORT)) = 1u << EDGECNN_LINE_TX_PIN; /* idle is high */
  EDGECNN_REG(DIRSET(EDGECNN_LINE_TX_PORT)) = 1u << EDGECNN_LINE_TX_PIN;
  EDGECNN_REG(PIN_CNF(EDGECNN_LINE_RX_PORT, EDGECNN_LINE_RX_PIN)) = PIN_CNF_PULL_UP;
  EDGECNN_REG(PSELTXD) = 32u * EDGECNN_LINE_TX_PORT + EDGECNN_LINE_TX_PIN;
  EDGECNN_REG(PSELRXD) = 32u * EDGECNN_LINE_RX_PORT + EDGECNN_LINE_RX_PIN;
  EDGECNN_REG(PSELRTS) = NOT_CONNECTED;
  EDGECNN_REG(PSELCTS) = NOT_CONNECTED;
  EDGECNN_REG(BAUDRATE) = BAUD_VALUE;
  EDGECNN_REG(CONFIG) = 0u;
  EDGECNN_REG(ENABLE) = ENABLE_UART;
  EDGECNN_REG(EVENTS_RXDRDY) = 0u;
  EDGECNN_REG(EVENTS_TXDRDY) = 0u;
  EDGECNN_REG(INTENSET) = INT_RXDRDY;
  EDGECNN_REG(TASKS_STARTRX) = 1u;
  EDGECNN_REG(TASKS_STARTTX) = 1u;
  edgecnn_nvic_resume(EDGECNN_LINE_IRQ);
}

void edgecnn_line_put(uint8_t byte) {
  if (sending != 0u && !edgecnn_line_wait(EVENTS_TXDRDY, 1u, 1u, &stuck)) {
    return;
  }
  EDGECNN_REG(EVENTS_TXDRDY) = 0u;
  EDGECNN_REG(TXD) = byte;
  sending = 1u;
}

void edgecnn_line_flush(void) {}

void edgecnn_line_poll(void) { edgecnn_line_go_on(); }

void edgecnn_line_irq(void) {
  while (EDGECNN_REG(EVENTS_RXDRDY) != 0u) {
    if (!edgecnn_line_may_take()) {
      return;
    }
    /* Cleared before RXD is read: the read raises it for the next byte of the buffer. */
    EDGECNN_REG(EVENTS_RXDRDY) = 0u;
    (void)edgecnn_ring_put((uint8_t)EDGECNN_REG(RXD));
  }
}
