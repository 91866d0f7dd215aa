/* SPDX-License-Identifier: Apache-2.0 */
/* Clock of RP2350 (RP2350 datasheet): the core and the peripherals from the PLL behind the board's
 * crystal, the reference clock from the crystal itself, and TIMER0 as microseconds. */
#include "board_config.h"
#include "chip.h"
#include "nvic.h"
#include "rp_chip.h"

/* Section 8.1.7: CLOCKS. SELECTED has a bit for each source of a glitch-free multiplexer. */
#define CLK_REF_CTRL 0x40010030u
#define CLK_REF_CTRL_XOSC 2u
#define CLK_REF_DIV 0x40010034u
#define CLK_REF_SELECTED 0x40010038u
#define CLK_SYS_CTRL 0x4001003Cu
#define CLK_SYS_CTRL_SRC 1u /* 0: clk_ref, 1: the auxiliary source, which is 0: PLL_SYS */
#define CLK_SYS_CTRL_AUXSRC (7u << 5u)
#define CLK_SYS_DIV 0x40010040u
#define CLK_SYS_SELECTED 0x40010044u
#define CLK_PERI_CTRL 0x40010048u
#define CLK_PERI_CTRL_ENABLE (1u << 11u) /* AUXSRC 0: clk_sys */
#define DIV_1 (1u << 16u)

/* Section 8.2.8: XOSC. */
#define XOSC_CTRL 0x40048000u
#define XOSC_CTRL_ENABLE ((0xFABu << 12u) | 0xAA0u) /* of 1 to 15 MHz */
#define XOSC_STATUS 0x40048004u
#define XOSC_STATUS_STABLE (1u << 31u)
#define XOSC_STARTUP 0x4004800Cu

#define PLL_SYS 0x40050000u

/* Section 7.5.3: RESETS. */
#define RESET_PLL_SYS (1u << 14u)
#define RESET_TIMER0 (1u << 23u)

/* Section 8.5.2: TICKS: cycles of clk_ref per microsecond, for the timer and for the watchdog. */
#define TICKS_TIMER0_CTRL 0x40108018u
#define TICKS_TIMER0_CYCLES 0x4010801Cu
#define TICKS_WATCHDOG_CTRL 0x40108030u
#define TICKS_WATCHDOG_CYCLES 0x40108034u
#define TICKS_ENABLE 1u

/* Section 12.8.5: TIMER0. */
#define TIMER0_ALARM0 0x400B0010u
#define TIMER0_TIMERAWL 0x400B0028u
#define TIMER0_INTR 0x400B003Cu
#define TIMER0_INTE 0x400B0040u
#define ALARM0 1u
#define HALF_SECOND_US 500000u

/* The boot ROM leaves the flash clocked by a third of clk_sys, whatever that is then (pico-sdk, issue
 * 2172; section 12.14.6, QMI M0_TIMING): 50 MHz at 150 MHz, which every serial flash takes.
 *
 * Section 8.6.3: the PLL's oscillator runs at 750 to 1600 MHz; two dividers of 1 to 7 follow. 1500 MHz
 * are ten times 150 MHz. */
#define VCO_HZ 1500000000u
#define FBDIV (VCO_HZ / EDGECNN_CRYSTAL_HZ)
#define POSTDIV (VCO_HZ / EDGECNN_CLOCK_HZ)
#if EDGECNN_CRYSTAL_HZ < 5000000u || EDGECNN_CRYSTAL_HZ > 15000000u || EDGECNN_CRYSTAL_HZ % 1000000u != 0u
#error "an RP2350's crystal must have 5 to 15 MHz, whole"
#endif
#if VCO_HZ % EDGECNN_CRYSTAL_HZ != 0u || VCO_HZ % EDGECNN_CLOCK_HZ != 0u || EDGECNN_CLOCK_HZ > 150000000u
#error "an RP2350 runs at a whole part of 1500 MHz, up to 150 MHz, from a crystal that divides it"
#endif
#if POSTDIV % 7u == 0u && POSTDIV / 7u <= 7u
#define POSTDIV1 7u
#elif POSTDIV % 6u == 0u && POSTDIV / 6u <= 6u
#define POSTDIV1 6u
#elif POSTDIV % 5u == 0u && POSTDIV / 5u <= 5u
#define POSTDIV1 5u
#elif POSTDIV % 4u == 0u && POSTDIV / 4u <= 4u
#define POSTDIV1 4u
#else
#error "1500 MHz cannot be divided down to the RP2350's clock by two divisors of 1 to 7"
#endif
#define POSTDIV2 (POSTDIV / POSTDIV1)

static void start_crystal(void) {
  /* Section 8.2.4: 256 cycles a step, a millisecond in all. */
  EDGECNN_REG(XOSC_STARTUP) = (EDGECNN_CRYSTAL_HZ / 1000u + 128u) / 256u;
  EDGECNN_REG(XOSC_CTRL) = XOSC_CTRL_ENABLE;
  (void)edgecnn_wait_for(XOSC_STATUS, XOSC_STATUS_STABLE, XOSC_STATUS_STABLE);

  /* Section 8.1.6: clk_sys leaves the PLL, which is about to stop, before clk_ref changes. */
  EDGECNN_REG(CLK_SYS_CTRL + EDGECNN_RP_CLEAR) = CLK_SYS_CTRL_SRC;
  (void)edgecnn_wait_for(CLK_SYS_SELECTED, 3u, 1u);
  EDGECNN_REG(CLK_REF_CTRL) = CLK_REF_CTRL_XOSC;
  (void)edgecnn_wait_for(CLK_REF_SELECTED, 0xFu, 1u << CLK_REF_CTRL_XOSC);
  EDGECNN_REG(CLK_REF_DIV) = DIV_1;
}

static void start_pll(void) {
  edgecnn_rp_restart(RESET_PLL_SYS);
  edgecnn_rp_pll(PLL_SYS, FBDIV, POSTDIV1, POSTDIV2);
  EDGECNN_REG(CLK_SYS_DIV) = DIV_1;
  EDGECNN_REG(CLK_SYS_CTRL + EDGECNN_RP_CLEAR) = CLK_SYS_CTRL_AUXSRC;
  EDGECNN_REG(CLK_SYS_CTRL + EDGECNN_RP_SET) = CLK_SYS_CTRL_SRC;
  (void)edgecnn_wait_for(CLK_SYS_SELECTED, 3u, 2u);
  EDGECNN_REG(CLK_PERI_CTRL) = CLK_PERI_CTRL_ENABLE;
}

static void start_timer(void) {
  /* CYCLES is set while the generator is off. */
  EDGECNN_REG(TICKS_TIMER0_CTRL) = 0u;
  EDGECNN_REG(TICKS_TIMER0_CYCLES) = EDGECNN_CRYSTAL_HZ / 1000000u;
  EDGECNN_REG(TICKS_TIMER0_CTRL) = TICKS_ENABLE;
  EDGECNN_REG(TICKS_WATCHDOG_CTRL) = 0u;
  EDGECNN_REG(TICKS_WATCHDOG_CYCLES) = EDGECNN_CRYSTAL_HZ / 1000000u;
  EDGECNN_REG(TICKS_WATCHDOG_CTRL) = TICKS_ENABLE;

  edgecnn_rp_restart(RESET_TIMER0);
  EDGECNN_REG(TIMER0_INTE) = ALARM0;
  edgecnn_clock_irq();
  edgecnn_nvic_resume(EDGECNN_CLOCK_IRQ);
}

void edgecnn_clock_init(void) {
  start_crystal();
  start_pll();
  start_timer();
}

uint32_t edgecnn_clock_us(void) { return EDGECNN_REG(TIMER0_TIMERAWL); }

/* Two wakes a second, counted from now; writing the alarm arms it. */
void edgecnn_clock_irq(void) {
  EDGECNN_REG(TIMER0_INTR) = ALARM0;
  EDGECNN_REG(TIMER0_ALARM0) = edgecnn_clock_us() + HALF_SECOND_US;
}
