/* SPDX-License-Identifier: Apache-2.0 */
/* USART of STM32F4 (RM0090, section 30.6; RM0390, section 25.6): one byte of buffer. */
#include "board_config.h"
#include "chip.h"
#include "line_hold.h"
#include "line_wait.h"
#include "nvic.h"
#include "stm32_gpio.h"

#define SR (EDGECNN_LINE_BASE + 0x00u)
#define SR_ORE (1u << 3u)
#define SR_RXNE (1u << 5u)
#define SR_TXE (1u << 7u)
#define DR (EDGECNN_LINE_BASE + 0x04u)
#define BRR (EDGECNN_LINE_BASE + 0x08u)
#define CR1 (EDGECNN_LINE_BASE + 0x0Cu)
#define CR1_RE (1u << 2u)
#define CR1_TE (1u << 3u)
#define CR1_RXNEIE (1u << 5u)
#define CR1_UE (1u << 13u)

/* USART1 and USART6 are clocked with APB2 (HCLK / 2), the others with APB1 (HCLK / 4). */
#define APB2 0x40010000u
#define LINE_HZ (EDGECNN_LINE_BASE >= APB2 ? EDGECNN_CLOCK_HZ / 2u : EDGECNN_CLOCK_HZ / 4u)

static uint8_t stuck;

void edgecnn_line_init(void) {
  edgecnn_stm32_pin(EDGECNN_LINE_TX_PORT, EDGECNN_LINE_TX_PIN, EDGECNN_LINE_FUNCTION);
  edgecnn_stm32_pin(EDGECNN_LINE_RX_PORT, EDGECNN_LINE_RX_PIN, EDGECNN_LINE_FUNCTION);
  EDGECNN_REG(EDGECNN_LINE_ENABLE) |= 1u << EDGECNN_LINE_ENABLE_BIT;
  (void)EDGECNN_REG(EDGECNN_LINE_ENABLE);
  EDGECNN_REG(BRR) = (LINE_HZ + EDGECNN_LINE_BAUD / 2u) / EDGECNN_LINE_BAUD;
  EDGECNN_REG(CR1) = CR1_UE | CR1_TE | CR1_RE | CR1_RXNEIE;
  edgecnn_nvic_resume(EDGECNN_LINE_IRQ);
}

void edgecnn_line_put(uint8_t byte) {
  if (edgecnn_line_wait(SR, SR_TXE, SR_TXE, &stuck)) {
    EDGECNN_REG(DR) = byte;
  }
}

void edgecnn_line_flush(void) {}

void edgecnn_line_poll(void) { edgecnn_line_go_on(); }

/* Reading SR, then DR clears both flags; SR is never written: that would take the next byte's. */
void edgecnn_line_irq(void) {
  uint32_t status;
  while (((status = EDGECNN_REG(SR)) & (SR_RXNE | SR_ORE)) != 0u) {
    uint8_t byte;
    if (!edgecnn_line_may_take()) {
      return;
    }
    byte = (uint8_t)EDGECNN_REG(DR);
    if ((status & SR_RXNE) != 0u) {
      (void)edgecnn_ring_put(byte);
    }
  }
}
