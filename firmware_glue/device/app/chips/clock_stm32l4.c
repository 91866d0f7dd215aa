/* SPDX-License-Identifier: Apache-2.0 */
/* Clock of STM32L4+ (ST RM0432): up to 120 MHz from the internal 16 MHz oscillator, so that no board
 * needs a crystal. Its error (datasheet DS12023, table "HSI16 oscillator characteristics": at most
 * 1 % from 0 to 85 degrees) is small enough for a UART. SysTick counts HCLK / 8. */
#include "bits.h"
#include "board_config.h"
#include "chip.h"

#define EDGECNN_SYSTICK_HZ (EDGECNN_CLOCK_HZ / 8u)
#define EDGECNN_SYSTICK_CORE 0u
#include "clock_systick.h"

/* Chapter RCC. */
#define RCC_CR 0x40021000u
#define CR_HSION (1u << 8u)
#define CR_HSIRDY (1u << 10u)
#define CR_PLLON (1u << 24u)
#define CR_PLLRDY (1u << 25u)
#define RCC_CFGR 0x40021008u
#define CFGR_SW_PLL 3u
#define CFGR_SWS (3u << 2u)
#define CFGR_SWS_PLL (3u << 2u)
#define CFGR_HPRE (0xFu << 4u)
#define CFGR_HPRE_2 (8u << 4u)
#define RCC_PLLCFGR 0x4002100Cu
#define PLLCFGR_HSI16 2u
#define PLLCFGR_M 4u  /* bits: the divider less 1 */
#define PLLCFGR_N 8u  /* bits: the factor */
#define PLLCFGR_REN (1u << 24u) /* R divides by 2 */
#define RCC_APB1ENR1 0x40021058u
#define APB1ENR1_PWREN 28u

/* Chapter PWR. */
#define PWR_CR5 0x40007080u
#define CR5_R1MODE (1u << 8u) /* 0: range 1 boost mode, for more than 80 MHz */

/* Chapter FLASH. */
#define FLASH_ACR 0x40022000u
#define ACR_LATENCY 0xFu
#define ACR_PRFTEN (1u << 8u)

/* RCC_PLLCFGR and DS12023, table "PLL characteristics": 2.66 to 16 MHz go into the PLL (here 4),
 * 64 to 344 MHz come out of it (here twice the core's clock), and N is 8 to 127. */
#define PLL_INPUT_HZ 4000000u
#define PLL_M (16000000u / PLL_INPUT_HZ)
#define PLL_N (2u * EDGECNN_CLOCK_HZ / PLL_INPUT_HZ)
#if 2u * EDGECNN_CLOCK_HZ % PLL_INPUT_HZ != 0u || EDGECNN_CLOCK_HZ < 32000000u || EDGECNN_CLOCK_HZ > 120000000u
#error "an STM32L4+ runs at 32 to 120 MHz here, in steps of 2 MHz"
#endif

/* Chapter FLASH, table "Number of wait states according to CPU clock frequency", range 1 boost mode:
 * one more for each 20 MHz. */
#define WAIT_STATES ((EDGECNN_CLOCK_HZ - 1u) / 20000000u)

/* Chapter PWR, "Dynamic voltage scaling management": after reset it is range 1 in normal mode. To
 * get above 80 MHz: boost mode, wait states, PLL with HCLK halved, a microsecond later HCLK whole. */
void edgecnn_clock_init(void) {
  uint32_t wait;

  edgecnn_enable(RCC_APB1ENR1, APB1ENR1_PWREN);
  edgecnn_change(PWR_CR5, CR5_R1MODE, 0u);

  edgecnn_change(RCC_CR, 0u, CR_HSION);
  (void)edgecnn_wait_for(RCC_CR, CR_HSIRDY, CR_HSIRDY);

  EDGECNN_REG(RCC_PLLCFGR) =
      PLLCFGR_HSI16 | ((PLL_M - 1u) << PLLCFGR_M) | (PLL_N << PLLCFGR_N) | PLLCFGR_REN;
  edgecnn_change(RCC_CR, 0u, CR_PLLON);
  (void)edgecnn_wait_for(RCC_CR, CR_PLLRDY, CR_PLLRDY);

  edgecnn_change(FLASH_ACR, ACR_LATENCY, WAIT_STATES | ACR_PRFTEN);
  (void)edgecnn_wait_for(FLASH_ACR, ACR_LATENCY, WAIT_STATES);

  edgecnn_change(RCC_CFGR, CFGR_HPRE, CFGR_HPRE_2);
  edgecnn_change(RCC_CFGR, CFGR_SWS, CFGR_SW_PLL);
  (void)edgecnn_wait_for(RCC_CFGR, CFGR_SWS, CFGR_SWS_PLL);
  for (wait = 0u; wait < 60u; ++wait) { /* 60 rounds of at least one cycle of 60 MHz */
    __asm__ volatile("nop");
  }
  edgecnn_change(RCC_CFGR, CFGR_HPRE, 0u);

  edgecnn_systick_start();
}
