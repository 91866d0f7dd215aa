/* SPDX-License-Identifier: Apache-2.0 */
/* Clock of STM32F4 (RM0090, sections 3.5, 5.4 and 7.3; RM0390, sections 3.4, 5.4 and 6.3): the PLL
 * from the board's crystal, or from the chip's own oscillator where that does not start. SysTick
 * counts HCLK / 8. */
#include "board_config.h"
#include "chip.h"

#define RCC 0x40023800u
#define RCC_CR (RCC + 0x00u)
#define CR_HSIRDY (1u << 1u)
#define CR_HSEON (1u << 16u)
#define CR_HSERDY (1u << 17u)
#define CR_HSEBYP (1u << 18u)
#define CR_PLLON (1u << 24u)
#define CR_PLLRDY (1u << 25u)
#define RCC_PLLCFGR (RCC + 0x04u)
#define PLLCFGR_SRC_HSE (1u << 22u)
#define RCC_CFGR (RCC + 0x08u)
#define CFGR_SW_PLL 2u
#define CFGR_SWS (3u << 2u)
#define CFGR_SWS_PLL (2u << 2u)
#define CFGR_PPRE1_4 (5u << 10u) /* APB1: HCLK / 4 */
#define CFGR_PPRE2_2 (4u << 13u) /* APB2: HCLK / 2 */
#define RCC_APB1ENR (RCC + 0x40u)
#define APB1ENR_PWREN (1u << 28u)
#define PWR_CR 0x40007000u
#if EDGECNN_CLOCK_HZ > 168000000u
#define PWR_CR_VOS (3u << 14u) /* scale 1 of the F446 and its like */
#else
#define PWR_CR_VOS (1u << 14u) /* scale 1 of the F405, which has one bit; the others start in it */
#endif
#define PWR_CR_ODEN (1u << 16u)
#define PWR_CR_ODSWEN (1u << 17u)
#define PWR_CSR 0x40007004u
#define PWR_CSR_ODRDY (1u << 16u)
#define PWR_CSR_ODSWRDY (1u << 17u)
#define FLASH_ACR 0x40023C00u
#define ACR_CACHES (7u << 8u) /* prefetch, instructions, data */
#define ACR_WAIT_STATES ((EDGECNN_CLOCK_HZ - 1u) / 30000000u) /* 2.7 V to 3.6 V */
#define ACR_LATENCY 0xFu

#define HSI_HZ 16000000u
/* The PLL: its input 1 MHz, its oscillator twice the core's clock. */
#define PLL_N (EDGECNN_CLOCK_HZ / 500000u)
#define PLL_P_2 0u
#define PLL_Q ((PLL_N + 47u) / 48u)
/* Bits 28 to 30 keep their reset value: the F446's output R, which must not be 0; reserved on others. */
#define PLL_R (2u << 28u)
#define PLL(source_hz) ((source_hz) / 1000000u | PLL_N << 6u | PLL_P_2 << 16u | PLL_Q << 24u | PLL_R)

#if EDGECNN_CLOCK_HZ % 1000000u != 0u || PLL_N < 100u || PLL_N > 360u
#error "STM32F4's clock must be 50 to 180 MHz, whole"
#endif

#define EDGECNN_SYSTICK_HZ (EDGECNN_CLOCK_HZ / 8u)
#define EDGECNN_SYSTICK_CORE 0u
#include "clock_systick.h"

/* A crystal, or else a signal from outside (Nucleo boards: from the ST-LINK). */
static int start_crystal(void) {
#if EDGECNN_CRYSTAL_HZ != 0u
#if defined(EDGECNN_CRYSTAL_BYPASS)
  EDGECNN_REG(RCC_CR) |= CR_HSEBYP; /* a signal comes in; only while HSEON is 0 */
#endif
  EDGECNN_REG(RCC_CR) |= CR_HSEON;
  return edgecnn_wait_for(RCC_CR, CR_HSERDY, CR_HSERDY);
#else
  return 0;
#endif
}

static void start_pll(void) {
  if (start_crystal()) {
    EDGECNN_REG(RCC_PLLCFGR) = PLL(EDGECNN_CRYSTAL_HZ) | PLLCFGR_SRC_HSE;
  } else {
    EDGECNN_REG(RCC_PLLCFGR) = PLL(HSI_HZ);
  }
  EDGECNN_REG(RCC_APB1ENR) |= APB1ENR_PWREN;
  (void)EDGECNN_REG(RCC_APB1ENR);
  EDGECNN_REG(PWR_CR) |= PWR_CR_VOS;
  EDGECNN_REG(RCC_CR) |= CR_PLLON;
#if EDGECNN_CLOCK_HZ > 168000000u /* RM0390, section 5.1.4: over-drive */
  EDGECNN_REG(PWR_CR) |= PWR_CR_ODEN;
  (void)edgecnn_wait_for(PWR_CSR, PWR_CSR_ODRDY, PWR_CSR_ODRDY);
  EDGECNN_REG(PWR_CR) |= PWR_CR_ODSWEN;
  (void)edgecnn_wait_for(PWR_CSR, PWR_CSR_ODSWRDY, PWR_CSR_ODSWRDY);
#endif
  EDGECNN_REG(FLASH_ACR) = ACR_CACHES | ACR_WAIT_STATES;
  if (edgecnn_wait_for(FLASH_ACR, ACR_LATENCY, ACR_WAIT_STATES) &&
      edgecnn_wait_for(RCC_CR, CR_PLLRDY, CR_PLLRDY)) {
    EDGECNN_REG(RCC_CFGR) = CFGR_PPRE1_4 | CFGR_PPRE2_2 | CFGR_SW_PLL;
    (void)edgecnn_wait_for(RCC_CFGR, CFGR_SWS, CFGR_SWS_PLL);
  }
}

void edgecnn_clock_init(void) {
  /* The chip's own oscillator runs after every reset; where it does not, no RCC is there at all
   * (QEMU), and waiting for it would take a second. */
  if ((EDGECNN_REG(RCC_CR) & CR_HSIRDY) != 0u) {
    start_pll();
  }
  edgecnn_systick_start();
}
