/* SPDX-License-Identifier: Apache-2.0 */
/* First contents of what a model remembers. */
#ifndef EDGECNN_STATE_H
#define EDGECNN_STATE_H

#include "edgecnn_common.h"

/* NOLINTBEGIN(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

EC_INLINE void ec_state_fill(uint8_t *to, uint32_t bytes, uint8_t value) {
    for (uint32_t i = 0; i < bytes; ++i) {
        to[i] = value;
    }
}

EC_INLINE void ec_state_copy(uint8_t *to, const void *from, uint32_t bytes) {
    const uint8_t *source = (const uint8_t *)from;
    for (uint32_t i = 0; i < bytes; ++i) {
        to[i] = source[i];
    }
}

/* NOLINTEND(*-swappable-parameters,*-multiplication-result,*-signed-bitwise) */

#endif
