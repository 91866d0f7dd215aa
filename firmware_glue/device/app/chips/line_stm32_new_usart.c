/* SPDX-License-Identifier: Apache-2.0 */
/* The newer USART of STM32 (separate data registers, a FIFO of 8 bytes or more), and LPUART, which has the same
 * registers and another unit of the baud rate. ST RM0432, chapters USART and LPUART,
 * RM0433, chapter USART. Clocked by the APB bus: CCIPR and D2CCIP2R are 0 after reset. */
#include "bits.h"
#include "board_config.h"
#include "chip.h"
#include "line_wait.h"
#include "nvic.h"
#include "stm32_gpio.h"

#define CR1 (EDGECNN_LINE_BASE + 0x00u)
#define CR1_UE (1u << 0u)
#define CR1_RE (1u << 2u)
#define CR1_TE (1u << 3u)
#define CR1_RXFNEIE (1u << 5u)
#define CR1_FIFOEN (1u << 29u)
#define BRR (EDGECNN_LINE_BASE + 0x0Cu)
#define ISR (EDGECNN_LINE_BASE + 0x1Cu)
#define ISR_RXFNE (1u << 5u)
#define ISR_TXFNF (1u << 7u)
#define ICR (EDGECNN_LINE_BASE + 0x20u)
#define ERRORS 0xFu /* in ISR and ICR: parity, framing, noise, overrun */
#define RDR (EDGECNN_LINE_BASE + 0x24u)
#define TDR (EDGECNN_LINE_BASE + 0x28u)

/* The APB bus runs at the core's clock on STM32L4+ and at a quarter of it on STM32H7 (their clock_*.c). */
#if defined(EDGECNN_FAMILY_STM32H7)
#define KERNEL_HZ (EDGECNN_CLOCK_HZ / 4u)
#else
#define KERNEL_HZ EDGECNN_CLOCK_HZ
#endif

/* RM0432, LPUART_BRR and USART_BRR: LPUART's is 256 clocks per baud, at least 0x300 and of 20 bits;
 * USART's is clocks per baud, at least 16 and of 16 bits. */
#if defined(EDGECNN_LINE_LPUART1)
#define DIVIDER ((uint32_t)((256ull * KERNEL_HZ + EDGECNN_LINE_BAUD / 2u) / EDGECNN_LINE_BAUD))
#if 256 * (KERNEL_HZ / EDGECNN_LINE_BAUD) < 0x300 || KERNEL_HZ / EDGECNN_LINE_BAUD > 4095u
#error "LPUART1 cannot divide its clock down to the board's baud rate"
#endif
#else
#define DIVIDER ((KERNEL_HZ + EDGECNN_LINE_BAUD / 2u) / EDGECNN_LINE_BAUD)
#if KERNEL_HZ / EDGECNN_LINE_BAUD < 16u || KERNEL_HZ / EDGECNN_LINE_BAUD > 65534u
#error "the USART cannot divide its clock down to the board's baud rate"
#endif
#endif

/* RM0432, PWR_CR2: pins PG2 to PG15 of STM32L4+ have a supply of
 * their own, which the chip does not use before IOSV says that it is there. */
#define PWR_CR2 0x40007004u
#define CR2_IOSV (1u << 9u)

static uint8_t stuck;

void edgecnn_line_init(void) {
#if defined(EDGECNN_FAMILY_STM32L4) && (EDGECNN_LINE_TX_PORT == 6 || EDGECNN_LINE_RX_PORT == 6)
  edgecnn_change(PWR_CR2, 0u, CR2_IOSV);
#endif
  edgecnn_stm32_pin(EDGECNN_LINE_TX_PORT, EDGECNN_LINE_TX_PIN, EDGECNN_LINE_FUNCTION);
  edgecnn_stm32_pin(EDGECNN_LINE_RX_PORT, EDGECNN_LINE_RX_PIN, EDGECNN_LINE_FUNCTION);
  edgecnn_enable(EDGECNN_LINE_ENABLE, EDGECNN_LINE_ENABLE_BIT);

  EDGECNN_REG(CR1) = CR1_FIFOEN; /* FIFOEN and BRR are written while UE is 0 */
  EDGECNN_REG(BRR) = DIVIDER;
  EDGECNN_REG(CR1) = CR1_FIFOEN | CR1_UE;
  EDGECNN_REG(CR1) = CR1_FIFOEN | CR1_UE | CR1_RE | CR1_TE | CR1_RXFNEIE;
  edgecnn_nvic_set(EDGECNN_NVIC_ISER, EDGECNN_LINE_IRQ);
}

void edgecnn_line_put(uint8_t byte) {
  if (edgecnn_line_wait(ISR, ISR_TXFNF, ISR_TXFNF, &stuck)) {
    EDGECNN_REG(TDR) = byte;
  }
}

void edgecnn_line_flush(void) {}

void edgecnn_line_poll(void) {}

/* Nothing holds a sender back here: what has no room is lost, and counted. */
void edgecnn_line_irq(void) {
  uint32_t status = EDGECNN_REG(ISR);

  if ((status & ERRORS) != 0u) {
    EDGECNN_REG(ICR) = status & ERRORS; /* an overrun left alone would raise this interrupt for ever */
  }
  while ((status & ISR_RXFNE) != 0u) {
    (void)edgecnn_ring_put((uint8_t)EDGECNN_REG(RDR));
    status = EDGECNN_REG(ISR);
  }
}
