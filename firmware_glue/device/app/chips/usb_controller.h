/* SPDX-License-Identifier: Apache-2.0 */
/* The USB controller of RP2040 (RP2040 datasheet, section 4.1) and RP2350 (RP2350 datasheet, section
 * 12.7) as a device: registers, and buffers in its own RAM. */
#ifndef EDGECNN_USB_CONTROLLER_H
#define EDGECNN_USB_CONTROLLER_H

#include "chip.h"
#include "rp_chip.h"
#include "usb_descriptors.h"

#define ADDR_ENDP (EDGECNN_LINE_BASE + 0x00u)
#define MAIN_CTRL (EDGECNN_LINE_BASE + 0x40u)
#define MAIN_CTRL_ENABLE 1u
#define SIE_CTRL (EDGECNN_LINE_BASE + 0x4Cu)
#define SIE_CTRL_EP0_INTERRUPT (1u << 29u) /* EP0_INT_1BUF */
#define SIE_CTRL_PULL_UP (1u << 16u)
#define SIE_STATUS (EDGECNN_LINE_BASE + 0x50u)
#define SIE_STATUS_SETUP (1u << 17u)
#define SIE_STATUS_BUS_RESET (1u << 19u)
#define BUFF_STATUS (EDGECNN_LINE_BASE + 0x58u) /* two bits per endpoint: IN, OUT */
#define EP_STALL_ARM (EDGECNN_LINE_BASE + 0x68u)
#define USB_MUXING (EDGECNN_LINE_BASE + 0x74u)
#define USB_MUXING_PHY 9u /* TO_PHY, SOFTCON */
#define USB_PWR (EDGECNN_LINE_BASE + 0x78u)
#define USB_PWR_VBUS 12u /* VBUS_DETECT, and its override */
#define INTE (EDGECNN_LINE_BASE + 0x90u)
#define INT_BUFF_STATUS (1u << 4u)
#define INT_BUS_RESET (1u << 12u)
#define INT_SETUP (1u << 16u)

#define DPRAM 0x50100000u
#define DPRAM_BYTES 0x1000u
#define SETUP_PACKET DPRAM
#define EP_CONTROL(endpoint, out) (DPRAM + 8u * (endpoint) + 4u * (out))
#define EP_ENABLE (1u << 31u)
#define EP_INTERRUPT (1u << 29u)
#define EP_BULK (2u << 26u)
#define EP_INTERRUPT_TYPE (3u << 26u)
#define BUFFER_CONTROL(endpoint, out) (DPRAM + 0x80u + 8u * (endpoint) + 4u * (out))
#define BUFFER_FULL (1u << 15u)
#define BUFFER_DATA1 (1u << 13u)
#define BUFFER_STALL (1u << 11u)
#define BUFFER_AVAILABLE (1u << 10u)
#define BUFFER_LENGTH 0x3FFu

/* Offsets in the controller's RAM. */
#define EP0_BUFFER 0x100u
#define NOTICE_BUFFER 0x180u
#define IN_BUFFER 0x1C0u
#define OUT_BUFFER 0x200u

/* Gives a buffer to the controller, which runs on another clock: the rest of the word has to be
 * there for a cycle of 48 MHz before the bit that says so. */
static inline void usb_arm(uint32_t control, uint32_t word) {
  EDGECNN_REG(control) = word;
  __asm__ volatile("nop\n\tnop\n\tnop\n\tnop\n\tnop\n\tnop\n\tnop\n\tnop\n\tnop\n\tnop\n\tnop\n\tnop" ::: "memory");
  EDGECNN_REG(control) = word | BUFFER_AVAILABLE;
}

/* By words: the controller's RAM is no place for single bytes. */
static inline void usb_store(uint32_t offset, const uint8_t *bytes, uint32_t size) {
  uint32_t at;
  for (at = 0u; at < size; at += 4u) {
    uint32_t word = 0u, i;
    for (i = 0u; i < 4u && at + i < size; ++i) {
      word |= (uint32_t)bytes[at + i] << (8u * i);
    }
    EDGECNN_REG(DPRAM + offset + at) = word;
  }
}

static inline uint8_t usb_load(uint32_t offset) {
  return (uint8_t)(EDGECNN_REG(DPRAM + (offset & ~3u)) >> (8u * (offset & 3u)));
}

#if 1200000000u % EDGECNN_CRYSTAL_HZ != 0u
#error "USB on an RP2040 or RP2350 needs a crystal that divides 1200 MHz"
#endif

/* 48 MHz: 1200 MHz / 5 / 5 behind the crystal; then the controller's registers can be reached. */
static inline void usb_power_up(void) {
  edgecnn_rp_restart(EDGECNN_RP_RESET_PLL_USB);
  edgecnn_rp_pll(EDGECNN_RP_PLL_USB, 1200000000u / EDGECNN_CRYSTAL_HZ, 5u, 5u);
  EDGECNN_REG(EDGECNN_RP_CLK_USB_CTRL) = 0u;
  EDGECNN_REG(EDGECNN_RP_CLK_USB_CTRL) = 1u << 11u; /* enabled; source 0: PLL_USB */
  edgecnn_rp_restart(EDGECNN_RP_RESET_USB);
}

#endif
