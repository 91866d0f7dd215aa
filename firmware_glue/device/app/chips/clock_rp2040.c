/* SPDX-License-Identifier: Apache-2.0 */
/* Clock of RP2040 (RP2040 datasheet, sections 2.15, 2.16, 2.18, 4.6 and 4.7): the core and the
 * peripherals from the PLL behind the board's crystal, and TIMER as microseconds. */
#include "board_config.h"
#include "chip.h"
#include "nvic.h"
#include "rp_chip.h"

#define CLOCKS 0x40008000u
#define CLK_REF_CTRL (CLOCKS + 0x30u)
#define CLK_REF_XOSC 2u
#define CLK_REF_DIV (CLOCKS + 0x34u)
#define CLK_REF_SELECTED (CLOCKS + 0x38u)
#define CLK_SYS_CTRL (CLOCKS + 0x3Cu)
#define CLK_SYS_AUX 1u /* its auxiliary source 0 is PLL_SYS */
#define CLK_SYS_DIV (CLOCKS + 0x40u)
#define CLK_SYS_SELECTED (CLOCKS + 0x44u)
#define CLK_PERI_CTRL (CLOCKS + 0x48u)
#define CLK_PERI_ENABLE (1u << 11u) /* its auxiliary source 0 is clk_sys */
#define CLK_SYS_RESUS_CTRL (CLOCKS + 0x78u)
#define DIV_1 (1u << 8u)

#define XOSC_CTRL 0x40024000u
#define XOSC_ENABLE 0x00FABAA0u /* 1 to 15 MHz */
#define XOSC_STATUS 0x40024004u
#define XOSC_STABLE (1u << 31u)
#define XOSC_STARTUP 0x4002400Cu
#define PLL_SYS 0x40028000u
#define RESET_PLL_SYS (1u << 12u)
#define RESET_TIMER (1u << 21u)
#define WATCHDOG_TICK 0x4005802Cu /* cycles of clk_ref per microsecond */
#define TICK_ENABLE (1u << 9u)

#define TIMER_ALARM0 0x40054010u
#define TIMER_TIMERAWL 0x40054028u
#define TIMER_INTR 0x40054034u
#define TIMER_INTE 0x40054038u
#define ALARM0 1u
#define HALF_SECOND_US 500000u

/* The PLL's oscillator runs at twelve times the core's clock: 750 to 1600 MHz, divided by 6 and 2. */
#define FEEDBACK (EDGECNN_CLOCK_HZ / (EDGECNN_CRYSTAL_HZ / 12u))
#if EDGECNN_CLOCK_HZ < 62500000u || EDGECNN_CLOCK_HZ > 133000000u || EDGECNN_CLOCK_HZ % (EDGECNN_CRYSTAL_HZ / 12u) != 0u
#error "an RP2040 runs at 62.5 to 133 MHz, a multiple of a twelfth of its crystal"
#endif
#if EDGECNN_CRYSTAL_HZ % 1000000u != 0u || EDGECNN_CRYSTAL_HZ < 5000000u || EDGECNN_CRYSTAL_HZ > 15000000u
#error "an RP2040's crystal must have 5 to 15 MHz, whole"
#endif

static void start_crystal(void) {
  EDGECNN_REG(CLK_SYS_RESUS_CTRL) = 0u;
  /* Steps of 256 cycles, a millisecond in all. */
  EDGECNN_REG(XOSC_STARTUP) = (EDGECNN_CRYSTAL_HZ / 1000u + 128u) / 256u;
  EDGECNN_REG(XOSC_CTRL) = XOSC_ENABLE;
  (void)edgecnn_wait_for(XOSC_STATUS, XOSC_STABLE, XOSC_STABLE);
  /* clk_sys leaves the PLL, which is about to stop, before clk_ref changes. */
  EDGECNN_REG(CLK_SYS_CTRL + EDGECNN_RP_CLEAR) = CLK_SYS_AUX;
  (void)edgecnn_wait_for(CLK_SYS_SELECTED, 3u, 1u);
  EDGECNN_REG(CLK_REF_CTRL) = CLK_REF_XOSC;
  (void)edgecnn_wait_for(CLK_REF_SELECTED, 7u, 1u << CLK_REF_XOSC);
  EDGECNN_REG(CLK_REF_DIV) = DIV_1;
}

void edgecnn_clock_init(void) {
  start_crystal();
  edgecnn_rp_restart(RESET_PLL_SYS);
  edgecnn_rp_pll(PLL_SYS, FEEDBACK, 6u, 2u);
  EDGECNN_REG(CLK_SYS_DIV) = DIV_1;
  EDGECNN_REG(CLK_SYS_CTRL) = 0u;
  EDGECNN_REG(CLK_SYS_CTRL) = CLK_SYS_AUX;
  (void)edgecnn_wait_for(CLK_SYS_SELECTED, 3u, 2u);
  EDGECNN_REG(CLK_PERI_CTRL) = CLK_PERI_ENABLE;

  EDGECNN_REG(WATCHDOG_TICK) = TICK_ENABLE | EDGECNN_CRYSTAL_HZ / 1000000u;
  edgecnn_rp_restart(RESET_TIMER);
  EDGECNN_REG(TIMER_INTE) = ALARM0;
  edgecnn_clock_irq();
  edgecnn_nvic_resume(EDGECNN_CLOCK_IRQ);
}

uint32_t edgecnn_clock_us(void) { return EDGECNN_REG(TIMER_TIMERAWL); }

/* Two wakes a second, counted from now; writing the alarm arms it. */
void edgecnn_clock_irq(void) {
  EDGECNN_REG(TIMER_INTR) = ALARM0;
  EDGECNN_REG(TIMER_ALARM0) = edgecnn_clock_us() + HALF_SECOND_US;
}
