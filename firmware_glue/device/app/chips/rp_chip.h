/* SPDX-License-Identifier: Apache-2.0 */
/* Where RP2040 (RP2040 datasheet, section 2.2, address map) and RP2350 (RP2350 datasheet, section
 * 2.2) have what both of them have. Registers of most blocks have an alias that sets bits, at
 * +0x2000, and one that clears bits, at +0x3000. */
#ifndef EDGECNN_RP_CHIP_H
#define EDGECNN_RP_CHIP_H

#include "board_config.h"
#include "chip.h"

#define EDGECNN_RP_SET 0x2000u
#define EDGECNN_RP_CLEAR 0x3000u

#if defined(EDGECNN_FAMILY_RP2350)
#define EDGECNN_RP_RESETS 0x40020000u
#define EDGECNN_RP_RESET_IO_BANK0 (1u << 6u)
#define EDGECNN_RP_RESET_PADS_BANK0 (1u << 9u)
#define EDGECNN_RP_RESET_PLL_USB (1u << 15u)
#define EDGECNN_RP_RESET_UART0 (1u << 26u)
#define EDGECNN_RP_RESET_USB (1u << 28u)
#define EDGECNN_RP_IO_BANK0 0x40028000u
#define EDGECNN_RP_PADS_BANK0 0x40038000u
#define EDGECNN_RP_PLL_USB 0x40058000u
#define EDGECNN_RP_CLK_USB_CTRL 0x40010060u
#else
#define EDGECNN_RP_RESETS 0x4000C000u
#define EDGECNN_RP_RESET_IO_BANK0 (1u << 5u)
#define EDGECNN_RP_RESET_PADS_BANK0 (1u << 8u)
#define EDGECNN_RP_RESET_PLL_USB (1u << 13u)
#define EDGECNN_RP_RESET_UART0 (1u << 22u)
#define EDGECNN_RP_RESET_USB (1u << 24u)
#define EDGECNN_RP_IO_BANK0 0x40014000u
#define EDGECNN_RP_PADS_BANK0 0x4001C000u
#define EDGECNN_RP_PLL_USB 0x4002C000u
#define EDGECNN_RP_CLK_USB_CTRL 0x40008054u
#endif

/* Takes blocks out of reset, after putting them into it: whatever ran before has left nothing. */
static inline void edgecnn_rp_restart(uint32_t blocks) {
  EDGECNN_REG(EDGECNN_RP_RESETS + EDGECNN_RP_SET) = blocks;
  EDGECNN_REG(EDGECNN_RP_RESETS + EDGECNN_RP_CLEAR) = blocks;
  (void)edgecnn_wait_for(EDGECNN_RP_RESETS + 8u, blocks, blocks);
}

/* The PLLs of both chips (RP2040 datasheet, section 2.18; RP2350 datasheet, section 8.6): dividers,
 * power, lock, then the post dividers. */
static inline void edgecnn_rp_pll(uint32_t pll, uint32_t feedback, uint32_t divide1, uint32_t divide2) {
  const uint32_t lock = 1u << 31u;
  EDGECNN_REG(pll + 0x0u) = 1u; /* CS: the reference is not divided */
  EDGECNN_REG(pll + 0x8u) = feedback;
  EDGECNN_REG(pll + 0x4u + EDGECNN_RP_CLEAR) = 1u | 1u << 5u; /* PWR: PD, VCOPD */
  (void)edgecnn_wait_for(pll, lock, lock);
  EDGECNN_REG(pll + 0xCu) = divide1 << 16u | divide2 << 12u;
  EDGECNN_REG(pll + 0x4u + EDGECNN_RP_CLEAR) = 1u << 3u; /* PWR: POSTDIVPD */
}

#endif
