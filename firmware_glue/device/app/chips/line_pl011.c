/* SPDX-License-Identifier: Apache-2.0 */
/* UART of RP2040 (RP2040 datasheet, section 4.2) and RP2350 (RP2350 datasheet, section 12.1), an Arm
 * PrimeCell PL011: 32 bytes of buffer in each direction. */
#include "board_config.h"
#include "chip.h"
#include "line_hold.h"
#include "line_wait.h"
#include "nvic.h"
#include "rp_chip.h"

#define UARTDR (EDGECNN_LINE_BASE + 0x00u)
#define UARTFR (EDGECNN_LINE_BASE + 0x18u)
#define FR_RXFE (1u << 4u)
#define FR_TXFF (1u << 5u)
#define UARTIBRD (EDGECNN_LINE_BASE + 0x24u)
#define UARTFBRD (EDGECNN_LINE_BASE + 0x28u)
#define UARTLCR_H (EDGECNN_LINE_BASE + 0x2Cu)
#define LCR_8N1_FIFO 0x70u
#define UARTCR (EDGECNN_LINE_BASE + 0x30u)
#define CR_ENABLE 0x301u /* transmitter, receiver, UART */
#define UARTIFLS (EDGECNN_LINE_BASE + 0x34u)
#define IFLS_EIGHTHS 0u /* interrupts at four bytes received */
#define UARTIMSC (EDGECNN_LINE_BASE + 0x38u)
#define UARTICR (EDGECNN_LINE_BASE + 0x44u)
#define INT_RECEIVED 0x50u /* the buffer's level, and a pause after fewer */

/* IO_BANK0: eight bytes per pin, the function in the second word; PADS_BANK0: a word per pin. */
#define PIN_CTRL(pin) (EDGECNN_RP_IO_BANK0 + 8u * (pin) + 4u)
#define FUNCTION_UART 2u
#define PAD(pin) (EDGECNN_RP_PADS_BANK0 + 4u + 4u * (pin))
#define PAD_RX 0x5Au /* input enabled, 4 mA, pulled up, Schmitt trigger; RP2350: no isolation */
#define PAD_TX 0x52u

/* The divisor in 64ths of clk_peri / 16 / baud; clk_peri is the core's clock. */
#define DIVISOR ((EDGECNN_CLOCK_HZ * 4u + EDGECNN_LINE_BAUD / 2u) / EDGECNN_LINE_BAUD)

static uint8_t stuck;

void edgecnn_line_init(void) {
  edgecnn_rp_restart(EDGECNN_RP_RESET_UART0);
  EDGECNN_REG(EDGECNN_RP_RESETS + EDGECNN_RP_CLEAR) = EDGECNN_RP_RESET_IO_BANK0 | EDGECNN_RP_RESET_PADS_BANK0;
  (void)edgecnn_wait_for(EDGECNN_RP_RESETS + 8u, EDGECNN_RP_RESET_IO_BANK0 | EDGECNN_RP_RESET_PADS_BANK0,
                         EDGECNN_RP_RESET_IO_BANK0 | EDGECNN_RP_RESET_PADS_BANK0);
  EDGECNN_REG(UARTIBRD) = DIVISOR / 64u;
  EDGECNN_REG(UARTFBRD) = DIVISOR % 64u;
  EDGECNN_REG(UARTLCR_H) = LCR_8N1_FIFO; /* also takes the divisor over */
  EDGECNN_REG(UARTCR) = CR_ENABLE;
  EDGECNN_REG(PAD(EDGECNN_LINE_TX_PIN)) = PAD_TX;
  EDGECNN_REG(PAD(EDGECNN_LINE_RX_PIN)) = PAD_RX;
  EDGECNN_REG(PIN_CTRL(EDGECNN_LINE_TX_PIN)) = FUNCTION_UART;
  EDGECNN_REG(PIN_CTRL(EDGECNN_LINE_RX_PIN)) = FUNCTION_UART;
  EDGECNN_REG(UARTIFLS) = IFLS_EIGHTHS;
  EDGECNN_REG(UARTIMSC) = INT_RECEIVED;
  edgecnn_nvic_resume(EDGECNN_LINE_IRQ);
}

void edgecnn_line_put(uint8_t byte) {
  if (edgecnn_line_wait(UARTFR, FR_TXFF, 0u, &stuck)) {
    EDGECNN_REG(UARTDR) = byte;
  }
}

void edgecnn_line_flush(void) {}

void edgecnn_line_poll(void) { edgecnn_line_go_on(); }

void edgecnn_line_irq(void) {
  EDGECNN_REG(UARTICR) = INT_RECEIVED; /* first: a byte that arrives later raises it again */
  while ((EDGECNN_REG(UARTFR) & FR_RXFE) == 0u) {
    if (!edgecnn_line_may_take()) {
      return;
    }
    (void)edgecnn_ring_put((uint8_t)EDGECNN_REG(UARTDR));
  }
}
