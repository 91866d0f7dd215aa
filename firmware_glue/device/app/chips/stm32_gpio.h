/* SPDX-License-Identifier: Apache-2.0 */
/* Pins of STM32 chips with ports that are 0x400 apart: RM0090 section 8 (F4), RM0432 section 8
 * (L4+), RM0433 section 11 (H7). */
#ifndef EDGECNN_STM32_GPIO_H
#define EDGECNN_STM32_GPIO_H

#include "board_config.h"
#include "chip.h"

#if defined(EDGECNN_FAMILY_STM32F4)
#define EDGECNN_GPIO_BASE 0x40020000u
#define EDGECNN_GPIO_ENABLE 0x40023830u /* RCC_AHB1ENR */
#elif defined(EDGECNN_FAMILY_STM32L4)
#define EDGECNN_GPIO_BASE 0x48000000u
#define EDGECNN_GPIO_ENABLE 0x4002104Cu /* RCC_AHB2ENR */
#elif defined(EDGECNN_FAMILY_STM32H7)
#define EDGECNN_GPIO_BASE 0x58020000u
#define EDGECNN_GPIO_ENABLE 0x580244E0u /* RCC_AHB4ENR */
#endif

/* Gives a pin to a peripheral: alternate function, push-pull, and a pull-up for what is idle high. */
static inline void edgecnn_stm32_pin(uint32_t port, uint32_t pin, uint32_t function) {
  const uint32_t base = EDGECNN_GPIO_BASE + 0x400u * port;
  const uint32_t moder = base + 0x00u;
  const uint32_t pupdr = base + 0x0Cu;
  const uint32_t afr = base + 0x20u + 4u * (pin / 8u);
  EDGECNN_REG(EDGECNN_GPIO_ENABLE) |= 1u << port;
  (void)EDGECNN_REG(EDGECNN_GPIO_ENABLE); /* the clock runs two cycles after the write */
  EDGECNN_REG(pupdr) = (EDGECNN_REG(pupdr) & ~(3u << (2u * pin))) | (1u << (2u * pin));
  EDGECNN_REG(afr) = (EDGECNN_REG(afr) & ~(0xFu << (4u * (pin % 8u)))) | (function << (4u * (pin % 8u)));
  EDGECNN_REG(moder) = (EDGECNN_REG(moder) & ~(3u << (2u * pin))) | (2u << (2u * pin));
}

#endif
