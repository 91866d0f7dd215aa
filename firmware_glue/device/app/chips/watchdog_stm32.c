/* SPDX-License-Identifier: Apache-2.0 */
/* The independent watchdog of STM32 and the reset flags of its RCC (RM0090, RM0390, RM0432 and
 * RM0433, chapters IWDG and RCC, registers RCC_CSR and, of H7, RCC_RSR). It counts the low-speed
 * oscillator: 32 kHz, of which an F4 may have 17 to 47. */
#include "board_config.h"
#include "chip.h"
#include "kept_cause.h"
#include "nvic.h"

#if defined(EDGECNN_FAMILY_STM32H7)
#define IWDG 0x58004800u
#define RCC_FLAGS 0x580244D0u
#define CLEAR_FLAGS (1u << 16u)
#define PIN_FLAG (1u << 22u)
#define POWER_FLAGS (1u << 21u | 1u << 23u) /* brown-out, power-on */
#define SOFTWARE_FLAG (1u << 24u)
#define IWDG_FLAG (1u << 26u)
#elif defined(EDGECNN_FAMILY_STM32L4)
#define IWDG 0x40003000u
#define RCC_FLAGS 0x40021094u
#define CLEAR_FLAGS (1u << 23u)
#define PIN_FLAG (1u << 26u)
#define POWER_FLAGS (1u << 27u)
#define SOFTWARE_FLAG (1u << 28u)
#define IWDG_FLAG (1u << 29u)
#else
#define IWDG 0x40003000u
#define RCC_FLAGS 0x40023874u
#define CLEAR_FLAGS (1u << 24u)
#define PIN_FLAG (1u << 26u)
#define POWER_FLAGS (1u << 25u | 1u << 27u)
#define SOFTWARE_FLAG (1u << 28u)
#define IWDG_FLAG (1u << 29u)
#endif

#define IWDG_KR (IWDG + 0x00u)
#define KR_RELOAD 0xAAAAu
#define KR_UNLOCK 0x5555u
#define KR_START 0xCCCCu
#define IWDG_PR (IWDG + 0x04u)
#define PR_256 6u
#define IWDG_RLR (IWDG + 0x08u) /* 12 bits */
#define IWDG_SR (IWDG + 0x0Cu)
#define SR_BUSY 7u
#define MS_PER_STEP 8u /* 256 / 32 kHz */

void edgecnn_watchdog_start(uint32_t milliseconds) {
  const uint32_t steps = milliseconds / MS_PER_STEP;
  EDGECNN_REG(IWDG_KR) = KR_START;
  EDGECNN_REG(IWDG_KR) = KR_UNLOCK;
  EDGECNN_REG(IWDG_PR) = PR_256;
  EDGECNN_REG(IWDG_RLR) = steps > 0xFFFu ? 0xFFFu : steps;
  (void)edgecnn_wait_for(IWDG_SR, SR_BUSY, 0u);
  EDGECNN_REG(IWDG_KR) = KR_RELOAD;
}

void edgecnn_watchdog_feed(void) { EDGECNN_REG(IWDG_KR) = KR_RELOAD; }

/* A reset of any kind also pulls the pin, so that its flag counts last. */
edgecnn_reset_cause edgecnn_chip_reset_cause(void) {
  const uint32_t flags = EDGECNN_REG(RCC_FLAGS);
  /* An emulator without this register tells of nothing: then RAM does. */
  const edgecnn_reset_cause kept = edgecnn_kept_cause(EDGECNN_RESET_UNKNOWN);
  EDGECNN_REG(RCC_FLAGS) = flags | CLEAR_FLAGS;
  EDGECNN_REG(RCC_FLAGS) = flags & ~CLEAR_FLAGS;
  if ((flags & IWDG_FLAG) != 0u) {
    return EDGECNN_RESET_WATCHDOG;
  }
  if ((flags & SOFTWARE_FLAG) != 0u) {
    return EDGECNN_RESET_SOFTWARE;
  }
  if ((flags & POWER_FLAGS) != 0u) {
    return EDGECNN_RESET_POWER;
  }
  return (flags & PIN_FLAG) != 0u ? EDGECNN_RESET_PIN : kept;
}

void edgecnn_chip_reset(void) {
  edgecnn_keep_cause(EDGECNN_RESET_SOFTWARE);
  edgecnn_nvic_reset_chip();
}
