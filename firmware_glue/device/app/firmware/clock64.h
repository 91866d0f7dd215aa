/* SPDX-License-Identifier: Apache-2.0 */
/* The chip's microseconds without their wrap after 71 minutes. */
#ifndef EDGECNN_CLOCK64_H
#define EDGECNN_CLOCK64_H

#include <stdint.h>

/* Has to be called at least once in 71 minutes: the main loop does so in every turn. */
uint64_t edgecnn_time_us(void);

#endif
