/* SPDX-License-Identifier: Apache-2.0 */
/* Clock of Arm's FPGA boards MPS2 and MPS3: the image sets the core's frequency (AN386: 25 MHz,
 * section 4; AN547: 32 MHz, section 4), and SysTick counts it. */
#include "board_config.h"
#include "chip.h"

#define EDGECNN_SYSTICK_HZ EDGECNN_CLOCK_HZ
#define EDGECNN_SYSTICK_CORE 1u
#include "clock_systick.h"

void edgecnn_clock_init(void) { edgecnn_systick_start(); }
